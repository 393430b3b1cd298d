/** @file Reports in a browser: they fit a telephone, tell values where they are pointed at, and save figures and numbers. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { launchChromium } from "../../../tools/browser.ts";
import { nodeDocument } from "../src/figures/node-document.ts";
import { compareEvaluations, evaluationReport } from "../src/pages/evaluation-report.ts";
import { html } from "../src/pages/html.ts";
import { htmlPage } from "../src/pages/page.ts";
import { compareReport, runReport } from "./support/reports.ts";
import { madeUp, recordOf } from "./support/synthetic-evaluation.ts";
import { syntheticRun } from "./support/synthetic-run.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-report-page-"));
const one = syntheticRun("fgsm", 6.2);
const two = syntheticRun("fgsm-gradalign", null);
writeFileSync(join(folder, "one.html"), runReport(one));
writeFileSync(join(folder, "two.html"), compareReport([one, two], "Two runs"));
const long = "a-name-that-is-much-longer-than-a-telephone-is-wide-and-has-no-place-to-break";
const record = recordOf(...madeUp("x01s0s2xs10s".repeat(4), ["apgd-ce", "apgd-t", "square"], { classes: 12 }), { classNames: [long, `${long}-2`] });
const evaluation = { label: long, record: { ...record, model: { ...record.model, file: long } } };
const pixels = Array.from({ length: 3 * 32 * 32 }, (_, i) => (i % 7) / 6);
const examples = [1, 2, 3].map((index) => ({ index, shape: [3, 32, 32] as const, image: pixels, perturbed: index === 3 ? null : pixels }));
writeFileSync(join(folder, "evaluation.html"), evaluationReport({ ...evaluation, examples }, nodeDocument()));
const other = { ...evaluation, label: `${long}-2`, examples: [] };
writeFileSync(join(folder, "evaluations.html"), compareEvaluations([{ ...evaluation, examples }, other], "Two evaluations", nodeDocument()));

let browser: Browser;
let page: Page;
beforeAll(async () => {
  browser = await launchChromium();
});
afterEach(() => page?.close());
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const requests: string[] = [];
async function open(name: string, width = 1280): Promise<void> {
  page = await browser.newPage({ viewport: { width, height: 900 } });
  page.on("request", (request) => void requests.push(request.url()));
  await page.goto(pathToFileURL(join(folder, name)).href);
}

/** Points at a place of an element, in shares of its size. */
async function pointAt(element: Locator, x: number, y: number): Promise<void> {
  await element.scrollIntoViewIfNeeded();
  const box = await element.boundingBox();
  if (!box) throw new Error("nothing is drawn");
  await page.mouse.move(box.x + x * box.width, box.y + y * box.height);
}

const tooltip = () => page.locator("#tooltip div").allTextContents();

async function saved(click: () => Promise<void>): Promise<{ name: string; content: Buffer }> {
  const [download] = await Promise.all([page.waitForEvent("download"), click()]);
  return { name: download.suggestedFilename(), content: readFileSync(await download.path()) };
}

describe.each(["one.html", "two.html", "evaluation.html", "evaluations.html"])("%s", (name) => {
  test("fits 390 pixels, each panel in full", async () => {
    await open(name, 390);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    const cut = (drawings: Element[]) =>
      drawings.flatMap((drawing) => {
        const box = getComputedStyle(drawing).overflow === "visible" ? drawing.closest(".card") : drawing;
        const { left: from, right: to } = (box as Element).getBoundingClientRect();
        const words = [...drawing.querySelectorAll("text")].map((word) => ({ said: word.textContent, at: word.getBoundingClientRect() }));
        return words.filter(({ at }) => at.left < from || at.right > to).map(({ said }) => said);
      });
    expect(await page.locator(".card svg[role=img]").evaluateAll(cut)).toEqual([]);
    const widths = await page
      .locator(".panel > svg")
      .evaluateAll((drawn) => drawn.map((svg) => svg.getBoundingClientRect()).map(({ left, right }) => [left, right]));
    for (const [left, right] of widths) {
      expect(left).toBeGreaterThanOrEqual(0);
      expect(right).toBeLessThanOrEqual(390);
      expect((right as number) - (left as number)).toBeGreaterThan(300);
    }
  });

  test("asks for nothing", async () => {
    requests.length = 0;
    await open(name);
    expect(requests.filter((url) => !url.startsWith("data:") && !url.endsWith(name))).toEqual([]);
  });
});

