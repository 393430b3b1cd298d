/** @file Files in pieces come back as they were, and a missing piece is named. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { joinPieces, splitFile } from "../../../../bench/gpu/pieces.mjs";

const folder = mkdtempSync(join(tmpdir(), "pieces-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("split and joined", () => {
  const contents = { "one.bin": Buffer.from("abcdefghij"), "two.bin": Buffer.from("xyz"), "empty.bin": Buffer.alloc(0) };
  const pieces = join(folder, "pieces");
  for (const [name, data] of Object.entries(contents)) {
    writeFileSync(join(folder, name), data);
    expect(splitFile(join(folder, name), pieces, 4)).toBe(Math.max(1, Math.ceil(data.length / 4)));
  }
  expect(readdirSync(pieces).sort()).toEqual(["empty.bin.000", "one.bin.000", "one.bin.001", "one.bin.002", "two.bin.000"]);
  const whole = join(folder, "whole");
  expect(joinPieces(pieces, whole)).toEqual(["empty.bin", "one.bin", "two.bin"]);
  for (const [name, data] of Object.entries(contents)) expect(readFileSync(join(whole, name))).toEqual(data);
  // What is there already is left alone.
  writeFileSync(join(whole, "two.bin"), "kept");
  joinPieces(pieces, whole);
  expect(readFileSync(join(whole, "two.bin"), "utf8")).toBe("kept");
  unlinkSync(join(pieces, "one.bin.001"));
  expect(() => joinPieces(pieces, join(folder, "other"))).toThrow("piece 1 of one.bin is missing");
});
