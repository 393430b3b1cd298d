/** @file Elements starts, starts+steps, … below ends of each axis. */
import { ShapeError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import { pad } from "./build.ts";
import type { Operation } from "./definition.ts";
import { moveElements } from "./view.ts";

type Numbers = readonly number[];

export const slice: Operation = {
  name: "slice",
  infer([x], attrs) {
    const [starts, ends, steps] = [attrs["starts"] as Numbers, attrs["ends"] as Numbers, attrs["steps"] as Numbers];
    x!.shape.forEach((extent, axis) => {
      const [start, end, step] = [starts[axis] ?? -1, ends[axis] ?? -1, steps[axis] ?? 0];
      if (!(0 <= start && start <= end && end <= extent && step >= 1)) {
        throw new ShapeError(
          `slice: need 0 <= start <= end <= ${extent} and step >= 1 on axis ${axis} of ${formatShape(x!.shape)}, got ${start}:${end}:${step}`,
        );
      }
    });
    return { shape: x!.shape.map((_, axis) => Math.ceil((ends[axis]! - starts[axis]!) / steps[axis]!)), dtype: x!.dtype };
  },
  vjp({ inputs: [x], attrs, shape }, ct) {
    const [starts, steps] = [attrs["starts"] as Numbers, attrs["steps"] as Numbers];
    const high = x!.shape.map((extent, axis) => extent - starts[axis]! - (shape[axis] === 0 ? 0 : (shape[axis]! - 1) * steps[axis]! + 1));
    return [
      pad(
        ct,
        starts,
        high,
        steps.map((step) => step - 1),
      ),
    ];
  },
  lower: {
    kind: "view",
    source: (index, { attrs }) => ({
      index: index.map(({ offset, strides }, axis) => {
        const step = (attrs["steps"] as Numbers)[axis]!;
        return { offset: (attrs["starts"] as Numbers)[axis]! + step * offset, strides: strides.map((s) => s * step) };
      }),
    }),
  },
  reference([x], node) {
    const [starts, steps] = [node.attrs["starts"] as Numbers, node.attrs["steps"] as Numbers];
    return moveElements(x!, node, (index) => index.map((n, axis) => starts[axis]! + n * steps[axis]!));
  },
  samples: [
    { inputs: [{ shape: [10] }], attrs: { starts: [2], ends: [9], steps: [1] } },
    { inputs: [{ shape: [6, 9] }], attrs: { starts: [1, 0], ends: [6, 8], steps: [2, 3] } },
  ],
};
