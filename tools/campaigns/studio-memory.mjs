// What memory an open page holds while it trains for long: a tiny data set, a measurement after every step, the image in sight, and a new
// training whenever one has ended, so that what takes days happens in minutes. Prints memory over time; ends with 1 if the mean of the last
// third is more than a tenth above that of the middle one.
//   npm run campaign:studio-memory -- 20        minutes
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { imageDataset } from "@gradalign/robustness";
import { startStudioServer } from "@gradalign/runs/node";
import { chromium } from "playwright-core";
import { findChromium } from "../ensure-chromium.mjs";

/** Measurements of each side in a training, and of the first preset in a day: 117 in a training of about two and a half minutes. */
const [MEASUREMENTS, A_DAY] = [3000, 67_000];
const SAMPLES = 12;

const minutes = Number(process.argv[2] ?? 20);
const split = (/** @type {number} */ count) => ({
  images: Uint8Array.from({ length: count * 192 }, (_, i) => (i % 192) * (1 + (Math.floor(i / 192) % 10))),
  labels: Uint8Array.from({ length: count }, (_, i) => i % 10),
});
const dataset = imageDataset({ name: "tiny", classNames: [..."0123456789"], shape: [3, 8, 8], train: split(128), test: split(32) });
const page = fileURLToPath(new URL("../../packages/gradalign/dist/page", import.meta.url));
const server = await startStudioServer({ dataset, port: 0, host: "127.0.0.1", page });
const executablePath = findChromium();
const browser = await chromium.launch({ ...(executablePath ? { executablePath } : {}) });
const opened = await browser.newPage();
opened.setDefaultTimeout(3_600_000);
opened.on("pageerror", (error) => {
  throw error;
});
await opened.goto(`${server.url}?epochs=${MEASUREMENTS}&train-size=128&eval-every=1&eval-examples=4&backend=wasm`);
await opened.waitForSelector("main[data-state=idle]");
await opened.locator(".look").scrollIntoViewIfNeeded();
const debug = await opened.context().newCDPSession(opened);
const whole = await browser.newBrowserCDPSession();

/** Memory of all of the browser's processes that the page is drawn and computed in. */
async function resident() {
  const { processInfo } = await whole.send("SystemInfo.getProcessInfo");
  return processInfo.filter(({ type }) => type === "renderer").reduce((sum, { id }) => sum + residentOf(id), 0);
}

/** @param {number} pid */
function residentOf(pid) {
  try {
    return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** What the page and its workers hold, WebAssembly's memory among it. */
async function held() {
  await debug.send("HeapProfiler.collectGarbage");
  return opened.evaluate(async () => {
    const { measureUserAgentSpecificMemory } = /** @type {any} */ (performance);
    return /** @type {number} */ ((await measureUserAgentSpecificMemory.call(performance)).bytes);
  });
}

/** @type {number[]} */
const sizes = [];
let trainings = 0;
let before = 0;
const began = performance.now();
const iteration = async () => Number(/iteration ([\d,]+)/.exec((await opened.textContent("#numbers")) ?? "")?.[1]?.replaceAll(",", "") ?? 0);
while (sizes.length < SAMPLES) {
  if ((await opened.getAttribute("main", "data-state")) === "idle") {
    before = trainings++ * MEASUREMENTS;
    await opened.click("#start");
  }
  await opened.waitForTimeout(500);
  if (performance.now() - began < ((sizes.length + 1) * minutes * 60_000) / SAMPLES) continue;
  sizes.push(await held());
  const measured = before + (await iteration());
  const megabytes = (/** @type {number} */ bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  process.stdout.write(
    `${((performance.now() - began) / 60_000).toFixed(1)} min, training ${trainings}, ${measured} measurements of each side ` +
      `(as in ${((24 * measured) / A_DAY).toFixed(1)} hours): ${megabytes(sizes.at(-1) ?? 0)} held, ${megabytes(await resident())} resident\n`,
  );
}
await browser.close();
await server.close();
const mean = (/** @type {number[]} */ part) => part.reduce((sum, size) => sum + size, 0) / part.length;
const growth = mean(sizes.slice(8)) / mean(sizes.slice(4, 8)) - 1;
process.stdout.write(`the last third is ${(100 * growth).toFixed(1)} % above the middle one\n`);
process.exitCode = growth > 0.1 ? 1 : 0;
