/** @file What the tests of the page share: a small data set, the real server, one Chromium for a file's tests, and words for what is on the page. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Evaluation, imageDataset, type ResidentDataset, train } from "@gradalign/robustness";
import type { TrainingSettings } from "@gradalign/runs";
import { type StudioServer, startStudioServer } from "@gradalign/runs/node";
import { createDevice } from "@gradalign/tensor";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, vi } from "vitest";
import { launchChromium } from "../../../../tools/browser.ts";
import { trainConfigOf } from "../../src/train-config.ts";

/** Where the build puts the page. */
export const PAGE_FOLDER: string = fileURLToPath(new URL("../../../../packages/gradalign/dist/page", import.meta.url));

/** Stripes, a different direction and width for each class, under noise. */
function stripes(count: number, salt: number) {
  const images = new Uint8Array(count * 3072);
  for (let i = 0; i < images.length; i++) {
    const [image, row, column] = [Math.floor(i / 3072), (i >> 5) & 31, i & 31];
    const kind = image % 10;
    const wave = Math.sin(((kind % 2 === 0 ? row : column) * (1 + (kind >> 1))) / 4);
    images[i] = 128 + 60 * wave + ((Math.imul(i + salt, 0x9e3779b1) >>> 26) - 32);
  }
  return { images, labels: Uint8Array.from({ length: count }, (_, i) => i % 10) };
}

const classNames = Array.from({ length: 10 }, (_, i) => `class ${i}`);
/** What the server serves. */
export const dataset: ResidentDataset = imageDataset({
  name: "stripes",
  classNames,
  shape: [3, 32, 32],
  train: stripes(2300, 0),
  test: stripes(150, 7),
  crop: 4,
});

/** What stands for its content. */
export const FINGERPRINT = "stripes of 2026";

/** The page's first preset's methods. */
export const METHODS = { left: "fgsm", right: "fgsm-gradalign" };
/** A training of 24 steps. */
export const SETTINGS = { epsilon: 10, seed: 3, epochs: 6, trainSize: 512, evalEvery: 4, evalExamples: 64 };
/** One that goes on until it is stopped. */
export const LONG = { ...SETTINGS, epochs: 900 };

/** What the page saves. */
export interface Saved {
  readonly label: string;
  readonly end: "ended" | "stopped" | "failed" | null;
  readonly evaluations: Evaluation[];
}

// A busy machine trains slowly.
vi.setConfig({ testTimeout: 180_000 });

/** The server of this file's tests. */
export let server: StudioServer;
/** Their browser. */
export let browser: Browser;
/** The page that was opened last. */
export let page: Page;

/** Starts the server and a Chromium for the tests of a file. */
export function useStudio(args: readonly string[] = []): void {
  beforeAll(async () => {
    server = await startStudioServer({ dataset, fingerprint: FINGERPRINT, port: 0, host: "127.0.0.1", page: PAGE_FOLDER });
    browser = await launchChromium(args);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });
}

