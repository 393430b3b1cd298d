/** @file The page in headless Chromium, from the real server: it trains, draws, pauses and stops, stays free, and computes Node's bits. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Evaluation, imageDataset, type ResidentDataset, train } from "@gradalign/robustness";
import { crc32 } from "@gradalign/runs";
import { type LiveServer, startLiveServer } from "@gradalign/runs/node";
import { createDevice } from "@gradalign/tensor";
import type { Browser, Page, Route } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { FAST_SWIFTSHADER, launchChromium, launchOrdinaryChromium, openInBrowser } from "../../../tools/browser.ts";
import type { LiveBackend, Report, RunSettings } from "../src/protocol.ts";
import { trainConfigOf } from "../src/train-config.ts";

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
const dataset: ResidentDataset = imageDataset({ name: "stripes", classNames, shape: [3, 32, 32], train: stripes(2300, 0), test: stripes(150, 7), crop: 4 });
const SETTINGS: RunSettings = { method: "fgsm", epsilon: 10, seed: 3, epochs: 24, trainSize: 1152, evalEvery: 18, evalExamples: 64 };

/** What the page saves. */
interface Saved {
  readonly label: string;
  readonly end: "ended" | "stopped" | "failed" | null;
  readonly evaluations: Evaluation[];
}

// A busy machine trains slowly.
vi.setConfig({ testTimeout: 180_000 });

let server: LiveServer;
let browser: Browser;
let page: Page;
beforeAll(async () => {
  server = await startLiveServer({
    dataset,
    port: 0,
    host: "127.0.0.1",
    page: fileURLToPath(new URL("../../../packages/gradalign/dist/page", import.meta.url)),
  });
  browser = await launchChromium();
});
afterEach(() => page?.close());
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

async function openPage(prepare?: (page: Page) => Promise<unknown>, inside = browser): Promise<Page> {
  page = await inside.newPage();
  page.setDefaultTimeout(120_000);
  await prepare?.(page);
  await page.goto(server.url);
  return page;
}

const inState = (state: string) => page.waitForSelector(`main[data-state=${state}]`);
const text = (selector: string) => page.textContent(selector);
const iteration = async (): Promise<number> => Number(((await text("#numbers")) ?? "").match(/iteration ([\d,]+)/)?.[1]?.replace(",", "") ?? 0);

/** Fills in the form and submits it; the page has left its idle state when this returns. */
async function start(settings: RunSettings, method: string = settings.method, backend: LiveBackend = "wasm"): Promise<void> {
  await inState("idle");
  await page.evaluate(() => document.querySelector("details")?.setAttribute("open", ""));
  await page.selectOption("[name=method]", method);
  await page.selectOption("[name=backend]", backend);
  for (const name of ["epsilon", "seed", "epochs", "trainSize", "evalEvery", "evalExamples"] as const) await page.fill(`[name=${name}]`, `${settings[name]}`);
  await page.click("#start");
}

async function save(): Promise<Saved[]> {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  return JSON.parse(readFileSync(await download.path(), "utf8")) as Saved[];
}

const timeless = (evaluations: readonly Evaluation[]) => evaluations.map(({ seconds: _, ...rest }) => rest);

/** The same run in Node. */
async function inNode(settings: RunSettings): Promise<ReturnType<typeof timeless>> {
  const device = await createDevice({ backend: "wasm", threads: 2 });
  const { evaluations } = await train(trainConfigOf(settings, dataset), dataset, { device });
  device.close();
  return timeless(evaluations);
}

