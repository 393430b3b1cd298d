/** @file What an attack costs, before it is run. */
import { type Device, tensor, type Value, zeros } from "@gradalign/tensor";
import type { NamedAttack } from "../attacks/plan.ts";
import type { Victim } from "../attacks/victim.ts";
import type { Threat } from "../threat/threat.ts";
import { traceOracle } from "./oracle.ts";

/** Forward passes over an image that one run of an attack takes, a backward pass counted as two: its step is traced, which computes nothing. */
export function runCost(victim: Victim, device: Device, { attack, options }: NamedAttack, threat: Threat): number {
  const x = zeros([1, ...victim.shape]);
  const labels = zeros([1], "int32");
  const keys = zeros([1, 2], "int32");
  const { oracle, passes } = traceOracle({ classifier: victim, device, tensors: victim.tensors, x, labels, keys });
  const moment = { run: 0, iteration: 0, epsilon: 0, threat, shape: victim.shape };
  const schedule = Object.fromEntries(Object.entries(attack.schedule?.(options, moment) ?? {}).map(([name, value]): [string, Value] => [name, tensor(value)]));
  const site = { victim: oracle, x, labels, target: labels, threat, epsilon: tensor(0), keys, iteration: zeros([], "int32"), schedule };
  const state = attack.init(site, options);
  const before = { ...passes };
  attack.step(site, state, options);
  return attack.steps(options) * (passes.forward - before.forward + 2 * (passes.backward - before.backward));
}
