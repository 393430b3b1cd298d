/** @file JPEGs that are written here are read again, nearly as they were. */
import { decodeImage, encodeJpeg } from "@gradalign/robustness";
import { expect, test } from "vitest";

test.each([
  { width: 64, height: 64 },
  { width: 13, height: 9 },
  { width: 1, height: 1 },
])("an image of $width x $height", async ({ width, height }) => {
  const size = width * height;
  const data = Uint8Array.from(
    { length: 3 * size },
    (_, i) => 128 + 100 * Math.sin((i % width) / 9 + Math.floor((i % size) / width) / 7 + Math.floor(i / size)),
  );
  const errorAt = async (quality: number): Promise<number> => {
    const { data: read, ...shape } = await decodeImage(encodeJpeg({ width, height, data }, quality));
    expect(shape).toEqual({ width, height });
    return Math.sqrt(read.reduce((sum, value, i) => sum + (value - (data[i] as number)) ** 2, 0) / read.length);
  };
  expect(await errorAt(98)).toBeLessThan(2);
  expect(await errorAt(75)).toBeLessThan(8);
});

test("noise, whose blocks have no zeros to leave out", async () => {
  const data = Uint8Array.from({ length: 3 * 256 }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 24) & 255);
  const { data: read } = await decodeImage(encodeJpeg({ width: 16, height: 16, data }, 99));
  expect(Math.sqrt(read.reduce((sum, value, i) => sum + (value - (data[i] as number)) ** 2, 0) / read.length)).toBeLessThan(3);
});
