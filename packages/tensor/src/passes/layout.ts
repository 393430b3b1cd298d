/** @file Layout: one walk that decides the order of every value's axes in memory. Images arrive as [N, C, H, W]; contractions
 * want channels last. Each value is represented by a node plus a permutation, and permutations ride along through element-wise
 * operations, reductions and movement until something needs a particular order. Contractions become their physical forms here. */
import { InvariantError } from "../base/errors.ts";
import { Node, topologicalOrder } from "../ir/graph.ts";
import { isLeaf } from "../ir/rewrite.ts";
import { CPU, type Target } from "../ir/target.ts";
import { broadcast, flip, pad, reshape, slice, sum, transpose } from "../ops/build.ts";
import { geometryOf } from "../ops/conv-geometry.ts";
import { operation } from "../ops/definition.ts";
import { keptAxes } from "../ops/reduce.ts";
import { type FilterView, filterGradChunks, type Phase, packedConv, packedFilterGrad, packFilter, phasedConv, turnFilter } from "./physical.ts";
import { planarConv, planarFilterGrad, planarPays } from "./planar.ts";
import { winogradConv, winogradFilterGrad, winogradPays } from "./winograd.ts";

/** logical axis i is axis permutation[i] of `node`. */
interface Placed {
  readonly node: Node;
  readonly permutation: readonly number[];
  /** Set where the value may as well be computed again in another order: an element-wise operation with few users. */
  readonly again?: { readonly operation: Node; readonly operands: readonly Placed[]; readonly origin: Origin };
}

/** The stored values that a value would be computed from again. */
interface Origin {
  /** Two of them stand for more. */
  readonly nodes: readonly Node[];
  /** Whether all are arguments or tensors in memory. */
  readonly leaves: boolean;
}

/** A value with more users than this is worth a rearranged copy; one with fewer is computed from its operand's copy. */
const FEW_USERS = 2;

/** Channels of a contraction that fill its vectors without a rest. */
const LANES = 8;

type Numbers = readonly number[];

const NHWC: Numbers = [0, 3, 1, 2];
const NCHW: Numbers = [0, 1, 2, 3];

const identity = (rank: number): number[] => Array.from({ length: rank }, (_, i) => i);
const plain = (node: Node): Placed => ({ node, permutation: identity(node.shape.length) });
const same = (a: Numbers, b: Numbers): boolean => a.every((n, i) => n === b[i]);

/** Puts a per-axis list from logical into physical order. */
function permute(values: Numbers, permutation: Numbers): number[] {
  const out = new Array<number>(values.length);
  permutation.forEach((axis, i) => {
    out[axis] = values[i]!;
  });
  return out;
}

/** The value with its axes in the wanted order. What was computed element by element from one other value (a mask, a clamp) is not
 * moved itself: it is computed from that value's rearranged copy, which other users share. */
function arrange(placed: Placed, wanted: Numbers): Node {
  const arranged = new Map<Placed, Node>();
  const pending = [placed];
  for (let current = pending.at(-1); current; current = pending.at(-1)) {
    const { node, permutation, again } = current;
    if (same(permutation, wanted)) arranged.set(current, node);
    else if (again?.origin.nodes.length === 1) {
      const missing = again.operands.filter((operand) => !arranged.has(operand));
      if (missing.length > 0) {
        pending.push(...missing.reverse());
        continue;
      }
      const operands = again.operands.map((operand) => arranged.get(operand)!);
      arranged.set(current, rebuild(again.operation, operands, permute(again.operation.shape, wanted)));
    } else arranged.set(current, transpose(node, permute(permutation, wanted)));
    pending.pop();
  }
  return arranged.get(placed)!;
}

function originOf({ node, again }: Placed): Origin {
  return again?.origin ?? { nodes: isFlexible(node) ? [] : [node], leaves: isFlexible(node) || isLeaf(node) };
}

/** The origin of what is computed from these. */
function commonOrigin(operands: readonly Placed[]): Origin {
  const origins = operands.map(originOf);
  return { nodes: [...new Set(origins.flatMap(({ nodes }) => nodes))].slice(0, 2), leaves: origins.every(({ leaves }) => leaves) };
}

/** Constants and repeated values follow any order for free. */
function isFlexible(node: Node): boolean {
  return node.op === "full" || node.op === "broadcast";
}