test("a run that was paused and went on has the bits of one in Node; the page draws it and stays free", async () => {
  await openPage();
  await start(SETTINGS);
  await page.evaluate(() => {
    const counter = globalThis as unknown as { frames: number };
    counter.frames = 0;
    const frame = (): void => {
      counter.frames++;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  // Two evaluations are drawn as lines.
  await page.waitForFunction(() => document.querySelectorAll("#figures [aria-label=line] path").length === 4);
  await page.waitForFunction(() =>
    /^iteration \d+ of 216, epoch \d+\.\d, loss \d+\.\d{3}[\d,]+ images\/s, \d+ s left$/.test(document.querySelector("#numbers")?.textContent ?? ""),
  );
  await page.click("#pause");
  await inState("paused");
  const paused = await iteration();
  const points = (await save())[0]?.evaluations.length as number;
  await page.waitForTimeout(300);
  expect(await iteration()).toBe(paused);
  expect((await save())[0]?.evaluations.length).toBe(points);
  expect(points).toBeLessThan(13);

  await page.click("text=Continue");
  await inState("idle");
  expect(await text("#numbers")).toMatch(/^iteration 216 of 216, epoch 24\.0\d+ s$/);
  const [run] = await save();
  expect(run).toMatchObject({ label: "FGSM, ε 10/255, seed 3", end: "ended" });
  expect(run?.evaluations).toHaveLength(13);
  expect(timeless(run?.evaluations ?? [])).toEqual(await inNode(SETTINGS));
  expect(run?.evaluations.at(-1)?.test_clean_acc).toBeGreaterThan(0.3);

  const shown = await page.locator("#runs [data-key=test_clean_acc]").allTextContents();
  expect(shown).toEqual([`${(100 * (run?.evaluations.at(-1)?.test_clean_acc as number)).toFixed(1)} %`]);
  // Training is the worker's and its threads': between any two evaluations there was time for frames.
  const threads = Number((await text("#device"))?.match(/^WebAssembly, (\d+) threads?$/)?.[1]);
  expect(page.workers()).toHaveLength(threads);
  expect(await page.evaluate(() => (globalThis as unknown as { frames: number }).frames)).toBeGreaterThan(13);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
});

test("a tab in the background trains on, and shows it when it is back in front", async () => {
  const { context, close } = await launchOrdinaryChromium();
  try {
    page = context.pages()[0] as Page;
    await page.goto(server.url);
    await page.evaluate(() => {
      const create = URL.createObjectURL;
      URL.createObjectURL = (saved) => {
        (globalThis as unknown as { saved: Promise<string> }).saved = (saved as Blob).text();
        return create(saved);
      };
    });
    await start(SETTINGS);
    await page.waitForFunction(() => document.querySelectorAll("#figures [aria-label=line] path").length === 4);
    await (await context.newPage()).bringToFront();
    // Hidden tabs draw no frames, for which the usual ways to wait would wait too.
    await expect.poll(() => page.evaluate(() => document.visibilityState)).toBe("hidden");
    expect(await page.evaluate(() => document.querySelector("main")?.dataset["state"])).toBe("training");
    await expect.poll(() => page.evaluate(() => document.querySelector("main")?.dataset["state"]), { timeout: 120_000 }).toBe("idle");
    expect(await page.evaluate(() => document.visibilityState)).toBe("hidden");
    await page.bringToFront();
    await page.click("#save");
    const [run] = JSON.parse(await page.evaluate(() => (globalThis as unknown as { saved: Promise<string> }).saved)) as Saved[];
    expect(timeless(run?.evaluations ?? [])).toEqual(await inNode(SETTINGS));
    expect(await page.locator("#figures figure:first-child [aria-label=dot] circle").count()).toBe(13);
  } finally {
    await close();
  }
});

test("both methods run one after the other, overlaid; stopping ends them all", async () => {
  await openPage();
  await start({ ...SETTINGS, epochs: 1 }, "both");
  await page.waitForFunction(() => document.querySelectorAll("#runs .run").length === 2);
  await inState("idle");
  const labels = ["FGSM, ε 10/255, seed 3", "FGSM + GradAlign, ε 10/255, seed 3"];
  expect((await save()).map(({ label, end }) => [label, end])).toEqual(labels.map((label) => [label, "ended"]));
  const colors = await page.evaluate(() =>
    [...document.querySelectorAll("#figures figure:first-child [aria-label=dot] circle")].map((dot) => dot.getAttribute("fill")),
  );
  expect(new Set(colors)).toEqual(new Set(["var(--run-1)", "var(--run-2)"]));

  // On a telephone everything has room.
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);

  await start({ ...SETTINGS, epochs: 1000 }, "both");
  await page.waitForFunction(() => document.querySelector("#numbers")?.textContent?.includes("images/s"));
  await page.click("#stop");
  await inState("idle");
  const [, , third, ...others] = await save();
  expect(third).toMatchObject({ label: `${labels[0]} (2)`, end: "stopped" });
  expect(others).toEqual([]);
  await page.click("#clear");
  expect(await page.locator("#runs .run").count()).toBe(0);
});

/** The last number on the epochs' axis of the first panel. */
const lastTick = async (): Promise<number> =>
  Math.max(
    ...(await page.locator("#figures figure:first-child [aria-label='x-axis tick label'] text").allTextContents()).map((label) =>
      Number(label.replace(",", "")),
    ),
  );

test("a run that was stopped does not stretch the axes, and runs can be removed one by one", async () => {
  await openPage();
  await start({ ...SETTINGS, epochs: 2 });
  await inState("idle");
  await start({ ...SETTINGS, epochs: 900 });
  await page.waitForFunction(() => document.querySelectorAll("#figures figure:first-child [aria-label=line] path").length === 2);
  expect(await lastTick()).toBeGreaterThan(500);
  // What goes on cannot be removed.
  expect(await page.locator("#runs .remove").count()).toBe(1);
  await page.click("#stop");
  await inState("idle");
  await page.waitForFunction(() => document.querySelectorAll("#runs .remove").length === 2);
  expect(await lastTick()).toBeLessThan(500);

  const label = "FGSM, ε 10/255, seed 3";
  await page.click(`[aria-label="Remove ${label}"]`);
  await page.waitForFunction(() => document.querySelectorAll("#figures figure:first-child [aria-label=line] path").length === 1);
  expect((await save()).map((run) => run.label)).toEqual([`${label} (2)`]);
  // Its name and colour are free again.
  await start({ ...SETTINGS, epochs: 1 });
  await inState("idle");
  expect((await save()).map((run) => run.label)).toEqual([`${label} (2)`, label]);
  const swatches = await page.locator("#runs .swatch").evaluateAll((all) => all.map((swatch) => (swatch as HTMLElement).style.background));
  expect(swatches).toEqual(["var(--run-2)", "var(--run-1)"]);
});

test("leaving warns while a run goes on or is paused, and only then", async () => {
  await openPage();
  const asked: string[] = [];
  page.on("dialog", (dialog) => {
    asked.push(dialog.type());
    void dialog.dismiss();
  });
  await start({ ...SETTINGS, epochs: 900 });
  await page.waitForFunction(() => document.querySelector("#numbers")?.textContent?.includes("images/s"));
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
  expect(await leave()).toBe("left");
  expect(asked).toEqual(["beforeunload", "beforeunload"]);
});

test("a tooltip is there wherever a panel is pointed at, and stays while the panel is drawn anew", async () => {
  await openPage();
  await start({ ...SETTINGS, epochs: 900 });
  await page.waitForFunction(() => document.querySelectorAll("#figures figure:first-child [aria-label=line] path").length === 1);
  const svg = page.locator("#figures figure:first-child svg").first();
  // The panel may be drawn anew between the two: the one that was looked at is then nowhere.
  const place = async (): Promise<{ x: number; y: number; width: number; height: number }> => {
    await svg.evaluate((drawn) => drawn.scrollIntoView({ block: "center" }));
    return (await svg.boundingBox()) ?? place();
  };
  const tip = () => page.locator("#figures figure:first-child [aria-label=tip]").first().textContent();
  // The points are all at the left; the pointer is far from them. Figures that appear above may move the panel meanwhile.
  let nudge = 0;
  const pointed = async (): Promise<string | null> => {
    const box = await place();
    await page.mouse.move(box.x + 0.9 * box.width + (nudge++ % 2), box.y + 0.5 * box.height);
    return tip();
  };
  await expect.poll(pointed).toMatch(/FGSM, ε 10\/255, seed 3.*epoch \d+\.\d\d: \d+\.\d %/);
  await page
    .locator("#figures figure:first-child svg")
    .first()
    .evaluate((drawn) => drawn.setAttribute("data-old", ""));
  await page.waitForFunction(() => document.querySelector("#figures figure:first-child svg")?.hasAttribute("data-old") === false);
  await expect.poll(tip).toMatch(/epoch \d+\.\d\d/);
  await page.click("#stop");
  await inState("idle");
});

test("a radius between 0 and 1 is refused with both its readings; 10/255 is 10", async () => {
  await openPage();
  await inState("idle");
  const field = page.locator("[name=epsilon]");
  const message = () => field.evaluate((input) => (input as HTMLInputElement).validationMessage);
  await field.fill("0.031");
  expect(await message()).toContain("write 8/255 (or 8) if a share of the pixel range is meant, 0.031/255 if a part of one step is");
  await page.click("#start");
  expect(await page.getAttribute("main", "data-state")).toBe("idle");
  for (const [text, wrong] of [
    ["65", true],
    ["", true],
    ["0", false],
    ["10/255", false],
  ] as const) {
    await field.fill(text);
    expect([text, (await message()) !== ""]).toEqual([text, wrong]);
  }
  await page.evaluate(() => document.querySelector("details")?.setAttribute("open", ""));
  await page.selectOption("[name=method]", "fgsm");
  await page.selectOption("[name=backend]", "wasm");
  for (const name of ["epochs", "trainSize", "evalEvery", "evalExamples"] as const) await page.fill(`[name=${name}]`, `${{ ...SETTINGS, epochs: 1 }[name]}`);
  await page.click("#start");
  await page.waitForSelector("#runs .run");
  await inState("idle");
  expect((await save())[0]?.label).toBe("FGSM, ε 10/255, seed 2");
});

test("without cross-origin isolation one thread computes the same bits, and the page says why", async () => {
  await openPage((opened) =>
    opened.route("**/*", async (route) => {
      const response = await route.fetch();
      const { "cross-origin-opener-policy": _, "cross-origin-embedder-policy": __, ...headers } = response.headers();
      await route.fulfill({ response, headers });
    }),
  );
  const settings = { ...SETTINGS, epochs: 1 };
  await start(settings);
  await inState("idle");
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
  expect(await text("#device")).toBe("WebAssembly, 1 thread (one thread only: the page is not cross-origin isolated, so threads cannot share memory)");
  expect(timeless((await save())[0]?.evaluations ?? [])).toEqual(await inNode(settings));
});

describe("WebGPU on a processor", () => {
  let withGpu: Browser;
  beforeAll(async () => {
    withGpu = await launchChromium(FAST_SWIFTSHADER);
  });
  afterAll(() => withGpu?.close());
  const settings = { ...SETTINGS, trainSize: 128, epochs: 1, evalEvery: 1, evalExamples: 8 };

  test("trains when it is chosen, close to WebAssembly", { timeout: 300_000 }, async () => {
    await openPage(undefined, withGpu);
    page.setDefaultTimeout(290_000);
    await start(settings, "fgsm", "webgpu");
    await inState("idle");
    expect(await text("#device")).toMatch(/^WebGPU \(.*swiftshader/i);
    const actual = (await save())[0]?.evaluations ?? [];
    const expected = await inNode(settings);
    expect(actual.map((evaluation) => evaluation.iteration)).toEqual([0, 1]);
    for (const [i, { train_loss, gradient_alignment, test_pgd_loss }] of actual.entries()) {
      expect(train_loss).toBeCloseTo(expected[i]?.train_loss as number, 3);
      expect(gradient_alignment).toBeCloseTo(expected[i]?.gradient_alignment as number, 2);
      expect(test_pgd_loss).toBeCloseTo(expected[i]?.test_pgd_loss as number, 2);
    }
  });

  test("that is lost in the middle of a run is told, and the run goes on to the same bits", { timeout: 300_000 }, async () => {
    await openPage(undefined, withGpu);
    page.setDefaultTimeout(290_000);
    const worker = page.workers()[0] ?? (await page.waitForEvent("worker"));
    // The first device opened here is destroyed after the first checkpoint.
    await worker.evaluate(() => {
      const { requestDevice } = GPUAdapter.prototype;
      const { postMessage } = globalThis;
      GPUAdapter.prototype.requestDevice = async function (descriptor) {
        GPUAdapter.prototype.requestDevice = requestDevice;
        const device = await requestDevice.call(this, descriptor);
        globalThis.postMessage = (message: Report) => {
          postMessage(message);
          if (message.type !== "training" || message.event.type !== "checkpoint" || message.event.kind !== "last") return;
          globalThis.postMessage = postMessage;
          device.destroy();
        };
        return device;
      };
    });
    const longer = { ...settings, trainSize: 384 };
    await start(longer, "fgsm", "webgpu");
    await inState("paused");
    expect(await text("#problem")).toMatch(
      /^FGSM, ε 10\/255, seed 3: webgpu: the GPU was lost \(.*\); open the device again and go on from the last checkpoint\. “Continue” does so, from iteration 1,/,
    );
    await page.click("text=Continue");
    await inState("idle");
    expect(await page.isHidden("#problem")).toBe(true);
    await start(longer, "fgsm", "webgpu");
    await inState("idle");
    const [interrupted, whole] = await save();
    expect(interrupted?.evaluations.map(({ iteration }) => iteration)).toEqual([0, 1, 2, 3]);
    expect(timeless(interrupted?.evaluations ?? [])).toEqual(timeless(whole?.evaluations ?? []));
  });

  test("that is not there is told, and the run counts as failed", async () => {
    const withoutGpu = await launchChromium(["--disable-gpu"]);
    try {
      await openPage(undefined, withoutGpu);
      await start(settings, "both", "webgpu");
      await page.waitForSelector("#problem:not([hidden])");
      expect(await text("#problem")).toMatch(/^FGSM, ε 10\/255, seed 3: webgpu: no adapter was found/);
      await inState("idle");
      expect(await page.locator("#runs .verdict-line").allTextContents()).toEqual(["It failed before the first measurement."]);
      await start(settings, "fgsm", "auto");
      await inState("idle");
      expect(await text("#device")).toMatch(/^WebAssembly, \d+ threads? \(no GPU with WebGPU here\)$/);
      expect((await save()).map(({ end }) => end)).toEqual(["failed", "ended"]);
    } finally {
      await withoutGpu.close();
    }
  });

  test("is not chosen by itself", async () => {
    await openPage(undefined, withGpu);
    await start(settings, "fgsm", "auto");
    await inState("idle");
    expect(await text("#device")).toMatch(/^WebAssembly, \d+ threads? \(no GPU with WebGPU here\)$/);
  });
});

describe("a part of the data", () => {
  /** Damages the first `times` answers for a part. */
  const damage = (times: number) => (opened: Page) =>
    opened.route("**/data/train-2000-*.bin", async (route: Route) => {
      const response = await route.fetch();
      const body = await response.body();
      if (times-- > 0) body[5] = (body[5] as number) ^ 1;
      await route.fulfill({ response, body });
    });

  test("that arrives damaged is fetched again", async () => {
    await openPage(damage(1));
    await inState("idle");
    expect(await text("#numbers")).toBe("2,300 training and 150 test images of stripes");
  });

  test("that stays damaged is not trained on", async () => {
    await openPage(damage(Number.POSITIVE_INFINITY));
    await inState("broken");
    expect(await text("#problem")).toMatch(/^The images could not be had: train-2000-[0-9a-f]{8}\.bin must have the checksum/);
    expect(await page.isDisabled("#start")).toBe(true);
  });
});

test("a setting that the form lets through and the library refuses is told, and another run can start", async () => {
  await openPage();
  await start({ ...SETTINGS, epochs: 1 });
  await inState("idle");
  await page.evaluate(() => (document.querySelector("[name=epochs]") as HTMLInputElement).setAttribute("type", "text"));
  await page.fill("[name=epochs]", "1.5");
  await page.click("#start");
  await page.waitForSelector("#problem:not([hidden])");
  expect(await text("#problem")).toContain("epochs (=1.5) must be an integer of at least 1");
  await inState("idle");
});

test("the checksum is CRC-32", () => {
  expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
});

test("a collapse is marked in every panel, at its epoch", async () => {
  const opened = await openInBrowser(fileURLToPath(new URL("draw-collapse.ts", import.meta.url)));
  try {
    const panels = (await opened.call("page", "drawCollapse")) as { words: string[]; dashed: number; lines: number }[];
    expect(panels).toEqual(Array.from({ length: 4 }, () => ({ words: ["overfits, epoch 12.3"], dashed: 1, lines: 2 })));
  } finally {
    await opened.close();
  }
});
