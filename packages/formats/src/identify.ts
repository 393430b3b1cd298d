/** @file What a file is, by its first bytes; and opening one that holds weights, whichever it is. */
import { FormatError } from "./errors.ts";
import { readPytorch } from "./pytorch.ts";
import { readSafetensors } from "./safetensors.ts";
import { type ByteSource, sourceOf } from "./source.ts";
import { findStateDict, type StateDict, withoutPrefixes } from "./state-dict.ts";

/** A format that is read. */
export type FileFormat = "pytorch" | "safetensors" | "onnx";

/** Weights by name, from a PyTorch or safetensors file. */
export interface WeightsFile extends StateDict {
  readonly format: "pytorch-zip" | "pytorch-legacy" | "safetensors";
  /** Free-form strings of a safetensors file. */
  readonly metadata: Readonly<Record<string, string>>;
}

const ascii = (text: string): readonly number[] => [...text].map((letter) => letter.charCodeAt(0));
const text = new TextDecoder();

/** First bytes of what is often in the place of a model, and what to say then. */
const OTHERS: readonly { readonly at?: number; readonly bytes: readonly number[]; readonly error: () => FormatError }[] = [
  {
    bytes: ascii("version https://git-lfs"),
    error: () => new FormatError("git-lfs", "a Git LFS pointer: the file itself was not fetched; run git lfs pull, or download the file"),
  },
  { bytes: [0x89, ...ascii("HDF")], error: () => new FormatError("hdf5", "an HDF5 file (Keras), which is not read; convert it to ONNX") },
  {
    at: 257,
    bytes: ascii("ustar"),
    error: () => new FormatError("tar", "a tar archive (PyTorch before 0.1.10, or packed files); unpack it, or save it again with a newer PyTorch"),
  },
  { bytes: [0x1f, 0x8b], error: () => new FormatError("archive", "a gzip file: unpack it first") },
  { bytes: ascii("BZh"), error: () => new FormatError("archive", "a bzip2 file: unpack it first") },
  { bytes: [0xfd, ...ascii("7zXZ")], error: () => new FormatError("archive", "an xz file: unpack it first") },
  { bytes: [0x93, ...ascii("NUMPY")], error: () => new FormatError("archive", "a NumPy array (.npy), not a model") },
];

/**
 * What a file is, by its first bytes.
 *
 * @throws FormatError saying what it is, when it is none of the formats that are read.
 */
export function identifyFile(input: Uint8Array | ByteSource): FileFormat {
  const source = sourceOf(input);
  if (source.size === 0) throw new FormatError("truncated", "the file is empty");
  const head = source.read(0, Math.min(source.size, 512));
  const begins = (bytes: readonly number[], at = 0): boolean => bytes.every((byte, i) => head[at + i] === byte);
  // Eight bytes of length, then JSON. First, because a length may begin as any other file does.
  if (head[8] === 0x7b && head.subarray(4, 8).every((byte) => byte === 0)) return "safetensors";
  for (const { at, bytes, error } of OTHERS) if (begins(bytes, at)) throw error();
  if (begins(ascii("PK"))) return "pytorch";
  // A pickle of protocol 2 and above; torch.save's legacy files begin with a magic number.
  if (head[0] === 0x80 && head[1]! <= 5) {
    if (begins([0x80, 2, 0x8a, 0x0a])) return "pytorch";
    throw new FormatError("unsupported", "a bare pickle, not torch.save's: its objects need code to be run; in Python, save it with torch.save(…)");
  }
  if (head[0] === 0x08 && head[1]! > 0 && head[1]! < 0x40) return "onnx";
  const start = text
    .decode(head)
    .replace(/^\uFEFF/, "")
    .trimStart();
  if (start.startsWith("<")) {
    throw new FormatError("html", "an HTML page, not a model: a web site answered the download with a page (a login, a notice); download it in a browser");
  }
  if (start.startsWith("{")) throw new FormatError("json-text", "JSON text, not a model: perhaps a server's error message, or an index of other files");
  throw new FormatError("unknown", "neither a PyTorch, a safetensors nor an ONNX file");
}

/**
 * Opens a file of weights; tensors are read when they are asked for.
 *
 * @param part of a PyTorch file that holds several models: the key of the one to take, e.g. `best`.
 * @throws FormatError saying what the file is, or what is wrong with it.
 */
export function openWeights(input: Uint8Array | ByteSource, { part }: { readonly part?: string } = {}): WeightsFile {
  const source = sourceOf(input);
  const format = identifyFile(source);
  if (format === "onnx") throw new FormatError("unsupported", "an ONNX model, which is more than weights; open it as a model");
  if (format === "safetensors") {
    if (part !== undefined) throw new FormatError("unsupported", "a safetensors file has no parts");
    const { tensors, metadata } = readSafetensors(source);
    return { format, ...withoutPrefixes(tensors), metadata, wrappers: [], others: {} };
  }
  const file = readPytorch(source);
  const found = findStateDict(file, part === undefined ? { size: source.size } : { size: source.size, part });
  return { format: file.form === "zip" ? "pytorch-zip" : "pytorch-legacy", metadata: {}, ...found };
}
