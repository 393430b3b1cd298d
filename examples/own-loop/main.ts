/** @file A training loop of one's own in TypeScript: a compiled step with GradAlign's regulariser. Node 24 runs it as it is. */
import { add, createDevice, evaluate, grad, jit, mul, randomKey, type Tensor, tensor, type Value, valueAndGrad } from "@gradalign/tensor";
import { adam, cnn, crossEntropy, gradAlignPenalty, linf, type Params } from "gradalign";

const epsilon = 8 / 255;
const device = await createDevice();
const model = cnn({ filters: 4, classes: 2, shape: [1, 8, 8] });
const optimizer = adam();

// The first half of the images is lighter on the left, the second on the right.
const count = 32;
const labels: Tensor = tensor(Int32Array.from({ length: count }, (_, i) => (2 * i < count ? 0 : 1)));
const pixel = (i: number): number => 0.5 + (i % 8 < 4 === 2 * Math.floor(i / 64) < count ? 0.1 : -0.1) + 0.05 * Math.sin(i);
const images: Tensor = tensor(
  Float32Array.from({ length: count * 64 }, (_, i) => pixel(i)),
  [count, 1, 8, 8],
);

const step = jit(
  (params: Params, moments: ReturnType<typeof optimizer.init>, x: Value, y: Value, key: Value) => {
    const objective = (p: Params): Value => {
      const loss = (point: Value): Value => crossEntropy(model.apply(p, {}, point, { train: true }).logits, y);
      const inputGradient = grad(loss);
      const g1 = inputGradient(x);
      const g2 = inputGradient(add(x, linf.randomStart(key, x.shape, epsilon)));
      return add(loss(add(x, mul(linf.steepest(g1), epsilon))), gradAlignPenalty(g1, g2, 0.2));
    };
    const [loss, gradients] = valueAndGrad(objective)(params);
    const [updated, next] = optimizer.update(params, gradients, moments, 0.01);
    return { params: updated, moments: next, loss };
  },
  { device, donate: [0, 1] },
);

// Fresh parameters, and whatever else is not computed yet, get their elements from `evaluate`.
let { params } = evaluate(model.init(randomKey(0)), device);
let moments = evaluate(optimizer.init(params), device);
for (let i = 0; i < 40; i++) {
  const result = step(params, moments, images, labels, Int32Array.of(i, 0));
  ({ params, moments } = result);
  if (i % 13 === 0) console.log(`step ${i}: loss ${result.loss.item().toFixed(3)}`);
  result.loss.dispose();
}
device.close();
