/** @file Trainings in the browser's storage and as run folders: they go on to the bits they would have had. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { bytesSource } from "@gradalign/formats";
import { readTar, train } from "@gradalign/robustness";
import { createRun, openRun, openVictim } from "@gradalign/runs/node";
import { createDevice } from "@gradalign/tensor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { trainConfigOf } from "../src/train-config.ts";
import {
  dataset,
  download,
  FINGERPRINT,
  inNode,
  inState,
  LONG,
  measured,
  measurements,
  openPage,
  page,
  queryOf,
  SETTINGS,
  save,
  start,
  text,
  timeless,
  useStudio,
} from "./support/studio.ts";
import { findings } from "./support/usable.ts";

useStudio();

const root = mkdtempSync(join(tmpdir(), "gradalign-kept-"));
let expected: ReturnType<typeof timeless>[];
beforeAll(async () => {
  expected = await inNode(SETTINGS);
});
afterAll(() => rmSync(root, { recursive: true }));

test("a training survives a reload in its middle: opened and continued it has the bits of one that was left alone", async () => {
  await openPage(queryOf(SETTINGS, { pace: "20" }));
  await start();
  await page.waitForFunction(() => document.querySelectorAll("[data-side=right] figure:nth-of-type(1) [aria-label=dot] circle").length >= 9);
  // Nothing asks whether to leave: Playwright would dismiss it, and stay.
  await page.reload();
  await inState("idle");
  await page.waitForSelector(".kept-training");
  expect(await text(".kept-training")).toMatch(/^FGSM, ε 10\/255, seed 3 and FGSM \+ GradAlign, ε 10\/255, seed 3 on stripes, epoch [1-5]\.0/);
  expect(await findings(page)).toEqual([]);
  await page.click(".kept-training >> text=Open");
  await inState("paused");
  const before = (await save())[0]?.evaluations.length as number;
  expect(before).toBeGreaterThanOrEqual(2);
  expect(before).toBeLessThan(7);
  expect(measurements(await save())[0]).toEqual(expected[0]?.slice(0, before));
  await page.selectOption("[name=pace]", "null");
  await page.click("text=Continue");
  await inState("idle");
  expect(measurements(await save())).toEqual(expected);

  // What has ended is kept too, and opens as it ended; deleted it is gone.
  await page.reload();
  await inState("idle");
  await page.click(".kept-training >> text=Open");
  await expect.poll(() => text("#headline")).toBe("Opened; it has ended");
  expect(measurements(await save())).toEqual(expected);
  await page.reload();
  await inState("idle");
  await page.click(".kept-training >> text=Delete");
  await expect.poll(() => page.locator(".kept-training").count()).toBe(0);
});

test("a run folder of the command is opened and goes on on the page; what the page saves is one again", async () => {
  const device = await createDevice({ backend: "wasm", threads: 2 });
  const config = trainConfigOf({ ...SETTINGS, method: "fgsm" }, dataset);
  const run = createRun(join(root, "half"), config);
  const stop = new AbortController();
  await train(config, dataset, {
    ...{ device, fingerprint: FINGERPRINT, checkpoints: run.sink, signal: stop.signal },
    onEvent: (event) => event.type === "checkpoint" && event.kind === "last" && event.iteration === 8 && stop.abort(),
  });
  device.close();
  await openPage(queryOf({ ...SETTINGS, epsilon: 4 }));
  await inState("idle");
  await page.setInputFiles("[name=run-folder]", join(root, "half"));
  await inState("paused");
  expect(measurements(await save()).map((all) => all.length)).toEqual([3, 0]);
  // Beside it the page's method is trained with the run's settings.
  expect(await page.inputValue("[name=epsilon]")).toBe("10");
  await page.click("text=Continue");
  await inState("idle");
  const saved = measurements(await save());
  expect(saved[0]).toEqual(expected[0]);
  expect(saved[1]).toEqual(expected[1]);

  const { name, bytes } = await download("[data-side=left] [data-save=run]");
  expect(name).toBe("cnn-fgsm-eps10-seed3.tar");
  for (const { name: path, start: at, size } of readTar(bytesSource(bytes), name)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), bytes.subarray(at, at + size));
  }
  const folder = join(root, "cnn-fgsm-eps10-seed3");
  const again = openRun(folder);
  expect(again.config).toEqual(config);
  expect(timeless(again.evaluations)).toEqual(expected[0]);
  expect(again.loadCheckpoint("last").iteration).toBe(24);
  const safetensors = await download("[data-side=left] [data-save=safetensors]");
  writeFileSync(join(root, safetensors.name), safetensors.bytes);
  expect((await openVictim(join(root, safetensors.name))).judged.architecture).toEqual({ name: "cnn", filters: 4 });

  // Opened again it has ended, and only its neighbour goes on.
  await page.setInputFiles("[name=run-folder]", folder);
  await inState("paused");
  expect(await text("[data-side=left] .verdict-line")).toContain("ended at epoch 6.0");
  expect([await text("#headline"), await text("#numbers")]).toEqual(["Opened; the left one has ended", "epoch 0.0 of 6"]);
  await page.click("#stop");
  await inState("idle");

  await page.setInputFiles("[name=run]", { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no run") });
  await expect.poll(() => text("#problem")).toContain("there must be one run folder or two among the files, got none");
});

test("where the browser refuses to keep anything the page says so, trains on, and warns before it is left", async () => {
  await openPage(queryOf(LONG));
  await inState("idle");
  await page.workers()[0]?.evaluate(() => {
    IDBObjectStore.prototype.put = () => {
      throw new DOMException("the disk is full", "QuotaExceededError");
    };
  });
  await page.click("#start");
  await measured();
  const asked: string[] = [];
  page.on("dialog", (dialog) => {
    asked.push(dialog.type());
    void dialog.dismiss();
  });
  expect(await page.textContent(".kept .wrong")).toBe("This browser keeps nothing (the disk is full): closing the page ends its training.");
  const leave = () =>
    page.goto("about:blank").then(
      () => "left",
      () => "stayed",
    );
  expect(await leave()).toBe("stayed");
  await page.click("#pause");
  await inState("paused");
  expect(await leave()).toBe("stayed");
  await page.click("#stop");
  await inState("idle");
  expect((await save()).map(({ end }) => end)).toEqual(["stopped", "stopped"]);
  expect(await leave()).toBe("left");
  expect(asked).toEqual(["beforeunload", "beforeunload"]);
});
