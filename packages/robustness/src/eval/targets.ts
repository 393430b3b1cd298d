/** @file Classes that images are to be taken for, where not every wrong answer will do: which they are, and which attacks can aim at them. */
import { ConfigError, DataError } from "@gradalign/tensor";
import { attacks } from "../attacks/index.ts";
import { type AttackPlan, nameForm } from "../attacks/plan.ts";

/**
 * A class for each image: the one after its label (of the last class: the first), the least likely by the clean logits, or one for all (of images
 * of that class the one after it).
 */
export type TargetRule = "next" | "least-likely" | number;

/** A rule, or a list, one class per image. */
export type Targets = TargetRule | ArrayLike<number>;

/**
 * Refuses attacks that do not aim at a class, and a choice that is not by success.
 *
 * @throws ConfigError
 */
export function checkAims({ attacks: planned, selection }: Pick<AttackPlan, "attacks" | "selection">): void {
  const other = planned.find(({ attack }) => !attack.targeted);
  if (other || planned.length === 0) {
    const able = Object.values(attacks).filter(({ targeted }) => targeted);
    throw new ConfigError(`attack: targets need attacks that aim at a class, got ${other?.attack.id ?? "none"}; use ${able.map(nameForm).join(", ")}`);
  }
  if (selection !== "success") throw new ConfigError(`attack: selection (="${selection}") must be success where there are targets; leave it out`);
}

/**
 * Each image's class.
 *
 * @throws ConfigError, or for a list DataError, where a class is none of the classifier's, or an image's own.
 */
export function targetsOf(asked: Targets, labels: readonly number[], answers: readonly { readonly logits: Float32Array }[], classes: number): number[] {
  if (typeof asked === "object" && asked.length !== labels.length) {
    throw new DataError(`attack: targets must be ${labels.length} classes, one per image, got ${asked.length}`);
  }
  return labels.map((label, i) => {
    const next = (label + 1) % classes;
    if (asked === "next") return next;
    if (asked === "least-likely") return rankedClasses(answers[i]?.logits as Float32Array, label).at(-1) ?? label;
    const target = typeof asked === "number" ? asked : (asked[i] as number);
    const own = target === label;
    if (!Number.isInteger(target) || target < 0 || target >= classes || (own && typeof asked !== "number")) {
      const which = typeof asked === "number" ? "targets" : `targets[${i}]`;
      throw new (typeof asked === "number" ? ConfigError : DataError)(
        `attack: ${which} (=${target}) must be an integer from 0 to ${classes - 1}, a class of the victim${own ? " that is not the image's own" : ""}`,
      );
    }
    return own ? next : target;
  });
}

/** All classes but the label, the most likely first; of equals the first. */
export function rankedClasses(logits: Float32Array, label: number): number[] {
  const others = [...logits.keys()].filter((k) => k !== label);
  return others.sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b);
}
