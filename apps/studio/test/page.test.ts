/** @file The page in headless Chromium, from the real server: it trains both sides, draws, pauses, looks inside, and computes Node's bits. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Evaluation, imageDataset, type ResidentDataset, train } from "@gradalign/robustness";
import { crc32, type TrainingSettings } from "@gradalign/runs";
import { type StudioServer, startStudioServer } from "@gradalign/runs/node";
import { createDevice } from "@gradalign/tensor";
import axe from "axe-core";
import type { Browser, Page, Route } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type BrowserModule, FAST_SWIFTSHADER, launchChromium, launchOrdinaryChromium, openInBrowser } from "../../../tools/browser.ts";
import type { Report } from "../src/protocol.ts";
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
const METHODS = { left: "fgsm", right: "fgsm-gradalign" };
const SETTINGS = { epsilon: 10, seed: 3, epochs: 6, trainSize: 512, evalEvery: 4, evalExamples: 64 };
const LONG = { ...SETTINGS, epochs: 900 };

/** What the page saves. */
interface Saved {
  readonly label: string;
  readonly end: "ended" | "stopped" | "failed" | null;
  readonly evaluations: Evaluation[];
}

// A busy machine trains slowly.
vi.setConfig({ testTimeout: 180_000 });

let server: StudioServer;
let browser: Browser;
let page: Page;
beforeAll(async () => {
  server = await startStudioServer({
    dataset,
    port: 0,
    host: "127.0.0.1",
    page: fileURLToPath(new URL("../../../packages/gradalign/dist/page", import.meta.url)),
  });
  browser = await launchChromium(FAST_SWIFTSHADER);
});
afterEach(() => page?.close());
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const queryOf = (settings: TrainingSettings, more: Readonly<Record<string, string>> = {}): string => {
  const names = Object.entries(settings).map(([name, value]) => [name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`), String(value)]);
  return `?${new URLSearchParams([...names, ["backend", "wasm"], ...Object.entries(more)].map((pair) => pair as [string, string]))}`;
};

async function openPage(query = queryOf(SETTINGS), prepare?: (page: Page) => Promise<unknown>, inside = browser): Promise<Page> {
  page = await inside.newPage();
  page.setDefaultTimeout(120_000);
  await prepare?.(page);
  await page.goto(server.url + query);
  return page;
}

const inState = (state: string) => page.waitForSelector(`main[data-state=${state}]`);
const text = (selector: string) => page.textContent(selector);
const iteration = async (): Promise<number> => Number(((await text("#numbers")) ?? "").match(/iteration ([\d,]+)/)?.[1]?.replace(",", "") ?? 0);

async function start(): Promise<void> {
  await inState("idle");
  await page.click("#start");
}

/** Waits until a training goes on and has been measured. */
const measured = () => page.waitForFunction(() => /\d %/.test(document.querySelector("[data-side=right] [data-key=test_clean_acc]")?.textContent ?? ""));
const lookInside = () => page.locator(".look").scrollIntoViewIfNeeded();
const looked = (side = "right") => page.waitForSelector(`[data-look=${side}] .cosine`);

/** Serious findings of axe-core, as the rule and the elements. */
const findings = async (): Promise<string[]> => {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
};

async function save(): Promise<Saved[]> {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  return JSON.parse(readFileSync(await download.path(), "utf8")) as Saved[];
}

const timeless = (evaluations: readonly Evaluation[] = []) => evaluations.map(({ seconds: _, ...rest }) => rest);

/** Both trainings in Node. */
async function inNode(settings: TrainingSettings): Promise<ReturnType<typeof timeless>[]> {
  const device = await createDevice({ backend: "wasm", threads: 2 });
  const all = [];
  for (const method of [METHODS.left, METHODS.right]) {
    const { evaluations } = await train(trainConfigOf({ ...settings, method }, dataset), dataset, { device });
    all.push(timeless(evaluations));
  }
  device.close();
  return all;
}

test("before a training starts the page loads less than 400 kB of script", async () => {
  let bytes = 0;
  const inspect = async (opened: Page) => {
    opened.on("response", async (response) => {
      if (response.url().endsWith(".js")) bytes += (await response.body()).length;
    });
  };
  await openPage(undefined, inspect);
  await inState("idle");
  await expect.poll(() => bytes).toBeGreaterThan(200_000);
  expect(bytes).toBeLessThan(400_000);
});

describe("a training of both sides", () => {
  let expected: ReturnType<typeof timeless>[];
  beforeAll(async () => {
    expected = await inNode(SETTINGS);
  });

  test("that was paused and went on has the bits of one in Node; the page draws it and stays free", async () => {
    await openPage(queryOf(SETTINGS, { pace: "20" }));
    await start();
    await page.waitForFunction(() => document.querySelectorAll("[data-side=right] figure:nth-of-type(1) [aria-label=dot] circle").length >= 6);
    expect(await text("#numbers")).toMatch(/^iteration \d+ of 24, epoch \d+\.\d[\d,]+ images\/s, \d+ s left$/);
    await page.click("#pause");
    await inState("paused");
    const paused = await iteration();
    const points = (await save())[0]?.evaluations.length as number;
    expect(points).toBeLessThan(7);
    await page.waitForTimeout(200);
    expect(await iteration()).toBe(paused);
    expect((await save())[0]?.evaluations.length).toBe(points);

    await page.selectOption("[name=pace]", "null");
    await page.click("text=Continue");
    await inState("idle");
    expect(await text("#numbers")).toBe("iteration 24 of 24, epoch 6.0");
    const saved = await save();
    expect(saved.map(({ label, end }) => [label, end])).toEqual([
      ["FGSM, ε 10/255, seed 3", "ended"],
      ["FGSM + GradAlign, ε 10/255, seed 3", "ended"],
    ]);
    expect(saved.map(({ evaluations }) => timeless(evaluations))).toEqual(expected);

    const shown = await page.locator("[data-key=test_clean_acc]").allTextContents();
    expect(shown).toEqual(saved.map(({ evaluations }) => `${(100 * (evaluations.at(-1)?.test_clean_acc as number)).toFixed(1)} %`));
    expect(await page.locator("[data-side=left] figure:nth-of-type(1) [aria-label=dot] circle").count()).toBe(21);
    // Training is the worker's and its threads'.
    const threads = Number((await text("#device"))?.match(/^WebAssembly, (\d+) threads?$/)?.[1]);
    expect(page.workers()).toHaveLength(threads);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  });

  test("without cross-origin isolation one thread computes the same bits, and the page says why", async () => {
    await openPage(undefined, (opened) =>
      opened.route("**/*", async (route) => {
        const response = await route.fetch();
        const { "cross-origin-opener-policy": _, "cross-origin-embedder-policy": __, ...headers } = response.headers();
        await route.fulfill({ response, headers });
      }),
    );
    await start();
    await inState("idle");
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    expect(await text("#device")).toBe("WebAssembly, 1 thread (one thread only: the page is not cross-origin isolated, so threads cannot share memory)");
    expect((await save()).map(({ evaluations }) => timeless(evaluations))).toEqual(expected);
  });

  test("in a tab in the background goes on, and is shown when the tab is back in front", async () => {
    const { context, close } = await launchOrdinaryChromium();
    try {
      page = context.pages()[0] as Page;
      await page.goto(server.url + queryOf(SETTINGS, { pace: "10" }));
      await page.evaluate(() => {
        const create = URL.createObjectURL;
        URL.createObjectURL = (saved) => {
          (globalThis as unknown as { saved: Promise<string> }).saved = (saved as Blob).text();
          return create(saved);
        };
      });
      await start();
      await page.waitForSelector("[data-side=left] [aria-label=dot] circle");
      await (await context.newPage()).bringToFront();
      // Hidden tabs draw no frames, for which the usual ways to wait would wait too.
      await expect.poll(() => page.evaluate(() => document.visibilityState)).toBe("hidden");
      const state = () => page.evaluate(() => document.querySelector("main")?.dataset["state"]);
      expect(await state()).toBe("training");
      await expect.poll(state, { timeout: 120_000 }).toBe("idle");
      expect(await page.evaluate(() => document.visibilityState)).toBe("hidden");
      await page.bringToFront();
      await page.click("#save");
      const saved = JSON.parse(await page.evaluate(() => (globalThis as unknown as { saved: Promise<string> }).saved)) as Saved[];
      expect(saved.map(({ evaluations }) => timeless(evaluations))).toEqual(expected);
      await expect.poll(() => page.locator("[data-side=left] figure:nth-of-type(1) [aria-label=dot] circle").count()).toBe(21);
    } finally {
      await close();
    }
  });
});

describe("what is looked at", () => {
  test("follows the image, the epoch and the filters that are set to zero, and the address keeps all of it", async () => {
    await openPage();
    await start();
    await inState("idle");
    await lookInside();
    await looked();
    const epoch = (side: string) => text(`[data-look=${side}] .epoch`);
    await expect.poll(() => epoch("left")).toBe("6.0");
    expect(await page.locator("[data-look=left] .attack").count()).toBe(3);
    expect(await page.locator("[data-look=left] svg").count()).toBe(2);

    // Back to the third epoch: numbers, models and the address.
    await page.locator("#epoch").fill("3");
    await expect.poll(() => epoch("left")).toBe("3.0");
    await expect.poll(() => epoch("right")).toBe("3.0");
    const [left] = await save();
    const then = left?.evaluations.find((evaluation) => evaluation.epoch === 3)?.test_clean_acc as number;
    expect(await text("[data-side=left] [data-key=test_clean_acc]")).toBe(`${(100 * then).toFixed(1)} %`);

    await page.click("#next-image");
    await expect.poll(() => text(".picker .label")).toBe("class 1");
    await page.click("[data-look=right] .filter.grown input");
    await page.waitForFunction(() => /^Without w\d: gradient alignment \d\.\d\d/.test(document.querySelector("[data-look=right] .without")?.textContent ?? ""));
    expect(await text("[data-look=left] .without")).toMatch(/^u are the weights/);
    await page.selectOption("[name=across]", "pgd");
    await page.waitForSelector("[data-look=left] svg[aria-description*='PGD:']");
    // On a telephone everything has room; nobody is left out, in light and dark.
    for (const [colorScheme, width] of [
      ["light", 1280],
      ["dark", 390],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 844 });
      expect(await findings()).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    }
    const query = new URL(page.url()).searchParams;
    expect(Object.fromEntries(query)).toMatchObject({ epsilon: "10", seed: "3", at: "3", image: "1", across: "pgd", "left.method": "fgsm" });
    expect(query.get("right.zero")).toMatch(/^\d$/);

    // A link gives the same page.
    const before = page.url();
    await page.goto("about:blank");
    await page.goto(before);
    expect(await page.inputValue("[name=image]")).toBe("1");
    expect(await page.inputValue("[name=across]")).toBe("pgd");
    expect(await page.inputValue("[name=epsilon]")).toBe("10");
    expect(await page.inputValue("[name='right.method']")).toBe("fgsm-gradalign");
  });

  test("may be a file or a drawing", async () => {
    await openPage(queryOf({ ...SETTINGS, epochs: 1 }));
    await start();
    await lookInside();
    await looked("left");
    const red = await page.evaluate(() => {
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = 8;
      const context = canvas.getContext("2d") as CanvasRenderingContext2D;
      context.fillStyle = "#ff0000";
      context.fillRect(0, 0, 8, 8);
      return canvas.toDataURL().split(",")[1] as string;
    });
    await page.setInputFiles("input[type=file]", { name: "red.png", mimeType: "image/png", buffer: Buffer.from(red, "base64") });
    await expect.poll(() => text(".picker .label")).toBe("an image of yours");
    const corner = () =>
      page
        .locator("[data-look=left] canvas")
        .first()
        .evaluate((canvas) => [...((canvas as HTMLCanvasElement).getContext("2d")?.getImageData(0, 0, 1, 1).data ?? [])]);
    await expect.poll(corner).toEqual([255, 0, 0, 255]);
    expect(await text("[data-look=left] .caption")).toMatch(/The attacks lead away from the network's own answer, class \d\./);

    await page.click("text=Draw on it");
    await page.fill("input[type=color]", "#0000ff");
    await page.locator(".sketch canvas").click({ position: { x: 4, y: 4 } });
    await expect.poll(corner).toEqual([0, 0, 255, 255]);
    await page.setInputFiles("input[type=file]", { name: "note.png", mimeType: "image/png", buffer: Buffer.from("no image") });
    await expect.poll(() => text(".own .wrong")).toContain("note.png is no image");
  });
});

test("stopping ends both sides; leaving warns while they go on or are paused, and only then", async () => {
  await openPage(queryOf(LONG));
  const asked: string[] = [];
  page.on("dialog", (dialog) => {
    asked.push(dialog.type());
    void dialog.dismiss();
  });
  await start();
  await measured();
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

test("while it trains, no task of the page's main thread takes 50 ms of the processor, and nothing on it jumps", async () => {
  await openPage(queryOf(LONG));
  await inState("idle");
  await browser.startTracing(page, { categories: ["toplevel"] });
  await start();
  await measured();
  await lookInside();
  await looked();
  await page.waitForFunction(() => Number(/epoch (\d+)/.exec(document.querySelector("#numbers")?.textContent ?? "")?.[1]) >= 8);
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as {
    traceEvents: { name: string; ph: string; pid: number; tid: number; tdur?: number; args?: { name?: string } }[];
  };
  const main = new Set(traceEvents.filter(({ ph, args }) => ph === "M" && args?.name === "CrRendererMain").map(({ pid, tid }) => `${pid}.${tid}`));
  const tasks = traceEvents.filter(({ pid, tid, tdur }) => tdur !== undefined && main.has(`${pid}.${tid}`));
  expect(tasks.length).toBeGreaterThan(100);
  // Time on the processor, not on the clock: others may share it.
  expect(Math.max(...tasks.map(({ tdur = 0 }) => tdur)) / 1000).toBeLessThan(50);
  const jumps = await page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        new PerformanceObserver((list) => resolve(list.getEntries().reduce((sum, entry) => sum + (entry as unknown as { value: number }).value, 0))).observe({
          type: "layout-shift",
          buffered: true,
        });
        setTimeout(() => resolve(0), 200);
      }),
  );
  // What Core Web Vitals call good.
  expect(jumps).toBeLessThan(0.1);
});

test("a tooltip is there wherever a panel is pointed at, and stays while the panel is drawn anew", async () => {
  await openPage(queryOf(LONG));
  await start();
  const svg = page.locator("[data-side=left] figure:nth-of-type(1) svg").first();
  await svg.waitFor();
  const tip = () => page.locator("[data-side=left] figure:nth-of-type(1) [aria-label=tip]").first().textContent();
  // The points are all at the left; the pointer is far from them. The panel may be drawn anew between the two.
  let nudge = 0;
  const pointed = async (): Promise<string | null> => {
    await svg.evaluate((drawn) => drawn.scrollIntoView({ block: "center" }));
    const box = await svg.boundingBox();
    if (!box) return null;
    await page.mouse.move(box.x + 0.9 * box.width + (nudge++ % 2), box.y + 0.5 * box.height);
    return tip();
  };
  await expect.poll(pointed).toMatch(/(clean|FGSM|PGD-10).*epoch \d+\.\d\d: \d+\.\d %/);
  await svg.evaluate((drawn) => drawn.setAttribute("data-old", ""));
  await page.waitForFunction(() => document.querySelector("[data-side=left] figure svg")?.hasAttribute("data-old") === false);
  await expect.poll(tip).toMatch(/epoch \d+\.\d\d/);
});

test("the form is made of the declared options: it refuses what they refuse, and says why", async () => {
  await openPage(queryOf({ ...SETTINGS, epochs: 1 }));
  await inState("idle");
  const epsilon = page.locator("[name=epsilon]");
  await epsilon.fill("0.031");
  expect(await text("#setting-epsilon-wrong")).toContain("write 8/255 (or 8) if a share of the pixel range is meant, 0.031/255 if a part of one step is");
  expect(await epsilon.getAttribute("aria-invalid")).toBe("true");
  for (const [written, wrong] of [
    ["256", true],
    ["many", true],
    ["0", false],
    ["10/255", false],
  ] as const) {
    await epsilon.fill(written);
    expect([written, (await epsilon.getAttribute("aria-invalid")) === "true"]).toEqual([written, wrong]);
  }
  await expect.poll(() => new URL(page.url()).searchParams.get("epsilon")).toBe("10");
  await page.fill("[name=epochs]", "1.5");
  expect(await text("#setting-epochs-wrong")).toContain("must be an integer of at least 1");

  // Another method has other options; λ follows from the radius until it is given.
  expect(await page.locator("[name='left.lambda']").count()).toBe(0);
  await page.selectOption("[name='left.method']", "fgsm-gradalign");
  expect(await page.getAttribute("[name='left.lambda']", "placeholder")).toBe("0.3557");
  await page.fill("[name='left.lambda']", "2");
  await expect.poll(() => new URL(page.url()).searchParams.get("left.lambda")).toBe("2");
  await page.selectOption("[name='left.method']", "pgd");
  await expect.poll(() => new URL(page.url()).searchParams.get("left.lambda")).toBeNull();

  await page.click("text=In a smaller ball FGSM may do");
  await expect.poll(() => Object.fromEntries(new URL(page.url()).searchParams)).toMatchObject({ claim: "radius", "left.epsilon": "6", "right.method": "fgsm" });
  await page.click("text=What was measured before, in full");
  await page.waitForSelector(".committed svg");
});

test("an address that says nonsense is told, and the rest of it is taken", async () => {
  await openPage("?epsilon=0.5&seed=7&left.lambda=x&colour=red&at=-1&right.zero=a");
  await page.waitForSelector("#problem");
  const said = (await text("#problem")) ?? "";
  for (const name of ["epsilon", "lambda", "colour", "at=-1", "right.zero"]) expect(said).toContain(name);
  expect(await page.inputValue("[name=seed]")).toBe("7");
  expect(await page.inputValue("[name=epsilon]")).toBe("10");
});

describe("WebGPU on a processor", () => {
  // Shaders compile slowly here: both sides share them.
  const BOTH_FGSM = { "left.method": "fgsm", "right.method": "fgsm" };
  const small = { ...SETTINGS, trainSize: 128, epochs: 1, evalEvery: 1, evalExamples: 8 };

  test("trains when it is chosen, close to WebAssembly; when it is lost in the middle, the run goes on to the same bits", { timeout: 300_000 }, async () => {
    const longer = { ...small, trainSize: 384 };
    await openPage(queryOf(longer, { backend: "webgpu", ...BOTH_FGSM }));
    page.setDefaultTimeout(290_000);
    const worker = page.workers()[0] ?? (await page.waitForEvent("worker"));
    // The first device opened here is destroyed once both sides have a checkpoint.
    await worker.evaluate(() => {
      const { requestDevice } = GPUAdapter.prototype;
      const { postMessage } = globalThis;
      GPUAdapter.prototype.requestDevice = async function (descriptor) {
        GPUAdapter.prototype.requestDevice = requestDevice;
        const device = await requestDevice.call(this, descriptor);
        const saved = new Set<string>();
        globalThis.postMessage = (message: Report) => {
          postMessage(message);
          if (message.type !== "training" || message.event.type !== "checkpoint" || message.event.kind !== "last") return;
          if (saved.add(message.side).size < 2) return;
          globalThis.postMessage = postMessage;
          device.destroy();
        };
        return device;
      };
    });
    await start();
    await inState("paused");
    expect(await text("#problem")).toMatch(
      /^webgpu: the GPU was lost \(.*\); open the device again and go on from the last checkpoint\. “Continue” does so, from iteration 1,/,
    );
    expect(await text("#device")).toMatch(/^WebGPU \(.*swiftshader/i);
    await page.click("text=Continue");
    await inState("idle");
    expect(await page.locator("#problem").count()).toBe(0);
    const interrupted = await save();
    await start();
    await inState("idle");
    const whole = await save();
    expect(interrupted.map(({ evaluations }) => timeless(evaluations))).toEqual(whole.map(({ evaluations }) => timeless(evaluations)));
    const [expected] = await inNode(longer);
    for (const { evaluations } of whole) {
      expect(evaluations.map((evaluation) => evaluation.iteration)).toEqual([0, 1, 2, 3]);
      for (const [i, { train_loss, gradient_alignment, test_pgd_loss }] of evaluations.entries()) {
        expect(train_loss).toBeCloseTo(expected?.[i]?.train_loss as number, 3);
        expect(gradient_alignment).toBeCloseTo(expected?.[i]?.gradient_alignment as number, 2);
        expect(test_pgd_loss).toBeCloseTo(expected?.[i]?.test_pgd_loss as number, 2);
      }
    }
  });

  test("that is not there is told, and the run counts as failed", async () => {
    const withoutGpu = await launchChromium(["--disable-gpu"]);
    try {
      await openPage(queryOf(small, { backend: "webgpu" }), undefined, withoutGpu);
      await start();
      await page.waitForSelector("#problem");
      expect(await text("#problem")).toMatch(/^webgpu: no adapter was found/);
      await inState("idle");
      expect(await page.locator(".verdict-line").allTextContents()).toEqual(Array(2).fill("It failed before the first measurement."));
    } finally {
      await withoutGpu.close();
    }
  });

  test("is not chosen by itself", async () => {
    await openPage(queryOf(small, { backend: "auto" }));
    await start();
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
    await openPage(undefined, damage(1));
    await inState("idle");
    expect(await text("#numbers")).toBe("2,300 training and 150 test images of stripes");
  });

  test("that stays damaged is not trained on, until it arrives whole", async () => {
    await openPage(undefined, damage(4));
    await inState("broken");
    expect(await text("#problem")).toMatch(/^The images could not be had: train-2000-[0-9a-f]{8}\.bin must have the checksum/);
    expect(await page.isDisabled("#start")).toBe(true);
    await page.click("text=Try again");
    await inState("idle");
    expect(await page.isDisabled("#start")).toBe(false);
  });
});

test("the checksum is CRC-32", () => {
  expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
});

describe("a drawing", () => {
  let opened: BrowserModule;
  beforeAll(async () => {
    opened = await openInBrowser(fileURLToPath(new URL("draw-collapse.ts", import.meta.url)), { within: browser });
  });
  afterAll(() => opened?.close());

  test("marks a collapse in every panel, at its epoch, and where it is looked back at", async () => {
    const panels = await opened.call("page", "drawCollapse");
    const panel = { words: ["overfits, epoch 12.3"], dashed: 1, cursors: 1 };
    expect(panels).toEqual([
      { ...panel, lines: 3 },
      { ...panel, lines: 2 },
    ]);
  });

  test("of a loss says where the bump is that FGSM steps over", async () => {
    expect(await opened.call("page", "drawBump")).toEqual([
      "From 0.63 to 3.03; image: 2.00, FGSM: 2.00.",
      "At the image 2.00, at FGSM's perturbation 2.00; highest between them 3.00, at 0.50 of it.",
    ]);
  });
});
