/** @file A model attacked on the page: the estimate builds up image by image, and the record is the one that the command writes. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bytesSource } from "@gradalign/formats";
import { arithmeticOf, describeModelFor, exportOnnx, exportSafetensors, readTar, train } from "@gradalign/robustness";
import { type EvaluationRecord, percent, savedSafetensors } from "@gradalign/runs";
import { evaluate, loadSavedModel, openVictim, readEvaluation, startStudioServer } from "@gradalign/runs/node";
import { createDevice } from "@gradalign/tensor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { trainConfigOf } from "../src/train-config.ts";
import {
  dataset,
  download,
  drop,
  dropProblem,
  FINGERPRINT,
  inState,
  longestTask,
  openPage,
  PAGE_FOLDER,
  page,
  queryOf,
  SETTINGS,
  start,
  text,
  useStudio,
} from "./support/studio.ts";
import { expectUsable } from "./support/usable.ts";

useStudio();

const root = mkdtempSync(join(tmpdir(), "gradalign-attack-"));
const weights = join(root, "stripes.safetensors");
const graph = join(root, "stripes.onnx");
const ATTACK = "apgd-ce:steps=4+square:queries=20";
const N = 40;
beforeAll(async () => {
  const device = await createDevice({ backend: "wasm", threads: 2 });
  const { model, params, state } = await train(trainConfigOf({ ...SETTINGS, method: "standard" }, dataset), dataset, { device });
  writeFileSync(weights, exportSafetensors(params, state, { metadata: describeModelFor(model, null) }));
  writeFileSync(graph, exportOnnx(model, params, state));
  device.close();
});
afterAll(() => rmSync(root, { recursive: true }));

/** The command's record of a model. */
async function inCommand(
  path: string,
  attack: string,
  count: number,
  norm: string,
  epsilon: { numerator: number; denominator: number },
): Promise<EvaluationRecord> {
  const device = await createDevice({ backend: "wasm", threads: 2 });
  const { victim, judged } = await openVictim(path);
  const data = { dataset, fingerprint: FINGERPRINT, classesFrom: "definition" as const };
  const settings = { model: judged, data, dataName: "stripes", count, norm, epsilon, attack, seed: 0, arithmetic: arithmeticOf(device) };
  const folder = mkdtempSync(join(root, "evaluation-"));
  const { record } = await evaluate({ settings, folder, victim, device, resume: true, remedy: "" });
  device.close();
  return record;
}

/** Unpacks an archive into a folder of its name. */
function unpack(archive: Buffer): void {
  for (const { name, start, size } of readTar(bytesSource(archive), "archive")) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), archive.subarray(start, start + size));
  }
}

async function attack(fields: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, value] of Object.entries(fields)) await page.fill(`[name=attack-${name}]`, value);
  await page.click("#attack-start");
}
const finished = () => page.waitForFunction(() => document.querySelector("#attack-result .verdict-line")?.textContent === "Finished.");

