/** @file A kernel's buffers as WGSL: declarations, loads and stores. Buffers that lie in one place share a binding, because WebGPU
 * forbids two writable bindings that overlap. `uint8` and `bool` are bytes of 32-bit words. Floats stored in half precision are pairs in
 * such words too: core WGSL converts them, whether or not the adapter computes in float16. */
import { BYTES, type DType } from "../../base/dtype.ts";
import { invariant } from "../../base/errors.ts";
import type { Factor } from "./tile.ts";

/** Where a kernel finds a buffer. */
export interface BufferBinding {
  readonly binding: number;
  /** 32-bit words from the binding's start. */
  readonly word: number;
  /** Elements are float16 in memory and float32 in registers. Such buffers are written four elements at a time. */
  readonly half?: boolean | undefined;
}

/** How the words of a binding are declared. */
type Cell = "f32" | "i32" | "u32" | "vec4<f32>" | "vec2<u32>";

const CELL: Readonly<Record<DType, Cell>> = { float32: "f32", int32: "i32", uint8: "u32", bool: "u32" };

/** WGSL types of values in registers: `uint8` is computed as i32. */
export const REGISTER: Readonly<Record<DType, "f32" | "i32" | "bool">> = { float32: "f32", int32: "i32", uint8: "i32", bool: "bool" };

export class Memory {
  readonly #places: readonly BufferBinding[];
  readonly #cells: Cell[] = [];

  /** `dtypes` are the buffers' element types; `vectors` tells which are read or written four floats at a time. */
  constructor(places: readonly BufferBinding[], dtypes: readonly DType[], vectors: (buffer: number) => boolean) {
    this.#places = places;
    places.forEach(({ binding, word, half }, buffer) => {
      const vector = vectors(buffer) && dtypes[buffer] === "float32";
      const whole = vector && word % 4 === 0 ? "vec4<f32>" : CELL[dtypes[buffer]!];
      const cell = half ? (vector && word % 2 === 0 ? "vec2<u32>" : "u32") : whole;
      const other = this.#cells[binding];
      if (other === undefined || other === cell) this.#cells[binding] = cell;
      else this.#cells[binding] = new Set([other, cell, "f32", "vec4<f32>"]).size === 2 ? "vec4<f32>" : "u32";
    });
  }

  /** Declarations of all bindings. All are writable: WebGPU forbids a buffer that is read-only in one binding and written in another. */
  declarations(): string {
    return this.#cells.map((cell, i) => `@group(0) @binding(${i}) var<storage, read_write> b${i}: array<${cell}>;`).join("\n");
  }

  /** Whether four floats may be accessed at once. */
  isVector(buffer: number): boolean {
    const { binding, word, half } = this.#places[buffer]!;
    return half ? this.#cells[binding] === "vec2<u32>" : this.#cells[binding] === "vec4<f32>" && word % 4 === 0;
  }

  /** Element `index` (an i32 expression) as a value in a register. */
  load(buffer: number, dtype: DType, index: string): string {
    const { binding, word, half } = this.#places[buffer]!;
    if (half) {
      const pair = this.isVector(buffer)
        ? `b${binding}[${this.#shifted(`((${index}) >> 2u)`, word / 2)}][((${index}) >> 1u) & 1]`
        : `b${binding}[${this.#shifted(`((${index}) >> 1u)`, word)}]`;
      return `from_half(${pair}, ${index})`;
    }
    if (BYTES[dtype] === 1) {
      const byte = `((b${binding}[${this.#shifted(`(${index} >> 2u)`, word)}] >> (u32(${index} & 3) * 8u)) & 255u)`;
      return dtype === "bool" ? `(${byte} != 0u)` : `i32${byte}`;
    }
    return this.#word(binding, this.#shifted(index, word), dtype);
  }

