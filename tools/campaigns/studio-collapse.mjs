// How long the studio's first preset takes in Chromium to the collapse, to its end, and to the recovery without the grown filter: CIFAR-10, as
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
page.setDefaultTimeout(600_000);
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
  process.stdout.write(`${what}: ${seconds} s, ${((await computed()) - before).toFixed(0)} s of ${availableParallelism()} processors, load ${load}\n`);
};
await page.click("#start");
const verdict = page.locator("[data-side=left] .verdict-line");
const collapsed = verdict.filter({ hasText: "Catastrophic overfitting" }).waitFor();
await Promise.race([collapsed, page.waitForSelector("main[data-state=idle]")]);
const hasCollapsed = /Catastrophic overfitting/.test((await verdict.textContent()) ?? "");
if (hasCollapsed) await tell(`collapse (${await page.textContent("#numbers span")})`);
await page.waitForSelector("main[data-state=idle]");
await tell("end");
process.stdout.write(`left: ${await verdict.textContent()}\nright: ${await page.textContent("[data-side=right] .verdict-line")}\n`);
await page.locator(".look").scrollIntoViewIfNeeded();
await page.locator("[data-look=right] .cosine").waitFor();
const folder = process.argv[2];
if (folder !== undefined) {
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
await page.click("[data-look=left] .filter.grown input");
const without = page.locator("[data-look=left] .without", { hasText: /^Without/ });
await without.waitFor();
const text = (await without.textContent()) ?? "";
const alignment = Number(/gradient alignment (-?[\d.]+)/.exec(text)?.[1]);
const last = Number(await page.textContent("[data-side=left] [data-key=gradient_alignment]"));
await tell(`recovery (alignment ${last} with it; ${text})`);
await browser.close();
server.kill("SIGINT");
process.exitCode = hasCollapsed && alignment > 2 * last ? 0 : 1;
