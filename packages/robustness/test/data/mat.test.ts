/** @file MATLAB's format: elements of every form, and files that are broken in every way. */
import { describe, expect, it } from "vitest";
import { readAll } from "../../src/data/byte-reader.ts";
import { matVariables } from "../../src/data/mat.ts";
import { compressed, element, header, matrix, pieces, smallElement, u16, u32 } from "./mat-fixture.ts";

const REMEDY = "; fetch the file again, or save it anew with MATLAB's save -v7 or scipy.io.savemat";

interface Read {
  readonly name: string;
  readonly className: string;
  readonly dims: readonly number[];
  readonly values: number[];
}

async function read(...parts: Uint8Array[]): Promise<Read[]> {
  const found: Read[] = [];
  for await (const { name, className, dims, storage, data } of matVariables(pieces(Buffer.concat(parts)), "a.mat")) {
    const bytes = await readAll(data, 1e6, "a.mat", "");
    const view = new DataView(bytes.buffer);
    found.push({ name, className, dims, values: Array.from({ length: bytes.length / storage.bytes }, (_, i) => storage.read(view, i * storage.bytes)) });
  }
  return found;
}

const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => (i * 37) % 256);
const plain = matrix({ name: "X", dims: [2, 3], data: bytes(6) });

describe("a MAT-file's matrices", () => {
  it("come uncompressed and compressed, in order, cut anywhere", async () => {
    const long = matrix({ name: "longer_name", dims: [3, 5], data: bytes(15) });
    expect(await read(header(), plain, compressed(long), compressed(plain), long)).toEqual([
      { name: "X", className: "uint8", dims: [2, 3], values: [...bytes(6)] },
      { name: "longer_name", className: "uint8", dims: [3, 5], values: [...bytes(15)] },
      { name: "X", className: "uint8", dims: [2, 3], values: [...bytes(6)] },
      { name: "longer_name", className: "uint8", dims: [3, 5], values: [...bytes(15)] },
    ]);
  });

  it("may lie in their tag, and be empty", async () => {
    const small = matrix({ name: "y", dims: [3, 1], data: bytes(3), small: true });
    expect((await read(header(), small, compressed(small))).map(({ values }) => values)).toEqual([[...bytes(3)], [...bytes(3)]]);
    expect((await read(header(), matrix({ name: "e", dims: [0, 4], data: bytes(0) })))[0]).toEqual({ name: "e", className: "uint8", dims: [0, 4], values: [] });
  });

  it.each([
    ["int8", 8, 1, Buffer.from(Int8Array.of(-3, 100).buffer), [-3, 100]],
    ["int16", 10, 3, Buffer.from(Int16Array.of(-300, 5).buffer), [-300, 5]],
    ["uint16", 11, 4, u16(60000, 1), [60000, 1]],
    ["int32", 12, 5, Buffer.from(Int32Array.of(-70000, 1).buffer), [-70000, 1]],
    ["uint32", 13, 6, u32(4e9, 1), [4e9, 1]],
    ["single", 7, 7, Buffer.from(Float32Array.of(-0.5, 3).buffer), [-0.5, 3]],
    ["double", 6, 9, Buffer.from(Float64Array.of(0.1, -3).buffer), [0.1, -3]],
    ["int64", 14, 12, Buffer.from(BigInt64Array.of(-5n, 2n ** 40n).buffer), [-5, 2 ** 40]],
    ["uint64", 15, 13, Buffer.from(BigUint64Array.of(7n, 2n ** 40n).buffer), [7, 2 ** 40]],
    ["double", 6, 2, Buffer.from([3, 200]), [3, 200]],
  ])("of %s (class %i), stored as type %i", async (className, kind, storage, data, values) => {
    expect(await read(header(), matrix({ name: "v", dims: [1, 2], kind, storage, data }))).toEqual([{ name: "v", className, dims: [1, 2], values }]);
  });

  it("need not be read by who looks for another", async () => {
    const names: string[] = [];
    for await (const { name } of matVariables(pieces(Buffer.concat([header(), plain, compressed(plain), plain])), "a.mat")) names.push(name);
    expect(names).toEqual(["X", "X", "X"]);
  });
});

