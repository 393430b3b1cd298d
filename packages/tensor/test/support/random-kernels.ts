/** @file Random kernels of every kind that has a plan: awkward extents, windows, strides, groups, blocks and chunks. */
import type { PlannedKernel } from "../../src/codegen/plan/index.ts";
import { convKernel, filterGradKernel, winogradKernels } from "../../src/runtime/wasm/native-proof.ts";
import { pseudoRandom } from "./pseudo-random.ts";

/** The kernel of a number. */
export function randomKernel(seed: number): PlannedKernel {
  const next = pseudoRandom(seed + 1);
  const integer = (least: number, most: number): number => least + Math.floor(next() * (most - least + 1));
  const pick = <T>(...choices: readonly T[]): T => choices[integer(0, choices.length - 1)] as T;
  /** Small numbers more often than large ones. */
  const size = (most: number): number => integer(1, integer(1, most));
  const kind = pick("conv", "conv", "filter-grad", "filter-grad", "winograd", "planar") as "conv" | "filter-grad" | "winograd" | "planar";
  if (kind === "planar") {
    const [channels, inputs, rows, columns] = [integer(1, 4), integer(1, 4), integer(1, 5), integer(1, 5)];
    return { kind: "planar-conv", batch: size(4), channels, inputs, height: size(20), width: 4 * size(18), rows, columns };
  }
  if (kind === "winograd") {
    const block = pick(4, 8, 16) as 4 | 8 | 16;
    const [images, tileRows, tileColumns] = [size(5), size(5), size(9)];
    let chunks = size(images * tileRows);
    while ((images * tileRows) % chunks !== 0) chunks--;
    return pick(...winogradKernels(images, tileRows, tileColumns, 4 * size(24), block * size(6), block, chunks));
  }
  const isProduct = next() < 0.3;
  const batch = isProduct ? 1 : size(5);
  const divisors = Array.from({ length: batch }, (_, i) => i + 1).filter((n) => batch % n === 0);
  const shape = {
    batch,
    height: isProduct ? 1 : size(20),
    width: size(isProduct ? 300 : 40),
    inputs: size(isProduct ? 600 : 40),
    channels: size(72),
    window: isProduct ? 1 : pick(1, 2, 3, 3, 5),
    stride: isProduct ? 1 : pick(1, 1, 2, 3),
    block: pick(4, 8, 12, 16) as 4 | 8 | 12 | 16,
    chunks: pick(...divisors),
    groups: isProduct ? 1 : pick(1, 1, 1, 2, 3),
    apart: isProduct ? 0 : pick(0, 0, 0, 1, 5),
  };
  return kind === "conv" ? convKernel(shape) : filterGradKernel(shape);
}
