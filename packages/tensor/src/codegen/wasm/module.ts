/** @file WebAssembly modules as sections of bytes. */
import type { FunctionBuilder } from "./function-builder.ts";
import { sized, text, unsigned, vector } from "./leb128.ts";
import { I32, type WasmType } from "./opcodes.ts";

export interface ModuleMemory {
  readonly initialPages: number;
  readonly maximumPages: number;
  readonly shared: boolean;
}

/** A function that is given to the module as `env.NAME`. */
interface ImportedFunction {
  readonly name: string;
  readonly params: readonly WasmType[];
}

/** Encodes a module that imports its memory as `env.memory`, has one global, an i32, and exports the named functions. Imported functions are
 * numbered before its own. */
export function encodeModule(
  functions: readonly FunctionBuilder[],
  exports: Readonly<Record<string, number>>,
  memory: ModuleMemory,
  imports: readonly ImportedFunction[] = [],
): Uint8Array<ArrayBuffer> {
  const signatures = new Map<string, number>();
  const types: number[][] = [];
  const typeOf = ({ params }: { readonly params: readonly WasmType[] }): number[] => {
    const key = params.join(",");
    let index = signatures.get(key);
    if (index === undefined) {
      index = types.length;
      signatures.set(key, index);
      types.push([0x60, ...vector(params.map((type) => [type])), 0]);
    }
    return unsigned(index);
  };
  const imported = imports.map((f) => [...text("env"), ...text(f.name), 0, ...typeOf(f)]);
  const typeIndex = functions.map(typeOf);
  const limits = [memory.shared ? 3 : 1, ...unsigned(memory.initialPages), ...unsigned(memory.maximumPages)];
  const bodies = functions.map((f) => {
    const runs: [number, WasmType][] = [];
    for (const type of f.locals) {
      const last = runs.at(-1);
      if (last?.[1] === type) last[0]++;
      else runs.push([1, type]);
    }
    const head = vector(runs.map(([count, type]) => [...unsigned(count), type]));
    return { head, code: f.code, size: head.length + f.code.length + 1 };
  });
  const sections: number[][] = [
    [1, ...sized(vector(types))],
    [2, ...sized(vector([...imported, [...text("env"), ...text("memory"), 2, ...limits]]))],
    [3, ...sized(vector(typeIndex))],
    [6, ...sized(vector([[I32, 1, 0x41, 0, 0x0b]]))],
    [7, ...sized(vector(Object.entries(exports).map(([name, index]) => [...text(name), 0, ...unsigned(index)])))],
  ];
  const count = unsigned(bodies.length);
  let codeSize = count.length;
  for (const body of bodies) codeSize += unsigned(body.size).length + body.size;
  const head = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...sections.flat(), 10, ...unsigned(codeSize), ...count];
  const bytes = new Uint8Array(head.length + codeSize - count.length);
  bytes.set(head);
  let at = head.length;
  for (const body of bodies) {
    for (const part of [unsigned(body.size), body.head, body.code, [0x0b]]) {
      bytes.set(part, at);
      at += part.length;
    }
  }
  return bytes;
}
