/** @file Writing a file whole or not at all, checking a place beforehand, and clearing up after processes that were killed. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileError, makeFolder, readRegularFile, removeLeftovers, requireWritable, requireWritableFile, writeFileAtomic } from "@gradalign/robustness/node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gradalign-file-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string) => join(folder, name);

describe("writing", () => {
  it("leaves the old file where the new one does not fit, names it, and leaves nothing beside it", () => {
    writeFileSync(path("model"), "good");
    const module = JSON.stringify(new URL("../../dist/node.js", import.meta.url).href);
    const script = `import { writeFileAtomic } from ${module}; writeFileAtomic(${JSON.stringify(path("model"))}, new Uint8Array(100_000));`;
    const { status, stderr } = spawnSync("bash", ["-c", `trap '' XFSZ; ulimit -f 16; exec "$0" --input-type=module -e "$1"`, process.execPath, script]);
    expect(status).not.toBe(0);
    expect(String(stderr)).toContain(`FileError: cannot write ${path("model")}: the file would be larger than the limit`);
    expect(readFileSync(path("model"), "utf8")).toBe("good");
    expect(readdirSync(folder)).toEqual(["model"]);
  });

  it("replaces what a link points to, not the link", () => {
    writeFileSync(path("real"), "old");
    symlinkSync("real", path("link"));
    writeFileAtomic(path("link"), "new");
    expect(readFileSync(path("real"), "utf8")).toBe("new");
    expect(lstatSync(path("link")).isSymbolicLink()).toBe(true);
  });

  it.each([
    ["a folder", (at: string) => mkdirSync(at), "it is a folder, not a file; name a file"],
    ["a pipe", (at: string) => void execFileSync("mkfifo", [at]), "it is a device or a pipe, not a regular file; name a file"],
    ["under a file", (at: string) => writeFileSync(at, ""), "a part of this path is a file, not a folder; name another place (ENOTDIR)", "/x"],
    ["a folder that is not there", () => {}, "it does not exist; check the path (ENOENT)", "/x"],
  ])("is refused where %s is, beforehand too", (_, make, reason, below = "") => {
    make(path("out"));
    const file = path("out") + below;
    for (const write of [() => requireWritableFile(file), () => writeFileAtomic(file, "text")]) {
      expect(write).toThrow(FileError);
      expect(write).toThrow(`cannot write ${file}: ${reason}`);
    }
  });
});

it("a write removes what killed writes of the same file left, and nothing else", () => {
  const ended = spawnSync(process.execPath, ["-e", ""]).pid;
  const others = [`.other.${ended}.0123456789ab.tmp`, `.model.${process.pid}.0123456789ab.tmp`];
  for (const name of [`.model.${ended}.0123456789ab.tmp`, ...others]) writeFileSync(path(name), "");
  writeFileAtomic(path("model"), "new");
  expect(readdirSync(folder).sort()).toEqual([...others, "model"].sort());
});

describe("making a folder", () => {
  it("makes those above it, and can be taken back as far as they are empty", () => {
    mkdirSync(path("a"));
    const remove = makeFolder(path("a/b/c"));
    expect(existsSync(path("a/b/c"))).toBe(true);
    expect(makeFolder(path("a/b/c"))).not.toThrow();
    expect(existsSync(path("a/b/c"))).toBe(true);
    remove();
    expect(readdirSync(path("a"))).toEqual([]);
    expect(existsSync(path("a"))).toBe(true);
  });

  it("is refused under a file, at a link to nothing, and where the system lets nothing be made", () => {
    writeFileSync(path("file"), "");
    symlinkSync("nowhere", path("link"));
    expect(() => makeFolder(path("file/a"))).toThrow(`cannot make the folder ${path("file/a")}: a part of this path is a file, not a folder`);
    expect(() => makeFolder(path("link"))).toThrow(`cannot make the folder ${path("link")}: something else has this name`);
    if (process.platform === "linux") {
      // Node 20's own way never ends there.
      expect(() => makeFolder("/proc/nope/a")).toThrow("nothing can be made in /proc; name another place");
    }
  });
});

it("checking a folder that is to be made leaves nothing behind", () => {
  requireWritable(path("a/b/c"));
  expect(readdirSync(folder)).toEqual([]);
  writeFileSync(path("file"), "");
  expect(() => requireWritable(path("file/run"))).toThrow(`cannot write to ${path("file/run")}: a part of this path is a file`);
  expect(() => requireWritable("/proc/run")).toThrow(FileError);
  expect(() => requireWritable("/proc/run")).toThrow("cannot write to /proc/run: nothing can be made in /proc; name another place");
});

it("reading never waits for a pipe, and says what a thing is that is no file", () => {
  mkdirSync(path("folder"));
  execFileSync("mkfifo", [path("pipe")]);
  expect(() => readRegularFile(path("pipe"))).toThrow("it is a device or a pipe, not a regular file");
  expect(() => readRegularFile(path("folder"))).toThrow("it is a folder, not a file");
  expect(() => readRegularFile(path("none"))).toThrow(`cannot read ${path("none")}: it does not exist`);
});

it("what killed processes left is removed, what living ones are writing is not", () => {
  const ended = spawnSync(process.execPath, ["-e", ""]).pid;
  for (const name of [`.a.json.${ended}.0123456789ab.tmp`, ".b.json.0123456789ab.tmp", `.c.json.${process.pid}.0123456789ab.tmp`, ".d.tmp", "e.json"]) {
    writeFileSync(path(name), "");
  }
  removeLeftovers(folder);
  expect(readdirSync(folder)).toEqual([`.c.json.${process.pid}.0123456789ab.tmp`, ".d.tmp", "e.json"]);
  removeLeftovers(path("none"));
  expect(existsSync(path("none"))).toBe(false);
});
