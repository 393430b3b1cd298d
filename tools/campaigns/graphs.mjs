/** @file Random graphs against the reference: nothing may differ, throw, leak, crash or hang.
 *
 * npm run campaign:graphs -- [--count 5000] [--seed 0] [--backend wasm|webgpu]
 *
 * So many graphs from the number of the seed on. Every fault is printed with the seed and the shortest failing graph; the last line is the verdict. */
import { fork } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createServer } from "vite";
import { campaignArguments } from "./campaign-arguments.mjs";

const { count, seed: first, ...options } = campaignArguments({ count: 5000, seed: 0 }, { backend: ["wasm", "webgpu"] });
const backend = options.backend === "webgpu" ? "webgpu" : "wasm";

/** A graph takes less, on a busy machine too. */
const HANGS_AFTER_MS = 120_000;
/** So many faults say enough. */
const MOST_FAULTS = 20;

if (process.send) {
  const conditions = ["source"];
  const server = await createServer({
    configFile: false,
    logLevel: "error",
    appType: "custom",
    server: { middlewareMode: true, ws: false, watch: null },
    ssr: { noExternal: [/^@gradalign/], resolve: { conditions } },
  });
  const { runGraphs } = /** @type {typeof import("./graph-runner.ts")} */ (await server.ssrLoadModule("/tools/campaigns/graph-runner.ts"));
  await runGraphs({ backend, first, end: first + count }, (message) => process.send?.(message));
  process.exit(0);
}

const started = Date.now();
let done = 0;
/** @type {string[]} */
const faults = [];

for (let next = first; next < first + count && faults.length < MOST_FAULTS; ) next = await part(next);
const minutes = ((Date.now() - started) / 60_000).toFixed(1);
say(`${faults.length === 0 ? "PASS" : "FAIL"}: ${done} graphs on ${backend} from number ${first} in ${minutes} min, ${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);

/** Has a process run the graphs from this number on; returns the number from which to go on, behind one that crashed or hung.
 * @param {number} from */
function part(from) {
  let number = from - 1;
  let name = "";
  let hung = false;
  const child = fork(fileURLToPath(import.meta.url), ["--count", String(first + count - from), "--seed", String(from), "--backend", backend], {
    env: environment(),
  });
  const watch = () =>
    setTimeout(() => {
      hung = true;
      child.kill("SIGKILL");
    }, HANGS_AFTER_MS);
  let timer = watch();
  child.on("message", (/** @type {import("./graph-runner.ts").Message} */ message) => {
    clearTimeout(timer);
    timer = watch();
    if ("fault" in message) return found(message.fault);
    name = message.starts;
    done = ++number - first;
    if (done % 100 === 0 && done > 0) progress();
    if (faults.length >= MOST_FAULTS) child.kill();
  });
  return /** @type {Promise<number>} */ (
    new Promise((resolve) => {
      child.on("exit", (code, signal) => {
        clearTimeout(timer);
        done = number + 1 - first;
        if (code === 0) return resolve(first + count);
        if (faults.length < MOST_FAULTS) found(`${name || "the start"}: ${hung ? "hangs" : `the process ended with ${signal ?? code}`}`);
        resolve(number < from ? first + count : number + 1);
      });
    })
  );
}

/** @param {string} text */
function say(text) {
  process.stdout.write(`${text}\n`);
}

/** @param {string} fault */
function found(fault) {
  faults.push(fault);
  say(`${fault}\n`);
}

function progress() {
  const left = ((Date.now() - started) / done) * (count - done);
  say(`${done} of ${count} graphs, ${faults.length} faults, ${Math.ceil(left / 60_000)} min left`);
}

/** SwiftShader, where Chromium brings it, as the tests have it; the loader reads these when a process starts. */
function environment() {
  const chromium = "/usr/lib/chromium";
  const driver = `${chromium}/vk_swiftshader_icd.json`;
  if (!existsSync(driver)) return process.env;
  return { ...process.env, VK_ICD_FILENAMES: driver, LD_LIBRARY_PATH: [process.env["LD_LIBRARY_PATH"], chromium].filter(Boolean).join(":") };
}