export function assignLayout(roots: readonly Node[], target: Target = CPU): Node[] {
  const placed = new Map<Node, Placed>();
  const order = topologicalOrder(roots);
  const users = new Map<Node, number>();
  for (const node of order) for (const input of new Set(node.inputs)) users.set(input, (users.get(input) ?? 0) + 1);
  for (const node of order) {
    const operands = node.inputs.map((input) => placed.get(input)!);
    const result = isLeaf(node) ? plain(node) : place(node, operands, target);
    const inOrder = operands.every((operand) => isFlexible(operand.node) || same(operand.permutation, result.permutation));
    const again = operation(node.op).lower.kind === "elementwise" && (users.get(node) ?? 0) <= FEW_USERS && inOrder;
    placed.set(node, again ? { ...result, again: { operation: node, operands, origin: commonOrigin(operands) } } : result);
  }
  return roots.map((root) => arrange(placed.get(root)!, identity(root.shape.length)));
}

function place(node: Node, inputs: readonly Placed[], target: Target): Placed {
  const x = inputs[0]!;
  const attrs = node.attrs as { readonly [key: string]: Numbers };
  switch (node.op) {
    case "transpose":
      return { node: x.node, permutation: attrs["permutation"]!.map((axis) => x.permutation[axis]!) };
    case "slice":
      return {
        node: slice(x.node, permute(attrs["starts"]!, x.permutation), permute(attrs["ends"]!, x.permutation), permute(attrs["steps"]!, x.permutation)),
        permutation: x.permutation,
      };
    case "flip":
      return {
        node: flip(
          x.node,
          attrs["axes"]!.map((axis) => x.permutation[axis]!),
        ),
        permutation: x.permutation,
      };
    case "pad": {
      const [low, high, interior] = ["low", "high", "interior"].map((name) => permute(attrs[name]!, x.permutation)) as [number[], number[], number[]];
      return { node: padSpread(x.node, low, high, interior, node.attrs["value"] as number), permutation: x.permutation };
    }
    case "broadcast":
      return plain(broadcast(arrange(x, identity(x.permutation.length)), node.shape, attrs["axes"]!));
    case "reshape":
      return placeReshape(node, x);
    case "dot":
      return lowerDot(x, inputs[1]!, target);
    case "conv2d":
      return lowerConv(node, x, inputs[1]!, target);
    case "conv2d-input-grad":
      return lowerInputGrad(node, x, inputs[1]!, target);
    case "conv2d-filter-grad":
      return lowerFilterGrad(node, x, inputs[1]!, target);
  }
  const { lower } = operation(node.op);
  if (lower.kind === "elementwise") return placeElementwise(node, inputs);
  if (lower.kind === "reduce") return placeReduce(node, x);
  return plain(
    rebuild(
      node,
      inputs.map((input) => arrange(input, identity(input.permutation.length))),
      node.shape,
    ),
  );
}

function rebuild(node: Node, inputs: readonly Node[], shape: Numbers): Node {
  return new Node(node.op, inputs, node.attrs, shape, node.dtype);
}

/** Whether a value comes element by element from arguments, in the user's order: a parameter or its momentum, scaled perhaps. */
function isArgument(placed: Placed): boolean {
  const { nodes, leaves } = originOf(placed);
  return nodes.length > 0 && leaves && same(placed.permutation, identity(placed.permutation.length));
}

/** Takes the order that most operands already have; constants and repeated values follow for free. A tie goes to the order a
 * contraction chose, but to the user's where that is an argument's: what an optimiser makes of it goes back in that order. */
function placeElementwise(node: Node, inputs: readonly Placed[]): Placed {
  const votes = new Map<string, { permutation: Numbers; count: number }>();
  for (const { node: operand, permutation } of inputs) {
    if (isFlexible(operand)) continue;
    const key = permutation.join();
    const vote = votes.get(key) ?? { permutation, count: 0 };
    votes.set(key, { permutation, count: vote.count + 1 });
  }
  const straight = identity(node.shape.length);
  let best = { permutation: straight as Numbers, count: 0 };
  for (const vote of votes.values()) {
    if (vote.count > best.count || (vote.count === best.count && same(best.permutation, straight) && !inputs.some(isArgument))) best = vote;
  }
  const { permutation } = best;
  return {
    node: rebuild(
      node,
      inputs.map((input) => arrange(input, permutation)),
      permute(node.shape, permutation),
    ),
    permutation,
  };
}

