/** @file Arrays without elements: NumPy's results on every device, for values and for gradients to second order. */
import * as t from "@gradalign/tensor";
import { describe, expect, test } from "vitest";
import * as build from "../../src/ops/build.ts";
import { openDevices } from "../support/devices.ts";

const { reference, tested } = await openDevices();
const devices: [string, t.Device][] = [["reference", reference], ...tested];

type Function = (...args: t.Value[]) => t.Value;
interface Case {
  readonly name: string;
  readonly f: Function;
  readonly args: readonly t.Tensor[];
  /** The elements; a number is that many zeros. */
  readonly expected: number | readonly number[];
}

const filled = (...shape: number[]): t.Tensor =>
  t.tensor(
    Float32Array.from({ length: t.sizeOf(shape) }, (_, i) => 1 + (i % 7)),
    shape,
  );
const at = (...numbers: number[]): t.Tensor => t.tensor(Int32Array.from(numbers));
const of = (name: string, f: Function, args: readonly t.Tensor[], expected: Case["expected"]): Case => ({ name, f, args, expected });

const loss =
  (f: Function): Function =>
  (...args) =>
    t.sum(t.square(f(...args)));
/** Of the sum of squares with respect to one argument. */
const slope =
  (f: Function, which: number): Function =>
  (...args) =>
    t.grad(loss(f), which)(...args);
/** Of the sum of the gradient's squares. */
const curve = (f: Function, which: number, other = which): Function => slope(slope(f, which), other);

const conv: Function = (x, w) => t.conv2d(x!, w!, { padding: (w!.shape[2]! - 1) / 2 });
const strided: Function = (x, w) => t.conv2d(x!, w!, { stride: 2, padding: 1 });
const rows: Function = (x, i) => t.gather(x!, [i!]);
const layer: Function = (x, w) => t.relu(t.add(t.matmul(x!, w!), 1));
const logSoftmax: Function = (x) => t.sub(x!, t.log(t.sum(t.exp(x!), [1], { keepDims: true })));

