/** @file A classifier inside a trace: logits and gradients for an attack's step, every pass counted. */
import { abs, add, and, convert, type Device, div, eq, foldIn, full, grad, le, mul, not, sum, type Value, vjp, zeros } from "@gradalign/tensor";
import type { Oracle } from "../attacks/attack.ts";
import type { Classifier, VictimTensors } from "../attacks/victim.ts";
import { ascentLossPerExample, isCorrect } from "../nn/cross-entropy.ts";
import { LARGEST, toFinite } from "../nn/finite.ts";

/** Passes over an image: forward, and backward through the network. */
export interface Passes {
  readonly forward: number;
  readonly backward: number;
}

/** Gradients that say nothing, at points that are answered rightly: how many of each image's, float32 [N]. */
export type Blind = {
  /** All pixels' are zero. */
  readonly zero: Value;
  /** Some are NaN or infinite. */
  readonly notFinite: Value;
};

/** Where contractions multiply in float16, gradients pass through the network times this. */
const HALF_SCALE = 1024;

/** What a traced classifier is bound to. */
export interface OracleContext {
  readonly classifier: Classifier;
  readonly device: Pick<Device, "precision">;
  readonly tensors: VictimTensors;
  readonly x: Value;
  readonly labels: Value;
  /** int32 [N]: the class each image has to be taken for, where not every wrong one will do. */
  readonly goal?: Value | undefined;
  /** int32 [N, 2]; every pass draws from keys of its own. */
  readonly keys: Value;
}

/** Each example's gradient, with respect to its image, of its cross-entropy, or, where that vanishes, of a loss that rises in the same direction. */
export function ascentGradient(logits: (x: Value) => Value, x: Value, labels: Value, device: Pick<Device, "precision">): Value {
  const loss = (at: Value): Value => sum(ascentLossPerExample(logits(at), labels));
  return device.precision === "float16" ? div(grad((at: Value) => mul(loss(at), HALF_SCALE))(x), HALF_SCALE) : grad(loss)(x);
}

/**
 * The classifier as an attack sees it, the passes it has made so far, and which of its gradients were blind. Those an attack gets are finite: one
 * that overflowed still says where to go.
 */
export function traceOracle(context: OracleContext): { readonly oracle: Oracle; readonly passes: Passes; blind(): Blind } {
  const { classifier, device, tensors, x, labels, goal, keys } = context;
  const passes = { forward: 0, backward: 0 };
  const none = zeros(labels.shape);
  const fooled = (answer: Value): Value => (goal ? isCorrect(answer, goal) : not(isCorrect(answer, labels)));
  let blind: Blind = { zero: none, notFinite: none };
  /** Looks at all gradients of one call together: several losses' are blind if none of them says where to go. */
  const look = (answer: Value, found: readonly Value[]): readonly Value[] => {
    const right = not(fooled(answer));
    const size = found.map((gradient) => sum(abs(gradient), [1, 2, 3])).reduce((a, b) => add(a, b));
    const more = (before: Value, seen: Value): Value => add(before, convert(and(right, seen), "float32"));
    blind = { zero: more(blind.zero, eq(size, 0)), notFinite: more(blind.notFinite, not(le(size, LARGEST))) };
    return found.map(toFinite);
  };
  // A power of two: scaling changes no bit of what does not underflow.
  const scale = device.precision === "float16" ? HALF_SCALE : 1;
  const logits = (point: Value): Value => classifier.logits(tensors, point, foldIn(keys, passes.forward++));
  const gradients: Oracle["gradients"] = (point, losses) => {
    let answer: Value | undefined;
    const [values, pullback] = vjp((at: Value) => {
      answer = logits(at);
      return losses(answer);
    }, point);
    const cotangent = (chosen: number): Value[] => values.map(({ shape }, i) => (i === chosen ? full(shape, scale) : zeros(shape)));
    passes.backward += values.length;
    const found = values.map((_, i) => mul(pullback(cotangent(i))[0], 1 / scale));
    return { logits: answer as Value, losses: values, gradients: look(answer as Value, found) };
  };
  return {
    passes,
    blind: () => blind,
    oracle: {
      // Values are lazy: this computes nothing.
      classes: classifier.logits(tensors, x, keys).shape[1] as number,
      logits,
      fooled,
      ascent(point) {
        passes.backward++;
        let answer: Value | undefined;
        const answered = (at: Value): Value => {
          answer = logits(at);
          return answer;
        };
        const gradient = ascentGradient(answered, point, labels, device);
        return look(answer as Value, [gradient])[0] as Value;
      },
      gradients,
      gradient(point, loss) {
        const { logits: answer, losses, gradients: found } = gradients(point, (at) => [loss(at)]);
        return { logits: answer, losses: losses[0] as Value, gradient: found[0] as Value };
      },
    },
  };
}
