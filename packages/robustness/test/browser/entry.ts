/** @file What the library's browser tests run inside the browser, and beside it in Node. */

import { crc32 } from "@gradalign/formats";
import { decodeImage, type Evaluation, imageDataset, type PartialTrainConfig, resolveTrainConfig, type TrainEvent, train } from "@gradalign/robustness";
import { createDevice, treeLeaves } from "@gradalign/tensor";

/** Pictures of bars, the same everywhere. */
function bars(count: number) {
  const images = Uint8Array.from({ length: count * 3 * 256 }, (_, i) => {
    const [image, row, column] = [Math.floor(i / 768), (i >> 4) & 15, i & 15];
    return (((image % 2 === 0 ? row : column) + image) % 6 < 3 ? 60 : 160) + (Math.imul(i, 0x9e3779b1) >>> 26);
  });
  return { images, labels: Uint8Array.from({ length: count }, (_, i) => i % 2) };
}

/** What must not depend on where it was computed: every measurement but the time, and every bit of the parameters. */
export interface Outcome {
  readonly evaluations: readonly Omit<Evaluation, "seconds">[];
  readonly params: readonly number[][];
}

/** A short run of FGSM + GradAlign. */
export async function trainBriefly(threads: number | null): Promise<Outcome> {
  const dataset = imageDataset({ name: "bars", classNames: ["rows", "columns"], shape: [3, 16, 16], train: bars(256), test: bars(64), flip: true, crop: 2 });
  const settings: PartialTrainConfig = { dataset, model: "cnn", method: "fgsm-gradalign", epsilon: 16 / 255, epochs: 3, batchSize: 32, evalEvery: 8 };
  const device = await createDevice(threads === null ? {} : { threads });
  try {
    const { evaluations, params } = await train(resolveTrainConfig({ ...settings, evalExamples: 64 }), dataset, { device });
    return {
      evaluations: evaluations.map(({ seconds: _, ...rest }) => rest),
      params: treeLeaves(params).map((leaf) => [...leaf.data()]),
    };
  } finally {
    device.close();
  }
}

/** How far a run came that was stopped as soon as the event loop had a turn for it. */
export async function stopEarly(): Promise<{ readonly iterations: number; readonly interrupted: boolean }> {
  const dataset = imageDataset({ name: "bars", classNames: ["rows", "columns"], shape: [3, 16, 16], train: bars(256), test: bars(64) });
  const device = await createDevice({ threads: 1 });
  const abort = new AbortController();
  let iterations = 0;
  const onEvent = (event: TrainEvent): void => {
    if (event.type === "start") setTimeout(() => abort.abort(), 50);
    if (event.type === "end") iterations = event.iteration;
  };
  const config = resolveTrainConfig({ dataset, model: "cnn", method: "fgsm", epochs: 5000, batchSize: 32, evalEvery: 1_000_000 });
  const { interrupted } = await train(config, dataset, { device, onEvent, signal: abort.signal });
  device.close();
  return { iterations, interrupted };
}

/** Width, height and checksum of a file's image; the file as base64. */
export async function decodeFile(file: string): Promise<readonly [width: number, height: number, crc: number]> {
  const { width, height, data } = await decodeImage(Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0)));
  return [width, height, crc32(data)];
}
