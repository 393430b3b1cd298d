/** @file Formats of model files by the ends of their names. */
import { extname } from "node:path";
import type { WrittenFormat } from "@gradalign/runs/node";

const WRITTEN: Readonly<Record<string, WrittenFormat>> = { ".safetensors": "safetensors", ".onnx": "onnx" };

/** The format that a file's name promises; undefined where it promises none. */
export function formatOfName(path: string): WrittenFormat | undefined {
  return WRITTEN[extname(path).toLowerCase()];
}
