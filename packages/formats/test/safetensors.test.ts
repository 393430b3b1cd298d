/** @file The safetensors format: exact bytes, round trips, and every kind of damage. */
import { describe, expect, it } from "vitest";
import { identifyFile } from "../src/identify.ts";
import { decodeSafetensors, encodeSafetensors } from "../src/safetensors.ts";
import type { StoredTensor } from "../src/tensor.ts";

const tensors: Record<string, StoredTensor> = {
  "conv.weight": { dtype: "float32", shape: [2, 3], data: Float32Array.of(1, -2.5, 0, -0, Number.NaN, 1e-40) },
  step: { dtype: "int64", shape: [], data: BigInt64Array.of(-(2n ** 40n)) },
  labels: { dtype: "int32", shape: [2], data: Int32Array.of(-1, 2 ** 31 - 1) },
  pixels: { dtype: "uint8", shape: [3], data: Uint8Array.of(0, 128, 255) },
  mask: { dtype: "bool", shape: [1, 2], data: Uint8Array.of(1, 0) },
  half: { dtype: "float16", shape: [2], data: Uint16Array.of(0x3c00, 0xfc00) },
  brain: { dtype: "bfloat16", shape: [1], data: Uint16Array.of(0x3f80) },
  eighth: { dtype: "float8_e4m3fn", shape: [3], data: Uint8Array.of(0x38, 0x7f, 0xfe) },
  double: { dtype: "float64", shape: [1], data: Float64Array.of(Math.PI) },
  short: { dtype: "int16", shape: [1], data: Int16Array.of(-300) },
  byte: { dtype: "int8", shape: [1], data: Int8Array.of(-3) },
  wide: { dtype: "uint64", shape: [1], data: BigUint64Array.of(2n ** 64n - 1n) },
  empty: { dtype: "float32", shape: [0, 4], data: new Float32Array(0) },
};

/** A file made by hand of a header text and the bytes after it. */
function fileOf(header: string, body: Uint8Array = new Uint8Array(0), length = new TextEncoder().encode(header).length): Uint8Array {
  const text = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + text.length + body.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(length), true);
  file.set(text, 8);
  file.set(body, 8 + text.length);
  return file;
}

const damage = (message: string) => expect.objectContaining({ code: "FormatError", message: expect.stringContaining(message) });

it("is told from other files whatever its header's length, which comes first, begins with", () => {
  for (const length of [0x0280, 0x4b50, 0x0808, 0x8b1f, 0x3c20, 0x7b, 8]) {
    expect(identifyFile(fileOf("{}".padEnd(length)))).toBe("safetensors");
  }
});

