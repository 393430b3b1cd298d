/** @file ResNet-34 and ResNet-50 with torchvision's stem and names against PyTorch: logits, statistics and all gradients, at 64 pixels. */
import { randomKey, type Value, valueAndGrad } from "@gradalign/tensor";
import { expect, test } from "vitest";
import { resnet } from "../src/models/resnet.ts";
import { crossEntropy } from "../src/nn/cross-entropy.ts";
import { describeOracle, Fixture, flatten, shapes, stored, type Values } from "./support/fixtures.ts";

// Programs of up to a thousand kernels: on a software GPU one would take half a minute, and no kernel is unlike the PreAct ResNet's.
const WITHOUT_WEBGPU = ["reference", "wasm"] as const;

for (const depth of [34, 50] as const) {
  const fixture = await Fixture.read(new URL(`./fixtures/resnet${depth}.safetensors`, import.meta.url));
  const model = resnet(depth, { width: 2, stem: "imagenet", shape: [3, 64, 64] });
  const params: Values = fixture.tensors("params/");
  const state: Values = fixture.tensors("state/");
  const [x, labels] = fixture.inputs("", "x", "labels");

  test(`ResNet-${depth} has torchvision's parameters and statistics`, () => {
    const initial = model.init(randomKey(0));
    expect(shapes(initial.params)).toEqual(shapes(params));
    expect(shapes(initial.state)).toEqual(shapes(state));
  });

  describeOracle(
    `ResNet-${depth}`,
    (oracle) => {
      test("logits, moved statistics, and the gradients of parameters and images", async () => {
        const pass = (params: Values, state: Values, x: Value): Values => {
          const objective = (at: { params: Values; x: Value }): [Value, Values] => {
            const { logits, state: moved } = model.apply(at.params, state, at.x, { train: true });
            return [crossEntropy(logits, labels), flatten({ logits, state: moved })];
          };
          const [[loss, results], gradients] = valueAndGrad(objective)({ params, x });
          return { loss, ...results, ...flatten({ gradient: gradients.params, input_gradient: gradients.x }) };
        };
        await oracle.check(pass, [params, state, x], stored(fixture, "train/", "logits", "loss", "state/", "gradient/", "input_gradient"));
      });
    },
    WITHOUT_WEBGPU,
  );
}
