// How long the studio's first preset takes in Chromium to the collapse, to the recovery without the grown filter, and to its end: CIFAR-10, as
// a visitor sees it. Seconds of the clock and of the processor, and how busy the machine was. Ends with 1 if there is no collapse or no recovery.
//   npm run campaign:studio-collapse -- docs/images        where pictures of the end go, unless none are wanted
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { chromium } from "playwright-core";
import { findChromium } from "../ensure-chromium.mjs";

const server = spawn(process.execPath, ["packages/gradalign/dist/main.js", "studio", "--port", "0", "--json"], { stdio: ["ignore", "pipe", "inherit"] });
const line = await new Promise((resolve) => server.stdout.once("data", (text) => resolve(String(text))));
const executablePath = findChromium();
const browser = await chromium.launch({ ...(executablePath ? { executablePath } : {}) });
const page = await browser.newPage();
page.setDefaultTimeout(3_600_000);
await page.goto(JSON.parse(line).url);
await page.waitForSelector("main[data-state=idle]");
const debug = await browser.newBrowserCDPSession();
/** Seconds that the browser's processes have computed. */
const computed = async () => (await debug.send("SystemInfo.getProcessInfo")).processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0);
const [began, before] = [performance.now(), await computed()];
/** @param {string} what */
const tell = async (what) => {
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  const load = readFileSync("/proc/loadavg", "utf8").split(" ", 1)[0];
  const where = await page.textContent("#numbers span");
  process.stdout.write(
    `${what} (${where}): ${seconds} s, ${((await computed()) - before).toFixed(0)} s of ${availableParallelism()} processors, load ${load}\n`,
  );
};
/** Sets the grown filter of the left to zero; whether alignment comes back. */
const recovers = async () => {
  await page.locator(".look").scrollIntoViewIfNeeded();
  await page.click("[data-look=left] .filter.grown input");
  const without = page.locator("[data-look=left] .without", { hasText: /^Without/ });
  await without.waitFor();
  const text = (await without.textContent()) ?? "";
  const alignment = Number(/gradient alignment (-?[\d.]+)/.exec(text)?.[1]);
  const last = Number(await page.textContent("[data-side=left] [data-key=gradient_alignment]"));
  await tell(`alignment with the grown filter ${last}, without it ${alignment}`);
  return alignment > 2 * last;
};

await page.click("#start");
const verdict = page.locator("[data-side=left] .verdict-line");
await Promise.race([verdict.filter({ hasText: /Catastrophic overfitting/ }).waitFor(), page.waitForSelector("main[data-state=idle]")]);
const hasCollapsed = /Catastrophic overfitting/.test((await verdict.textContent()) ?? "");
await tell(hasCollapsed ? "collapse" : "no collapse");
let hasRecovered = hasCollapsed && (await recovers());
if (hasCollapsed) await page.locator("[data-look=left] .filter input:checked").uncheck();
await page.waitForSelector("main[data-state=idle]");
await tell("end");
process.stdout.write(`left: ${await verdict.textContent()}\nright: ${await page.textContent("[data-side=right] .verdict-line")}\n`);
const folder = process.argv[2];
if (folder !== undefined) {
  await page.locator(".look").scrollIntoViewIfNeeded();
  await page.locator("[data-look=right] .cosine").waitFor();
  for (const [colorScheme, width, name] of /** @type {const} */ ([
    ["light", 1280, "studio"],
    ["dark", 390, "studio-phone"],
  ])) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 1000 });
    // Figures are drawn anew, one a frame.
    await page.waitForTimeout(3000);
    await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
  }
}
if (hasCollapsed) hasRecovered = (await recovers()) || hasRecovered;
await browser.close();
server.kill("SIGINT");
process.exitCode = hasCollapsed && hasRecovered ? 0 : 1;
