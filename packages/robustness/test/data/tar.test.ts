/** @file Archives that are written here are read here: names, bytes, whole blocks. */
import { bytesSource } from "@gradalign/formats";
import { encodeTar, readTar } from "@gradalign/robustness";
import { expect, test } from "vitest";

test("an archive's files are the ones that were put into it", () => {
  const files = new Map([0, 1, 511, 512, 1025].map((size) => [`left/files/${size}.bin`, Uint8Array.from({ length: size }, (_, i) => i)]));
  const archive = Uint8Array.from(encodeTar(files).flatMap((piece) => [...piece]));
  expect(archive.length % 512).toBe(0);
  const read = [...readTar(bytesSource(archive), "a.tar")].map(({ name, start, size }) => [name, archive.slice(start, start + size)] as const);
  expect(new Map(read)).toEqual(files);
  expect(() => encodeTar(new Map([["x".repeat(101), new Uint8Array()]]))).toThrow("must be at most 100 bytes long");
});
