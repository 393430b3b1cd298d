/** @file The registry of attacks: one line each. */
import { ConfigError } from "@gradalign/tensor";
import { apgdCe, apgdDlr, apgdT } from "./apgd.ts";
import type { Attack, AttackOptions, Selection } from "./attack.ts";
import { fab, fabT } from "./fab.ts";
import { fgsm } from "./fgsm.ts";
import { fgsmRs } from "./fgsm-rs.ts";
import { fmn } from "./fmn.ts";
import { pgd } from "./pgd.ts";
import { pgdCorner } from "./pgd-corner.ts";
import { randomCorner } from "./random-corner.ts";
import { square } from "./square.ts";

/** Every attack by name. */
export const attacks: Readonly<Record<string, Attack>> = {
  fgsm,
  "fgsm-rs": fgsmRs,
  pgd,
  "pgd-corner": pgdCorner,
  "random-corner": randomCorner,
  "apgd-ce": apgdCe,
  "apgd-dlr": apgdDlr,
  "apgd-t": apgdT,
  fab,
  "fab-t": fabT,
  fmn,
  square,
};

/** AutoAttack's versions (Croce & Hein 2020), with the order and the budgets of the authors' code; defaults where nothing is said. */
const ENSEMBLES: Readonly<Record<string, readonly (readonly [attack: string, options: AttackOptions])[]>> = {
  autoattack: [
    ["apgd-ce", {}],
    ["apgd-t", {}],
    ["fab-t", {}],
    ["square", {}],
  ],
  "autoattack-plus": [
    ["apgd-ce", { restarts: 5 }],
    ["apgd-dlr", { restarts: 5 }],
    ["fab", { restarts: 5 }],
    ["square", {}],
    ["apgd-t", {}],
    ["fab-t", {}],
  ],
  "autoattack-rand": [
    ["apgd-ce", { eot: 20 }],
    ["apgd-dlr", { eot: 20 }],
  ],
};

/** An attack and the settings its name asks for. */
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

/** The names {@link parseAttack} and {@link attackPlan} read, for messages and help. */
export const ATTACK_NAMES: string = [
  "none",
  ...Object.entries(attacks).map(([id, { numbers = [] }]) =>
    numbers.length > 0 ? `${id}-${numbers.join("[-").toUpperCase()}${"]".repeat(numbers.length - 1)}` : id,
  ),
  ...Object.keys(ENSEMBLES),
].join(", ");

/**
 * Reads the name of one attack, like `fgsm`, `pgd-10`, `pgd-50-10` (50 steps, 10 restarts) or `apgd-ce`; `none` gives null.
 *
 * @throws ConfigError for any other name.
 */
export function parseAttack(name: string): NamedAttack | null {
  if (name === "none") return null;
  const [, stem = name, ...given] = Object.hasOwn(attacks, name) ? [] : (/^(.+?)-([1-9]\d*)(?:-([1-9]\d*))?$/.exec(name) ?? []);
  const attack = Object.hasOwn(attacks, stem) ? attacks[stem] : undefined;
  const values = given.filter((value) => value !== undefined).map(Number);
  const { numbers = [] } = attack ?? {};
  if (!attack || values.length > numbers.length || (numbers.length > 0 && values.length === 0)) {
    throw new ConfigError(`attack: name (="${name}") must be one of ${ATTACK_NAMES}; the paper's is pgd-50-10`);
  }
  return { attack, options: { ...attack.defaults, ...Object.fromEntries(values.map((value, i) => [numbers[i], value])) } };
}

/**
 * Reads the name of an attack, of an ensemble, or of several attacks joined by plus signs, e.g. `apgd-ce+square`; `none` gives null.
 *
 * @throws ConfigError for any other name.
 */
export function attackPlan(name: string): AttackPlan | null {
  const ensemble = Object.hasOwn(ENSEMBLES, name) ? ENSEMBLES[name] : undefined;
  const parts: readonly (readonly [attack: string, options: AttackOptions])[] = ensemble ?? name.split("+").map((part) => [part, {}] as const);
  const planned = parts.flatMap(([part, options]) => {
    const found = parseAttack(part);
    return found ? [{ attack: found.attack, options: { ...found.options, ...options } }] : [];
  });
  const [first] = planned;
  if (!first) return null;
  return { name, attacks: planned, selection: planned.length === 1 ? (first.attack.selection ?? "success") : "success" };
}