  /** Elements `index` to `index + 3`, where `index` is a multiple of four. */
  load4(buffer: number, dtype: DType, index: string): string {
    const { binding, word, half } = this.#places[buffer]!;
    if (BYTES[dtype] === 1) {
      const bytes = `((vec4<u32>(b${binding}[${this.#shifted(`(${index} >> 2u)`, word)}]) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u))`;
      return dtype === "bool" ? `(${bytes} != vec4<u32>(0u))` : `vec4<i32>${bytes}`;
    }
    if (half) return `from_halves(${this.#halves(buffer, index)})`;
    if (dtype === "float32" && this.isVector(buffer)) return `b${binding}[${this.#shifted(`(${index} >> 2u)`, word / 4)}]`;
    return this.loadEach(buffer, dtype, index, 1);
  }

  /** Four floats like `load4`, as factors of a product. */
  factors4(buffer: number, index: string, factor: Factor): string {
    // What is stored as it is multiplied needs no conversion.
    if (factor === "f16" && this.#places[buffer]!.half) return `bitcast<vec4<f16>>(${this.#halves(buffer, index)})`;
    const value = this.load4(buffer, "float32", index);
    return factor === "f16" ? `vec4<f16>(${value})` : value;
  }

  /** Four elements `stride` apart. */
  loadEach(buffer: number, dtype: DType, index: string, stride: number): string {
    const parts = [0, 1, 2, 3].map((lane) => this.load(buffer, dtype, `(${index} + ${lane * stride})`));
    return `vec4<${REGISTER[dtype]}>(${parts.join(", ")})`;
  }

  /** Stores one element of four bytes. */
  store(buffer: number, dtype: DType, index: string, value: string): string {
    const { binding, word, half } = this.#places[buffer]!;
    invariant(!half, "webgpu: float16 is written four elements at a time");
    const at = this.#shifted(index, word);
    switch (this.#cells[binding]!) {
      case "vec4<f32>":
        return `b${binding}[(${at}) >> 2u][(${at}) & 3] = ${value};`;
      case "u32":
        return `b${binding}[${at}] = bitcast<u32>(${value});`;
      default:
        return `b${binding}[${at}] = ${dtype === "float32" || dtype === "int32" ? value : `${REGISTER[dtype]}(${value})`};`;
    }
  }

  /** Stores four elements from `index`, a multiple of four. */
  store4(buffer: number, dtype: DType, index: string, value: string): string {
    const { binding, word, half } = this.#places[buffer]!;
    if (half) {
      if (this.isVector(buffer)) return `b${binding}[${this.#shifted(`((${index}) >> 2u)`, word / 2)}] = to_halves(${value});`;
      const at = this.#shifted(`((${index}) >> 1u)`, word);
      return `{ let halves = to_halves(${value}); b${binding}[${at}] = halves.x; b${binding}[${at} + 1] = halves.y; }`;
    }
    if (BYTES[dtype] === 1) return this.storeWord(buffer, `(${index}) >> 2u`, `packed(vec4<u32>(${value}))`);
    if (dtype === "float32" && this.isVector(buffer)) return `b${binding}[${this.#shifted(`((${index}) >> 2u)`, word / 4)}] = ${value};`;
    return [0, 1, 2, 3].map((lane) => this.store(buffer, dtype, `(${index} + ${lane})`, `(${value})[${lane}]`)).join(" ");
  }

  /** Stores four bytes. */
  storeWord(buffer: number, index: string, word: string): string {
    const place = this.#places[buffer]!;
    return `b${place.binding}[${this.#shifted(`(${index})`, place.word)}] = ${word};`;
  }

  /** The two words of a group of four in half precision. */
  #halves(buffer: number, index: string): string {
    const { binding, word } = this.#places[buffer]!;
    if (this.isVector(buffer)) return `b${binding}[${this.#shifted(`((${index}) >> 2u)`, word / 2)}]`;
    const at = this.#shifted(`((${index}) >> 1u)`, word);
    return `vec2<u32>(b${binding}[${at}], b${binding}[${at} + 1])`;
  }

  #word(binding: number, at: string, dtype: DType): string {
    switch (this.#cells[binding]!) {
      case "vec4<f32>":
        return `b${binding}[(${at}) >> 2u][(${at}) & 3]`;
      case "u32":
        return `bitcast<${REGISTER[dtype]}>(b${binding}[${at}])`;
      default:
        return `b${binding}[${at}]`;
    }
  }

  #shifted(index: string, words: number): string {
    return words === 0 ? index : `${index} + ${words}`;
  }
}
