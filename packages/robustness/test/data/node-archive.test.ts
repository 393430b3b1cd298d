/** @file What an archive may cost: entries nobody wants are not kept, and nothing is unpacked without a bound. */
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { packTar } from "modern-tar";
import { afterAll, describe, expect, it } from "vitest";
import { readArchive } from "../../src/data/node-archive.ts";
import { loadDataset } from "../../src/data/node-load-dataset.ts";
import { LIMITS } from "../../src/limits.ts";
import { contents, files, tinyCifar10 } from "./cifar-fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-archive-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tar = (entries: Record<string, Uint8Array>) =>
  packTar(Object.entries(entries).map(([name, body]) => ({ header: { name, size: body.length, type: "file" as const }, body })));
const write = (name: string, bytes: Uint8Array): string => {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
};
const refuse = (message: string) => expect.objectContaining({ code: "DataError", message: expect.stringContaining(message) });
/** How often this process has the file open; Linux tells. */
const timesOpen = (file: string) =>
  readdirSync("/proc/self/fd").filter((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`) === file;
    } catch {
      return false;
    }
  }).length;

describe("readArchive", () => {
  it("keeps the wanted files, and nothing of others", async () => {
    const file = write(
      "some.tgz",
      gzipSync(await tar({ "notes.txt": new Uint8Array(5e6), ...Object.fromEntries(contents), "more/notes.txt": new Uint8Array(5e6) })),
    );
    const found = await readArchive(file, "tar", files);
    expect([...found.keys()].sort()).toEqual([...contents.keys()].sort());
    for (const [name, bytes] of contents) expect(found.get(name)).toEqual(bytes);
  });

  it("refuses a wanted file that is too long, wherever it lies", async () => {
    const file = write("long.tgz", gzipSync(await tar({ "evil/../../data_batch_1.bin": new Uint8Array(20_000) })));
    await expect(readArchive(file, "tar", files)).rejects.toThrow(refuse(`data_batch_1.bin in ${file} holds more than the expected 12292 bytes`));
  });

  it("stops at a bound where the archive unpacks to too much", async () => {
    // Many times the same megabyte: a gzip file may consist of several members.
    const megabyte = new Uint8Array(2 ** 20);
    const [head] = [(await tar({ zeros: megabyte })).subarray(0, 512)];
    const size = 2 ** 33 - 512;
    const header = Buffer.from(head as Uint8Array);
    header.write(`${size.toString(8).padStart(11, "0")} `, 124, "latin1");
    header.fill(" ", 148, 156);
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, "0")}\0 `,
      148,
      "latin1",
    );
    const member = gzipSync(megabyte);
    const file = write("bomb.tgz", Buffer.concat([gzipSync(header), ...new Array<Buffer>(300).fill(member)]));
    const total = files.reduce((sum, { bytes }) => sum + bytes, LIMITS.archiveSlack);
    await expect(readArchive(file, "tar", files)).rejects.toThrow(refuse(`${file} unpacks to more than ${total} bytes`));
  });

  it.each<[what: string, labels: unknown, message: string]>([
    ["short", [1], "train_lables.json must list 7 labels, got 1"],
    ["of words", new Array(7).fill("cat"), 'train_lables.json[0] (="cat") must be an integer from 0 to 255'],
    ["an object", { length: 7 }, "train_lables.json must list 7 labels, got none"],
    ["long", new Array(1000).fill(1), "train_lables.json in"],
  ])("refuses a list of labels that is %s", async (_, labels, message) => {
    const file = write("labels.tgz", gzipSync(await tar({ "train_lables.json": Buffer.from(JSON.stringify(labels)) })));
    await expect(readArchive(file, "cifar10-sheets", files)).rejects.toThrow(refuse(message));
  });

  it("leaves no file open", async () => {
    const whole = gzipSync(await tar({ "train_lables.json": Buffer.from("[1]") }), { level: 0 });
    const file = write("cut.tgz", whole.subarray(0, whole.length - 600));
    for (let i = 0; i < 10; i++) await expect(readArchive(file, "tar", files)).rejects.toThrow(refuse(`cannot read the archive ${file}`));
    await expect.poll(() => timesOpen(file)).toBe(0);
  });
});

it("a .gz put there by hand is unpacked to its file's length at most", async () => {
  const cache = join(folder, "cifar-10-batches-bin");
  const [{ name }] = files as [(typeof files)[0]];
  await expect(loadDataset({ ...tinyCifar10, sources: [] }, { cacheDir: folder, offline: true })).rejects.toThrow("no source could be used");
  writeFileSync(join(cache, `${name}.gz`), gzipSync(new Uint8Array(50e6)));
  await expect(loadDataset({ ...tinyCifar10, sources: [] }, { cacheDir: folder, offline: true })).rejects.toThrow(
    refuse(`${join(cache, `${name}.gz`)} holds more than the expected 12292 bytes; delete this file to have it fetched again`),
  );
});
