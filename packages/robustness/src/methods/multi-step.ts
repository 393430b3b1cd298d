/** @file What TRADES and MART have in common: an attack in eval mode that starts beside the image. */
import { add, mul, normal, stopGradient, type Value, zeros } from "@gradalign/tensor";
import { ascend } from "../attacks/projected-gradient.ts";
import { choice } from "../options/option.ts";
import { linf } from "../threat/linf.ts";
import { stepSize, steps, warmupEpochs } from "./common-options.ts";
import type { MethodContext } from "./method.ts";

/** Standard deviation of the start, in pixel units. */
const BESIDE = 0.001;

/** Options of {@link attackedInEvalMode}: ten steps of 2/255 at 8/255. */
export function evalAttackOptions() {
  return {
    steps: steps(10),
    stepSize: stepSize(0.25),
    start: choice(["gaussian", "random", "zero"], { default: "gaussian", help: "where the attack starts: beside the image, anywhere in the ball, or at it" }),
    warmupEpochs: warmupEpochs("ball"),
  };
}

/** The perturbation, a constant, that `steps` steps make a loss of the point rise by; a warm-up ramps the ball. */
export function attackedInEvalMode(
  { network, x, epsilon, ramp, key, options }: MethodContext<ReturnType<typeof evalAttackOptions>>,
  loss: (point: Value) => Value,
): Value {
  const site = { x, threat: linf, epsilon: mul(epsilon, ramp) };
  const starts = {
    gaussian: () => mul(normal(key, x.shape), BESIDE),
    random: () => linf.randomStart(key, x.shape, site.epsilon),
    zero: () => zeros(x.shape),
  };
  let delta = starts[options.start]();
  for (let i = 0; i < options.steps; i++) delta = stopGradient(ascend(site, delta, network.gradientOf(loss, add(x, delta)), options.stepSize));
  return delta;
}
