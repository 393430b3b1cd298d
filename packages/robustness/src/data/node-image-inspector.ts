/** @file What `data check` finds out about one image of a table, as text in the bytes that a streamed source would fill with pixels. */
import { createHash } from "node:crypto";
import { GradalignError } from "@gradalign/tensor";
import { decodeImage, type ImageFormat, imageFormat } from "../images/decode.ts";
import type { ImageTable } from "./image-table.ts";
import { readImageFile } from "./node-image-decoder.ts";
import type { ImageDecoder } from "./source.ts";

/** Letters of a reason, and bytes of a finding: in JSON a letter takes at most six. */
const REASON_LETTERS = 300;
export const FINDING_BYTES = 6 * REASON_LETTERS + 100;

/** What is known of an image. */
export type Finding =
  | { readonly width: number; readonly height: number; readonly format: ImageFormat; readonly digest: readonly [number, number] }
  | { readonly reason: string };

/** Inspects a table's images. */
export function decoder(table: ImageTable): ImageDecoder {
  return {
    async decode(index, _, into) {
      into.fill(0x20);
      into.set(new TextEncoder().encode(JSON.stringify(await inspect(table, index))).subarray(0, into.length));
    },
  };
}

/** Reads back what `decoder` has written. */
export function readFinding(bytes: Uint8Array): Finding {
  return JSON.parse(new TextDecoder().decode(bytes.slice())) as Finding;
}

/** 104 bits of a SHA-256, in two numbers. */
function digestOf(file: Uint8Array): [number, number] {
  const digits = createHash("sha256").update(file).digest("hex");
  return [Number.parseInt(digits.slice(0, 13), 16), Number.parseInt(digits.slice(13, 26), 16)];
}

async function inspect(table: ImageTable, index: number): Promise<Finding> {
  try {
    const file = readImageFile(table, index);
    const { width, height } = await decodeImage(file);
    return { width, height, format: imageFormat(file), digest: digestOf(file) };
  } catch (error) {
    if (!(error instanceof GradalignError)) throw error;
    return { reason: error.message.slice(0, REASON_LETTERS) };
  }
}
