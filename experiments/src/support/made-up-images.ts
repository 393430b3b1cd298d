/** @file Made-up images in place of a data set that cannot be had: each class has stripes of its own, under noise. */
import { imageDataset, type ResidentDataset } from "@gradalign/robustness";

const SHAPES: Readonly<Record<string, readonly [number, number, number]>> = { mnist: [1, 28, 28], "fashion-mnist": [1, 28, 28] };

/** A name may end with its images' size, as `photos:size=16`. */
function shapeOf(name: string): readonly [number, number, number] {
  const size = Number(/[:,]size=(\d+)/.exec(name)?.[1] ?? 32);
  return SHAPES[name] ?? [3, size, size];
}

/** A data set with the name, image shape and number of classes of a real one. */
export function madeUpImages(name: string, trainCount: number, testCount: number): ResidentDataset {
  const shape = shapeOf(name);
  const classNames = Array.from({ length: 10 }, (_, label) => `made-up ${label}`);
  const augment = name === "cifar10" ? { flip: true, crop: 4 } : name === "svhn" ? { crop: 4 } : {};
  return imageDataset({ name, classNames, shape, train: images(shape, trainCount, 1), test: images(shape, testCount, 2), ...augment });
}

function images([channels, height, width]: readonly [number, number, number], count: number, seed: number) {
  const size = channels * height * width;
  const pixels = new Uint8Array(count * size);
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 10);
  let state = seed;
  for (let i = 0; i < count; i++) {
    for (let p = 0; p < size; p++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const stripes = 60 * Math.sin(((p % width) * ((i % 10) + 1)) / 5 + Math.floor(p / (height * width)));
      pixels[i * size + p] = 128 + stripes + ((state >>> 24) - 128) / 4;
    }
  }
  return { images: pixels, labels };
}