function placeReduce(node: Node, { node: x, permutation }: Placed): Placed {
  const logicalAxes = node.attrs["axes"] as Numbers;
  const axes = logicalAxes.map((axis) => permutation[axis]!).sort((a, b) => a - b);
  const kept = keptAxes(x.shape.length, axes);
  const result = new Node(
    node.op,
    [x],
    { axes },
    kept.map((axis) => x.shape[axis]!),
    node.dtype,
  );
  return { node: result, permutation: keptAxes(x.shape.length, logicalAxes).map((axis) => kept.indexOf(permutation[axis]!)) };
}

/** A reshape that only adds or drops axes of extent 1 keeps the order; any other needs the elements in logical order. */
function placeReshape(node: Node, { node: x, permutation }: Placed): Placed {
  const before = node.inputs[0]!.shape;
  const long = (shape: Numbers): number[] => shape.flatMap((extent, axis) => (extent === 1 ? [] : [axis]));
  const from = long(before);
  const to = long(node.shape);
  if (from.length !== to.length || from.some((axis, i) => before[axis] !== node.shape[to[i]!])) {
    return plain(reshape(arrange({ node: x, permutation }, identity(before.length)), node.shape));
  }
  const order = from.map((_, i) => i).sort((i, j) => permutation[from[i]!]! - permutation[from[j]!]!);
  const result = new Array<number>(node.shape.length).fill(-1);
  order.forEach((i, position) => {
    result[to[i]!] = position;
  });
  let next = order.length;
  result.forEach((position, axis) => {
    if (position < 0) result[axis] = next++;
  });
  return { node: reshape(x, permute(node.shape, result)), permutation: result };
}

/** Interior padding by a detour: an axis [n] becomes [n, 1], is padded to [n, k+1], and read as [n·(k+1)]. */
function padSpread(x: Node, low: Numbers, high: Numbers, interior: Numbers, value: number): Node {
  let spread = x;
  interior.forEach((gap, axis) => {
    const extent = x.shape[axis]!;
    if (gap === 0 || extent <= 1) return;
    const only = (n: number): number[] => [...spread.shape.map(() => 0), 0].map((_, i) => (i === axis + 1 ? n : 0));
    const column = reshape(spread, [...spread.shape.slice(0, axis + 1), 1, ...spread.shape.slice(axis + 1)]);
    const wide = pad(column, only(0), only(gap), only(0), value);
    const joined = reshape(wide, [...spread.shape.slice(0, axis), extent * (gap + 1), ...spread.shape.slice(axis + 1)]);
    spread = slice(
      joined,
      joined.shape.map(() => 0),
      joined.shape.map((n, i) => (i === axis ? n - gap : n)),
      joined.shape.map(() => 1),
    );
  });
  return pad(
    spread,
    low,
    high,
    interior.map(() => 0),
    value,
  );
}

/** a·b as a 1x1 convolution over a's rows; with a stored transposed, as a filter gradient: of b by a (a transposed product) where
 * that fills lanes better. */
function lowerDot(a: Placed, b: Placed, target: Target): Placed {
  const straight = same(a.permutation, [0, 1]);
  const [m, k] = straight ? a.node.shape : [a.node.shape[1]!, a.node.shape[0]!];
  const n = b.node.shape[b.permutation[1]!]!;
  if (straight) {
    const filter: FilterView = { node: reshape(b.node, [...b.node.shape, 1, 1]), axes: [b.permutation[1]!, b.permutation[0]!, 2, 3] };
    const image = reshape(a.node, [1, 1, m!, k!]);
    return plain(reshape(packedConv(image, packFilter(filter, target), n, [1, 1], [1, m!]), [m!, n]));
  }
  const left = reshape(a.node, [1, 1, k!, m!]);
  const right = reshape(arrange(b, [0, 1]), [1, 1, k!, n]);
  if (m! % LANES === 0 && n % LANES !== 0) {
    return { node: reshape(packedFilterGrad(right, left, [1, 1], [1, 1], 1), [n, m!]), permutation: [1, 0] };
  }
  return plain(reshape(packedFilterGrad(left, right, [1, 1], [1, 1], 1), [m!, n]));
}

