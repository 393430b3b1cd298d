/** @file Runs a module's functions in headless Chromium, on a page or in a worker: for tests of what must work in browsers. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { build, defaultClientConditions, type Plugin } from "vite";
import { findChromium } from "./ensure-chromium.mjs";

/** Where a function runs. */
export type Place = "page" | "worker";

/** An open page that has loaded the module. */
export interface BrowserModule {
  readonly page: Page;
  /** Calls an exported function with arguments, and returns its result, both as JSON; rejects with what it throws. */
  call(place: Place, name: string, ...args: unknown[]): Promise<unknown>;
  /** Loads the page again: a new worker, and what the browser keeps. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

export interface BrowserOptions {
  /** Headers that make the page cross-origin isolated, so that memory can be shared; sent unless false. */
  readonly isolated?: boolean;
  /** Command line of the browser. */
  readonly args?: readonly string[];
  /** More headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A browser that is open already, and stays open; one of its own unless set. */
  readonly within?: Browser;
  /** The module loads test files, which read fixtures and define tests when they are loaded. */
  readonly tests?: boolean;
}

/** For {@link BrowserOptions.args}: WebGPU without a GPU. */
export const SWIFTSHADER: readonly string[] = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
/** Makes it compile three times as fast. */
export const FAST_SWIFTSHADER: readonly string[] = [...SWIFTSHADER, "--enable-dawn-features=disable_workgroup_init"];

/** What makes a page cross-origin isolated. */
const ISOLATION = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

const WORKER = `import * as entry from "/entry.js";
onmessage = async ({ data: { id, name, args } }) => {
  try {
    postMessage({ id, result: await entry[name](...args) });
  } catch (error) {
    postMessage({ id, error: String(error) });
  }
};`;

const PAGE = `<!doctype html><title>test</title><script type="module">
import * as entry from "/entry.js";
const worker = new Worker("/worker.js", { type: "module" });
const waiting = new Map();
worker.onmessage = ({ data: { id, result, error } }) => {
  const { resolve, reject } = waiting.get(id);
  error === undefined ? resolve(result) : reject(new Error(error));
};
globalThis.callEntry = (place, name, args) => place === "page" ? entry[name](...args) : new Promise((resolve, reject) => {
  waiting.set(waiting.size, { resolve, reject });
  worker.postMessage({ id: waiting.size - 1, name, args });
});
</script>`;

/** Starts the Chromium that tests use. The caller closes it. */
export async function launchChromium(args: readonly string[] = []): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath(), args: [...args] });
}

function chromiumPath(): string {
  const path = findChromium();
  if (!path) throw new Error("no Chromium was found; run: node tools/ensure-chromium.mjs");
  return path;
}

/** Starts a Chromium as its users have it: it hides tabs in the background, which {@link launchChromium}'s never does. Its first tab is open. */
export async function launchOrdinaryChromium(): Promise<{ readonly context: BrowserContext; close(): Promise<void> }> {
  const profile = mkdtempSync(join(tmpdir(), "gradalign-chromium-"));
  const args = ["--headless", "--no-sandbox", "--no-first-run", "--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"];
  // A group of its own: its processes write to the profile until the last of them has ended.
  const program = spawn(chromiumPath(), args, { stdio: ["ignore", "ignore", "pipe"], detached: true });
  const ended = new Promise((resolve) => program.once("close", resolve));
  const stop = async (): Promise<void> => {
    if (program.pid !== undefined && program.exitCode === null && program.signalCode === null) process.kill(-program.pid, "SIGKILL");
    program.stderr.resume();
    await ended;
    rmSync(profile, { recursive: true, force: true, maxRetries: 20 });
  };
  try {
    let said = "";
    const address = await new Promise<string>((resolve, reject) => {
      program.stderr.on("data", (bytes) => {
        said += bytes;
        const [, found] = /^DevTools listening on (\S+)/m.exec(said) ?? [];
        if (found) resolve(found);
      });
      void ended.then(() => reject(new Error(`Chromium ended: ${said}`)));
    });
    const browser = await chromium.connectOverCDP(address, { noDefaults: true });
    const [context] = browser.contexts();
    if (!context) throw new Error("Chromium has no window");
    return {
      context,
      async close() {
        await browser.close();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The module and all it imports as browser code: `entry.js` and what it loads later, by file name. */
async function bundleForBrowser(entry: string, tests: boolean): Promise<ReadonlyMap<string, string>> {
  const result = await build({
    configFile: false,
    logLevel: "error",
    plugins: [refuseNode],
    resolve: { conditions: ["source", ...defaultClientConditions], alias: tests ? STANDS : {} },
    build: {
      write: false,
      minify: false,
      target: "esnext",
      lib: { entry, formats: ["es"], fileName: "entry" },
      // The packages' files have no side effects, so it would leave out their tests.
      ...(tests ? { rolldownOptions: { treeshake: false } } : {}),
    },
  });
  const [output] = [result].flat();
  if (!output || !("output" in output)) throw new Error(`vite did not bundle ${entry}`);
  return new Map(output.output.flatMap((file) => (file.type === "chunk" ? [[file.fileName, file.code] as const] : [])));
}

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** What stands for Node's modules where test files run. */
const STANDS = { "node:fs/promises": file("in-browser/fs-promises.ts"), webgpu: file("in-browser/dawn.ts") };

/** Vite would put an empty module in place of Node's. */
const refuseNode: Plugin = {
  name: "refuse-node",
  enforce: "pre",
  resolveId(id, importer) {
    if (id.startsWith("node:")) throw new Error(`${importer} imports ${id}, which browsers do not have`);
  },
};

/** Bundles a module, serves it, and opens a page that can call its functions. */
export async function openInBrowser(
  entry: string,
  { isolated = true, args = [], headers = {}, tests = false, within }: BrowserOptions = {},
): Promise<BrowserModule> {
  const files: Record<string, [type: string, text: string]> = {
    "/": ["text/html", PAGE],
    "/worker.js": ["text/javascript", WORKER],
  };
  for (const [name, code] of await bundleForBrowser(entry, tests)) files[`/${name}`] = ["text/javascript", code];
  const server = createServer((request, response) => {
    const [type, text] = files[request.url ?? ""] ?? ["text/plain", ""];
    response.writeHead(text === "" ? 404 : 200, { "Content-Type": type, ...(isolated ? ISOLATION : {}), ...headers }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const browser = within ?? (await launchChromium(args));
  const close = async (): Promise<void> => {
    if (!within) await browser.close();
    server.closeAllConnections();
    server.close();
  };
  try {
    const page = await browser.newPage();
    const load = async (): Promise<void> => {
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      await page.waitForFunction("globalThis.callEntry");
    };
    await load();
    return {
      page,
      reload: load,
      async call(place, name, ...args) {
        try {
          return await page.evaluate(
            (call) => (globalThis as unknown as { callEntry: (...call: unknown[]) => unknown }).callEntry(...call),
            [place, name, args],
          );
        } catch (error) {
          // Without the browser's stack, whose addresses a test runner would take for files.
          throw new Error((error as Error).message.replace(/\n\s+at [\s\S]*/, ""));
        }
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
