/** @file The command that gives the same evaluation again, and its network as the command takes it. */
import { type OptionValue, writeOptions } from "@gradalign/robustness";
import { shellWord } from "../settings/describe.ts";
import { fractionText } from "./fraction.ts";
import type { EvaluationRecord, JudgedModel } from "./record.ts";

/** The command whose record is the same but for times; the folder of the model is not known. */
export function evaluationCommand({ model, data, threat, attack, targets, seed, outcomes }: EvaluationRecord): string {
  const { format, normalization, checkpoint } = model;
  const network = format === "run" ? undefined : networkText(model);
  const flags: readonly (readonly [flag: string, value: string | number | undefined])[] = [
    ["which", checkpoint?.which],
    ["arch", network],
    ["mean", format === "run" ? undefined : normalization?.mean.join()],
    ["std", format === "run" ? undefined : normalization?.std.join()],
    ["dataset", data.name],
    ["norm", threat.norm],
    ["epsilon", fractionText(threat.epsilon)],
    ["attack", attack],
    ["targeted", targets],
    ["n", outcomes.length],
    ["seed", seed],
  ];
  const words = flags.flatMap(([flag, value]) => (value === undefined ? [] : [`--${flag}`, shellWord(String(value))]));
  return ["gradalign eval", shellWord(model.file), ...words].join(" ");
}

/** The network as `--arch` takes it, e.g. `preact-resnet18:width=16`; undefined for a graph. */
export function networkText({ architecture }: JudgedModel): string | undefined {
  if (architecture === null) return undefined;
  const { name, ...options } = architecture;
  return writeOptions(String(name), options as Readonly<Record<string, OptionValue>>);
}
