/** @file Constant elements around each axis (`low`, `high`) and between neighbours (`interior`). */
import { ShapeError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import { slice } from "./build.ts";
import type { Operation } from "./definition.ts";
import { moveElements } from "./view.ts";

type Numbers = readonly number[];

export const pad: Operation = {
  name: "pad",
  infer([x], attrs) {
    const [low, high, interior] = [attrs["low"] as Numbers, attrs["high"] as Numbers, attrs["interior"] as Numbers];
    if ([low, high, interior].some((list) => list.length !== x!.shape.length || list.some((n) => n < 0))) {
      throw new ShapeError(
        `pad: need one non-negative integer per axis of ${formatShape(x!.shape)}, got [${low.join(", ")}], [${high.join(", ")}], [${interior.join(", ")}]`,
      );
    }
    const shape = x!.shape.map((extent, axis) => low[axis]! + high[axis]! + (extent === 0 ? 0 : (extent - 1) * (interior[axis]! + 1) + 1));
    return { shape, dtype: x!.dtype };
  },
  vjp({ attrs, shape }, ct) {
    const [low, high, interior] = [attrs["low"] as Numbers, attrs["high"] as Numbers, attrs["interior"] as Numbers];
    return [
      slice(
        ct,
        low,
        shape.map((extent, axis) => extent - high[axis]!),
        interior.map((n) => n + 1),
      ),
    ];
  },
  lower: {
    kind: "view",
    // Interior padding is lowered by the passes (it needs a division); here every interior is 0.
    source: (index, node) => ({
      index: index.map(({ offset, strides }, axis) => ({ offset: offset - (node.attrs["low"] as Numbers)[axis]!, strides })),
      guards: index.flatMap(({ offset, strides }, axis) => {
        const low = (node.attrs["low"] as Numbers)[axis]!;
        const extent = node.inputs[0]!.shape[axis]!;
        return extent === node.shape[axis] ? [] : [{ affine: { offset: offset - low, strides }, extent }];
      }),
      fill: node.attrs["value"] as number,
    }),
  },
  reference([x], node) {
    const [low, interior] = [node.attrs["low"] as Numbers, node.attrs["interior"] as Numbers];
    const { shape } = node.inputs[0]!;
    const source = (index: Numbers): number[] | null => {
      const from = index.map((n, axis) => (n - low[axis]!) / (interior[axis]! + 1));
      return from.every((n, axis) => Number.isInteger(n) && n >= 0 && n < shape[axis]!) ? from : null;
    };
    return moveElements(x!, node, source, node.attrs["value"] as number);
  },
  samples: [
    { inputs: [{ shape: [5] }], attrs: { low: [2], high: [1], interior: [0], value: 0 } },
    { inputs: [{ shape: [2, 3, 4, 5] }], attrs: { low: [0, 0, 1, 1], high: [0, 0, 1, 2], interior: [0, 0, 0, 0], value: 0 } },
    { inputs: [{ shape: [2, 4, 8] }], attrs: { low: [0, 1, 0], high: [1, 1, 0], interior: [0, 0, 0], value: 2.5 } },
    { name: "interior", inputs: [{ shape: [3, 4] }], attrs: { low: [1, 0], high: [0, 2], interior: [1, 2], value: 0 } },
  ],
};
