/** @file Runs the demo and takes its picture: experiments/results/demo.json and docs/images/demo.png. `npm run measure:demo`
 *
 * npm run measure:demo -- [--threads N] */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { findChromium } from "../ensure-chromium.mjs";

const { values } = parseArgs({ options: { threads: { type: "string" } } });
const root = fileURLToPath(new URL("../..", import.meta.url));
const out = mkdtempSync(join(tmpdir(), "gradalign-demo-"));
process.on("exit", () => rmSync(out, { recursive: true, force: true }));

const git = (/** @type {string[]} */ ...args) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
const changed = git("status", "--porcelain", "--untracked-files=no") === "" ? "" : "-dirty";
const main = join(root, "packages/gradalign/dist/main.js");
const threads = values.threads === undefined ? [] : ["--threads", values.threads];
const { status, stdout } = spawnSync(process.execPath, [main, "demo", "--json", "--out", out, ...threads], {
  encoding: "utf8",
  maxBuffer: 2 ** 28,
  stdio: ["ignore", "pipe", "inherit"],
});
if (status !== 0) process.exit(status ?? 1);
const { runs } = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");

const [first] = runs;
const read = (/** @type {string} */ name) =>
  JSON.parse(
    readFileSync(join(out, first.method, name), "utf8")
      .trimEnd()
      .split("\n")
      .at(-1) ?? "",
  );
const { machine } = JSON.parse(readFileSync(join(out, first.method, "session.json"), "utf8"));
const config = JSON.parse(readFileSync(join(out, first.method, "config.json"), "utf8"));

const browser = await chromium.launch({ executablePath: findChromium() ?? "" });
const page = await browser.newPage({ viewport: { width: 1160, height: 1200 }, colorScheme: "light" });
await page.goto(pathToFileURL(join(out, "report.html")).href);
// From the verdicts to the end of the first figure.
const figure = await page.locator(".card").first().boundingBox();
const height = figure ? figure.y + figure.height + 20 : 1200;
const picture = await page.screenshot({ path: join(root, "docs/images/demo.png"), clip: { x: 0, y: 0, width: 1160, height } });
await browser.close();

const demo = {
  command: "gradalign demo",
  provenance: {
    commit: git("rev-parse", "HEAD").slice(0, 12) + changed,
    date: new Date().toISOString(),
    node: machine.node,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    backend: machine.backend,
  },
  images: { attack: read("robustness.jsonl").n, evaluation: config.evalExamples },
  runs,
  picture: createHash("sha256").update(picture).digest("hex"),
};
writeFileSync(join(root, "experiments/results/demo.json"), `${JSON.stringify(demo, undefined, 1)}\n`);
