/** @file WideResNet (Zagoruyko, Komodakis 2016) with the names of the TRADES code, which most of the field's checkpoints have: 28-10, 34-10, 34-20, 70-16. */
import { ConfigError } from "@gradalign/tensor";
import { integer } from "../options/option.ts";
import { checkValue } from "../options/resolve.ts";
import { layeredModel } from "./layers.ts";
import { defineModel, type Model, type ModelData, type ShapeOf } from "./model.ts";
import type { Layers, Network } from "./network.ts";

/** Options that all WideResNets have. */
export const WIDE_OPTIONS = {
  depth: integer({ least: 10, default: 28, help: "layers: 4 more than a multiple of 6", remedy: "usual ones are 28, 34 and 70" }),
  widen: integer({ least: 1, default: 10, help: "how many times wider than the narrowest network" }),
};

/** The WideResNet. */
export const wideResnetDefinition = defineModel({
  id: "wide-resnet",
  paper: "Zagoruyko, Komodakis 2016; as in the code of Zhang et al. 2019 (TRADES)",
  options: WIDE_OPTIONS,
  recognize: (shapeOf) => recognizeWide(shapeOf, "conv1", (index) => `block1.layer.${index}.conv1`, "fc"),
  create: (options, data) => wideResnet({ ...options, ...data }),
});

/** The size of a WideResNet, by the names of its first layer, its first group's convolutions and its last layer. */
export function recognizeWide(shapeOf: ShapeOf, first: string, block: (index: number) => string, last: string) {
  const [convolution, linear] = [shapeOf(`${first}.weight`), shapeOf(`${last}.weight`)];
  let blocks = 0;
  while (blocks < 1000 && shapeOf(`${block(blocks)}.weight`)) blocks++;
  if (!convolution || !linear || blocks === 0) return undefined;
  return { options: { depth: 6 * blocks + 4, widen: Math.floor(linear[1]! / 64) }, classes: linear[0]!, channels: convolution[1]! };
}

/** Options of {@link wideResnet}. */
export interface WideResnetOptions extends ModelData {
  /** Layers, 4 more than a multiple of 6; 28 unless set. */
  readonly depth?: number;
  /** How many times wider than the narrowest network; 10 unless set. */
  readonly widen?: number;
}

/** One block of a WideResNet: where it stands, its channels and the stride of its first convolution. */
export interface WideBlock {
  readonly group: number;
  readonly index: number;
  readonly out: number;
  readonly stride: number;
}

/**
 * The blocks of three groups of 16, 32 and 64 times `widen` channels, at full, half and quarter size.
 *
 * @throws ConfigError when there is no network of this size.
 */
export function wideBlocks(name: string, depth: number, widen: number): WideBlock[] {
  checkValue(`${name}: depth`, WIDE_OPTIONS.depth, depth);
  checkValue(`${name}: widen`, WIDE_OPTIONS.widen, widen);
  if (depth % 6 !== 4) throw new ConfigError(`${name}: depth (=${depth}) must be 4 more than a multiple of 6; usual ones are 28, 34 and 70`);
  return [0, 1, 2].flatMap((group) =>
    Array.from({ length: (depth - 4) / 6 }, (_, index) => ({ group, index, out: 16 * widen * 2 ** group, stride: index === 0 && group > 0 ? 2 : 1 })),
  );
}

/**
 * Makes the WideResNet; 28-10 with 10 classes has 36,479,194 parameters.
 *
 * @throws ConfigError when there is no network of this size.
 */
export function wideResnet({ depth = 28, widen = 10, classes = 10, shape = [3, 32, 32] }: WideResnetOptions = {}): Model {
  const blocks = wideBlocks("wide-resnet", depth, widen);
  const network: Network = (layers, x) => {
    let h = layers.convolution("conv1", x, { out: 16, size: 3, padding: 1 });
    for (const block of blocks) h = residual(layers, h, block);
    return layers.linear("fc", layers.globalAveragePool(layers.relu(layers.batchNorm("bn1", h))), classes);
  };
  return layeredModel({ name: "wide-resnet", config: { depth, widen, classes, shape: [...shape] } }, shape, network);
}

/** Where the number of channels changes, the shortcut starts from relu(bn1(x)), as the inner path does; else from x. */
function residual<H>(layers: Layers<H>, x: H, { group, index, out, stride }: WideBlock): H {
  const name = `block${group + 1}.layer.${index}`;
  const start = layers.relu(layers.batchNorm(`${name}.bn1`, x));
  const inner = layers.relu(layers.batchNorm(`${name}.bn2`, layers.convolution(`${name}.conv1`, start, { out, size: 3, stride, padding: 1 })));
  const y = layers.convolution(`${name}.conv2`, inner, { out, size: 3, padding: 1 });
  const shortcut = layers.channels(x) === out ? x : layers.convolution(`${name}.convShortcut`, start, { out, size: 1, stride });
  return layers.add(shortcut, y);
}
