/** @file A record as an entry of RobustBench's model_info: its fields, percentages as text. What a record does not know is left empty, to be filled in. */
import { ConfigError } from "@gradalign/tensor";
import { fractionText } from "./fraction.ts";
import type { EvaluationRecord } from "./record.ts";

/** An entry, with RobustBench's names. */
export interface RobustBenchEntry {
  readonly link: string;
  readonly name: string;
  readonly authors: string;
  readonly additional_data: boolean;
  readonly number_forward_passes: number;
  readonly dataset: string;
  readonly venue: string;
  readonly architecture: string;
  /** As a fraction, e.g. `8/255`. */
  readonly eps: string;
  readonly clean_acc: string;
  readonly reported: string;
  readonly autoattack_acc: string;
  /** Whether a warning says that the attacks may have failed; which, stands in the footnote. */
  readonly unreliable: boolean;
  /** The number of images, the interval, and the warnings. */
  readonly footnote: string;
}

/** Warnings that say nothing against the attacks: an interval is wide because there are few images. */
const ABOUT_THE_ESTIMATE: readonly string[] = ["wide-interval"];

/**
 * The entry of an evaluation by AutoAttack.
 *
 * @throws ConfigError for one by other attacks, whose number has no place there.
 */
export function robustBenchEntry(record: EvaluationRecord): RobustBenchEntry {
  const { model, data, threat, attack, cleanAccuracy, robustAccuracy, confidence95, warnings } = record;
  if (attack !== "autoattack")
    throw new ConfigError(`RobustBench's entries are evaluations by autoattack, this one is by ${attack}; evaluate with --attack autoattack`);
  const percentage = (share: number): string => (100 * share).toFixed(2);
  const { name, ...options } = model.architecture ?? { name: "ONNX" };
  const given = Object.entries(options).map(([key, value]) => `${key} ${String(value)}`);
  return {
    ...{ link: "", name: model.file.replace(/\.\w+$/, ""), authors: "", additional_data: false, number_forward_passes: 1, dataset: data.name, venue: "" },
    architecture: given.length > 0 ? `${String(name)} (${given.join(", ")})` : String(name),
    eps: fractionText(threat.epsilon),
    clean_acc: percentage(cleanAccuracy),
    ...{ reported: "", autoattack_acc: percentage(robustAccuracy), unreliable: warnings.some(({ id }) => !ABOUT_THE_ESTIMATE.includes(id)) },
    footnote: [
      `${data.count} test images, robust accuracy ${confidence95.map(percentage).join(" to ")} (95 %).`,
      ...warnings.map(({ id, seen }) => `${id}: ${seen}`),
    ].join(" "),
  };
}
