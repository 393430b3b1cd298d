/** @file ONNX's operators that move elements, and those that compute shapes. */
import { broadcastTo, concat, convert, expandDims, flip, full, gather, pad, reshape, slice, tensor, transpose, type Value } from "@gradalign/tensor";
import { axisOf, type Call, float, input, int, ints, listOf, type Operator, text, unsupported } from "./call.ts";

/** Copies side by side that a graph may ask for, along an axis. */
const MOST_COPIES = 1024;

/** Whole numbers as a value; they are constants of the program. */
const shapeValue = (numbers: readonly number[]): Value => tensor(Int32Array.from(numbers), [numbers.length]);

/** 0 keeps an extent, -1 follows from the others. */
function reshaped(call: Call): Value {
  const x = input(call, 0);
  const wanted = listOf(call, "shape", 1);
  if (!wanted) throw unsupported(call, "it has no shape");
  const kept = int(call, "allowzero", 0) === 0;
  const { declared, actual } = call.batch;
  const shape = wanted.map((extent, axis) => {
    if (extent === 0 && kept) return x.shape[axis] ?? 0;
    // Exported for a fixed batch: the same for the batch that is there.
    return axis === 0 && extent === declared && x.shape[0] === actual && declared !== actual ? actual : extent;
  });
  return reshape(x, shape);
}

function flatten(call: Call): Value {
  const x = input(call, 0);
  const axis = axisOf(int(call, "axis", 1), x.shape.length);
  const product = (extents: readonly number[]): number => extents.reduce((a, b) => a * b, 1);
  return reshape(x, [product(x.shape.slice(0, axis)), product(x.shape.slice(axis))]);
}

function squeeze(call: Call): Value {
  const x = input(call, 0);
  const axes = listOf(call, "axes", 1)?.map((axis) => axisOf(axis, x.shape.length));
  return reshape(
    x,
    x.shape.filter((extent, axis) => (axes ? !axes.includes(axis) : extent !== 1)),
  );
}

function unsqueeze(call: Call): Value {
  const x = input(call, 0);
  const axes = listOf(call, "axes", 1) ?? [];
  const rank = x.shape.length + axes.length;
  return axes
    .map((axis) => axisOf(axis, rank))
    .sort((a, b) => a - b)
    .reduce((value, axis) => expandDims(value, axis), x);
}

/** Starts, ends, axes and steps are attributes up to opset 9, then inputs. */
function sliced(call: Call): Value {
  let x = input(call, 0);
  const [starts, ends] = [listOf(call, "starts", 1), listOf(call, "ends", 2)];
  if (!starts || !ends) throw unsupported(call, "it has no starts or ends");
  const axes = listOf(call, "axes", 3) ?? starts.map((_, i) => i);
  const steps = call.numbers(4) ?? starts.map(() => 1);
  const [from, to, by] = [x.shape.map(() => 0), [...x.shape], x.shape.map(() => 1)];
  const backwards: number[] = [];
  axes.forEach((given, i) => {
    const axis = axisOf(given, x.shape.length);
    const extent = x.shape[axis]!;
    const step = steps[i]!;
    const place = (n: number): number => (n < 0 ? n + extent : n);
    const cut = (n: number, low: number, high: number): number => Math.min(Math.max(n, low), high);
    by[axis] = Math.abs(step);
    if (step > 0) {
      from[axis] = cut(place(starts[i]!), 0, extent);
      to[axis] = Math.max(from[axis]!, cut(place(ends[i]!), 0, extent));
    } else {
      // In the reversed axis, place p is extent - 1 - p.
      backwards.push(axis);
      from[axis] = extent - 1 - cut(place(starts[i]!), -1, extent - 1);
      to[axis] = Math.max(from[axis]!, extent - 1 - cut(place(ends[i]!), -1, extent - 1));
    }
  });
  if (backwards.length > 0) x = flip(x, backwards);
  return slice(x, from, to, by);
}

function split(call: Call): Value[] {
  const x = input(call, 0);
  const axis = axisOf(int(call, "axis", 0), x.shape.length);
  const extent = x.shape[axis]!;
  const count = call.node.outputs.length;
  const part = Math.ceil(extent / count);
  const sizes = listOf(call, "split", 1) ?? Array.from({ length: count }, (_, i) => Math.min(part, extent - i * part));
  let start = 0;
  return sizes.map((size) => {
    const [from, to] = [x.shape.map((_, i) => (i === axis ? start : 0)), x.shape.map((full, i) => (i === axis ? start + size : full))];
    start += size;
    return slice(x, from, to);
  });
}

/** Widths are an attribute up to opset 10, then an input. */
function padded(call: Call): Value {
  const x = input(call, 0);
  const widths = ints(call, "pads") ?? ints(call, "paddings") ?? call.numbers(1);
  if (!widths) throw unsupported(call, "it has no pads");
  const value = call.numbers(2)?.[0] ?? float(call, "value", 0);
  const axes = (call.numbers(3) ?? x.shape.map((_, axis) => axis)).map((axis) => axisOf(axis, x.shape.length));
  const sides = x.shape.map((_, axis): [number, number] => {
    const i = axes.indexOf(axis);
    return i < 0 ? [0, 0] : [widths[i]!, widths[i + axes.length]!];
  });
  const mode = text(call, "mode", "constant");
  // Negative widths cut.
  const cut = slice(
    x,
    sides.map(([low]) => Math.max(0, -low)),
    x.shape.map((extent, axis) => extent + Math.min(0, sides[axis]![1])),
  );
  const grown = sides.map(([low, high]): [number, number] => [Math.max(0, low), Math.max(0, high)]);
  if (mode === "constant") return pad(cut, grown, value);
  if (mode !== "reflect" && mode !== "edge") throw unsupported(call, `the mode ${mode} is not supported`);
  if (grown.flat().some((width) => width > MOST_COPIES)) throw unsupported(call, `pads of [${widths.join(", ")}] are not supported`);
  return grown.reduce((result, [low, high], axis) => (low + high === 0 ? result : mirrored(result, axis, low, high, mode)), cut);
}

