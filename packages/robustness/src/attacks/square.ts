/**
 * @file The Square attack: random search with square patches that shrink, from logits alone (Andriushchenko, Croce, Flammarion, Hein 2020,
 * "Square attack: a query-efficient black-box adversarial attack via random search").
 *
 * Each image draws patches of its own, where the authors' code draws one for a whole batch. As in it, no patch ends at the last row or
 * column, and a step that puts the label behind is taken even if another did more so.
 */
import {
  abs,
  add,
  broadcastAlong,
  clamp,
  convert,
  div,
  floor,
  foldIn,
  le,
  lt,
  maximum,
  mul,
  neg,
  type Operand,
  or,
  reshape,
  slice,
  sqrt,
  square as squared,
  sub,
  sum,
  uniform,
  type Value,
  where,
} from "@gradalign/tensor";
import { marginPerExample } from "../nn/margins.ts";
import { integer, type ValuesOf } from "../options/option.ts";
import type { Threat } from "../threat/threat.ts";
import type { Attack, AttackSite } from "./attack.ts";
import { part, restarts } from "./options.ts";
import { column, drawnTiling, patchShare, patchSide, patternAt, patternTable, tiling, windowAt } from "./square-patches.ts";

const OPTIONS = {
  queries: integer({ least: 0, default: 5000, help: "forward passes after the first", remedy: "write e.g. 5000" }),
  restarts: restarts(),
  p: part(0.8, "part of the pixels that the first patches cover"),
};

/** Settings of {@link square}. */
export type SquareOptions = ValuesOf<typeof OPTIONS>;

type SquareState = {
  readonly point: Value;
  /** How far the label's logit is ahead of the others, [N]. */
  readonly margin: Value;
  readonly found: Value;
};

const TINY = 1e-12;

/** Random search without gradients. */
export const square: Attack<SquareOptions, SquareState> = {
  id: "square",
  paper: "Andriushchenko, Croce, Flammarion, Hein 2020, Square attack",
  help: "random search with square patches, without gradients",
  options: OPTIONS,
  structural: [],
  steps: ({ queries }) => queries,
  runs: ({ restarts }) => restarts,
  schedule({ p }, { iteration, shape, threat }) {
    const [, height, width] = shape as [number, number, number];
    const side = patchSide(patchShare(p, iteration), height, width, threat.name !== "linf");
    return threat.name === "linf" ? { side } : { side, pattern: patternTable(side, height, width, powerOf(threat)) };
  },
  init(site) {
    const { x, threat, epsilon } = site;
    if (threat.name === "l1") return judged(site, add(x, threat.within(x, tiles(site), epsilon)));
    return judged(site, clamp(add(x, mul(threat.name === "linf" ? stripes(site) : threat.steepest(tiles(site)), epsilon)), 0, 1));
  },
  step(site, state) {
    const { x, threat, epsilon } = site;
    const delta = sub(state.point, x);
    const point =
      threat.name !== "l2"
        ? add(x, threat.within(x, threat.name === "linf" ? add(delta, flipped(site)) : moved(site, delta), epsilon))
        : clamp(add(x, mul(threat.steepest(moved(site, delta)), epsilon)), 0, 1);
    const next = judged(site, point);
    const accepted = or(lt(next.margin, state.margin), le(next.margin, 0));
    return {
      point: where(broadcastAlong(accepted, x.shape, [0]), next.point, state.point),
      margin: where(accepted, next.margin, state.margin),
      found: where(accepted, next.found, state.found),
    };
  },
  finish: ({ x }, { point }) => sub(point, x),
  found: "found",
};

function judged({ victim, labels }: AttackSite, point: Value): SquareState {
  const logits = victim.logits(point);
  return { point, margin: neg(marginPerExample(logits, labels)), found: convert(victim.fooled(logits), "float32") };
}

/** Vertical stripes of random signs: a sign per image, channel and column. */
function stripes({ x, keys }: AttackSite): Value {
  const [n, channels, , width] = x.shape as [number, number, number, number];
  return broadcastAlong(signs(uniform(keys, [n, channels, width])), x.shape, [0, 1, 3]);
}

/** Patterns side by side over the whole image. */
function tiles({ x, keys, threat }: AttackSite): Value {
  const [n, channels, height, width] = x.shape as [number, number, number, number];
  const laid = tiling(height, width, powerOf(threat));
  return drawnTiling(laid, uniform(foldIn(keys, 0), [n, laid.tiles]), uniform(foldIn(keys, 1), [n, channels * laid.tiles]), x.shape);
}

/** This step's random numbers, [N, count] uniform in [0, 1). */
function drawn({ x, keys, iteration }: AttackSite, count: number): Value {
  return uniform(foldIn(keys, add(iteration, 2)), [x.shape[0] as number, count]);
}

/** How fast the rectangles of a pattern fade: as the norm has it. */
function powerOf({ name }: Pick<Threat, "name">): 2 | 4 {
  return name === "l1" ? 4 : 2;
}

function signs(u: Value): Value {
  return where(lt(u, 0.5), -1, 1);
}

/** A window's first row or column, from a uniform number. */
function corner(u: Value, extent: number, side: Value): Value {
  return floor(mul(u, sub(extent, side)));
}

/** Twice epsilon with a sign per channel, in a window. */
function flipped(site: AttackSite): Value {
  const { x, epsilon } = site;
  const [n, channels, height, width] = x.shape as [number, number, number, number];
  const side = site.schedule["side"] as Value;
  const u = drawn(site, 2 + channels);
  const inside = windowAt(corner(column(u, 0), height, side), corner(column(u, 1), width, side), side, x.shape);
  const sign = broadcastAlong(signs(slice(u, [0, 2], [n, 2 + channels])), x.shape, [0, 1]);
  return where(inside, mul(sign, mul(epsilon, 2)), 0);
}

/** The perturbation with a pattern laid over one window and with what another window held, which becomes zero, added to its length. */
function moved(site: AttackSite, delta: Value): Value {
  const { x, epsilon, threat } = site;
  const [n, channels, height, width] = x.shape as [number, number, number, number];
  const side = site.schedule["side"] as Value;
  const u = drawn(site, 5 + channels);
  const [row, left] = [corner(column(u, 0), height, side), corner(column(u, 1), width, side)];
  const target = windowAt(row, left, side, x.shape);
  const source = windowAt(corner(column(u, 2), height, side), corner(column(u, 3), width, side), side, x.shape);
  const inL1 = threat.name === "l1";
  const lengths = (v: Value): Value => (inL1 ? sum(abs(v), [2, 3]) : sqrt(sum(squared(v), [2, 3])));
  const perChannel = (v: Value): Value => broadcastAlong(v, x.shape, [0, 1]);

  const table = reshape(site.schedule["pattern"] as Value, [height, width]);
  const pattern = mul(perChannel(signs(slice(u, [0, 5], [n, 5 + channels]))), patternAt(table, row, left, lt(column(u, 4), 0.5), x.shape));
  const old = where(target, delta, 0);
  const laid = where(target, add(pattern, div(old, perChannel(add(lengths(old), TINY)))), 0);
  const power = (v: Operand): Value => (inL1 ? mul(v, 1) : mul(v, v));
  const unused = div(maximum(sub(power(epsilon), power(threat.distance(delta))), 0), channels);
  const held = power(lengths(where(or(target, source), delta, 0)));
  const together = add(broadcastAlong(unused, held.shape, [0]), held);
  const length = inL1 ? mul(together, channels) : sqrt(together);
  return where(target, mul(laid, perChannel(div(length, add(lengths(laid), TINY)))), where(source, 0, delta));
}
