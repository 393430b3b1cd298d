/** @file Saving and loading checkpoints, with every file damaged in turn and every moment a save can stop at. */
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { RefusedCheckpoint, SaveCheckpointOptions } from "../../src/checkpoint/checkpoint.ts";
import { loadCheckpoint, saveCheckpoint } from "../../src/checkpoint/node-store.ts";

const model = { name: "mlp", config: { width: 8, layers: [1, 2] } };
const other = { name: "mlp", config: { width: 16, layers: [1, 2] } };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gradalign-checkpoint-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Saves a checkpoint all of whose parts tell its iteration. */
function save(iteration: number, change: Partial<SaveCheckpointOptions> = {}) {
  const tensors = { w: { dtype: "float32", shape: [4], data: new Float32Array(4).fill(iteration) } } as const;
  return saveCheckpoint(folder, { name: "last", model, tensors, iteration, epoch: iteration / 10, run: { seed: 3, iteration }, ...change });
}

/** The iteration of the checkpoint found, after checking that its parts belong together. */
function loadedIteration(refused?: RefusedCheckpoint[], name = "last"): number {
  const { manifest, tensors } = loadCheckpoint(folder, name, { expectModel: model, onRefused: (entry) => refused?.push(entry) });
  expect(tensors.get("w")?.data).toEqual(new Float32Array(4).fill(manifest.iteration));
  expect(manifest.run).toEqual({ seed: 3, iteration: manifest.iteration });
  return manifest.iteration;
}

const path = (file: string) => join(folder, file);
const tensorFiles = () => readdirSync(folder).filter((file) => file.endsWith(".safetensors"));

describe("a saved checkpoint", () => {
  it("comes back whole", () => {
    const manifest = save(390);
    expect(manifest.tensors).toMatch(/^last-000390-[0-9a-f]{12}\.safetensors$/);
    const loaded = loadCheckpoint(folder, "last", { expectModel: { name: "mlp", config: { layers: [1, 2], width: 8 } } });
    expect(loaded).toMatchObject({ manifest, file: path("last.json"), refused: [] });
    expect(manifest).toMatchObject({ format: "gradalign-checkpoint", version: 2, model, iteration: 390, epoch: 39, run: { seed: 3 } });
  });

  it("replaces the one before the last, and leaves other names and files alone", () => {
    save(5, { name: "best" });
    writeFileSync(path("last-notes.safetensors"), "mine");
    for (const iteration of [10, 20, 30]) save(iteration);
    expect(
      readdirSync(folder)
        .sort()
        .map((file) => file.replace(/-[0-9a-f]{12}/, "")),
    ).toEqual([
      "best-000005.safetensors",
      "best.json",
      "last-000020.safetensors",
      "last-000030.safetensors",
      "last-notes.safetensors",
      "last.json",
      "last.previous.json",
    ]);
    expect(loadedIteration()).toBe(30);
    expect(loadedIteration([], "best")).toBe(5);
  });

  it("may be saved again at the same step, with the same or other content", () => {
    save(10);
    save(10);
    expect(tensorFiles()).toHaveLength(1);
    save(10, { tensors: { w: { dtype: "float32", shape: [1], data: Float32Array.of(7) } } });
    expect(loadCheckpoint(folder, "last").tensors.get("w")?.data).toEqual(Float32Array.of(7));
    truncateSync(path(loadCheckpoint(folder, "last").manifest.tensors), 3);
    expect(loadedIteration()).toBe(10);
  });

  it("holds what JSON makes of the run's metadata", () => {
    save(1, { run: { loss: Number.NaN, when: new Date(0) as unknown as string } });
    expect(loadCheckpoint(folder, "last").manifest.run).toEqual({ loss: null, when: "1970-01-01T00:00:00.000Z" });
  });

  it.each([
    [{ name: "../last" }, 'checkpoint name "../last" must consist of letters, digits and underscores'],
    [{ iteration: 1.5 }, "iteration (=1.5) must be a non-negative integer"],
    [{ epoch: Number.NaN }, "epoch (=NaN) must be a non-negative number"],
  ])("refuses %o", (change, message) => {
    expect(() => save(1, change)).toThrow(expect.objectContaining({ code: "ConfigError", message: expect.stringContaining(message) }));
    expect(readdirSync(folder)).toEqual([]);
  });

  it("names the folder it cannot write to", () => {
    writeFileSync(path("file"), "");
    const unusable = path("file");
    const tensors = {};
    expect(() => saveCheckpoint(unusable, { name: "last", model, tensors, iteration: 1, epoch: 0 })).toThrow(
      expect.objectContaining({ code: "CheckpointError", message: expect.stringContaining(`cannot save last in ${unusable}`) }),
    );
  });
});

