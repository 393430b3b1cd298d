/** @file What a contraction sums over, walked in passes: parts of a few dimensions' elements, whose sums are added up apart. */
import { add, div, min, mul, type ReductionLoop, rem, type Steps, sub, type Variable } from "./language.ts";
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

/** The loops of a pass, whose turns of the outermost one are in a variable. */
export function passLoops({ inner }: Passes, count: Variable): ReductionLoop[] {
  return inner.map((d, i) => ({ count: i === 0 ? count : d.extent, scalarStep: d.first, vectorStep: d.second }));
}

/** Moves the two addresses to a pass's first element and sets the turns of its outermost loop. */
export function startPass(steps: Steps, passes: Passes, pass: Variable, first: Variable, second: Variable, count: Variable): void {
  const { inner, size, outer } = passes;
  const cut = inner[0];
  if (!cut) return;
  const [rest, start] = steps.variables("rest", "start");
  const move = (d: PixelDimension): void => {
    steps.set(first, add(first, mul(start, d.first)));
    steps.set(second, add(second, mul(start, d.second)));
  };
  const parts = Math.ceil(cut.extent / size);
  steps.set(start, mul(rem(pass, parts), size));
  move(cut);
  steps.set(count, min(size, sub(cut.extent, start)));
  steps.set(rest, div(pass, parts));
  for (const d of outer.toReversed()) {
    steps.set(start, rem(rest, d.extent));
    move(d);
    steps.set(rest, div(rest, d.extent));
  }
}