function filterOf(w: Placed): FilterView {
  return { node: w.node, axes: w.permutation as FilterView["axes"] };
}

/** Zeros around the rows and columns of an image with its axes in this order. */
function padImage(x: Node, low: Numbers, high: Numbers, order: Numbers): Node {
  const around = (list: Numbers): number[] => permute([0, 0, list[0]!, list[1]!], order);
  return pad(x, around(low), around(high), [0, 0, 0, 0]);
}

function lowerConv(node: Node, x: Placed, w: Placed, target: Target): Placed {
  const { stride, padding } = geometryOf(node.attrs);
  const [, channels, height, width] = node.shape as [number, number, number, number];
  const [, inputs, rows, columns] = node.inputs[1]!.shape as [number, number, number, number];
  if (target.planar && planarPays({ inputs, outputs: channels, stride, size: [height, width], terms: inputs * rows * columns })) {
    return plain(planarConv(padImage(arrange(x, NCHW), padding, padding, NCHW), filterOf(w)));
  }
  const image = padImage(arrange(x, NHWC), padding, padding, NHWC);
  return { node: convolve(image, packFilter(filterOf(w), target), channels, stride, [height, width], target), permutation: NHWC };
}

/** The cheaper of the two ways to convolve. */
function convolve(image: Node, filter: Node, channels: number, stride: readonly [number, number], size: readonly [number, number], target: Target): Node {
  const [, rows, columns] = filter.shape;
  const direct = stride[0] !== 1 || stride[1] !== 1 || rows !== 3 || columns !== 3 || !target.winograd || !winogradPays(image.shape[3]!, channels, size);
  return direct ? packedConv(image, filter, channels, stride, size) : winogradConv(image, filter, channels, size, target);
}

/** The input gradient is a convolution of the cotangent with the turned filter. With a stride, the input's pixels fall into
 * stride² classes by position, and each class is a convolution with every stride-th tap of the filter. */
function lowerInputGrad(node: Node, dy: Placed, w: Placed, target: Target): Placed {
  const { stride, padding } = geometryOf(node.attrs);
  const [batch, channels, height, width] = node.shape as [number, number, number, number];
  const turned = turnFilter(filterOf(w));
  const [, , rowAxis, columnAxis] = turned.axes;
  const taps = [turned.node.shape[rowAxis]!, turned.node.shape[columnAxis]!] as const;
  const size = [height, width] as const;
  if (stride[0] === 1 && stride[1] === 1) {
    // An output pixel reads dy from position − (taps − 1 − padding); rows beyond the window's reach are cut off.
    const low = [0, 1].map((d) => taps[d]! - 1 - padding[d]!);
    const high = [0, 1].map((d) => size[d]! + taps[d]! - 1 - low[d]! - node.inputs[0]!.shape[d + 2]!);
    const inputs = node.inputs[0]!.shape[1]!;
    const planar = target.planar && planarPays({ inputs, outputs: channels, stride, size, terms: inputs * taps[0] * taps[1] });
    const order = planar ? NCHW : NHWC;
    const cropped = crop(arrange(dy, order), low, high, order);
    const image = padImage(cropped, low.map(atLeastZero), high.map(atLeastZero), order);
    if (planar) return plain(planarConv(image, turned));
    return { node: convolve(image, packFilter(turned, target), channels, [1, 1], size, target), permutation: NHWC };
  }
  const cotangent = arrange(dy, NHWC);
  const axisPhases = ([0, 1] as const).map((d) => phasesOf(size[d], taps[d], stride[d], padding[d]));
  const low = [0, 1].map((d) => Math.max(0, ...axisPhases[d]!.map((p) => -p.start)));
  const high = [0, 1].map((d) => Math.max(0, ...axisPhases[d]!.map((p) => p.start + p.count + p.taps.length - 1 - cotangent.shape[d + 1]!)));
  const image = padImage(cotangent, low, high, NHWC);
  const phases: Phase[] = [];
  const filters: Node[] = [];
  for (const row of axisPhases[0]!) {
    for (const column of axisPhases[1]!) {
      phases.push({ phase: [row.phase, column.phase], start: [row.start + low[0]!, column.start + low[1]!] });
      filters.push(packFilter({ node: everyTap(turned, row.taps, column.taps, stride), axes: turned.axes }, target));
    }
  }
  return { node: phasedConv(image, filters, phases, [batch, height, width, channels], stride), permutation: NHWC };
}

