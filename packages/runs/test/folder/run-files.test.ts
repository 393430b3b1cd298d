/** @file A run's files in memory: the command goes on with what a page wrote, a page with what the command wrote, to the same bits; damage is told. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { resolveTrainConfig, type Snapshot, type TrainResult, train } from "@gradalign/robustness";
import { readRunFiles, runFiles } from "@gradalign/runs";
import { createRun, openRun, readReportRun } from "@gradalign/runs/node";
import { createDevice, type Device } from "@gradalign/tensor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tinyDataset } from "../../../robustness/test/support/tiny-dataset.ts";

const root = mkdtempSync(join(tmpdir(), "gradalign-run-files-"));
const data = tinyDataset();
const config = resolveTrainConfig({
  dataset: data,
  model: { name: "cnn", filters: 1 },
  method: "fgsm",
  epochs: 2,
  batchSize: 4,
  evalEvery: 3,
  evalExamples: 4,
});
const session = { machine: { backend: "wasm", threads: 1, version: "9.9.9", node: "Chrome 1" }, asked: { native: "off" as const } };
let device: Device;
beforeAll(async () => {
  device = await createDevice({ backend: "wasm", threads: 1 });
});
afterAll(() => {
  device.close();
  rmSync(root, { recursive: true, force: true });
});

const outcome = async ({ params, evaluations }: TrainResult) => ({
  evaluations: evaluations.map(({ seconds: _, ...rest }) => rest),
  params: await Promise.all(Object.values(params).map((value) => value.read())),
});
/** A run that stops after its first checkpoint, kept in memory. */
async function stopped(): Promise<{ last: Snapshot; best: Snapshot | null }> {
  const kept: { last?: Snapshot; best?: Snapshot } = {};
  const stop = new AbortController();
  const checkpoints = {
    save(kind: "last" | "best", snapshot: Snapshot) {
      kept[kind] = snapshot;
      if (kind === "last") stop.abort();
      return undefined;
    },
  };
  await train(config, data, { device, checkpoints, signal: stop.signal, fingerprint: "f" });
  return { last: kept.last as Snapshot, best: kept.best ?? null };
}

test("what is written from memory is a run folder, which goes on to the same bits", async () => {
  const folder = join(root, "written");
  for (const [path, content] of runFiles({ ...(await stopped()), session })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  const run = openRun(folder);
  expect(run.evaluations.map(({ iteration }) => iteration)).toEqual([0, 3]);
  expect(run.loadCheckpoint("best").iteration).toBeLessThanOrEqual(3);
  expect(readReportRun(folder).machine).toEqual(session.machine);
  const resumed = await train(run.config, data, { device, fingerprint: "f", checkpoints: run.sink, resume: run.loadCheckpoint("last") });
  expect(await outcome(resumed)).toEqual(await outcome(await train(config, data, { device })));
});

test("a run folder is read, and goes on to the same bits", async () => {
  const folder = join(root, "read");
  const stop = new AbortController();
  const run = createRun(folder, config);
  await train(config, data, {
    device,
    checkpoints: run.sink,
    signal: stop.signal,
    onEvent: (event) => event.type === "checkpoint" && event.kind === "last" && stop.abort(),
  });
  const read = async (path: string): Promise<Uint8Array | undefined> => {
    try {
      return readFileSync(join(folder, path));
    } catch {
      return undefined;
    }
  };
  const found = await readRunFiles(read, "read");
  expect(found.last).toEqual(run.loadCheckpoint("last"));
  expect(found.best).toEqual(run.loadCheckpoint("best"));
  const resumed = await train(found.config, data, { device, resume: found.last });
  expect(await outcome(resumed)).toEqual(await outcome(await train(config, data, { device })));

  const changed = (name: RegExp, change: (bytes: Uint8Array) => Uint8Array | undefined) => async (path: string) => {
    const bytes = await read(path);
    return bytes && name.test(path) ? change(Uint8Array.from(bytes)) : bytes;
  };
  const flipped = (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (i === bytes.length - 20 ? byte ^ 1 : byte));
  for (const [name, change, said] of [
    [/^config/, () => undefined, "read is not a run folder: it has no config.json"],
    [/last-.*safetensors$/, flipped, /^no checkpoint in read can be used \(last\.json: its tensor file last-000003-\w+\.safetensors is altered/],
    [/last-.*safetensors$/, () => undefined, /its tensor file last-000003-\w+\.safetensors does not exist/],
    [/last\.json$/, flipped, /last\.json: altered: its checksum is/],
    [/^metrics/, flipped, /its evaluations are altered/],
    [/^metrics/, (bytes: Uint8Array) => bytes.subarray(9), /its evaluations are lost/],
  ] as const) {
    await expect(readRunFiles(changed(name, change), "read")).rejects.toThrow(said);
  }
});
