/** @file SHA-256 beside Node's: every length around a block's end, in one piece and in several, and a long one. */
import { createHash } from "node:crypto";
import { sha256, sha256Of } from "@gradalign/formats";
import { expect, test } from "vitest";

const node = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex");
const bytes = Uint8Array.from({ length: 100_003 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24);

test("SHA-256 is Node's, of bytes and texts, whole and in pieces", () => {
  for (let length = 0; length <= 130; length++) {
    const part = bytes.subarray(0, length);
    const expected = node(part);
    expect(sha256(part)).toBe(expected);
    const cut = Math.floor(length / 3);
    expect(
      sha256Of()
        .update(part.subarray(0, cut))
        .update(part.subarray(cut, 2 * cut))
        .update(part.subarray(2 * cut))
        .hex(),
    ).toBe(expected);
  }
  expect(sha256(bytes)).toBe(node(bytes));
  expect(sha256("ε ≤ 8/255")).toBe(node("ε ≤ 8/255"));
});
