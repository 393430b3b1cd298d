/** @file MNIST's idx files, right and wrong. */
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type DatasetFile, md5, readDataset } from "../../src/data/definition.ts";
import { fashionMnist } from "../../src/data/fashion-mnist.ts";
import { readIdx } from "../../src/data/idx.ts";
import { mnist } from "../../src/data/mnist.ts";
import { pieces } from "./mat-fixture.ts";

const idx = (type: number, dims: readonly number[], data: Uint8Array): Buffer => {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.set([0, 0, type, dims.length]);
  for (const [axis, extent] of dims.entries()) header.writeUInt32BE(extent, 4 + 4 * axis);
  return Buffer.concat([header, data]);
};
const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => (i * 37) % 256);

describe("readIdx", () => {
  const array = idx(8, [2, 3, 5], bytes(30));

  it.each([1, 5, 1000])("reads arrays of bytes, plain and compressed, in pieces of %i", async (size) => {
    for (const file of [array, gzipSync(array)]) expect(await readIdx(pieces(file, size), "a")).toEqual({ dims: [2, 3, 5], data: bytes(30) });
  });

  const damaged = gzipSync(array);
  damaged[14]! ^= 0xff;
  it.each<[what: string, file: Uint8Array, message: string]>([
    ["empty", Buffer.alloc(0), "a is empty: expected an idx header, found 0 bytes; fetch the file again"],
    ["cut in the header", array.subarray(0, 9), "a is truncated: expected 12 bytes of dimensions at offset 4, found 5; fetch the file again"],
    ["cut in the data", array.subarray(0, 40), "a is truncated: expected 30 bytes of data (2 x 3 x 5) at offset 16, found 24; fetch the file again"],
    [
      "promising too much",
      idx(8, [4e9, 4e9], bytes(3)),
      "a announces 4000000000 x 4000000000 = 16000000000000000000 bytes, more than the limit of 2147483648; fetch the file again",
    ],
    [
      "padded",
      Buffer.concat([array, Buffer.alloc(4)]),
      "a is too long: expected it to end after 2 x 3 x 5 = 30 bytes of data, found more; fetch the file again",
    ],
    ["of floats", idx(13, [1], bytes(4)), "a has the wrong element type: expected 8 (uint8), found 13 (float32); write it as unsigned bytes"],
    [
      "little-endian",
      Buffer.from([3, 8, 0, 0, 1, 0, 0, 0]),
      "a is not an idx file: expected it to begin with 00 00 08 and a number of dimensions, found 03 08 00 00; fetch the file again",
    ],
    ["a web page", Buffer.from("<html></html>"), "a is not an idx file: expected it to begin with 00 00 08 and a number of dimensions, found 3c 68 74 6d"],
    ["compressed and cut", gzipSync(array).subarray(0, 30), "a cannot be decompressed: unexpected end of file; fetch the file again"],
    ["compressed and damaged", damaged, "a cannot be decompressed: "],
    [
      "of 255 axes",
      idx(8, new Array(255).fill(4e9), bytes(3)),
      "a announces 4000000000 x 4000000000 x 4000000000 x 4000000000 x 4000000000 x 4000000000 x 40…",
    ],
  ])("refuses a file that is %s", async (_, file, message) => {
    await expect(readIdx(pieces(file), "a")).rejects.toThrow(expect.objectContaining({ code: "DataError", message: expect.stringContaining(message) }));
  });
});

it("readIdx reads no further than what decides, and closes what it reads", async () => {
  const zeros = new Uint8Array(1 << 16);
  let [read, closed] = [0, false];
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      yield idx(8, [1000, 1000], new Uint8Array(0));
      for (;;) {
        read += zeros.length;
        yield zeros;
      }
    } finally {
      closed = true;
    }
  }
  const refuse = (message: string) => expect.objectContaining({ code: "DataError", message: expect.stringContaining(message) });
  await expect(readIdx(endless(), "a", [1000, 999])).rejects.toThrow(refuse("a must hold 1000 x 999 bytes, found 1000 x 1000"));
  expect([read, closed]).toEqual([0, true]);
  await expect(readIdx(endless(), "a")).rejects.toThrow(refuse("a is too long: expected it to end after 1000 x 1000 = 1000000 bytes"));
  expect(read).toBeLessThan(1.2e6);
});

describe("MNIST's files", () => {
  const small = (name: string, split: "train" | "test", images: number): DatasetFile => ({ name, split, images, bytes: 0, checksum: md5("") });
  const files = [
    small("train-images-idx3-ubyte", "train", 3),
    small("train-labels-idx1-ubyte", "train", 3),
    small("t10k-images-idx3-ubyte", "test", 2),
    small("t10k-labels-idx1-ubyte", "test", 2),
  ];
  const contents: Record<string, Buffer> = {
    "train-images-idx3-ubyte": idx(8, [3, 28, 28], bytes(3 * 784)),
    "train-labels-idx1-ubyte": idx(8, [3], Uint8Array.of(7, 0, 9)),
    "t10k-images-idx3-ubyte": idx(8, [2, 28, 28], bytes(2 * 784)),
    "t10k-labels-idx1-ubyte": idx(8, [2], Uint8Array.of(1, 2)),
  };
  const read = (change: Record<string, Buffer> = {}) => readDataset({ ...mnist, files }, (name) => pieces({ ...contents, ...change }[name] as Buffer, 100));

  it("become images of one channel", async () => {
    const data = await read();
    expect(data).toMatchObject({ name: "mnist", shape: [1, 28, 28], flip: false, crop: 0 });
    expect([data.train.count, data.test.count]).toEqual([3, 2]);
    expect(data.train.images).toEqual(bytes(3 * 784));
    expect([...data.train.labels, ...data.test.labels]).toEqual([7, 0, 9, 1, 2]);
  });

  it.each([
    [
      "images of another size",
      { "train-images-idx3-ubyte": idx(8, [3, 28, 27], bytes(3 * 756)) },
      "train-images-idx3-ubyte must hold 3 x 28 x 28 bytes, found 3 x 28 x 27",
    ],
    ["other than the known number of labels", { "t10k-labels-idx1-ubyte": idx(8, [1], bytes(1)) }, "t10k-labels-idx1-ubyte must hold 2 bytes, found 1"],
    ["a label that is no digit", { "t10k-labels-idx1-ubyte": idx(8, [2], Uint8Array.of(1, 10)) }, "test.labels[1] (=10) must be an integer from 0 to 9"],
  ])("with %s are refused", async (_, change, message) => {
    await expect(read(change)).rejects.toThrow(message);
  });

  it("have the lengths their headers imply", () => {
    for (const { files: known } of [mnist, fashionMnist]) {
      expect(known.map((file) => file.bytes)).toEqual([47_040_016, 60_008, 7_840_016, 10_008]);
      expect(new Set(known.map(({ checksum }) => checksum.digest)).size).toBe(4);
    }
  });
});