const atLeastZero = (n: number): number => Math.max(0, n);

/** Drops the rows and columns that negative padding would cut. */
function crop(x: Node, low: Numbers, high: Numbers, order: Numbers): Node {
  const cut = (list: Numbers): number[] => permute([0, 0, Math.max(0, -list[0]!), Math.max(0, -list[1]!)], order);
  const [starts, ends] = [cut(low), cut(high)];
  return slice(
    x,
    starts,
    x.shape.map((extent, axis) => extent - ends[axis]!),
    [1, 1, 1, 1],
  );
}

interface AxisPhase {
  readonly phase: number;
  /** Number of input positions in the class. */
  readonly count: number;
  /** First output position that the class's window touches (may be negative). */
  readonly start: number;
  /** Tap numbers of the turned filter, ascending with the output position. */
  readonly taps: Numbers;
}

/** Input position s·i + phase meets output o through tap k = s·i + phase + padding − s·o. */
function phasesOf(size: number, taps: number, stride: number, padding: number): AxisPhase[] {
  const phases: AxisPhase[] = [];
  for (let phase = 0; phase < Math.min(stride, size); phase++) {
    const first = (phase + padding) % stride;
    const ks = Array.from({ length: taps }, (_, k) => k).filter((k) => k % stride === first);
    if (ks.length === 0) continue;
    const last = ks.at(-1)!;
    phases.push({
      phase,
      count: Math.ceil((size - phase) / stride),
      start: (phase + padding - last) / stride,
      // Largest k first: turned tap number taps − 1 − k.
      taps: ks.reverse().map((k) => taps - 1 - k),
    });
  }
  return phases;
}

function everyTap(filter: FilterView, rows: Numbers, columns: Numbers, stride: readonly [number, number]): Node {
  const [, , rowAxis, columnAxis] = filter.axes;
  const { shape } = filter.node;
  const starts = shape.map((_, axis) => (axis === rowAxis ? rows[0]! : axis === columnAxis ? columns[0]! : 0));
  const ends = shape.map((extent, axis) => (axis === rowAxis ? rows.at(-1)! + 1 : axis === columnAxis ? columns.at(-1)! + 1 : extent));
  const steps = shape.map((_, axis) => (axis === rowAxis ? stride[0] : axis === columnAxis ? stride[1] : 1));
  return slice(filter.node, starts, ends, steps);
}

function lowerFilterGrad(node: Node, x: Placed, dy: Placed, target: Target): Placed {
  const { stride, padding } = geometryOf(node.attrs);
  const [channels, inputChannels, rows, columns] = node.shape as [number, number, number, number];
  const [batch, , ...size] = node.inputs[1]!.shape as [number, number, number, number];
  const chunks = filterGradChunks(batch, size[0], size[1], target);
  // The planar kernel sums over an image in four lanes, then over a chunk's images.
  const terms = Math.max((size[0] * size[1]) / 4, batch / chunks);
  if (target.planar && planarPays({ inputs: inputChannels, outputs: channels, stride, size, terms })) {
    const parts = planarFilterGrad(padImage(arrange(x, NCHW), padding, padding, NCHW), arrange(dy, NCHW), [rows, columns], chunks);
    return plain(sum(parts, [0]));
  }
  const image = padImage(arrange(x, NHWC), padding, padding, NHWC);
  const cotangent = arrange(dy, NHWC);
  if (stride[0] === 1 && stride[1] === 1 && rows === 3 && columns === 3 && target.winograd && winogradPays(inputChannels, channels, size)) {
    return { node: winogradFilterGrad(image, cotangent, target), permutation: [3, 2, 0, 1] };
  }
  const parts = packedFilterGrad(image, cotangent, stride, [rows, columns], chunks);
  const whole = sum(parts, [0]);
  return { node: reshape(whole, [rows, columns, inputChannels, channels]), permutation: [3, 2, 0, 1] };
}

/** Checks that a pass left no logical contraction behind. */
export function checkPhysical(roots: readonly Node[]): void {
  for (const node of topologicalOrder(roots)) {
    if (node.op === "dot" || node.op.startsWith("conv2d")) throw new InvariantError(`${node.op} survived the layout pass`);
  }
}
