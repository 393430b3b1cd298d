/**
 * @file Which classes are near, by the linearised classifier: margin over the gradient's size (Melamed, Yehudai, Shamir 2024, "MALT
 * powers up adversarial attacks"). The size is in the dual norm, so that this is the distance to the boundary in the threat's own.
 */
import { add, type Device, div, jit, neg, type Tensor, type Value } from "@gradalign/tensor";
import type { Victim, VictimTensors } from "../attacks/victim.ts";
import { targetMarginPerExample } from "../nn/margins.ts";
import { dualNorm } from "../threat/dual-norm.ts";
import type { Threat } from "../threat/threat.ts";
import { traceOracle } from "./oracle.ts";

/** The likeliest classes are looked at, as each takes two passes. */
const CANDIDATES = 100;

/** A batch in memory, and its images' classes by their logits, the likeliest first. */
export interface RankedBatch {
  readonly x: Tensor;
  readonly labels: Tensor;
  readonly keys: Tensor;
  readonly ranked: readonly (readonly number[])[];
  /** A class for each image, as the batch's rows. */
  rows(classes: readonly number[]): Tensor;
}

/** Orders classes by their distance; a forward and a backward pass for each class that is looked at, of which `onPass` is told. */
export function nearestClasses(victim: Victim, device: Device, threat: Threat) {
  const distance = jit(
    (tensors: VictimTensors, x: Value, labels: Value, target: Value, keys: Value): Value => {
      const { oracle } = traceOracle({ classifier: victim, device, tensors, x, labels, keys });
      const { losses, gradient } = oracle.gradient(x, (logits) => targetMarginPerExample(logits, labels, target));
      return div(neg(losses), add(dualNorm(threat, gradient), 1e-12));
    },
    { device, batchInvariant: true },
  );
  return {
    async of({ x, labels, keys, ranked, rows }: RankedBatch, onPass: () => Promise<void> | void): Promise<number[][]> {
      const looked = Math.min(CANDIDATES, ranked[0]?.length ?? 0);
      const far = ranked.map(() => new Map<number, number>());
      for (let rank = 0; rank < looked; rank++) {
        const classes = ranked.map((own) => own[rank] as number);
        const target = rows(classes);
        const result = distance(victim.tensors, x, labels, target, keys);
        const data = await result.read();
        for (const value of [target, result]) value.dispose();
        for (const [i, own] of far.entries()) own.set(classes[i] as number, data[i] as number);
        await onPass();
      }
      // What is not a number is farthest; of equals the likelier is first.
      const size = (own: ReadonlyMap<number, number>, k: number): number => {
        const value = own.get(k) ?? Number.NaN;
        return Number.isNaN(value) ? Number.POSITIVE_INFINITY : value;
      };
      return ranked.map((own, i) => {
        const known = far[i] as Map<number, number>;
        return own.slice(0, looked).sort((a, b) => (size(known, a) === size(known, b) ? 0 : size(known, a) - size(known, b)));
      });
    },
    dispose: () => distance.dispose(),
  };
}
