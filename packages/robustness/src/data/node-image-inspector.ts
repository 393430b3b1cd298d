/** @file What `data check` finds out about one image of a table, as text in the bytes that a streamed source would fill with pixels. */
import { createHash } from "node:crypto";
import { GradalignError } from "@gradalign/tensor";
import { decodeImage, type ImageFormat, imageFormat } from "../images/decode.ts";
import type { ImageTable } from "./image-table.ts";
import { readImageFile } from "./node-image-decoder.ts";
import type { ImageDecoder } from "./source.ts";

/** Bytes of a finding. */
export const FINDING_BYTES = 1024;

/** What is known of an image. */
export type Finding =
  | { readonly width: number; readonly height: number; readonly format: ImageFormat /** Of its file. */; readonly hash: string }
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

async function inspect(table: ImageTable, index: number): Promise<Finding> {
  try {
    const file = readImageFile(table, index);
    const { width, height } = await decodeImage(file);
    return { width, height, format: imageFormat(file), hash: createHash("sha256").update(file).digest("hex").slice(0, 16) };
  } catch (error) {
    if (!(error instanceof GradalignError)) throw error;
    return { reason: error.message.slice(0, 300) };
  }
}
