/** @file A data set small enough for the reference backend: 8 x 8 images with one bright quarter, whose place is the class. */
import { imageDataset, type ResidentDataset } from "@gradalign/robustness";

const SIZE = 8;

/** `train` and `test` images of four classes; learnable within a few dozen steps. */
export function tinyDataset({ train = 16, test = 8, crop = 1, flip = false } = {}): ResidentDataset {
  return imageDataset({
    name: "quarters",
    classNames: ["top left", "top right", "bottom left", "bottom right"],
    shape: [3, SIZE, SIZE],
    train: quarters(train, 1),
    test: quarters(test, 2),
    crop,
    flip,
  });
}

function quarters(count: number, seed: number): { images: Uint8Array; labels: Uint8Array } {
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 4);
  let state = seed;
  const images = Uint8Array.from({ length: count * 3 * SIZE * SIZE }, (_, i) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    const label = labels[Math.floor(i / (3 * SIZE * SIZE))] as number;
    const isBright = Math.floor((i / SIZE) % SIZE) >= SIZE / 2 === label >= 2 && i % SIZE >= SIZE / 2 === (label % 2 === 1);
    // Some pixels are exactly 0 or 255, where attacks meet the box.
    return Math.min(255, Math.max(0, (isBright ? 150 : 0) + ((state >> 16) % 120) - 10));
  });
  return { images, labels };
}