/** Settings as the page's address has them. */
export function queryOf(settings: TrainingSettings, more: Readonly<Record<string, string>> = {}): string {
  const names = Object.entries(settings).map(([name, value]) => [name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`), String(value)]);
  return `?${new URLSearchParams([...names, ["backend", "wasm"], ...Object.entries(more)].map((pair) => pair as [string, string]))}`;
}

/** Makes a page that is open the one that is looked at. */
export function look(at: Page): void {
  page = at;
  page.setDefaultTimeout(120_000);
}

/** Opens the page, in the place of the one before. */
export async function openPage(query = queryOf(SETTINGS), prepare?: (page: Page) => Promise<unknown>, inside = browser): Promise<void> {
  if (page && !page.isClosed()) await page.close();
  look(await inside.newPage());
  await prepare?.(page);
  await page.goto(server.url + query);
}

/** Waits for one of the page's phases. */
export const inState = (state: string) => page.waitForSelector(`main[data-state=${state}]`);
/** What an element says. */
export const text = (selector: string) => page.textContent(selector);
/** The iteration that the page shows. */
export const iteration = async (): Promise<number> => Number(((await text("#numbers")) ?? "").match(/iteration ([\d,]+)/)?.[1]?.replace(",", "") ?? 0);

/** Waits for the images and starts. */
export async function start(): Promise<void> {
  await inState("idle");
  await page.click("#start");
}

/** Waits until a training goes on and has been measured. */
export const measured = () => page.waitForFunction(() => /\d %/.test(document.querySelector("[data-side=right] [data-key=test_clean_acc]")?.textContent ?? ""));
/** Scrolls to the image. */
export const lookInside = () => page.locator(".look").scrollIntoViewIfNeeded();
/** Waits until a side has looked at the image. */
export const looked = (side = "right") => page.waitForSelector(`[data-look=${side}] .cosine`);

/** What takes the page's main thread longest while something is done, in milliseconds of the processor: others may share it. */
export async function longestTask(work: () => Promise<unknown>): Promise<number> {
  await browser.startTracing(page, { categories: ["toplevel"] });
  await work();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as {
    traceEvents: { name: string; ph: string; pid: number; tid: number; tdur?: number; args?: { name?: string } }[];
  };
  const main = new Set(traceEvents.filter(({ ph, args }) => ph === "M" && args?.name === "CrRendererMain").map(({ pid, tid }) => `${pid}.${tid}`));
  const tasks = traceEvents.filter(({ pid, tid, tdur }) => tdur !== undefined && main.has(`${pid}.${tid}`));
  if (tasks.length < 100) throw new Error(`only ${tasks.length} tasks of the main thread were seen`);
  return Math.max(...tasks.map(({ tdur = 0 }) => tdur)) / 1000;
}

/** A file that a click saves. */
export async function download(selector: string): Promise<{ readonly name: string; readonly bytes: Buffer }> {
  const [saved] = await Promise.all([page.waitForEvent("download"), page.click(selector)]);
  return { name: saved.suggestedFilename(), bytes: readFileSync(await saved.path()) };
}

/** Drops files of these names on the place of a field, and says whether it looks ready to take them while they are over it. */
export function drop(field: string, names: readonly string[]): Promise<boolean> {
  return page.evaluate(
    async ([selector, files]) => {
      const place = document.querySelector(`[name=${selector}]`)?.closest(".drop") as HTMLElement;
      const dataTransfer = new DataTransfer();
      for (const name of files) dataTransfer.items.add(new File(["x"], name));
      place.dispatchEvent(new DragEvent("dragover", { dataTransfer, bubbles: true, cancelable: true }));
      for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
      const ready = place.classList.contains("over");
      place.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
      return ready;
    },
    [field, names] as const,
  );
}
/** What is wrong with what was dropped there. */
export const dropProblem = (field: string) =>
  page.evaluate((name) => document.querySelector(`[name=${name}]`)?.closest(".drop")?.querySelector(".wrong")?.textContent, field);

/** Settings and measurements of both trainings, as the page saves them. */
export async function save(): Promise<Saved[]> {
  return JSON.parse((await download("#save")).bytes.toString()) as Saved[];
}

/** Measurements without their times. */
export const timeless = (evaluations: readonly Evaluation[] = []) => evaluations.map(({ seconds: _, ...rest }) => rest);

/** What was saved, to compare with what Node computes. */
export const measurements = (saved: readonly Saved[]) => saved.map(({ evaluations }) => timeless(evaluations));

/** Both trainings in Node. */
export async function inNode(settings: TrainingSettings, methods: readonly string[] = [METHODS.left, METHODS.right]): Promise<ReturnType<typeof timeless>[]> {
  const device = await createDevice({ backend: "wasm", threads: 2 });
  const all = [];
  for (const method of methods) {
    const { evaluations } = await train(trainConfigOf({ ...settings, method }, dataset), dataset, { device });
    all.push(timeless(evaluations));
  }
  device.close();
  return all;
}
