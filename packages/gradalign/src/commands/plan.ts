/** @file `gradalign plan`: the runs of a sweep or of experiments, as a file that is never changed. */
import { SCALES, type Scale } from "@gradalign/experiments";
import { writePlan } from "@gradalign/runs/node";
import { ConfigError } from "@gradalign/tensor";
import { type Command, Option } from "commander";
import { chosenExperiments } from "../reproduce/chosen.ts";
import { planOfExperiments, planOfSweep } from "../reproduce/make-plan.ts";
import { type Context, print } from "../terminal/context.ts";

/** What a sweep's file looks like, for help texts. */
export const SWEEP_EXAMPLE = `A sweep is a settings file in which any value may be a list, e.g.
  model: cnn
  epochs: 30
  method: [fgsm, fgsm-rs]
  epsilon: [8, 16]
  seed: [0, 1, 2]
  exclude:
    - {method: fgsm-rs, epsilon: 8}
  include:
    - {method: fgsm-gradalign, lambda: [0.1, 0.2]}
Lists make the grid; "exclude" leaves out the combinations that fit an entry; an entry of "include" is a further grid, with its values in
place of the file's.`;

const HELP = `
${SWEEP_EXAMPLE}

Every run's settings are checked before the plan is written. A plan holds settings only, and is never changed: the same file gives the same
plan. Hand it over with "gradalign submit".

Examples:
  gradalign plan sweep.yaml --out plan.json
  gradalign plan --reproduce fig1 --scale laptop --out plan.json
  gradalign plan --reproduce fig1,fig8 --scale paper --out plan.json`;

interface PlanFlags {
  readonly out: string;
  readonly reproduce?: string;
  readonly scale?: Scale;
}

/** Adds the command to the program. */
export function registerPlan(program: Command, context: Context): void {
  program
    .command("plan")
    .description("write the runs of a sweep or of the paper's experiments as a plan")
    .argument("[sweep]", "YAML file of settings, some of them lists")
    .requiredOption("--out <file>", "the plan to write")
    .option("--reproduce <name,…>", "plan these experiments' trainings instead, named as by gradalign reproduce --list")
    .addOption(new Option("--scale <scale>", "with --reproduce: how large; each experiment's own unless set").choices([...SCALES]))
    .addHelpText("after", HELP)
    .action(async (sweep: string | undefined, { out, reproduce, scale }: PlanFlags) => {
      if ((sweep === undefined) === (reproduce === undefined)) throw new ConfigError("plan: give either a sweep's file or --reproduce; name one of them");
      if (sweep !== undefined && scale !== undefined) throw new ConfigError(`--scale (="${scale}") goes with --reproduce; leave it out`);
      const plan =
        sweep === undefined
          ? planOfExperiments(chosenExperiments((reproduce ?? "").split(","), scale), scale ?? null)
          : await planOfSweep(sweep, context.streams.stderr);
      writePlan(out, plan);
      print(context, `${out}: plan ${plan.id} of ${plan.runs.length} run${plan.runs.length === 1 ? "" : "s"}`);
    });
}
