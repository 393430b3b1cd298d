/** @file Machine code in Node: memory for it and calls into it, through the optional package `koffi`, where the processor can run it and it has been
 * seen to give WebAssembly's bits. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { join } from "node:path";
import { type InstructionSet, type NativeFunction, type NativeHost, nativeProblem, wasmFeatures } from "@gradalign/tensor";
import { dataFolder } from "../data/node-cache-folder.ts";
import { makeFolder, writeFileAtomic } from "../files/node-atomic-file.ts";

/** What is used of koffi. */
interface Koffi {
  readonly version: string;
  load(path: null): { func(declaration: string): (...args: unknown[]) => unknown };
  proto(declaration: string): unknown;
  decode(address: bigint, type: unknown): NativeFunction;
  view(address: bigint, bytes: number): ArrayBuffer;
  address(view: Uint8Array): bigint;
}

// Without a name: koffi takes each name once, and a process may open several devices.
const FUNCTION = "void (int32_t entry, int32_t task, int32_t first, int32_t second, int32_t third, int32_t scratch)";
/** Of mmap and mprotect on Linux. */
const [READ, WRITE, EXECUTE, PRIVATE_ANONYMOUS] = [1, 2, 4, 0x22];

/** What machine code can be used for. */
export interface NativeState {
  /** For `createDevice({ native })`; null where there is none. */
  readonly host: NativeHost | null;
  /** Why there is none; null where there is. */
  readonly problem: string | null;
}

/** Where a processor's proof is noted, and for which version of the code. */
interface NativeOptions {
  readonly version?: string;
  readonly folder?: string;
}

/** What the processor must have for each kind of machine code, the fastest first. */
const INSTRUCTIONS = { avx512: ["avx512f", "avx512dq", "avx512vl"], avx2: ["avx2", "fma"] } as const satisfies Record<InstructionSet, readonly string[]>;

/**
 * What `createDevice({ native })` takes, on Linux on x86-64 with AVX2 and FMA or AVX-512 and with the package `koffi`, after a proof that takes a second
 * once per processor and version.
 *
 * @param anyArithmetic also where WebAssembly itself rounds twice where machine code rounds once.
 */
export function nodeNative(anyArithmetic: boolean, { version = "", folder = dataFolder() }: NativeOptions = {}): NativeState {
  const none = (problem: string): NativeState => ({ host: null, problem });
  if (process.platform !== "linux" || process.arch !== "x64") return none(`there is none for ${process.platform}-${process.arch}`);
  const flags = processorFlags();
  const missing = INSTRUCTIONS.avx2.filter((flag) => !flags.has(flag));
  if (missing.length > 0) return none(`the processor has no ${missing.join(" and no ")}`);
  const sets = (Object.keys(INSTRUCTIONS) as InstructionSet[]).filter((set) => INSTRUCTIONS[set].every((flag) => flags.has(flag)));
  const sameBits = wasmFeatures()["fused-multiply-add"];
  if (!sameBits && !anyArithmetic) return none("this engine's WebAssembly has no fused multiply-add, so results would differ in their last bits");
  try {
    const require = createRequire(import.meta.url);
    const hosts = hostsOf(require("koffi") as Koffi, require.resolve("koffi"), sets);
    if (!sameBits) return { host: hosts[0]!, problem: null };
    return proven(hosts, join(folder, "native-proof.json"), version);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return none(code === "MODULE_NOT_FOUND" ? 'the package "koffi" is not installed; run: npm install koffi' : message);
  }
}

function processorFlags(): ReadonlySet<string> {
  try {
    return new Set(/^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" "));
  } catch {
    return new Set();
  }
}

/** What runs machine code of each of these kinds. */
function hostsOf(koffi: Koffi, path: string, sets: readonly InstructionSet[]): NativeHost[] {
  const libc = koffi.load(null);
  const map = libc.func("void *mmap(void *address, size_t length, int protection, int flags, int file, int64_t offset)");
  const protect = libc.func("int mprotect(void *address, size_t length, int protection)");
  const unmap = libc.func("int munmap(void *address, size_t length)");
  const type = koffi.proto(FUNCTION);
  const host: Omit<NativeHost, "instructions"> = {
    addressOf: (view) => koffi.address(view),
    load(code) {
      const address = map(null, code.length, READ | WRITE, PRIVATE_ANONYMOUS, -1, 0) as bigint | null;
      if (address === null || BigInt.asIntN(64, address) === -1n) throw new Error("the system grants no memory for machine code");
      new Uint8Array(koffi.view(address, code.length)).set(code);
      const free = (): void => {
        unmap(address, code.length);
      };
      if (protect(address, code.length, READ | EXECUTE) !== 0) {
        free();
        throw new Error("the system lets no memory be executed");
      }
      return { address, free };
    },
    bind: (address) => koffi.decode(address, type),
    // koffi wants to be loaded in a thread before anything is called there.
    binder: `(() => {
      const koffi = require(${JSON.stringify(path)});
      koffi.load(null);
      const type = koffi.proto(${JSON.stringify(FUNCTION)});
      return (address) => koffi.decode(address, type);
    })()`,
  };
  return sets.map((instructions) => ({ ...host, instructions }));
}

/** The first of the hosts whose machine code is proven, or what the last one's does wrong: found out on this machine once per processor and version. */
export function proven(hosts: readonly NativeHost[], path: string, version: string): NativeState {
  const subject = `${cpus()[0]?.model.trim()}, ${hosts.map(({ instructions }) => instructions).join(" ")}, Node ${process.version}, gradalign ${version}`;
  const known = readProof(path);
  const noted = hosts.find(({ instructions }) => instructions === known?.instructions) ?? null;
  if (known?.subject === subject && (noted === null) !== (known.problem === null)) return { host: noted, problem: known.problem };
  const state = prove(hosts);
  try {
    makeFolder(join(path, ".."));
    writeFileAtomic(path, JSON.stringify({ subject, instructions: state.host?.instructions ?? null, problem: state.problem }));
  } catch {
    // It is proven again next time.
  }
  return state;
}

function prove(hosts: readonly NativeHost[]): NativeState {
  let problem: string | null = null;
  for (const host of hosts) {
    problem = nativeProblem(host);
    if (problem === null) return { host, problem };
  }
  return { host: null, problem };
}

/** A note of an earlier proof; what is in it may be anything. */
function readProof(path: string): { readonly subject: unknown; readonly instructions: unknown; readonly problem: string | null } | null {
  try {
    const { subject, instructions, problem } = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    return problem === null || typeof problem === "string" ? { subject, instructions, problem } : null;
  } catch {
    return null;
  }
}
