/** @file `gradalign info`: what this machine can do, and what is cached on it. */
import { readdirSync, statSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { BACKENDS, createDevice, wasmFeatures } from "@gradalign/tensor";
import type { Command } from "commander";
import { dataFolder, nodeGpu } from "gradalign/node";
import { type Context, print } from "../context.ts";
import { bytes } from "../terminal/format.ts";
import { textTable } from "../terminal/table.ts";
import { VERSION } from "../version.ts";

const HELP = `
Examples:
  gradalign info
  gradalign info --json`;

/** What the command reports. */
interface Info {
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  readonly processor: string;
  /** Threads the machine offers. */
  readonly cores: number;
  /** Each backend: its threads, or why it does not work. */
  readonly backends: Readonly<Record<string, { readonly threads: number } | { readonly problem: string }>>;
  /** WebAssembly features after the wasm backend was opened, which may switch some on. */
  readonly wasm: Readonly<Record<string, boolean>>;
  readonly cache: { readonly folder: string; readonly bytes: number };
}

/** Adds the command to the program. */
export function registerInfo(program: Command, context: Context): void {
  program
    .command("info")
    .description("show versions, backends, WebAssembly features and the cache folder")
    .option("--json", "print one JSON object")
    .addHelpText("after", HELP)
    .action(async (options: { json?: boolean }) => {
      const info = await collectInfo();
      if (options.json) print(context, JSON.stringify(info));
      else for (const line of textTable(rows(info))) print(context, line);
    });
}

async function collectInfo(): Promise<Info> {
  const backends: Record<string, { threads: number } | { problem: string }> = {};
  for (const backend of BACKENDS) {
    try {
      const device = await createDevice({ backend, ...(backend === "webgpu" ? { gpu: await nodeGpu() } : {}) });
      backends[backend] = { threads: device.threads };
      device.close();
    } catch (error) {
      backends[backend] = { problem: (error as Error).message };
    }
  }
  const folder = dataFolder();
  return {
    version: VERSION,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    backends,
    wasm: wasmFeatures(),
    cache: { folder, bytes: folderBytes(folder) },
  };
}

function rows(info: Info): string[][] {
  return [
    ["gradalign", info.version],
    ["node", `${info.node} on ${info.platform}`],
    ["processor", `${info.processor}, ${info.cores} threads`],
    ...Object.entries(info.backends).map(([name, state]) => [
      `backend ${name}`,
      "problem" in state ? `does not work here: ${state.problem}` : `works, ${state.threads} thread${state.threads === 1 ? "" : "s"}`,
    ]),
    ...Object.entries(info.wasm).map(([feature, there]) => [`wasm ${feature}`, there ? "yes" : "no"]),
    ["cache folder", `${info.cache.folder} (${bytes(info.cache.bytes)}; GRADALIGN_DATA chooses another)`],
  ];
}

/** Size of the files in a folder; 0 if it is not there. */
function folderBytes(folder: string): number {
  try {
    return readdirSync(folder, { recursive: true, encoding: "utf8" }).reduce((sum, name) => {
      const stats = statSync(join(folder, name), { throwIfNoEntry: false });
      return sum + (stats?.isFile() ? stats.size : 0);
    }, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}
