/** @file The registry of attacks: one line each. */
import { ConfigError } from "@gradalign/tensor";
import type { Attack, AttackOptions } from "./attack.ts";
import { fgsm } from "./fgsm.ts";
import { fgsmRs } from "./fgsm-rs.ts";
import { pgd } from "./pgd.ts";
import { pgdCorner } from "./pgd-corner.ts";
import { randomCorner } from "./random-corner.ts";

/** Every attack by name. */
export const attacks: Readonly<Record<string, Attack>> = { fgsm, "fgsm-rs": fgsmRs, pgd, "pgd-corner": pgdCorner, "random-corner": randomCorner };

/** An attack and the settings its name asks for. */
export interface NamedAttack {
  readonly attack: Attack;
  readonly options: AttackOptions;
}

/**
 * Reads `fgsm`, `fgsm-rs`, `random-corner`, `pgd-STEPS`, `pgd-STEPS-RESTARTS` or `pgd-corner-STEPS`; `none` gives null.
 *
 * @throws ConfigError for any other name.
 */
export function parseAttack(name: string): NamedAttack | null {
  if (name === "none") return null;
  const [, id = name, steps, restarts] = /^(.+?)-([1-9]\d*)(?:-([1-9]\d*))?$/.exec(name) ?? [];
  const attack = Object.hasOwn(attacks, id) ? attacks[id] : undefined;
  const counted = id === "pgd" || id === "pgd-corner";
  if (!attack || (steps !== undefined && !counted)) {
    throw new ConfigError(
      `attack: name (="${name}") must be none, fgsm, fgsm-rs, random-corner, pgd-STEPS, pgd-STEPS-RESTARTS or pgd-corner-STEPS; the paper's is pgd-50-10`,
    );
  }
  const { defaults } = attack;
  return { attack, options: { ...defaults, steps: Number(steps ?? defaults.steps), restarts: Number(restarts ?? defaults.restarts) } };
}