test("pointing at a figure tells the values of the nearest evaluation, and the epoch", async () => {
  await open("one.html");
  await pointAt(page.locator("#accuracy svg[data-axes]"), 0.5, 0.5);
  const epoch = Number((await page.textContent("#tooltip strong"))?.replace("epoch ", ""));
  const nearest = one.evaluations.find((evaluation) => Math.abs(evaluation.epoch - epoch) < 0.01);
  if (!nearest) throw new Error(`no evaluation at epoch ${epoch}`);
  const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
  expect(new Set(await tooltip())).toEqual(
    new Set([`clean${percent(nearest.test_clean_acc)}`, `FGSM${percent(nearest.test_fgsm_acc)}`, `PGD-10${percent(nearest.test_pgd_acc)}`]),
  );
  await page.mouse.move(2, 2);
  expect(await page.isVisible("#tooltip")).toBe(false);
});

test("of an evaluation it tells the radius, and what is left there", async () => {
  await open("evaluation.html");
  await pointAt(page.locator("#radius svg[data-axes]"), 0.95, 0.5);
  expect(await page.textContent("#tooltip strong")).toMatch(/^ε × 255 7\.\d\d$/);
  expect(await tooltip()).toEqual([expect.stringMatching(/^upper bound from what was found\d\d\.\d %$/)]);
});

test("a finger does too, on a logarithmic axis as well", async () => {
  const spread = { ...one, evaluations: one.evaluations.map((evaluation, i) => ({ ...evaluation, test_fgsm_loss: 0.1 * (i + 1), test_pgd_loss: 100 })) };
  writeFileSync(join(folder, "log.html"), runReport(spread));
  await open("log.html", 390);
  const svg = page.locator("#loss svg[data-axes]");
  await svg.dispatchEvent("pointerdown", await svg.evaluate((element) => ({ clientX: element.getBoundingClientRect().left + 330, clientY: 100 })));
  expect(await tooltip()).toEqual([expect.stringMatching(/^PGD-10 loss(100\.0|99\.9\d|100\.\d)$/), expect.stringMatching(/^FGSM loss[456]\.\d+$/)]);
});

test("pointing at a run in the legend lets its lines stand out", async () => {
  await open("two.html");
  await page.hover("#accuracy [data-line=fgsm]");
  const dim = await page.locator("#accuracy path.dim").evaluateAll((paths) => paths.map((path) => path.getAttribute("aria-label")));
  expect(dim).toEqual(["fgsm-gradalign", "fgsm-gradalign", "fgsm-gradalign"]);
});

test("figures are saved as SVG and PNG, numbers as CSV, without a server", async () => {
  await open("one.html");
  const svg = await saved(() => page.click('[aria-label="Download Accuracy on test images as SVG"]'));
  expect(svg.name).toBe("accuracy.svg");
  const text = svg.content.toString();
  expect(text).toMatch(/^<svg[^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  expect(text).not.toContain("var(--");
  const png = await saved(() => page.click('[aria-label="Download Accuracy on test images as PNG"]'));
  expect(png.name).toBe("accuracy.png");
  expect(png.content.subarray(1, 4).toString()).toBe("PNG");
  // Twice the figure's size: width and height follow the header.
  expect([png.content.readUInt32BE(16), png.content.readUInt32BE(20)]).toEqual([2 * 520, 2 * 312]);
  const csv = await saved(() => page.click("text=Evaluations as CSV"));
  expect(csv.name).toBe("evaluations.csv");
  expect(csv.content.toString().trimEnd().split("\n")).toHaveLength(1 + one.evaluations.length);
});

test("a table is sorted by the column whose head is clicked at, by numbers where it has them, and what was not measured comes last", async () => {
  const rows = [
    ["pgd", "9.5 ± 1 %"],
    ["fgsm", "–"],
    ["n-fgsm", "-3 %"],
    ["elle", "20.1 %"],
  ];
  const table = html`<div class="scroll"><table data-sortable><thead><tr><th>method</th><th class="number">robust</th></tr></thead><tbody>${rows.map(
    (row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`,
  )}</tbody></table></div>`;
  writeFileSync(join(folder, "sortable.html"), htmlPage({ title: "t", subtitle: "s", body: table, footer: "" }));
  await open("sortable.html");
  const order = () => page.locator("tbody td:first-child").allTextContents();
  const click = async (name: string) => {
    await page.getByRole("button", { name }).click();
    return [await page.locator("th", { hasText: name }).getAttribute("aria-sort"), await order()];
  };
  expect(await order()).toEqual(["pgd", "fgsm", "n-fgsm", "elle"]);
  expect(await click("robust")).toEqual(["descending", ["elle", "pgd", "n-fgsm", "fgsm"]]);
  expect(await click("robust")).toEqual(["ascending", ["n-fgsm", "pgd", "elle", "fgsm"]]);
  expect(await click("method")).toEqual(["ascending", ["elle", "fgsm", "n-fgsm", "pgd"]]);
  expect(await page.locator("th[aria-sort]").count()).toBe(1);
});