describe("encodeSafetensors", () => {
  it("writes the format to the byte", () => {
    const file = encodeSafetensors({
      a: { dtype: "uint8", shape: [1], data: Uint8Array.of(7) },
      b: { dtype: "int32", shape: [1], data: Int32Array.of(258) },
    });
    const header = '{"b":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}}';
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
    expect(file).toEqual(fileOf(padded, Uint8Array.of(2, 1, 0, 0, 7)));
  });

  it("round-trips every dtype, scalars and empty tensors, from maps and records", () => {
    const metadata = { note: 'quotes " and ünïcode' };
    const decoded = decodeSafetensors(encodeSafetensors(tensors, metadata));
    expect(Object.fromEntries(decoded.tensors)).toEqual(tensors);
    expect(decoded.metadata).toEqual(metadata);
    expect(encodeSafetensors(new Map(Object.entries(tensors).reverse()), metadata)).toEqual(encodeSafetensors(tensors, metadata));
  });

  it("writes no tensors at all", () => {
    const { tensors: none, metadata } = decodeSafetensors(encodeSafetensors({}));
    expect([none.size, metadata]).toEqual([0, {}]);
  });

  it("reads from an unaligned part of a larger buffer, into arrays of its own", () => {
    const file = encodeSafetensors(tensors);
    const shifted = new Uint8Array(file.length + 3);
    shifted.set(file, 3);
    const decoded = [decodeSafetensors(shifted.subarray(3)), decodeSafetensors(Buffer.from(shifted.buffer, 3))];
    shifted.fill(0);
    for (const file of decoded) expect(Object.fromEntries(file.tensors)).toEqual(tensors);
  });

  it("writes views of larger arrays as what they show", () => {
    const data = Float32Array.of(9, 1, 2, 9).subarray(1, 3);
    expect(decodeSafetensors(encodeSafetensors({ x: { dtype: "float32", shape: [2], data } })).tensors.get("x")?.data).toEqual(Float32Array.of(1, 2));
  });

  const wrong: [what: string, name: string, tensor: unknown, message: string][] = [
    ["too few elements", "w", { dtype: "float32", shape: [2, 2], data: new Float32Array(3) }, 'tensor "w" has shape [2, 2] = 4 elements, but its data have 3'],
    ["another array type", "w", { dtype: "float32", shape: [1], data: new Int32Array(1) }, "has dtype float32, so its data must be a Float32Array"],
    ["an unknown dtype", "w", { dtype: "toString", shape: [1], data: new Float32Array(1) }, "has dtype toString, expected one of float64, float32"],
    ["a negative size", "w", { dtype: "uint8", shape: [-1], data: new Uint8Array(1) }, "has shape [-1], expected a list of sizes"],
    ["the reserved name", "__metadata__", tensors.pixels, "this name is reserved"],
  ];
  it.each(wrong)("refuses %s", (_, name, tensor, message) => {
    expect(() => encodeSafetensors({ [name]: tensor as StoredTensor })).toThrow(damage(message));
  });
});

