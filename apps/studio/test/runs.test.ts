/** @file The page of runs in headless Chromium, from the real server: what processes write is seen as they write it, compared, saved; runs are started. */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Evaluation, imageDataset, resolveTrainConfig } from "@gradalign/robustness";
import { combinations, type PlannedRun, readValues } from "@gradalign/runs";
import {
  claimRun,
  noteEvent,
  noteSubmission,
  planOf,
  type RunStarter,
  runId,
  type StudioServer,
  startStudioServer,
  type WorkOutcome,
} from "@gradalign/runs/node";
import type { Browser, Download, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { addEvaluation, madeUpEvaluations, writeRun } from "../../../packages/runs/test/support/run-folder.ts";
import { launchChromium } from "../../../tools/browser.ts";
import { expectUsable, findings } from "./support/usable.ts";

vi.setConfig({ testTimeout: 120_000 });

const PAGE = fileURLToPath(new URL("../../../packages/gradalign/dist/page", import.meta.url));
const HOSTILE = `<img src=x onerror="document.title='pwned'">`;
const pixels = { images: new Uint8Array(12), labels: new Uint8Array(1) };
const dataset = imageDataset({ name: "tiny", classNames: ["a", "b"], shape: [3, 2, 2], train: pixels, test: pixels });

const root = realpathSync(mkdtempSync(join(tmpdir(), "gradalign-runs-page-")));
let browser: Browser;
let page: Page;
let server: StudioServer;

const stopped = (signal: AbortSignal) => new Promise<WorkOutcome>((resolve) => signal.addEventListener("abort", () => resolve({ kind: "stopped" })));
const resume: RunStarter["resume"] = (_, signal) => stopped(signal);
/** Writes some measurements of a run, and goes on until it is stopped. */
const perform: RunStarter["perform"] = async ({ runs, run }, signal) => {
  const attempt = join(runs, run.id);
  writeRun(attempt, { config: run.config as never, evaluations: 3 });
  return stopped(signal);
};

async function serve(folder: string, port = 0): Promise<void> {
  const plan = async (settings: Readonly<Record<string, string>>) => {
    const lists = Object.fromEntries(Object.entries(settings).map(([name, text]) => [name, readValues(name, text)]));
    const runs = combinations(lists).map(({ method, seed }) => {
      const config = resolveTrainConfig({ model: "cnn", method: method as never, epochs: 30, seed: Number(seed) });
      return { id: runId(config, "real", []), label: `${method}, seed ${seed}`, config, attacks: [], data: "real" };
    });
    return planOf("from the studio", { kind: "sweep", varied: ["method", "seed"] }, runs);
  };
  const starter = { token: "secret", runs: folder, datasets: ["cifar10"], jobs: 1, perform, resume, plan };
  server = await startStudioServer({
    dataset,
    runs: { folders: [folder], starter, code: { version: "0.1.0", commit: null } },
    port,
    host: "127.0.0.1",
    page: PAGE,
  });
}

beforeAll(async () => {
  browser = await launchChromium();
});
afterEach(async () => {
  await page?.close();
  await server?.close();
});
afterAll(async () => {
  await browser?.close();
  rmSync(root, { recursive: true, force: true });
});

let made = 0;
/** A folder with two methods of three seeds each; FGSM's overfit, and one has an alarm. */
function sixRuns(): string {
  const folder = join(root, `runs-${made++}`);
  for (const seed of [0, 1, 2]) {
    writeRun(join(folder, `fgsm-${seed}`), {
      config: { seed },
      collapse: 10 + seed,
      ...(seed === 0 ? { alarms: [{ iteration: 3900, evidence: "alignment fell", restored: null }] } : {}),
    });
    writeRun(join(folder, `gradalign-${seed}`), { config: { seed, method: "fgsm-gradalign" } });
  }
  return folder;
}

async function open(query = "", hash = ""): Promise<void> {
  page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(30_000);
  await page.goto(`${server.url}runs.html${query}${hash}`);
  await page.waitForSelector("main[data-connection=open]");
}

/** A busy machine draws slowly. */
const poll = <Value>(value: () => Promise<Value>) => expect.poll(value, { timeout: 30_000 });
const text = (selector: string) => page.textContent(selector);
const panel = (quantity: string) => page.locator(`[data-quantity=${quantity}] svg[data-axes]`);
const linesOf = (quantity: string) => panel(quantity).locator("[aria-label=line] path").count();

async function downloads(button: string, count: number): Promise<Download[]> {
  const found: Download[] = [];
  const all = page.waitForEvent("download", { predicate: (download) => found.push(download) === count });
  await page.click(`text=${button}`);
  await all;
  return found;
}

test("runs are compared: grouped, smoothed, hidden, zoomed, saved; a link gives the same page; everybody can use it", async () => {
  const folder = sixRuns();
  // Of a plan one run is claimed, and of the other there is a second result.
  const runOf = (seed: number): PlannedRun => {
    const config = resolveTrainConfig({ dataset: "cifar10", model: "cnn", method: "pgd", epochs: 30, seed });
    return { id: runId(config, "real", []), label: `pgd, seed ${seed}`, config, attacks: [], data: "real" };
  };
  const [claimed, differing] = [runOf(7), runOf(8)];
  noteSubmission(folder, planOf("two", { kind: "sweep", varied: ["seed"] }, [claimed, differing]), { engine: "local", jobs: [] });
  claimRun(folder, claimed.id);
  mkdirSync(join(folder, "differing", `${differing.id}-1-0123456789ab`), { recursive: true });
  await serve(folder);
  await open();
  await poll(() => linesOf("test_pgd_acc")).toBe(6);
  expect(await text("#runs h2")).toBe("6 runs");
  expect(await text("tr[data-run='0/fgsm-1']")).toMatch(/^fgsm-1finished ?30\.0 of 30\d+\.\d %\d+\.\d %\d+\.\d %0\.\d\dCatastrophic overfitting$/);
  // Every collapse and the alarm are on the curves.
  expect(await panel("test_pgd_acc").locator("[aria-label=dot] path title").textContent()).toBe("fgsm-0: alarm at epoch 10.0: alignment fell");

  // Sorted by a column, either way, and filtered by names and settings.
  const names = () => page.locator("#runs tbody .name").allTextContents();
  const head = page.locator("#runs th", { hasText: "PGD-10" });
  await head.locator("button").click();
  await poll(async () => (await names()).map((name) => name.slice(0, -2))).toEqual([...Array(3).fill("fgsm"), ...Array(3).fill("gradalign")]);
  expect(await head.getAttribute("aria-sort")).toBe("ascending");
  await head.locator("button").click();
  await poll(names).toEqual(["gradalign-0", "gradalign-1", "gradalign-2", "fgsm-0", "fgsm-1", "fgsm-2"]);
  await page.fill("[name=filter]", "seed=1 fgsm");
  await poll(names).toEqual(["gradalign-1", "fgsm-1"]);
  await page.fill("[name=filter]", "method=fgsm-gradalign seed=2");
  await poll(names).toEqual(["gradalign-2"]);
  expect(new URL(page.url()).searchParams.get("sort")).toBe("-pgd");
  await page.fill("[name=filter]", "seed=11");
  await poll(() => text("#runs .note")).toContain("None of them fits “seed=11”");
  expect(await text("#runs h2")).toBe("0 of 6 runs");
  await page.fill("[name=filter]", "");

  // Mean and deviation over seeds.
  await page.selectOption("[name=group]", "seeds");
  await poll(() => linesOf("test_pgd_acc")).toBe(2);
  expect(await page.locator(".compare .legend li").allTextContents()).toEqual([
    expect.stringMatching(/1 method fgsm.*\(3 runs\)/),
    expect.stringMatching(/2 method fgsm-gradalign.*\(3 runs\)/),
  ]);
  expect(await panel("test_pgd_acc").locator("[aria-label=area] path").count()).toBe(2);
  await page.click(".compare .legend li:nth-child(1) button");
  await poll(() => linesOf("test_pgd_acc")).toBe(1);
  await page.locator("[name=smooth]").fill("0.9");
  await page.click("text=What is drawn");
  await page.check("[name=show][value=train_loss]");
  await panel("train_loss").waitFor();

  // Epochs that are none are not taken, and do not stay.
  await page.fill("[name=from]", "40");
  await page.locator("[name=from]").blur();
  expect(await page.inputValue("[name=from]")).toBe("0");

  // A drag over a figure looks closer; its axis and the fields then say where.
  await panel("test_pgd_acc").evaluate((svg) => svg.scrollIntoView({ block: "center" }));
  const box = (await panel("test_pgd_acc").boundingBox()) as { x: number; y: number; width: number; height: number };
  await page.mouse.move(box.x + 0.5 * box.width, box.y + 0.5 * box.height);
  await page.mouse.down();
  await page.mouse.move(box.x + 0.75 * box.width, box.y + 0.5 * box.height, { steps: 3 });
  await page.mouse.up();
  await poll(() => page.inputValue("[name=from]")).toMatch(/^1\d(\.\d+)?$/);
  const zoomed = await panel("test_clean_acc").evaluate(
    (svg) => (JSON.parse((svg as SVGSVGElement).dataset["axes"] ?? "") as [{ domain: number[] }])[0].domain,
  );
  expect(zoomed[1]).toBeCloseTo(Number(await page.inputValue("[name=to]")), 1);
  await page.mouse.move(box.x + 0.6 * box.width, box.y + 0.5 * box.height);
  await poll(() => panel("test_pgd_acc").locator("[aria-label=tip]").textContent()).toMatch(/method fgsm-gradalign.*epoch \d+\.\d\d: \d+\.\d %/s);

  const address = page.url();
  const [csv] = (await downloads("Lines as CSV", 1)) as [Download];
  const rows = readFileSync(await csv.path(), "utf8").split("\n");
  expect(rows[0]).toBe("line,quantity,epoch,value,deviation");
  expect(rows).toHaveLength(1 + 2 * 5 * 60 + 1);
  const [evaluations] = (await downloads("Evaluations as CSV", 1)) as [Download];
  const [header = "", ...lines] = readFileSync(await evaluations.path(), "utf8")
    .trimEnd()
    .split("\n");
  expect(lines).toHaveLength(6 * 60);
  const cells = Object.fromEntries(header.split(",").map((name, i) => [name, lines.find((line) => line.startsWith("fgsm-1,"))?.split(",")[i]]));
  const [first] = madeUpEvaluations(11);
  expect(cells).toMatchObject({ run: "fgsm-1", iteration: "0", test_pgd_acc: String(first?.test_pgd_acc), filter_norm_4: String(first?.filter_norms?.[3]) });
  const svgs = await downloads("Panels as SVG", 5);
  const svg = readFileSync(await (svgs[0] as Download).path(), "utf8");
  expect(svg).toContain('xmlns="http://www.w3.org/2000/svg"');
  expect(svg).not.toContain("var(--");
  const pngs = await downloads("Panels as PNG", 5);
  expect([...readFileSync(await (pngs[0] as Download).path()).subarray(0, 4)]).toEqual([0x89, 0x50, 0x4e, 0x47]);

  // The same page by its link.
  await page.goto("about:blank");
  await page.goto(address);
  await poll(() => linesOf("train_loss")).toBe(1);
  expect(await page.inputValue("[name=group]")).toBe("seeds");
  expect(await page.inputValue("[name=smooth]")).toBe("0.9");

  // One run from near.
  await page.click("tr[data-run='0/fgsm-0'] .name");
  expect(await text("#details")).toMatch(
    /Catastrophic overfitting at iteration \d+.*Alarm at iteration 3900 \(epoch 10\.0\): alignment fell\..*last: iteration 11700, epoch 30\.0/s,
  );
  await page.waitForSelector("#details h2:focus");
  await poll(() => page.evaluate(() => Math.abs(document.querySelector("#details")?.getBoundingClientRect().top ?? Number.NaN) < 40)).toBe(true);
  expect(await page.locator("#difference thead th").allTextContents()).toEqual(expect.arrayContaining(["run", "method", "seed"]));
  // Rows by method, seeds in the cells.
  await page.selectOption("[name=matrix-rows]", "method");
  await page.selectOption("[name=matrix-columns]", "");
  expect(await page.locator(".matrix tbody tr").allTextContents()).toEqual([
    expect.stringMatching(/^fgsm\d+\.\d % ± \d+\.\d3 of 3, 3 overfitted$/),
    expect.stringMatching(/^fgsm-gradalign\d+\.\d % ± \d+\.\d3 of 3$/),
  ]);
  // Who computes what of a plan.
  await page.selectOption("[name=matrix-source]", { label: "two: 0 of 2" });
  await page.click("#matrix summary");
  expect(await text("#matrix")).toMatch(
    new RegExp(`0 of 2 finished, 1 running, 1 waiting.*pgd, seed 7: ${hostname()}, process ${process.pid}, epoch 0.0 of 30.*pgd, seed 8: computed twice`, "s"),
  );
  await expectUsable(page);
  await page.setViewportSize({ width: 320, height: 844 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
});

test("what a process writes is seen at once, in every tab, also after folder and server were gone for a while; names are text", async () => {
  const folder = join(root, "live");
  const name = HOSTILE.replaceAll("/", "");
  writeRun(join(folder, name), { evaluations: 4 });
  await serve(folder);
  await open();
  const cell = (tab: Page) => tab.locator("tbody tr td:nth-child(4)").textContent();
  await poll(() => cell(page)).toBe("1.5 of 30");
  const tab = await browser.newPage();
  await tab.goto(`${server.url}runs.html`);
  await poll(() => cell(tab)).toBe("1.5 of 30");
  await panel("test_pgd_acc").waitFor();
  const all = madeUpEvaluations(null);
  for (const evaluation of all.slice(4, 9)) addEvaluation(join(folder, name), evaluation as Evaluation);
  await poll(() => cell(page)).toBe("4.1 of 30");
  await poll(() => cell(tab)).toBe("4.1 of 30");
  await poll(() => panel("test_pgd_acc").locator("[aria-label=dot] circle").count()).toBe(9);
  await tab.close();
  expect(await page.locator("tbody .name").textContent()).toBe(name);
  expect(await page.locator("tbody img").count()).toBe(0);

  renameSync(folder, join(root, "gone"));
  await poll(() => text("#runs h2")).toBe("0 runs");
  expect(await page.locator("p.note").first().textContent()).toBe("live is not there; runs are shown when it is");
  renameSync(join(root, "gone"), folder);
  await poll(() => text("#runs h2")).toBe("1 run");

  const { port } = new URL(server.url);
  await server.close();
  await page.waitForSelector("main[data-connection=lost]");
  expect(await text(".connection")).toContain("The server does not answer");
  expect(await cell(page)).toBe("4.1 of 30");
  addEvaluation(join(folder, name), all[9] as Evaluation);
  await serve(folder, Number(port));
  await page.waitForSelector("main[data-connection=open]");
  await poll(() => cell(page)).toBe("4.6 of 30");
  await poll(() => panel("test_pgd_acc").locator("[aria-label=dot] circle").count()).toBe(10);
  expect(await page.title()).toBe("gradalign runs");
});

test("runs are started from the form, wait, are stopped, and seen; without the token there is no form", async () => {
  const folder = join(root, "started");
  writeRun(join(folder, "plain"), { evaluations: 3 });
  await serve(folder);
  await open();
  expect(await page.locator("#start").count()).toBe(0);
  await page.close();
  await open("", "#token=secret");
  expect(page.url()).toBe(`${server.url}runs.html`);
  // A run of another command goes on here, and is stopped here; why it failed is in its log.
  await page.click("[aria-label='Resume plain']");
  await page.waitForSelector("tr[data-run='0/plain'] [class='state running']");
  await page.click("[aria-label='Stop plain']");
  await page.waitForSelector("[aria-label='Resume plain']");
  noteEvent(join(folder, "plain"), { type: "failed", message: "the disk is full" });
  await page.waitForSelector("tr[data-run='0/plain'][data-state=failed]");
  await page.click("tr[data-run='0/plain'] .name");
  await poll(() => text("#log")).toMatch(/failed message the disk is full$/);
  await page.click("#start > summary");
  await page.fill("[name=method]", "fgsm, fgsm-gradalign");
  await page.fill("[name=seed]", "0, 1");
  await page.fill("[name=epsilon]", "0.03");
  expect(await text("#setting-epsilon-wrong")).toContain("a share of the pixel range");
  await page.fill("[name=epsilon]", "");
  expect(await text("#start button[type=submit]")).toBe("Start 4 runs");
  // Two equal values are one.
  await page.fill("[name=seed]", "0, 0, 1");
  expect(await text("#start button[type=submit]")).toBe("Start 4 runs");
  await page.fill("[name=seed]", "0, 1x");
  await page.waitForSelector("#start button[type=submit]:disabled");
  await page.fill("[name=seed]", "0, 1");
  expect(await findings(page)).toEqual([]);
  await page.click("#start button[type=submit]");
  await poll(() => page.locator("#queue li").count()).toBe(3);
  await page.waitForSelector("tbody tr [class='state running']");
  // The same again is nothing new, which is said.
  await page.click("#start button[type=submit]");
  await poll(() => text("#started")).toMatch(/^0 runs were put into the queue; there already: fgsm, seed 0; .*fgsm-gradalign, seed 1\.$/);
  await page.focus("[aria-label^='Remove fgsm, seed 1']");
  await page.keyboard.press("Enter");
  await poll(() => page.locator("#queue li").count()).toBe(2);
  await page.waitForSelector("#queue ul:focus");
  await page.click("[aria-label^='Stop fgsm, seed 0']");
  // The next takes its turn.
  await poll(() => page.locator("#queue li").count()).toBe(1);
  // What was taken out can be put in again; what waited when the server ended is there after it, too.
  await page.click("[aria-label^='Start fgsm, seed 1']");
  await poll(() => page.locator("#queue li").count()).toBe(2);
  await page.waitForSelector("#not-begun", { state: "detached" });
  const { port } = new URL(server.url);
  await server.close();
  await serve(folder, Number(port));
  await page.waitForSelector("text=2 runs have not begun");
  expect(await findings(page)).toEqual([]);
  await page.click("text=Start all");
  await poll(() => page.locator("#queue li").count()).toBe(1);
  // A token of another server is refused, and said to be.
  await page.evaluate(() => localStorage.setItem("gradalign-token", "old"));
  await page.reload();
  await page.click("#start > summary");
  await page.click("#start button[type=submit]");
  expect(await text("#problem")).toContain("open the address that gradalign studio printed");
});
