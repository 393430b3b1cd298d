/** @file The registry of attacks: one line each. */
import { ConfigError } from "@gradalign/tensor";
import { fgsm } from "./fgsm.ts";
import { fgsmRs } from "./fgsm-rs.ts";
import { pgd } from "./pgd.ts";
import { pgdCorner } from "./pgd-corner.ts";
import type { AscentAttack, AscentOptions } from "./projected-gradient.ts";
import { randomCorner } from "./random-corner.ts";

/** Every attack by name. */
export const attacks: Readonly<Record<string, AscentAttack>> = { fgsm, "fgsm-rs": fgsmRs, pgd, "pgd-corner": pgdCorner, "random-corner": randomCorner };

/** An attack and the settings its name asks for. */
export interface NamedAttack {
  readonly attack: AscentAttack;
  readonly options: AscentOptions;
}

/** Attacks of several steps carry their number in the name, and may carry restarts. */
const isCounted = ({ defaults }: AscentAttack): boolean => defaults.steps > 1;

/** The names {@link parseAttack} reads, for messages and help. */
export const ATTACK_NAMES: string = ["none", ...Object.entries(attacks).map(([id, attack]) => (isCounted(attack) ? `${id}-STEPS[-RESTARTS]` : id))].join(", ");

/**
 * Reads a name like `fgsm`, `pgd-10` or `pgd-50-10` (50 steps, 10 restarts); `none` gives null.
 *
 * @throws ConfigError for any other name.
 */
export function parseAttack(name: string): NamedAttack | null {
  if (name === "none") return null;
  const [, id = name, steps, restarts] = /^(.+?)-([1-9]\d*)(?:-([1-9]\d*))?$/.exec(name) ?? [];
  const attack = Object.hasOwn(attacks, id) ? attacks[id] : undefined;
  if (!attack || isCounted(attack) !== (steps !== undefined)) {
    throw new ConfigError(`attack: name (="${name}") must be one of ${ATTACK_NAMES}; the paper's is pgd-50-10`);
  }
  const { defaults } = attack;
  return { attack, options: { ...defaults, steps: Number(steps ?? defaults.steps), restarts: Number(restarts ?? defaults.restarts) } };
}