describe("a broken MAT-file is refused, saying what was expected and found", () => {
  const squeezed = compressed(matrix({ name: "X", dims: [40, 50], data: bytes(2000) }));
  const damaged = Buffer.from(squeezed);
  damaged[30]! ^= 0xff;
  const cut = Buffer.from(squeezed.subarray(0, squeezed.length - 10));
  cut.writeUInt32LE(cut.length - 8, 4);
  const longTag = Buffer.from(plain);
  longTag.writeUInt32LE(longTag.readUInt32LE(4) + 8, 4);

  it.each<[what: string, parts: Uint8Array[], message: string]>([
    ["empty", [], `a.mat is truncated: expected 128 bytes of MAT-file header at offset 0, found 0${REMEDY}`],
    ["truncated in the header", [header().subarray(0, 90)], `a.mat is truncated: expected 128 bytes of MAT-file header at offset 0, found 90${REMEDY}`],
    [
      "truncated in a tag",
      [header(), plain.subarray(0, 5)],
      `a.mat is truncated: expected 8 bytes of the tag of a data element at offset 128, found 5${REMEDY}`,
    ],
    [
      "truncated in the data",
      [header(), plain.subarray(0, plain.length - 5)],
      `a.mat is truncated: expected 6 bytes of variable X at offset 184, found 3${REMEDY}`,
    ],
    [
      "truncated in the padding",
      [header(), plain.subarray(0, plain.length - 1)],
      `a.mat is truncated: expected 2 bytes of padding at offset 190, found 1${REMEDY}`,
    ],
    [
      "truncated in a compressed element",
      [header(), squeezed.subarray(0, 100)],
      `a.mat is truncated: expected ${squeezed.length - 8} bytes of a compressed element at offset 136, found 92${REMEDY}`,
    ],
    ["with a zlib stream that ends early", [header(), cut], "a.mat (compressed element at offset 128) cannot be decompressed: "],
    ["with a damaged zlib stream", [header(), damaged], "a.mat (compressed element at offset 128) "],
    [
      "compressed, its matrix shorter than it says",
      [header(), compressed(plain.subarray(0, plain.length - 4))],
      `a.mat (compressed element at offset 128) is truncated: expected 6 bytes of variable X at offset 56, found 4${REMEDY}`,
    ],
    [
      "compressed, with something after the matrix",
      [header(), compressed(Buffer.concat([plain, Buffer.alloc(8)]))],
      `a.mat (compressed element at offset 128) is padded: expected it to end after its matrix, found more${REMEDY}`,
    ],
    [
      "padded with zeros",
      [header(), plain, Buffer.alloc(16)],
      `a.mat has an element of type 0 at offset 192: expected a matrix (14), a compressed matrix (15) or the end of the file${REMEDY}`,
    ],
    [
      "padded with less than a tag",
      [header(), plain, Buffer.alloc(3)],
      `a.mat is truncated: expected 8 bytes of the tag of a data element at offset 192, found 3${REMEDY}`,
    ],
    [
      "big-endian",
      [header({ order: "MI" }), plain],
      "a.mat is big-endian: expected the byte order IM, found MI; save it anew on a little-endian machine, or with scipy.io.savemat",
    ],
    [
      "of MATLAB 7.3",
      [header({ text: "MATLAB 7.3 MAT-file, Platform: GLNXA64", version: 0x0200 }), Buffer.from("\x89HDF\r\n\x1a\n", "latin1")],
      "a.mat is a MATLAB 7.3 file (HDF5): expected version 5 (v7 or v6 in MATLAB's words); save it anew with save -v7",
    ],
    [
      "HDF5 from its first byte",
      [Buffer.concat([Buffer.from("\x89HDF\r\n\x1a\n", "latin1"), Buffer.alloc(200)])],
      "a.mat is a MATLAB 7.3 file (HDF5): expected version 5 (v7 or v6 in MATLAB's words); save it anew with save -v7",
    ],
    ["a web page", [Buffer.alloc(300, "<html>")], `a.mat is not a MAT-file of version 5: expected 00 01 49 4d at offset 124, found 6c 3e 3c 68${REMEDY}`],
    [
      "a cell array",
      [header(), matrix({ name: "c", dims: [1, 1], kind: 1, data: bytes(1) })],
      `a.mat: variable c is of class 1 (cell); expected numbers${REMEDY}`,
    ],
    ["complex", [header(), matrix({ name: "z", dims: [1, 1], flags: 0x800, data: bytes(1) })], `a.mat: variable z is complex; expected real numbers${REMEDY}`],
    [
      "stored as text",
      [header(), matrix({ name: "t", dims: [1, 1], storage: 16, data: bytes(1) })],
      `a.mat: variable t is stored as type 16; expected a type of numbers${REMEDY}`,
    ],
    [
      "of other dimensions than its data",
      [header(), matrix({ name: "X", dims: [2, 4], data: bytes(6) })],
      `a.mat: variable X must have 2 x 4 x 1 = 8 bytes, found 6${REMEDY}`,
    ],
    ["longer than its matrix", [header(), longTag, Buffer.alloc(8)], `a.mat: variable X announces 64 bytes, found 56${REMEDY}`],
    [
      "with a damaged tag",
      [header(), u16(1, 5), Buffer.alloc(4)],
      `a.mat has a damaged tag at offset 128: expected at most 4 bytes in a small element, found 5${REMEDY}`,
    ],
    [
      "of a long name",
      [header(), compressed(matrix({ name: "n".repeat(200_000), dims: [1, 1], data: bytes(1) }))],
      `a.mat (compressed element at offset 128): a matrix's name must have at most 1024 bytes, found 200000${REMEDY}`,
    ],
    [
      "of millions of dimensions",
      [header(), compressed(matrix({ name: "X", dims: new Array(3e6).fill(1), data: bytes(1) }))],
      `a.mat (compressed element at offset 128): a matrix's dimensions must have at most 256 bytes, found 12000000${REMEDY}`,
    ],
    [
      "of negative dimensions",
      [header(), matrix({ name: "X", dims: [-2, -3], data: bytes(6) })],
      `a.mat: variable X must have -2 x -3 x 1 = 6 bytes, found 6${REMEDY}`,
    ],
    ["announcing 4 GB of flags", [header(), u32(14, 4e9), u32(6, 4e9)], `a.mat: a matrix's array flags must have at most 8 bytes, found 4000000000${REMEDY}`],
    [
      "announcing more than 4 GiB",
      [header(), plain, u32(14, 0xffffffff)],
      `a.mat announces 4294967351 bytes of matrices, more than the limit of 4294967296${REMEDY}`,
    ],
    ["a matrix without flags", [header(), element(14, element(5, u32(1, 1)))], `a.mat: a matrix's array flags must be of type 6, found 5${REMEDY}`],
    [
      "compressed twice",
      [header(), compressed(compressed(plain))],
      `a.mat (compressed element at offset 128) holds an element of type 15: expected a matrix (14)${REMEDY}`,
    ],
    [
      "a small element where a matrix should be",
      [header(), smallElement(2, bytes(2))],
      `a.mat has an element of type 2 at offset 128: expected a matrix (14), a compressed matrix (15) or the end of the file${REMEDY}`,
    ],
  ])("%s", async (_, parts, message) => {
    await expect(read(...parts)).rejects.toThrow(expect.objectContaining({ code: "DataError", message: expect.stringContaining(message) }));
  });
});

it("matVariables closes what it reads, wherever it ends", async () => {
  let closed = 0;
  async function* file(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
    try {
      yield* parts;
    } finally {
      closed++;
    }
  }
  const squeezed = compressed(plain);
  for await (const _ of matVariables(file(header(), squeezed, squeezed), "a.mat")) break;
  expect(closed).toBe(1);
  const damaged = matVariables(file(header(), squeezed, Buffer.alloc(8)), "a.mat");
  await expect(
    (async () => {
      for await (const _ of damaged);
    })(),
  ).rejects.toThrow("element of type 0");
  expect(closed).toBe(2);
});
