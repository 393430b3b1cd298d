/** @file `gradalign info`: what this machine can do, and what is cached on it. */
import { readdirSync, statSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { dataFolder, nodeGpu } from "@gradalign/robustness/node";
import { bytes } from "@gradalign/runs";
import { usualNative, VERSION } from "@gradalign/runs/node";
import { BACKENDS, createDevice, wasmFeatures } from "@gradalign/tensor";
import type { Command } from "commander";
import { answerQuestions, workerProcess } from "../run/worker-process.ts";
import { type Context, print } from "../terminal/context.ts";
import { textTable } from "../terminal/table.ts";

const HELP = `
Examples:
  gradalign info
  gradalign info --json`;

/** A backend's threads, or why it does not work. */
type BackendState = { readonly threads: number } | { readonly problem: string };

/** What the command reports. */
interface Info {
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  readonly processor: string;
  /** Threads the machine offers. */
  readonly cores: number;
  readonly backends: Readonly<Record<string, BackendState>>;
  /** WebAssembly features after the wasm backend was opened, which may switch some on. */
  readonly wasm: Readonly<Record<string, boolean>>;
  /** Why the wasm backend has no machine code for contractions; null where it has. */
  readonly native: string | null;
  /** Of which kind it is. */
  readonly instructions: string | null;
  /** Bytes are null where they cannot be read. */
  readonly cache: { readonly folder: string; readonly bytes: number | null };
}

/** Adds the command to the program, and the hidden one that it runs apart. */
export function registerInfo(program: Command, context: Context): void {
  program.command("info-webgpu", { hidden: true }).action(() => answerQuestions(context, () => tryBackend("webgpu")));
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

async function tryBackend(backend: (typeof BACKENDS)[number]): Promise<BackendState> {
  try {
    const device = await createDevice({ backend, ...(backend === "webgpu" ? { gpu: await nodeGpu() } : {}) });
    const { threads } = device;
    device.close();
    return { threads };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}

/** Tries WebGPU in a process of its own: drivers write what they like to standard error, and some crash. */
async function tryGpuApart(): Promise<BackendState> {
  const process = workerProcess<null, BackendState>("info-webgpu");
  const answer = await process.ask(null);
  process.close();
  return "answer" in answer ? answer.answer : { problem: `its driver ended the process that tried it (${answer.died})` };
}

async function collectInfo(): Promise<Info> {
  const backends: Record<string, BackendState> = {};
  for (const backend of BACKENDS) backends[backend] = backend === "webgpu" ? await tryGpuApart() : await tryBackend(backend);
  const folder = dataFolder();
  const native = usualNative();
  return {
    version: VERSION,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    backends,
    wasm: wasmFeatures(),
    native: native.problem,
    instructions: native.host?.instructions ?? null,
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
    ["machine code", info.native === null ? `${info.instructions}, proven to give WebAssembly's bits (--native off switches it off)` : `no: ${info.native}`],
    ["cache folder", `${info.cache.folder} (${info.cache.bytes === null ? "cannot be read" : bytes(info.cache.bytes)}; GRADALIGN_DATA chooses another)`],
  ];
}

/** Size of the files in a folder; 0 if it is not there, null if it cannot be read. */
function folderBytes(folder: string): number | null {
  try {
    return readdirSync(folder, { recursive: true, encoding: "utf8" }).reduce((sum, name) => {
      const stats = statSync(join(folder, name), { throwIfNoEntry: false });
      return sum + (stats?.isFile() ? stats.size : 0);
    }, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? 0 : null;
  }
}
