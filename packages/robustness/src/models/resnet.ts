/**
 * @file ResNet-18, 34 and 50 with post-activation (He et al. 2015), in the two forms of the field: for CIFAR with a 3 x 3 stem and the names
 * of kuangliu's pytorch-cifar, which RobustBench's ResNets have; for ImageNet with torchvision's stem and names. They take images of any size.
 */
import { ConfigError } from "@gradalign/tensor";
import { choice, integer } from "../options/option.ts";
import { checkValue } from "../options/resolve.ts";
import { layeredModel } from "./layers.ts";
import { defineModel, type Model, type ModelData } from "./model.ts";
import type { Layers, Network } from "./network.ts";

const options = {
  width: integer({ least: 1, default: 64, help: "channels of the first stage", remedy: "leave it out for the usual 64" }),
  stem: choice(["cifar", "imagenet"], { default: "cifar", help: "the first layers, and whose names the tensors have: pytorch-cifar's or torchvision's" }),
  normalization: choice(["none", "imagenet"], { default: "none", help: "what is done to images first: nothing, or less ImageNet's mean by its deviation" }),
};

/** Of ImageNet's pixels in [0, 1], per channel, as torchvision's models take them. */
const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** Options of {@link resnet}. */
export interface ResnetOptions extends ModelData {
  /** Channels of the first stage; 64 unless set. */
  readonly width?: number;
  /** `cifar` unless set. */
  readonly stem?: "cifar" | "imagenet";
  /** `none` unless set. */
  readonly normalization?: "none" | "imagenet";
}

const DEPTHS = {
  18: { blocks: [2, 2, 2, 2], expansion: 1 },
  34: { blocks: [3, 4, 6, 3], expansion: 1 },
  50: { blocks: [3, 4, 6, 3], expansion: 4 },
} as const;

const definition = (depth: keyof typeof DEPTHS) =>
  defineModel({
    id: `resnet${depth}`,
    paper: "He et al. 2015",
    options,
    recognize(shapeOf) {
      const first = shapeOf("conv1.weight");
      const last = shapeOf("linear.weight") ?? shapeOf("fc.weight");
      return first && last ? { options: { width: first[0]!, stem: first[2] === 7 ? "imagenet" : "cifar" }, classes: last[0]!, channels: first[1]! } : undefined;
    },
    create: (options, data) => resnet(depth, { ...options, ...data }),
  });

/** ResNet-18. */
export const resnet18Definition = definition(18);

/** ResNet-34. */
export const resnet34Definition = definition(34);

/** ResNet-50. */
export const resnet50Definition = definition(50);

/**
 * Makes a ResNet; `resnet18` at width 64 with 10 classes has 11,173,962 parameters.
 *
 * @throws ConfigError when an option has no such value.
 */
export function resnet(
  depth: keyof typeof DEPTHS,
  { width = 64, stem = "cifar", normalization = "none", classes = 10, shape = [3, 32, 32] }: ResnetOptions = {},
): Model {
  const name = `resnet${depth}`;
  for (const [key, value] of Object.entries({ width, stem, normalization })) checkValue(`${name}: ${key}`, options[key as keyof typeof options], value);
  if (normalization === "imagenet" && shape[0] !== IMAGENET.mean.length) {
    throw new ConfigError(`${name}: normalization (="imagenet") is for images of ${IMAGENET.mean.length} channels, these have ${shape[0]}; choose none`);
  }
  const { blocks, expansion } = DEPTHS[depth];
  const names = stem === "cifar" ? { shortcut: "shortcut", last: "linear" } : { shortcut: "downsample", last: "fc" };
  const network: Network = (layers, x) => {
    const images = normalization === "imagenet" ? layers.normalize(x, IMAGENET) : x;
    let h =
      stem === "cifar"
        ? layers.convolution("conv1", images, { out: width, size: 3, padding: 1 })
        : layers.convolution("conv1", images, { out: width, size: 7, stride: 2, padding: 3 });
    h = layers.relu(layers.batchNorm("bn1", h));
    if (stem === "imagenet") h = layers.maxPool(h, { size: 3, stride: 2, padding: 1 });
    blocks.forEach((count, stage) => {
      for (let i = 0; i < count; i++) {
        const block = { name: `layer${stage + 1}.${i}`, out: width * 2 ** stage, stride: i === 0 && stage > 0 ? 2 : 1, shortcut: names.shortcut };
        h = expansion === 1 ? basic(layers, h, block) : bottleneck(layers, h, block);
      }
    });
    return layers.linear(names.last, layers.globalAveragePool(h), classes);
  };
  return layeredModel({ name, config: { width, stem, ...(normalization === "none" ? {} : { normalization }), classes, shape: [...shape] } }, shape, network);
}

/** A block's prefix, its inner channels, its stride, and what its shortcut is called. */
interface Block {
  readonly name: string;
  readonly out: number;
  readonly stride: number;
  readonly shortcut: string;
}

function basic<H>(layers: Layers<H>, x: H, { name, out, stride, shortcut }: Block): H {
  const inner = layers.relu(layers.batchNorm(`${name}.bn1`, layers.convolution(`${name}.conv1`, x, { out, size: 3, stride, padding: 1 })));
  const y = layers.batchNorm(`${name}.bn2`, layers.convolution(`${name}.conv2`, inner, { out, size: 3, padding: 1 }));
  return layers.relu(layers.add(y, projected(layers, x, { name: `${name}.${shortcut}`, out, stride })));
}

function bottleneck<H>(layers: Layers<H>, x: H, { name, out, stride, shortcut }: Block): H {
  const narrow = layers.relu(layers.batchNorm(`${name}.bn1`, layers.convolution(`${name}.conv1`, x, { out, size: 1 })));
  const inner = layers.relu(layers.batchNorm(`${name}.bn2`, layers.convolution(`${name}.conv2`, narrow, { out, size: 3, stride, padding: 1 })));
  const y = layers.batchNorm(`${name}.bn3`, layers.convolution(`${name}.conv3`, inner, { out: 4 * out, size: 1 }));
  return layers.relu(layers.add(y, projected(layers, x, { name: `${name}.${shortcut}`, out: 4 * out, stride })));
}

/** The shortcut: x, or a 1 x 1 convolution with batch norm where the shape changes. */
function projected<H>(layers: Layers<H>, x: H, { name, out, stride }: { readonly name: string; readonly out: number; readonly stride: number }): H {
  if (stride === 1 && layers.channels(x) === out) return x;
  return layers.batchNorm(`${name}.1`, layers.convolution(`${name}.0`, x, { out, size: 1, stride }));
}
