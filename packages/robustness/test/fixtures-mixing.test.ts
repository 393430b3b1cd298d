/** @file Mixup and CutMix against torchvision's transforms, and the cross-entropy of mixed labels against PyTorch's. */
import { grad, mean, tensor, type Value } from "@gradalign/tensor";
import { test } from "vitest";
import { crossEntropyPerExample, smoothedCrossEntropyPerExample } from "../src/nn/cross-entropy.ts";
import { blendMixture, boxMixture, type DrawnMixture, type Mixture, mixedImages, mixedLabels } from "../src/train/mixing.ts";
import { describeOracle, Fixture, stored } from "./support/fixtures.ts";

const fixture = await Fixture.read(new URL("./fixtures/mixing.safetensors", import.meta.url));
const [x, labels, logits] = fixture.inputs("", "x", "labels", "logits");
const [, , height, width] = x.shape as [number, number, number, number];
const classes = logits.shape[1] as number;

/** The mixture that the oracle was made with. */
function drawn(number: string): DrawnMixture {
  const [share, row, column] = fixture.numbers(`${number}/draw`) as [number, number, number];
  return row < 0 ? blendMixture(share) : boxMixture(share, { y: row, x: column }, [height, width]);
}

const traced = ({ pixels, label, box }: DrawnMixture): Mixture => ({ pixels: tensor(pixels), label: tensor(label), box: box.map((edge) => tensor(edge)) });

describeOracle("mixing", (oracle) => {
  test.each([...new Set(fixture.cases())].filter((name) => /^\d+$/.test(name)))("draw %s", async (number) => {
    const results = (x: Value, labels: Value, logits: Value, mixture: Mixture) => {
      const shares = mixedLabels(labels, classes, mixture);
      return {
        images: mixedImages(x, mixture),
        labels: shares,
        losses: crossEntropyPerExample(logits, shares),
        gradient: grad((at: Value) => mean(crossEntropyPerExample(at, shares)))(logits),
        smoothed: smoothedCrossEntropyPerExample(logits, shares, 0.125),
      };
    };
    await oracle.check(
      results,
      [x, labels, logits, traced(drawn(number))],
      stored(fixture, `${number}/`, "images", "labels", "losses", "gradient", "smoothed"),
    );
  });
});
