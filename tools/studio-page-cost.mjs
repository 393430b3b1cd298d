// What the built page costs before a training starts: kilobytes of script, which must be less than 400, and the time to its first paint in a
// Chromium, where there is one. Run by "npm run build:studio".
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findChromium } from "./ensure-chromium.mjs";

const MOST_SCRIPT = 400_000;
const MOST_MS = 1000;
const folder = fileURLToPath(new URL("../packages/gradalign/dist/page", import.meta.url));
const assets = join(folder, "assets");
const sizeOf = (/** @type {string} */ name) => statSync(join(assets, name)).size;

/** A script and all that it imports before it runs. @param {string} name @param {Set<string>} seen */
function withImports(name, seen = new Set()) {
  if (seen.has(name)) return seen;
  seen.add(name);
  const text = readFileSync(join(assets, name), "utf8");
  for (const [, other] of text.matchAll(/(?:^|[;}\s])(?:import|export)\b[^"'()]*?(?:from)?["']\.\/([\w.-]+\.js)["']/g))
    withImports(/** @type {string} */ (other), seen);
  return seen;
}

const page = /src="\.\/assets\/([\w.-]+\.js)"/.exec(readFileSync(join(folder, "index.html"), "utf8"))?.[1];
const worker = readdirSync(assets).find((name) => /^worker-.*\.js$/.test(name));
if (!page || !worker) throw new Error(`${folder} holds no built page`);
const [ofPage, ofWorker] = [page, worker].map((name) => [...withImports(name)].reduce((sum, one) => sum + sizeOf(one), 0));
const kilobytes = (/** @type {number} */ bytes) => `${(bytes / 1000).toFixed(0)} kB`;
const all = /** @type {number} */ (ofPage) + /** @type {number} */ (ofWorker);
process.stdout.write(
  `script before a training starts: ${kilobytes(all)} (page ${kilobytes(ofPage ?? 0)}, worker ${kilobytes(ofWorker ?? 0)}), at most ${kilobytes(MOST_SCRIPT)}\n`,
);
if (all > MOST_SCRIPT) {
  process.stderr.write("that is too much: load what is not needed at once with import()\n");
  process.exitCode = 1;
}

const executablePath = findChromium();
if (executablePath) {
  const { chromium } = await import("playwright-core");
  const types = /** @type {Record<string, string>} */ ({ ".html": "text/html", ".js": "text/javascript", ".css": "text/css" });
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://x").pathname;
    const file = join(folder, path === "/" ? "index.html" : path);
    try {
      const content = readFileSync(file);
      response.writeHead(200, { "Content-Type": types[extname(file)] ?? "application/octet-stream" }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const browser = await chromium.launch({ executablePath });
  /** @type {number[]} */
  const times = [];
  // The first one also starts the browser's processes.
  for (let i = 0; i < 4; i++) {
    const context = await browser.newContext();
    const opened = await context.newPage();
    await opened.goto(`http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}/`);
    await opened.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length > 0);
    times.push(await opened.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Number.NaN));
    await context.close();
  }
  await browser.close();
  server.closeAllConnections();
  server.close();
  const [fastest, , slowest] = times.slice(1).sort((a, b) => a - b);
  const remark = (slowest ?? 0) > MOST_MS ? `; more than ${MOST_MS} ms: a busy machine, or a slow page` : "";
  process.stdout.write(`first paint, three times in a fresh context: ${fastest?.toFixed(0)} to ${slowest?.toFixed(0)} ms${remark}\n`);
} else process.stdout.write("first paint: not measured, no Chromium was found (node tools/ensure-chromium.mjs)\n");
