/** @file What a contraction sums over, walked in passes: parts of a few dimensions' elements, whose sums are added up apart. */
import type { FunctionBuilder } from "./function-builder.ts";
import type { ReductionLoop } from "./micro-kernel.ts";
import { I32, OP } from "./opcodes.ts";
import { evenPart, type PixelDimension } from "./pixels.ts";

/** A walk over dimensions in parts. */
interface Passes {
  /** Dimensions walked by one pass, outermost first; the first one is cut into parts of `size`. */
  readonly inner: readonly PixelDimension[];
  readonly size: number;
  /** Dimensions around a pass. */
  readonly outer: readonly PixelDimension[];
  readonly count: number;
}

/** Takes inner dimensions into a pass until it has enough elements: at most `limit`. */
export function splitPasses(pixels: readonly PixelDimension[], limit: number): Passes {
  let cut = pixels.length - 1;
  let whole = 1;
  while (cut > 0 && whole * (pixels[cut]?.extent ?? 1) * 2 <= limit) whole *= pixels[cut--]?.extent ?? 1;
  const extent = pixels[cut]?.extent ?? 1;
  const size = evenPart(extent, Math.max(1, Math.floor(limit / whole)));
  const outer = pixels.slice(0, cut);
  const count = outer.reduce((product, d) => product * d.extent, Math.ceil(extent / size));
  return { inner: pixels.slice(cut), size, outer, count };
}

/** The loops of a pass, whose turns of the outermost one are in a local. */
export function passLoops({ inner }: Passes, count: number): ReductionLoop[] {
  return inner.map((d, i) => ({ count: i === 0 ? { local: count } : d.extent, scalarStep: d.first, vectorStep: d.second }));
}

/** Moves the two addresses to a pass's first element and sets the turns of its outermost loop. */
export function emitPassOrigin(f: FunctionBuilder, passes: Passes, pass: number, first: number, second: number, count: number): void {
  const { inner, size, outer } = passes;
  const cut = inner[0];
  if (!cut) return;
  const rest = f.local(I32);
  const start = f.local(I32);
  const move = (d: PixelDimension): void => {
    f.get(first).get(start).i32(d.first).op(OP.i32_mul, OP.i32_add).set(first);
    f.get(second).get(start).i32(d.second).op(OP.i32_mul, OP.i32_add).set(second);
  };
  const parts = Math.ceil(cut.extent / size);
  f.get(pass).i32(parts).op(OP.i32_rem_u).i32(size).op(OP.i32_mul).set(start);
  move(cut);
  f.i32(size).i32(cut.extent).get(start).op(OP.i32_sub);
  f.i32(size).i32(cut.extent).get(start).op(OP.i32_sub, OP.i32_lt_s, OP.select).set(count);
  f.get(pass).i32(parts).op(OP.i32_div_u).set(rest);
  for (const d of outer.toReversed()) {
    f.get(rest).i32(d.extent).op(OP.i32_rem_u).set(start);
    move(d);
    f.get(rest).i32(d.extent).op(OP.i32_div_u).set(rest);
  }
}
