/** @file `gradalign studio`: a page that trains in the browser and draws what happens. */

import { fileURLToPath } from "node:url";
import { type ImageSource, residentSplit, takeFirst } from "@gradalign/robustness";
import { startStudioServer, writeSite } from "@gradalign/runs/node";
import { ConfigError } from "@gradalign/tensor";
import type { Command } from "commander";
import { loadDataset } from "../run/dataset.ts";
import { addSettingFlags, settingsFromFlags } from "../settings/setting-flags.ts";
import { type Context, print, remark } from "../terminal/context.ts";
import { listenForInterrupt } from "../terminal/interrupt.ts";

const HELP = `
Trains the paper's single-layer network with FGSM or FGSM + GradAlign in your browser, on the GPU where it has WebGPU and else on
the processor, and draws accuracies and gradient alignment while it trains. CIFAR-10 is downloaded first if it is not cached.

Examples:
  gradalign studio
  gradalign studio --port 9000
  gradalign studio --dataset my-images --train-size 5000
  gradalign studio --site public

Only this machine can reach the server unless --host says otherwise; over plain HTTP, browsers of other machines compute with one
thread and without WebGPU.`;

const FLAGS = ["dataset", "trainSize"] as const;

/** What a page may take: its memory ends soon after 2 GiB. */
const MAX_SPLIT_BYTES = 2 ** 30;

/** Where `npm run build:studio` puts the page, seen from `src/commands` and from `dist/commands`. */
const PAGE = fileURLToPath(new URL("../../dist/page", import.meta.url));

interface StudioFlags {
  readonly port: string;
  readonly host: string;
  readonly site?: string;
  readonly json?: boolean;
}

/** Adds the command to the program. */
export function registerStudio(program: Command, context: Context): void {
  const command = program.command("studio").description("serve a page that trains in the browser and shows it live");
  addSettingFlags(command, FLAGS)
    .option("--port <n>", "port to listen on; 0 for any free one", "8255")
    .option("--host <address>", "address to listen on; 0.0.0.0 for all", "127.0.0.1")
    .option("--site <folder>", "serve nothing: write the page and the images as files for any web server")
    .option("--json", "print the page's address as one JSON line")
    .addHelpText("after", HELP)
    .action((options: StudioFlags & Record<string, unknown>) => runStudio(options, context));
}

async function runStudio(options: StudioFlags & Record<string, unknown>, context: Context): Promise<void> {
  const { dataset: name = "cifar10", trainSize } = settingsFromFlags(options, FLAGS);
  const port = Number(options.port);
  if (!/^\d+$/.test(options.port) || port > 65535) throw new ConfigError(`--port (="${options.port}") must be an integer from 0 to 65535; write e.g. 8255`);
  const interrupt = listenForInterrupt(() => {});
  try {
    const { dataset, fingerprint } = await loadDataset(name, context.streams.stderr, interrupt.signal);
    // A page holds all of them in its memory.
    const inMemory = (source: ImageSource) => residentSplit(source, dataset.shape, MAX_SPLIT_BYTES);
    const train = await inMemory(typeof trainSize !== "number" ? dataset.train : takeFirst(dataset.train, trainSize));
    const served = { ...dataset, train, test: await inMemory(dataset.test) };
    if (options.site !== undefined) {
      writeSite(options.site, { dataset: served, fingerprint, page: PAGE });
      return print(context, `${options.site}: the page and ${served.train.count} training images; any web server can serve this folder`);
    }
    const server = await startStudioServer({ dataset: served, fingerprint, port, host: options.host, page: PAGE });
    if (options.json) print(context, JSON.stringify({ type: "listening", url: server.url }));
    else print(context, `open ${server.url} in a browser; Ctrl-C ends the server`);
    await new Promise<void>((resolve) => {
      if (interrupt.signal.aborted) resolve();
      interrupt.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    await server.close();
  } catch (error) {
    if (error !== interrupt.signal.reason) throw error;
    remark(context, "stopped");
  } finally {
    interrupt.release();
  }
}
