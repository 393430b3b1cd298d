/** @file Batches: which examples, cropped and mirrored how. */
import { evaluate, neg, randomKey, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, it } from "vitest";
import { putBack } from "../../src/methods/per-example.ts";
import { augmentedImages, augmentedRows, batchRows } from "../../src/train/batch.ts";

const SIZE = 6;
const COUNT = 5;
const bytes = Uint8Array.from({ length: COUNT * 2 * SIZE * SIZE }, (_, i) => 1 + ((i * 37) % 255));
const images = tensor(bytes, [COUNT, 2, SIZE, SIZE]);
const pixel = (n: number, c: number, y: number, x: number): number =>
  y < 0 || x < 0 || y >= SIZE || x >= SIZE ? 0 : Math.fround((bytes[((n * 2 + c) * SIZE + y) * SIZE + x] as number) / 255);

describe("a batch", () => {
  it("takes consecutive examples of the epoch's order", () => {
    const rows = batchRows(tensor(Int32Array.of(4, 2, 0, 3, 1)), tensor(Int32Array.of(2)), 2);
    expect([...evaluate(rows).data()]).toEqual([0, 3]);
  });

  it("is the bytes divided by 255 without augmentation", () => {
    const plain = evaluate(augmentedImages(images, tensor(Int32Array.of(3)), { key: randomKey(0) }, { crop: 0, flip: false }));
    expect(plain.shape).toEqual([1, 2, SIZE, SIZE]);
    expect(plain.data()[7]).toBeCloseTo(pixel(3, 0, 1, 1), 7);
  });

  it("shifts each image by up to the padding and mirrors about half, all channels alike", () => {
    const rows = Int32Array.from({ length: 64 }, (_, i) => i % COUNT);
    const crop = 2;
    const augmented = evaluate(augmentedImages(images, tensor(rows), { key: randomKey(1) }, { crop, flip: true })).data();
    const seen = new Map<string, number>();
    for (const [i, n] of rows.entries()) {
      const found = candidates(crop).filter(({ dy, dx, mirrored }) => matches(augmented, i, n, dy, dx, mirrored));
      expect(found, `image ${i}`).toHaveLength(1);
      const [{ dy, dx, mirrored }] = found as [Candidate];
      for (const key of [`dy ${dy}`, `dx ${dx}`, `mirrored ${mirrored}`]) seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    for (const shift of [-2, -1, 0, 1, 2]) for (const axis of ["dy", "dx"]) expect(seen.get(`${axis} ${shift}`), `${axis} ${shift}`).toBeGreaterThan(3);
    expect(seen.get("mirrored true")).toBeGreaterThan(20);
    expect(seen.get("mirrored false")).toBeGreaterThan(20);
  });
});

describe("what is kept for every image", () => {
  const kept = tensor(Float32Array.from(bytes), images.shape);
  const rows = tensor(Int32Array.of(4, 1, 2));
  const taken = (table: Value): Value => augmentedRows(table, rows, { key: randomKey(3) }, { crop: 2, flip: true }, (values) => values);

  it("is put back where it was taken from, whatever the crop and the mirroring, and all else stays", () => {
    const before = evaluate(kept).data();
    expect([...evaluate(putBack(kept, taken(kept), taken)).data()]).toEqual([...before]);
    const after = evaluate(putBack(kept, neg(taken(kept)), taken)).data();
    const negated = [...after].map((value, i) => value === -(before[i] as number));
    expect([...after].every((value, i) => Math.abs(value) === before[i])).toBe(true);
    const perImage = 2 * SIZE * SIZE;
    const share = (n: number): number => negated.slice(n * perImage, (n + 1) * perImage).filter(Boolean).length / perImage;
    expect([share(0), share(3)]).toEqual([0, 0]);
    // At most two rows and two columns are cut off.
    for (const n of [1, 2, 4]) expect(share(n)).toBeGreaterThanOrEqual((4 / 6) ** 2);
    expect(Math.min(share(1), share(2), share(4))).toBeLessThan(1);
  });
});

interface Candidate {
  readonly dy: number;
  readonly dx: number;
  readonly mirrored: boolean;
}

function candidates(crop: number): Candidate[] {
  const shifts = Array.from({ length: 2 * crop + 1 }, (_, i) => i - crop);
  return shifts.flatMap((dy) => shifts.flatMap((dx) => [true, false].map((mirrored) => ({ dy, dx, mirrored }))));
}

/** Whether image i of the batch is example n moved and then mirrored: torchvision's RandomCrop, then RandomHorizontalFlip. */
function matches(batch: ArrayLike<number>, i: number, n: number, dy: number, dx: number, mirrored: boolean): boolean {
  for (let c = 0; c < 2; c++) {
    for (let y = 0; y < SIZE; y++) {
      for (let x = 0; x < SIZE; x++) {
        const from = pixel(n, c, y + dy, (mirrored ? SIZE - 1 - x : x) + dx);
        if (Math.abs((batch[((i * 2 + c) * SIZE + y) * SIZE + x] as number) - from) > 1e-6) return false;
      }
    }
  }
  return true;
}
