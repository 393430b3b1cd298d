/** @file Evaluates the committed weights of `preact-resnet18` on CIFAR-10 and takes the pictures of its report in docs/evaluating.md.
 *
 * npm run picture:evaluation -- [--folder FOLDER]: of an evaluation that is there */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { findChromium } from "../ensure-chromium.mjs";

const { values } = parseArgs({ options: { folder: { type: "string" } } });
const root = fileURLToPath(new URL("../..", import.meta.url));
const temporary = mkdtempSync(join(tmpdir(), "gradalign-picture-"));
process.on("exit", () => rmSync(temporary, { recursive: true, force: true }));
const folder = values.folder ?? join(temporary, "evaluation");

/** @param {string[]} words */
function gradalign(...words) {
  const { status } = spawnSync(process.execPath, [join(root, "packages/gradalign/dist/main.js"), ...words], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
const weights = join(root, "packages/robustness/test/fixtures/weights/preact-resnet18.safetensors");
if (values.folder === undefined)
  gradalign("eval", weights, "--norm", "l2", "--epsilon", "1/2", "--attack", "fmn+apgd-ce+apgd-t", "--n", "200", "--out", folder);
const report = join(temporary, "report.html");
gradalign("report", folder, "--out", report);

const browser = await chromium.launch({ executablePath: findChromium() ?? "" });
const page = await browser.newPage({ viewport: { width: 1160, height: 1200 }, colorScheme: "light" });
await page.goto(pathToFileURL(report).href);
/** @param {string} selector @returns {Promise<{ top: number; bottom: number }>} */
async function place(selector) {
  const box = await page.locator(selector).first().boundingBox();
  if (!box) throw new Error(`${selector} is not on the page`);
  return { top: box.y, bottom: box.y + box.height };
}
/** @param {string} name @param {number} top @param {number} bottom */
const picture = (name, top, bottom) =>
  page.screenshot({ path: join(root, "docs/images", name), fullPage: true, clip: { x: 0, y: top, width: 1160, height: bottom - top } });
await picture("evaluation.png", 0, (await place(".figures")).bottom + 20);
const { top } = await place("#images");
const galleries = page.locator("#images .gallery");
const second = await galleries.nth(Math.min(1, (await galleries.count()) - 1)).boundingBox();
await picture("evaluation-images.png", top - 10, second ? second.y + second.height + 20 : top + 400);
await browser.close();
