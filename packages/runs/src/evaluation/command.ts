/** @file The command that gives the same evaluation again. */
import { shellWord } from "../settings/describe.ts";
import type { EvaluationRecord } from "./record.ts";
import { fractionText } from "./summary.ts";

/** The command whose record is the same but for times; the model's folder is not known. */
export function evaluationCommand({ model, data, threat, attack, seed, outcomes }: EvaluationRecord): string {
  const { name, ...options } = model.architecture ?? {};
  const flags: [string, unknown][] = [
    ...(model.format === "run" || name === undefined ? [] : ([["arch", name], ...Object.entries(options)] as [string, unknown][])),
    ...(model.checkpoint ? ([["which", model.checkpoint.which]] as [string, unknown][]) : []),
    ["dataset", data.name],
    ["norm", threat.norm],
    ["attack", attack],
    ["epsilon", fractionText(threat.epsilon)],
    ["n", outcomes.length],
    ["seed", seed],
  ];
  return `gradalign eval ${shellWord(model.file)} ${flags.map(([flag, value]) => `--${flag} ${shellWord(String(value))}`).join(" ")}`;
}
