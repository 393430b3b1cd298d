// What memory an open page holds while it trains for long: a tiny data set, a measurement after every step, the image in sight, so that what
// takes a real training days happens in minutes. Prints memory over time; ends with 1 if the second half grew by more than a tenth.
//   npm run campaign:studio-memory -- 5        minutes
import { fileURLToPath } from "node:url";
import { imageDataset } from "@gradalign/robustness";
import { startStudioServer } from "@gradalign/runs/node";
import { chromium } from "playwright-core";
import { findChromium } from "../ensure-chromium.mjs";

const minutes = Number(process.argv[2] ?? 5);
const split = (/** @type {number} */ count) => ({
  images: Uint8Array.from({ length: count * 3072 }, (_, i) => (i % 3072) * (1 + (Math.floor(i / 3072) % 10))),
  labels: Uint8Array.from({ length: count }, (_, i) => i % 10),
});
const dataset = imageDataset({
  name: "tiny",
  classNames: [..."0123456789"],
  shape: [3, 32, 32],
  train: split(128),
  test: split(32),
});
const server = await startStudioServer({
  dataset,
  port: 0,
  host: "127.0.0.1",
  page: fileURLToPath(new URL("../../packages/gradalign/dist/page", import.meta.url)),
});
const executablePath = findChromium();
const browser = await chromium.launch({ ...(executablePath ? { executablePath } : {}) });
const page = await browser.newPage();
await page.goto(`${server.url}?epochs=100000&train-size=128&eval-every=1&eval-examples=8&backend=wasm`);
await page.waitForSelector("main[data-state=idle]");
await page.click("#start");
await page.locator(".look").scrollIntoViewIfNeeded();
const debug = await page.context().newCDPSession(page);
/** @type {number[]} */
const sizes = [];
for (let i = 0; i < 10; i++) {
  await page.waitForTimeout((minutes * 60_000) / 10);
  await debug.send("HeapProfiler.collectGarbage");
  // Of the page and its workers, WebAssembly's memory among it.
  const bytes = await page.evaluate(async () => {
    const { measureUserAgentSpecificMemory } = /** @type {any} */ (performance);
    return (await measureUserAgentSpecificMemory.call(performance)).bytes;
  });
  sizes.push(bytes);
  process.stdout.write(`${(bytes / 1e6).toFixed(1)} MB at ${await page.textContent("#numbers span")}\n`);
}
await browser.close();
await server.close();
const [half, end] = [sizes[4] ?? 0, sizes[9] ?? 0];
process.exitCode = end > 1.1 * half ? 1 : 0;