describe("a damaged checkpoint", () => {
  let newest: string;
  beforeEach(() => {
    save(10);
    newest = save(20).tensors;
  });

  const flip = (file: string, at: number) => {
    const bytes = readFileSync(path(file));
    bytes[at]! ^= 4;
    writeFileSync(path(file), bytes);
  };
  const damages: [what: string, damage: () => void, reason: RegExp][] = [
    ["a lost tensor file", () => rmSync(path(newest)), /its tensor file last-000020-\w+\.safetensors does not exist/],
    ["a truncated tensor file", () => truncateSync(path(newest), 40), /has 40 bytes, expected \d+/],
    ["an empty tensor file", () => truncateSync(path(newest), 0), /has 0 bytes/],
    ["a lengthened tensor file", () => writeFileSync(path(newest), "x", { flag: "a" }), /has \d+ bytes, expected/],
    ["a flipped bit in a weight", () => flip(newest, readFileSync(path(newest)).length - 1), /is altered: sha256 is \w+, expected \w+/],
    ["a flipped bit in the header", () => flip(newest, 20), /is altered/],
    ["a truncated manifest", () => truncateSync(path("last.json"), 60), /not JSON/],
    ["an empty manifest", () => truncateSync(path("last.json"), 0), /not JSON/],
    ["a lost manifest", () => rmSync(path("last.json")), /does not exist/],
    ["another file as manifest", () => writeFileSync(path("last.json"), '{"a":1}'), /not a gradalign checkpoint/],
    [
      "an older format",
      () => edit("last.json", '"version": 2,', '"version": 1,'),
      /has format version 1, this program reads version 2; use the version that wrote it/,
    ],
    ["a newer format", () => writeFileSync(path("last.json"), '{"format":"gradalign-checkpoint","version":3}'), /has format version 3, this program reads/],
    ["an edited manifest", () => edit("last.json", '"iteration": 20,', '"iteration": 21,'), /altered: its checksum is/],
    ["another checkpoint's tensor file", () => copyFileSync(path(tensorFiles().find((file) => file !== newest)!), path(newest)), /is altered/],
  ];
  function edit(file: string, from: string, to: string) {
    const text = readFileSync(path(file), "utf8");
    expect(text).toContain(from);
    writeFileSync(path(file), text.replace(from, to));
  }

  it.each(damages)("(%s) is reported and the one before it used", (_, damage, reason) => {
    damage();
    const refused: RefusedCheckpoint[] = [];
    expect(loadedIteration(refused)).toBe(10);
    expect(refused).toEqual([{ file: path("last.json"), reason: expect.stringMatching(reason) }]);
    expect(loadCheckpoint(folder, "last").refused).toEqual(refused);
  });

  it.each(damages)("(%s) does not cost the one before it when training goes on", (_, damage) => {
    damage();
    save(11);
    expect(loadedIteration()).toBe(11);
    rmSync(path("last.json"));
    expect(loadedIteration()).toBe(10);
  });

  it("is refused when truncated at any byte", () => {
    for (const file of [newest, "last.json"]) {
      const bytes = readFileSync(path(file));
      // The manifest's last byte is a line break.
      for (let length = 0; length < bytes.length - 1; length++) {
        truncateSync(path(file), length);
        expect(loadedIteration(), `${file} cut at ${length}`).toBe(10);
        writeFileSync(path(file), bytes);
      }
    }
    expect(loadedIteration()).toBe(20);
  });

  it("is refused when any one bit of the manifest that matters is flipped", () => {
    const bytes = readFileSync(path("last.json"));
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      writeFileSync(path("last.json"), flipped);
      // White space may turn into other white space; everything else is covered by the checksum.
      const same = isSameJson(flipped, bytes);
      expect(loadedIteration(), `bit ${bit}`).toBe(same ? 20 : 10);
    }
  });

  it("lists every refused file when none is left", () => {
    truncateSync(path("last.previous.json"), 10);
    rmSync(path("last.json"));
    expect(() => loadCheckpoint(folder, "last")).toThrow(/last\.json: does not exist; .*last\.previous\.json: not JSON.*save one there first/);
  });

  it("does not tell of one before it where there never was one", () => {
    truncateSync(path("last.json"), 10);
    rmSync(path("last.previous.json"));
    const onRefused = vi.fn();
    expect(() => loadCheckpoint(folder, "last", { onRefused })).toThrow(
      expect.objectContaining({
        code: "CheckpointError",
        message: expect.stringMatching(/no usable checkpoint "last" in .*last\.json: not JSON[^;]*; save one there first/),
      }),
    );
    expect(onRefused).toHaveBeenCalledTimes(1);
  });
});