const CASES: readonly Case[] = [
  ...[
    [2, 3],
    [5, 33],
    [64, 64],
  ].map(([m, n]) => of(`[${m}, 0] @ [0, ${n}]`, t.matmul as Function, [filled(m!, 0), filled(0, n!)], m! * n!)),
  of("[0, 4] @ [4, 3]", t.matmul as Function, [filled(0, 4), filled(4, 3)], []),
  of("[4, 3] @ [3, 0]", t.matmul as Function, [filled(4, 3), filled(3, 0)], []),
  of("[0, 0] @ [0, 0]", t.matmul as Function, [filled(0, 0), filled(0, 0)], []),
  of("gradient of [0, 4] @ [4, 3] for b", slope(t.matmul as Function, 1), [filled(0, 4), filled(4, 3)], 12),
  of("gradient of [2, 3] @ [3, 0] for a", slope(t.matmul as Function, 0), [filled(2, 3), filled(3, 0)], 6),
  of("second gradient of [0, 4] @ [4, 3] for b", curve(t.matmul as Function, 1), [filled(0, 4), filled(4, 3)], 12),
  of("mixed second gradient of [2, 0] @ [0, 3]", curve(t.matmul as Function, 0, 1), [filled(2, 0), filled(0, 3)], []),
  of("transposed product over nothing", (a, b) => t.matmul(t.transpose(a!), b!), [filled(0, 8), filled(0, 5)], 40),

  of("sum of a layer over no examples", (x, w) => t.sum(layer(x!, w!), [0]), [filled(0, 4), filled(4, 3)], 3),
  of("sum of a layer of no features", (x, w) => t.sum(layer(x!, w!), [0]), [filled(4, 0), filled(0, 3)], [4, 4, 4]),
  of("maximum of a layer of no features", (x, w) => t.max(layer(x!, w!), [0]), [filled(4, 0), filled(0, 3)], [1, 1, 1]),
  of("gradient of a layer's loss over no examples", slope(layer, 1), [filled(0, 4), filled(4, 3)], 12),
  of("log-softmax of no rows", logSoftmax, [filled(0, 3)], []),
  of("its gradient", slope(logSoftmax, 0), [filled(0, 3)], []),

  of("convolution of no images", conv, [filled(0, 3, 8, 8), filled(4, 3, 3, 3)], []),
  of("convolution of no images, 16 channels", conv, [filled(0, 16, 8, 8), filled(16, 16, 3, 3)], []),
  of("convolution with no filters", conv, [filled(2, 3, 8, 8), filled(0, 3, 3, 3)], []),
  of("convolution of no channels", conv, [filled(2, 0, 8, 8), filled(4, 0, 3, 3)], 2 * 4 * 64),
  of("convolution of no channels, 32 filters of 1 x 1", conv, [filled(2, 0, 8, 8), filled(32, 0, 1, 1)], 2 * 32 * 64),
  of("convolution of an image without pixels", (x, w) => t.conv2d(x!, w!, { padding: 2 }), [filled(1, 2, 0, 0), filled(4, 2, 3, 3)], 4 * 4),
  of("strided convolution of no channels", strided, [filled(2, 0, 8, 8), filled(4, 0, 3, 3)], 2 * 4 * 16),
  of("filter gradient without images", slope(conv, 1), [filled(0, 3, 8, 8), filled(16, 3, 3, 3)], 16 * 27),
  of("image gradient without filters", slope(conv, 0), [filled(2, 3, 8, 8), filled(0, 3, 3, 3)], 2 * 3 * 64),
  of("strided image gradient without filters", slope(strided, 0), [filled(2, 3, 8, 8), filled(0, 3, 3, 3)], 2 * 3 * 64),
  of("filter gradient without channels", slope(conv, 1), [filled(2, 0, 8, 8), filled(32, 0, 1, 1)], []),
  of("second filter gradient without images", curve(conv, 1), [filled(0, 16, 8, 8), filled(16, 16, 3, 3)], 16 * 16 * 9),
  of("gradient of the image gradient's norm without images", curve(conv, 0, 1), [filled(0, 16, 8, 8), filled(16, 16, 3, 3)], 16 * 16 * 9),

  of("no rows of [4, 3]", rows, [filled(4, 3), at()], []),
  of("no rows of [0, 3]", rows, [filled(0, 3), at()], []),
  of("rows of [2, 0]", rows, [filled(2, 0), at(0, 1, 1)], []),
  of("gradient of no rows of [4, 3]", slope(rows, 0), [filled(4, 3), at()], 12),
  of("second gradient of no rows of [4, 3]", curve(rows, 0), [filled(4, 3), at()], 12),
  of("added rows, none of them", (x, i) => build.scatterAdd(x!, [i!], [2, 3]), [filled(0, 3), at()], 6),

  of("sum of nothing", (x) => t.sum(x!), [filled(0)], [0]),
  of("sum along an empty axis", (x) => t.sum(x!, [1]), [filled(3, 0, 2)], 6),
  of("mean of nothing", (x) => t.mean(x!), [filled(0)], [Number.NaN]),
  of("maximum of no rows", (x) => t.max(x!, [1]), [filled(0, 3)], []),
  of(
    "its gradient",
    slope((x) => t.max(x!, [1]), 0),
    [filled(0, 3)],
    [],
  ),
  of("index of the maximum of no rows", (x) => t.argmax(x!, 1), [filled(0, 3)], []),
  of("nothing with a border", (x) => t.pad(x!, [[1, 2]], 5), [filled(0)], [5, 5, 5]),
  of("nothing joined to something", (x, y) => t.concat([x!, y!, x!]), [filled(0, 2), filled(1, 2)], [1, 2]),
  of(
    "gradient of an empty part",
    slope((x) => t.slice(x!, [2], [2]), 0),
    [filled(5)],
    5,
  ),
  of("one row repeated no times", (x) => t.broadcastTo(x!, [0, 3]), [filled(1, 3)], []),
  of(
    "its gradient",
    slope((x) => t.broadcastTo(x!, [0, 3]), 0),
    [filled(1, 3)],
    3,
  ),
  of("no random numbers", () => t.normal(t.randomKey(1), [0, 4]), [], []),
  of("the argument itself", (x) => x!, [filled(0, 2)], []),
];

describe.each(devices)("%s", (_, device) => {
  /** Fills free memory, so that an element that nobody writes is not 0 by chance. */
  const soil = async (): Promise<void> => {
    const program = t.jit((x: t.Value) => Array.from({ length: 8 }, (_, i) => t.add(x, i)), { device });
    const results = program(filled(2048)) as unknown as t.Tensor[];
    for (const result of results) {
      await result.read();
      result.dispose();
    }
    program.dispose();
  };

  test.each(CASES)("$name", async ({ f, args, expected }) => {
    await soil();
    const program = t.jit((...inputs: t.Value[]) => f(...inputs), { device });
    const elements = [...(await (program(...args) as t.Tensor).read())];
    const numbers = typeof expected === "number" ? new Array<number>(expected).fill(0) : expected;
    // -0 is a zero.
    expect(elements.map((x) => x + 0)).toEqual(numbers);
  });
});