describe("decodeSafetensors", () => {
  const entry = (offsets: string, shape = "[2]", dtype = '"F32"') => `{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}`;
  const eight = new Uint8Array(8);
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  const wrong: [what: string, file: Uint8Array, message: string][] = [
    ["an empty file", new Uint8Array(0), "0 bytes are too few for the header's length"],
    ["a cut header", fileOf("{}", undefined, 3), "the header needs 3 bytes but only 2 follow its length"],
    ["a huge header length", fileOf("{}", undefined, 2 ** 40), "the header's length (=1099511627776) is above the limit"],
    ["an empty header", fileOf(""), "the header must begin with {"],
    ["a header after spaces", fileOf(" {}"), "the header must begin with {"],
    ["broken JSON", fileOf('{"a":'), "the header is not JSON"],
    ["broken UTF-8", fileOf('{"a":1}').fill(0xff, 10, 11), "the header is not JSON"],
    ["a name given twice", fileOf(`{"a":${entry("[0,8]")},"\\u0061":${entry("[0,8]")}}`, eight), 'the header has the name "a" twice'],
    ["a field given twice", fileOf('{"a":{"dtype":"F32","dtype":"I32","shape":[2],"data_offsets":[0,8]}}', eight), 'the header has the name "dtype" twice'],
    ["an entry that is no object", fileOf('{"a":[]}'), 'the entry of "a" must be an object'],
    ["an entry without shape", fileOf('{"a":{"dtype":"F32","data_offsets":[0,8]}}', eight), "must have data_offsets, dtype and shape, got data_offsets, dtype"],
    ["a dtype it cannot read", fileOf(`{"a":${entry("[0,4]", "[2]", '"F6"')}}`, eight), '"a" has dtype "F6", expected one of F64, F32, F16, BF16'],
    ["a fractional shape", fileOf(`{"a":${entry("[0,8]", "[0.5]")}}`, eight), "has shape [0.5], expected a list of sizes"],
    ["a shape whose product overflows", fileOf(`{"a":${entry("[0,8]", "[4294967296,4294967296]")}}`, eight), "but its data_offsets [0, 8) span 8"],
    ["reversed offsets", fileOf(`{"a":${entry("[8,0]")}}`, eight), "but its data_offsets [8, 0) span -8"],
    ["three offsets", fileOf(`{"a":${entry("[0,4,8]")}}`, eight), "has data_offsets [0,4,8], expected [start, end]"],
    ["a shape that does not fit the bytes", fileOf(`{"a":${entry("[0,8]", "[3]")}}`, eight), '"a" is F32 [3] = 12 bytes, but its data_offsets [0, 8) span 8'],
    ["overlapping tensors", fileOf(`{"a":${entry("[0,8]")},"b":${entry("[4,12]")}}`, new Uint8Array(12)), 'the bytes of "b" [4, 12) overlap'],
    ["a gap", fileOf(`{"a":${entry("[4,12]")}}`, new Uint8Array(12)), 'bytes [0, 4) before "a" belong to no tensor'],
    ["missing bytes", fileOf(`{"a":${entry("[0,8]")}}`, new Uint8Array(7)), "the tensors need 8 bytes after the header, the file has 7"],
    ["additional bytes", fileOf(`{"a":${entry("[0,8]")}}`, new Uint8Array(9)), "the tensors need 8 bytes after the header, the file has 9"],
    ["a bool of 2", fileOf(`{"a":${entry("[0,1]", "[1]", '"BOOL"')}}`, Uint8Array.of(2)), '"a" is bool but has bytes other than 0 and 1'],
    ["a header that is a list", fileOf("{}").fill(0x5b, 8, 9).fill(0x5d, 9, 10), "the header must begin with {"],
    ["a dtype nested thousands deep", fileOf(`{"a":${entry("[0,8]", "[2]", deep)}}`, eight), "the header is nested more than 64 deep"],
    ["a shape nested thousands deep", fileOf(`{"a":${entry("[0,8]", deep)}}`, eight), "the header is nested more than 64 deep"],
    ["a shape of a hundred axes", fileOf(`{"a":${entry("[0,8]", `[2${",1".repeat(99)}]`)}}`, eight), '"a" has 100 axes, more than the limit of 64'],
    ["a long header", fileOf("{}", undefined, 2 ** 24 + 1), "the header's length (=16777217) is above the limit of 16777216 bytes"],
    ["a long name", fileOf(`{"${"n".repeat(1e6)}":[]}`), `the entry of "${"n".repeat(79)}… must be an object`],
    ["metadata that are no strings", fileOf('{"__metadata__":{"step":3}}'), '__metadata__ "step" must be a string'],
  ];
  it.each(wrong)("refuses %s", (_, file, message) => {
    expect(() => decodeSafetensors(file)).toThrow(damage(message));
  });

  it("reads a long metadata string", () => {
    const note = 'a "quoted" line\n'.repeat(600_000);
    expect(decodeSafetensors(encodeSafetensors(tensors, { note })).metadata).toEqual({ note });
  });

  it("refuses a file cut at any byte", () => {
    const file = encodeSafetensors(tensors, { note: "x" });
    for (let length = 0; length < file.length; length++) {
      expect(() => decodeSafetensors(file.subarray(0, length)), `cut at ${length}`).toThrow(damage("not a valid safetensors file"));
    }
  });

  it("never returns something malformed when one bit of the header is flipped", () => {
    const file = encodeSafetensors(tensors);
    const headerEnd = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
    for (let bit = 0; bit < headerEnd * 8; bit++) {
      const flipped = file.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      try {
        // A changed name or an equally long dtype can go unnoticed here; the checkpoint's checksum is there for that.
        for (const { shape, data } of decodeSafetensors(flipped).tensors.values()) expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
      } catch (error) {
        expect(error).toEqual(damage("not a valid safetensors file"));
      }
    }
  });

  it("keeps names that JavaScript objects treat specially", () => {
    const file = encodeSafetensors(
      new Map([
        ["__proto__", tensors.pixels!],
        ["constructor", tensors.mask!],
      ]),
    );
    expect([...decodeSafetensors(file).tensors.keys()].sort()).toEqual(["__proto__", "constructor"]);
  });
});