/** One axis made longer by elements of its own. */
function mirrored(x: Value, axis: number, low: number, high: number, mode: "reflect" | "edge"): Value {
  const extent = x.shape[axis]!;
  const part = (from: number, to: number): Value =>
    slice(
      x,
      x.shape.map((_, i) => (i === axis ? from : 0)),
      x.shape.map((full, i) => (i === axis ? to : full)),
    );
  const edge = (at: number, count: number): Value[] => Array.from({ length: count }, () => part(at, at + 1));
  const before = mode === "edge" ? edge(0, low) : low > 0 ? [flip(part(1, low + 1), [axis])] : [];
  const after = mode === "edge" ? edge(extent - 1, high) : high > 0 ? [flip(part(extent - 1 - high, extent - 1), [axis])] : [];
  return concat([...before, x, ...after], axis);
}

/** Picks along an axis, moved to the front and back. */
function gathered(call: Call): Value {
  const [x, indices] = [input(call, 0), input(call, 1)];
  const rank = x.shape.length;
  const axis = axisOf(int(call, "axis", 0), rank);
  const numbers = call.numbers(1)!.map((index) => axisOf(index, x.shape[axis]!));
  const front = [axis, ...x.shape.map((_, i) => i).filter((i) => i !== axis)];
  const rows = gather(transpose(x, front), [tensor(Int32Array.from(numbers), indices.shape)]);
  // Now [indices…, before axis…, after axis…]; the indices belong between the two.
  const k = indices.shape.length;
  const places = [
    ...Array.from({ length: axis }, (_, i) => k + i),
    ...Array.from({ length: k }, (_, i) => i),
    ...Array.from({ length: rank - 1 - axis }, (_, i) => k + axis + i),
  ];
  return transpose(rows, places);
}

function tiled(call: Call): Value {
  const repeats = call.numbers(1) ?? [];
  if (repeats.some((count) => count < 1 || count > MOST_COPIES)) throw unsupported(call, `repeats of [${repeats.join(", ")}] are not supported`);
  return repeats.reduce(
    (x, count, axis) =>
      count === 1
        ? x
        : concat(
            Array.from({ length: count }, () => x),
            axis,
          ),
    input(call, 0),
  );
}

function expanded(call: Call): Value {
  const x = input(call, 0);
  const wanted = call.numbers(1) ?? [];
  const rank = Math.max(x.shape.length, wanted.length);
  const at = (shape: readonly number[], i: number): number => shape[i - (rank - shape.length)] ?? 1;
  return broadcastTo(
    x,
    Array.from({ length: rank }, (_, i) => (at(wanted, i) === 1 ? at(x.shape, i) : at(wanted, i))),
  );
}

function shapeOf(call: Call): Value {
  const { shape } = input(call, 0);
  const rank = shape.length;
  return shapeValue(shape.slice(axisOf(int(call, "start", 0), rank), axisOf(int(call, "end", rank), rank)));
}

function constantOfShape(call: Call): Value {
  const shape = call.numbers(0) ?? [];
  const value = call.node.attributes.get("value");
  if (value?.kind !== "tensor") return full(shape, 0);
  const { dtype, data } = value.value.read();
  const number = Number(data[0]);
  return full(shape, number, /float/.test(dtype) ? "float32" : dtype === "bool" ? "bool" : "int32");
}

/** By their names in ONNX. */
export const movement: Readonly<Record<string, Operator>> = {
  Concat: (call) => {
    const parts = call.node.inputs.map((_, i) => input(call, i)).filter(({ shape }) => !(shape.length === 1 && shape[0] === 0));
    return concat(parts, axisOf(int(call, "axis", 1), parts[0]!.shape.length));
  },
  ConstantOfShape: constantOfShape,
  Expand: expanded,
  Flatten: flatten,
  Gather: gathered,
  Pad: padded,
  Range: (call) => {
    const [start, limit, step] = [0, 1, 2].map((i) => call.numbers(i)?.[0] ?? 0) as [number, number, number];
    if (!(Math.abs((limit - start) / step) < 2 ** 20)) throw unsupported(call, `a range from ${start} to ${limit} in steps of ${step} is not supported`);
    return convert(shapeValue(Array.from({ length: Math.max(0, Math.ceil((limit - start) / step)) }, (_, i) => start + i * step)), "int32");
  },
  Reshape: reshaped,
  Shape: shapeOf,
  Size: (call) => reshape(shapeValue([input(call, 0).shape.reduce((a, b) => a * b, 1)]), []),
  Slice: sliced,
  Split: split,
  Squeeze: squeeze,
  Tile: tiled,
  Transpose: (call) => transpose(input(call, 0), ints(call, "perm")),
  Unsqueeze: unsqueeze,
};
