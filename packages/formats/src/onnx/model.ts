/** @file What an ONNX file says: a graph of named operators and its weights. Fields and numbers: onnx.proto of ONNX 1.19, IR version 12. */
import type { FileTensor, StoredDType } from "../tensor.ts";

/** An attribute's value; `other` is a kind that is not read, such as a graph. */
export type OnnxAttribute =
  | { readonly kind: "float" | "int"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "floats" | "ints"; readonly value: readonly number[] }
  | { readonly kind: "strings"; readonly value: readonly string[] }
  | { readonly kind: "tensor"; readonly value: FileTensor }
  | { readonly kind: "other"; readonly value: string };

/** One operator. */
export interface OnnxNode {
  readonly op: string;
  /** Empty for ONNX's own operators. */
  readonly domain: string;
  readonly name: string;
  /** Names of values; an empty name is an input left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

/** An input or output; of a shape the extents are numbers, names, or unknown (null). */
export interface OnnxValue {
  readonly name: string;
  readonly dtype: StoredDType | null;
  readonly shape: readonly (number | string | null)[] | null;
}

/** A model. */
export interface OnnxModel {
  readonly irVersion: number;
  /** Version of ONNX's own operators. */
  readonly opset: number;
  /** Versions of other domains. */
  readonly domains: Readonly<Record<string, number>>;
  readonly producer: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: ReadonlyMap<string, FileTensor>;
  /** Without those that are initializers. */
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

/** ONNX's numbers of element types. */
export const ONNX_DTYPES: ReadonlyMap<number, StoredDType> = new Map([
  [1, "float32"],
  [2, "uint8"],
  [3, "int8"],
  [4, "uint16"],
  [5, "int16"],
  [6, "int32"],
  [7, "int64"],
  [9, "bool"],
  [10, "float16"],
  [11, "float64"],
  [12, "uint32"],
  [13, "uint64"],
  [16, "bfloat16"],
  [17, "float8_e4m3fn"],
  [19, "float8_e5m2"],
]);