function isSameJson(a: Buffer, b: Buffer): boolean {
  try {
    return JSON.stringify(JSON.parse(a.toString())) === JSON.stringify(JSON.parse(b.toString()));
  } catch {
    return false;
  }
}

describe("a checkpoint of another model", () => {
  const reason = 'holds the model mlp {"layers":[1,2],"width":16}, expected mlp {"layers":[1,2],"width":8}';

  it("is refused with both identities", () => {
    save(10, { model: other });
    expect(() => loadedIteration()).toThrow(expect.objectContaining({ code: "CheckpointError", message: expect.stringContaining(reason) }));
    expect(() => loadCheckpoint(folder, "last", { expectModel: { name: "resnet", config: other.config } })).toThrow("expected resnet");
    expect(loadCheckpoint(folder, "last").manifest.model).toEqual(other);
  });

  it("gives way to an older one of the right model", () => {
    save(10);
    save(20, { model: other });
    const refused: RefusedCheckpoint[] = [];
    expect(loadedIteration(refused)).toBe(10);
    expect(refused).toEqual([{ file: path("last.json"), reason }]);
  });
});

describe("a save that stops", () => {
  /** Files as they are after saving step 30, so that single ones can be put into an earlier state. */
  function after30(): Map<string, Buffer> {
    const copy = mkdtempSync(join(tmpdir(), "gradalign-checkpoint-"));
    for (const file of readdirSync(folder)) copyFileSync(path(file), join(copy, file));
    const real = folder;
    folder = copy;
    save(30);
    const files = new Map(readdirSync(folder).map((file) => [file, readFileSync(path(file))]));
    rmSync(folder, { recursive: true });
    folder = real;
    return files;
  }

  it.each([
    ["while writing the tensors", 0],
    ["before renaming the tensors", 1],
    ["before keeping the previous manifest", 2],
    ["before replacing the manifest", 3],
    ["before deleting what is unused", 4],
  ])("%s leaves a usable checkpoint, and no rubbish after the next save", (_, stage) => {
    save(10);
    save(20);
    const files = after30();
    const tensors = [...files.keys()].find((file) => file.startsWith("last-000030"))!;
    const temporary = path(`.${tensors}.0123456789ab.tmp`);
    if (stage <= 1) writeFileSync(temporary, files.get(tensors)!.subarray(0, stage === 0 ? 50 : undefined));
    if (stage >= 2) writeFileSync(path(tensors), files.get(tensors)!);
    if (stage >= 3) writeFileSync(path("last.previous.json"), files.get("last.previous.json")!);
    if (stage >= 4) writeFileSync(path("last.json"), files.get("last.json")!);
    const refused: RefusedCheckpoint[] = [];
    expect(loadedIteration(refused)).toBe(stage >= 4 ? 30 : 20);
    expect(refused).toEqual([]);
    renameSync(path("last.json"), path("aside"));
    expect(loadedIteration()).toBe(stage >= 3 ? 20 : 10);
    renameSync(path("aside"), path("last.json"));

    save(40);
    expect(loadedIteration()).toBe(40);
    expect(readdirSync(folder)).toHaveLength(4);
  });
});