test("a file's robust accuracy builds up with its interval, the page stays free, and the record is the command's", async () => {
  await openPage();
  await inState("idle");
  await page.setInputFiles("[name=model]", weights);
  expect(await text("#attack-model")).toBe("stripes.safetensors");
  await page.evaluate(() => {
    const seen: string[] = [];
    (globalThis as unknown as { seen: string[] }).seen = seen;
    new MutationObserver(() => {
      const [images, interval] = ["[data-key=images]", "[data-interval=robust]"].map(
        (selector) => document.querySelector(`#attack-result ${selector}`)?.textContent,
      );
      const now = `${images}${interval}`;
      if (images !== undefined && interval !== undefined && seen.at(-1) !== now) seen.push(now);
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  const longest = await longestTask(async () => {
    await attack({ attack: ATTACK, epsilon: "24", count: String(N) });
    await finished();
  });
  expect(longest).toBeLessThan(50);
  const seen = await page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen);
  const images = seen.map((line) => Number.parseInt(line, 10));
  expect(images).toEqual(images.toSorted((a, b) => a - b));
  expect(new Set(images).size).toBeGreaterThanOrEqual(4);

  const record = JSON.parse((await download("#save-record")).bytes.toString()) as EvaluationRecord;
  const command = await inCommand(weights, ATTACK, N, "linf", { numerator: 24, denominator: 255 });
  expect(record.robustAccuracy).toBeLessThan(record.cleanAccuracy);
  // But for times, the machine, and passes: the page has smaller batches, in which a broken image waits for fewer others.
  const outcome = ({ written: _, code: __, machine: ___, seconds: ____, passes: _____, digest: ______, stages, ...rest }: EvaluationRecord) => ({
    ...rest,
    stages: stages.map(({ seconds: _______, passes: ________, ...stage }) => stage),
  });
  expect(outcome(record)).toEqual(outcome(command));
  expect(record.machine.node).toMatch(/^Chrome \d+$/);
  const [low, high] = record.confidence95;
  expect(await text("[data-interval=robust]")).toBe(`, 95 %: ${percent(low)} to ${percent(high)}`);
  expect(await text("#attack-result [data-key=robust]")).toBe(percent(record.robustAccuracy));

  // The archive is an evaluation's folder.
  const { name, bytes } = await download("#save-evaluation");
  expect(name).toBe(`stripes-apgd-ce-steps-4+square-queries-20-linf-24-255-${record.id.slice(0, 8)}.tar`);
  unpack(bytes);
  expect(readEvaluation(join(root, name.replace(".tar", "")))).toEqual(record);
  expect(await page.locator("#found figure").count()).toBe(Math.min(24, record.outcomes.filter(({ brokenBy }) => brokenBy !== null).length));

  await expectUsable(page);
  await page.setViewportSize({ width: 1280, height: 844 });
});

test("PyTorch's files and ONNX graphs are attacked; what is no model is told; an attack is stopped", async () => {
  const pytorch = fileURLToPath(new URL("../../../packages/robustness/test/fixtures/checkpoints/resnet18.pth", import.meta.url));
  for (const [file, format] of [
    [pytorch, "pytorch"],
    [graph, "onnx"],
  ] as const) {
    await page.setInputFiles("[name=model]", file);
    await attack({ attack: "fgsm", count: "8" });
    await page.waitForFunction((wanted) => document.querySelector("#attack-result strong")?.textContent === wanted, basename(file));
    await finished();
    const record = JSON.parse((await download("#save-record")).bytes.toString()) as EvaluationRecord;
    expect([record.model.format, record.outcomes.length]).toEqual([format, 8]);
  }
  await page.setInputFiles("[name=model]", { name: "notes.pth", mimeType: "text/plain", buffer: Buffer.from("no model") });
  await page.click("#attack-start");
  await expect.poll(() => text("#attack-problem")).toBe("neither a PyTorch, a safetensors nor an ONNX file");
  await attack({ epsilon: "0.03" });
  expect(await text("#attack-problem")).toContain("must be 0 or a number from 1 to 255");

  await page.setInputFiles("[name=model]", weights);
  await attack({ attack: "pgd-2000", epsilon: "8", count: "150" });
  expect(await drop("model", ["other.pth"])).toBe(false);
  await expect.poll(() => dropProblem("model")).toBe("Stop the attack that goes on first.");
  await page.click("#attack-stop");
  await page.waitForFunction(() =>
    /^Ended after \d+ images; there is no record/.test(document.querySelector("#attack-result .verdict-line")?.textContent ?? ""),
  );
  expect(await drop("model", [])).toBe(true);
  await expect.poll(() => dropProblem("model")).toBe("There is no file in what was dropped; drop a file, or a folder with files in it.");
  await drop("model", ["other.pth", "tiny.safetensors"]);
  await expect.poll(() => text("#attack-problem")).toBe("a model must be one file, got other.pth and tiny.safetensors; drop one of them");
  expect(await text("#attack-model")).toBe("stripes.safetensors");
});

test("a network that was trained on the page is attacked as its saved run folder would be", async () => {
  await openPage(queryOf({ ...SETTINGS, epochs: 1 }));
  await start();
  await inState("idle");
  await page.click("[data-take=left]");
  expect(await text("#attack-model")).toBe("FGSM, ε 10/255, seed 3");
  await page.selectOption("[name=attack-norm]", "l2");
  expect(await page.inputValue("[name=attack-epsilon]")).toBe("0.5");
  await attack({ attack: "pgd-3-2", count: "16" });
  await finished();
  const record = JSON.parse((await download("#save-record")).bytes.toString()) as EvaluationRecord;
  const { name, bytes } = await download("[data-side=left] [data-save=run]");
  expect(name).toBe("cnn-fgsm-eps10-seed3.tar");
  unpack(bytes);
  const command = await inCommand(join(root, "cnn-fgsm-eps10-seed3"), "pgd-3-2", 16, "l2", { numerator: 1, denominator: 2 });
  expect([record.id, record.digest, record.model]).toEqual([command.id, command.digest, command.model]);

  // The page of runs gives the same model, to save and to be attacked here.
  const code = { version: "0.1.0", commit: null };
  const folder = realpathSync(root);
  const ofRuns = await startStudioServer({ dataset, runs: { folders: [folder], starter: null, code }, port: 0, host: "127.0.0.1", page: PAGE_FOLDER });
  try {
    await page.goto(`${ofRuns.url}runs.html?look=0/${name.replace(".tar", "")}`);
    const saved = await download("#details a[download]");
    expect(saved.name).toBe("cnn-fgsm-eps10-seed3-last.safetensors");
    const expected = savedSafetensors(
      loadSavedModel(join(folder, name.replace(".tar", "")), "last", () => {}),
      code,
    );
    expect(saved.bytes.equals(expected)).toBe(true);
    await page.click("#details >> text=attack it in the browser");
    await expect.poll(() => text("#attack-model")).toBe(saved.name);
    expect(new URL(page.url()).searchParams.get("attack")).toBe("0/cnn-fgsm-eps10-seed3");
  } finally {
    await ofRuns.close();
  }
});
