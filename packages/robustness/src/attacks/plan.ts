/**
 * @file Attacks by name: `apgd-ce`, `pgd-50-10`, `apgd-t:targets=5,order=malt`, several joined by plus signs, and AutoAttack's versions, which
 * are such names too.
 */
import { ConfigError } from "@gradalign/tensor";
import { closestName } from "../options/closest-name.ts";
import { readOptions, readWritten } from "../options/written.ts";
import { linf } from "../threat/linf.ts";
import type { Threat } from "../threat/threat.ts";
import type { Attack, AttackOptions, Selection } from "./attack.ts";
import { attacks } from "./index.ts";
import { attackOptions } from "./options.ts";

/** AutoAttack's versions (Croce & Hein 2020) by norm, with the order and the budgets of the authors' code; defaults where nothing is said. */
export const ensembles: Readonly<Record<string, (norm: string) => string>> = {
  autoattack: (norm) => (norm === "l1" ? "apgd-ce:restarts=5,radii=shrinking+apgd-t:targets=5,radii=shrinking+fab-t+square" : "apgd-ce+apgd-t+fab-t+square"),
  "autoattack-plus": () => "apgd-ce:restarts=5+apgd-dlr:restarts=5+fab:restarts=5+square+apgd-t+fab-t",
  "autoattack-rand": () => "apgd-ce:eot=20+apgd-dlr:eot=20",
};

/** An attack and all of its options. */
export interface NamedAttack {
  readonly attack: Attack;
  readonly options: AttackOptions;
}

/** Attacks in order, each on the images that those before it left. */
export interface AttackPlan {
  readonly name: string;
  readonly attacks: readonly NamedAttack[];
  /** How runs are chosen between; several attacks go by success. */
  readonly selection: Selection;
}

/** What can be asked for: a name, or names and attacks of one's own in order. */
export type AskedAttacks = string | readonly (string | (Pick<NamedAttack, "attack"> & Partial<NamedAttack>))[];

/** The names {@link attackPlan} reads, for messages and help. */
export const ATTACK_NAMES: string = ["none", ...Object.values(attacks).map(nameForm), ...Object.keys(ensembles)].join(", ");

/** An attack's name with the numbers that belong to it, e.g. `pgd-steps[-restarts]`. */
export function nameForm({ id, numbers = [] }: Pick<Attack, "id" | "numbers">): string {
  return numbers.length > 0 ? `${id}-${numbers.join("[-")}${"]".repeat(numbers.length - 1)}` : id;
}

/**
 * Reads the name of one attack, like `fgsm`, `pgd-10`, `pgd-50-10` (50 steps, 10 restarts) or `apgd-t:targets=5`; `none` gives null.
 *
 * @throws ConfigError for any other name, and for options that the attack does not have.
 */
export function parseAttack(name: string): NamedAttack | null {
  if (name === "none") return null;
  const { name: called, texts } = readWritten("attack", name);
  const [, stem = called, ...numbered] = Object.hasOwn(attacks, called) ? [] : (/^(.+?)-([1-9]\d*)(?:-([1-9]\d*))?$/.exec(called) ?? []);
  const attack = Object.hasOwn(attacks, stem) ? attacks[stem] : undefined;
  const { numbers = [] } = attack ?? {};
  const values = Object.fromEntries(numbered.flatMap((value, i) => (value === undefined ? [] : [[numbers[i] ?? "", Number(value)]])));
  if (!attack || Object.hasOwn(values, "")) throw unknownName(called);
  const given = readOptions(`attack: ${stem}`, stem, attack.options, texts);
  const twice = Object.keys(values).find((key) => Object.hasOwn(given, key));
  if (twice !== undefined) throw new ConfigError(`attack: ${stem}: ${twice} (=${given[twice]}) must be given once, got ${values[twice]} in the name ${called}`);
  const [first] = numbers;
  if (first !== undefined && { ...values, ...given }[first] === undefined) {
    throw new ConfigError(`attack: name (="${name}") must say how many ${first}; write e.g. ${stem}-50 or ${stem}-50-10`);
  }
  return { attack, options: attackOptions(attack, { ...values, ...given }) };
}

function unknownName(name: string): ConfigError {
  const stem = name.replace(/(-\d+)+$/, "");
  if (stem !== name && attacks[stem]?.numbers) {
    return new ConfigError(`attack: name (="${name}") must have at most ${attacks[stem].numbers.length} numbers, each from 1; write e.g. ${stem}-50`);
  }
  const close = closestName(name, [...Object.keys(attacks), ...Object.keys(ensembles), "none"]);
  return new ConfigError(
    `attack: name (="${name}") must be one of ${ATTACK_NAMES}; ${close === undefined ? "the paper's is pgd-50-10" : `did you mean ${close}?`}`,
  );
}

/**
 * The attacks that are asked for: by a name, as {@link parseAttack} reads it, an ensemble's, or several joined by plus signs, e.g.
 * `apgd-ce+square`; or by a list of such names and of attacks of one's own, whose options may be given in part. `none` gives null.
 *
 * @param threat the threat model, on which the budgets of ensembles depend; l-infinity unless given.
 * @throws ConfigError for any other name, and for options that an attack does not have.
 */
export function attackPlan(asked: AskedAttacks, threat: Pick<Threat, "name"> = linf): AttackPlan | null {
  if (typeof asked !== "string") {
    const parts = asked.map((part): AttackPlan | null => (typeof part === "string" ? attackPlan(part, threat) : ownPlan(part)));
    return joined(parts.flatMap((part) => part ?? []));
  }
  const planned = asked
    .split("+")
    .flatMap((part) => (Object.hasOwn(ensembles, part) ? (ensembles[part]?.(threat.name) ?? part).split("+") : [part]))
    .flatMap((part) => parseAttack(part) ?? []);
  return joined([{ name: asked, attacks: planned, selection: "success" }]);
}

function ownPlan({ attack, options }: Pick<NamedAttack, "attack"> & Partial<NamedAttack>): AttackPlan {
  return { name: attack.id, attacks: [{ attack, options: attackOptions(attack, options) }], selection: "success" };
}

function joined(parts: readonly AttackPlan[]): AttackPlan | null {
  const planned = parts.flatMap((part) => part.attacks);
  const [first] = planned;
  if (!first) return null;
  return {
    name: parts.map(({ name }) => name).join("+"),
    attacks: planned,
    selection: planned.length === 1 ? (first.attack.selection ?? "success") : "success",
  };
}
