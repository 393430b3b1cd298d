/** @file Matrix products. They are convolutions with a window of one pixel: of the left factor's rows, or, where it is stored transposed, filter
 * gradients. */
import { reshape } from "../../ops/build.ts";
import { kernelNode } from "../kernel-node.ts";
import { arrange, type Placed, plain, same } from "../placed.ts";
import { type Product, tileSteps, type Way } from "./contraction.ts";
import { tileKernel } from "./direct.ts";
import { packedFilterGrad } from "./direct-filter-gradient.ts";
import { type FilterView, packFilter } from "./filter.ts";
import { windowsOf } from "./windows.ts";

/** Channels that fill a contraction's vectors without a rest. */
const LANES = 8;

/** A convolution of so many pixels of one row to so many channels, with a window of one pixel. */
const pixels = (count: number, outputs: number) => ({
  ...({ outputs, groups: 1, window: [1, 1], stride: [1, 1], dilation: [1, 1] } as const),
  result: [1, count] as const,
});

const isStraight = ({ left }: Product): boolean => same(left.permutation, [0, 1]);

/** a·b as a convolution of a's rows. */
export const rowProduct: Way<Product> = {
  name: "product of rows",
  fits: isStraight,
  cost: ({ rows, depth, columns }) => rows * depth * tileSteps(columns),
  lower({ rows, depth, columns, left, right: { node, permutation } }, target) {
    const filter: FilterView = { node: reshape(node, [...node.shape, 1, 1]), axes: [permutation[1]!, permutation[0]!, 2, 3] };
    const image = reshape(left.node, [1, 1, rows, depth]);
    const packed = packFilter(filter, target);
    const kernel = tileKernel(windowsOf(image.shape, pixels(rows, columns)), packed.shape.at(-1)!);
    return plain(reshape(kernelNode(kernel, [image, packed], [1, 1, rows, columns]), [rows, columns]));
  },
};

/** The factors as images of one row, a stored transposed. */
function asImages({ rows, depth, columns, left, right }: Product) {
  return [reshape(left.node, [1, 1, depth, rows]), reshape(arrange(right, [0, 1]), [1, 1, depth, columns])] as const;
}

/** a·b as the gradient of a filter of b's channels. */
export const transposedProduct: Way<Product> = {
  name: "product with the left factor transposed",
  fits: (product) => !isStraight(product),
  cost: ({ rows, depth, columns }) => rows * depth * Math.ceil(columns / LANES),
  lower(product) {
    const [left, right] = asImages(product);
    return plain(reshape(packedFilterGrad(left, right, pixels(product.depth, product.columns), 1), [product.rows, product.columns]));
  },
};

/** (bᵀ·a)ᵀ, where a's channels fill lanes better than b's. */
export const turnedProduct: Way<Product> = {
  name: "transposed product",
  fits: (product) => !isStraight(product) && product.rows % LANES === 0,
  cost: ({ rows, depth, columns }) => columns * depth * Math.ceil(rows / LANES),
  lower(product): Placed {
    const [left, right] = asImages(product);
    return { node: reshape(packedFilterGrad(right, left, pixels(product.depth, product.rows), 1), [product.columns, product.rows]), permutation: [1, 0] };
  },
};
