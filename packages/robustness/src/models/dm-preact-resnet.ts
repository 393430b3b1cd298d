/**
 * @file DeepMind's pre-activation ResNets (Gowal et al. 2020; Rade, Moosavi-Dezfooli 2022; Rebuffi et al. 2021): Swish, TensorFlow's paddings, and
 * shortcuts that are 3 x 3 convolutions of the raw input.
 */
import { ConfigError } from "@gradalign/tensor";
import { integer } from "../options/option.ts";
import { checkValue } from "../options/resolve.ts";
import { ACTIVATION, type Activation, activated, samePadding } from "./activation.ts";
import { layeredModel } from "./layers.ts";
import { defineModel, type Model, type ModelData } from "./model.ts";
import type { Layers, Network } from "./network.ts";

const options = {
  depth: integer({ least: 18, most: 34, default: 18, help: "layers: 18 or 34" }),
  width: integer({ least: 1, default: 64, help: "channels of the first stage" }),
  activation: ACTIVATION,
};

/** DeepMind's pre-activation ResNet. */
export const dmPreactResnetDefinition = defineModel({
  id: "dm-preact-resnet",
  paper: "Gowal et al. 2020",
  options,
  recognize(shapeOf) {
    const [first, last] = [shapeOf("conv_2d.weight"), shapeOf("logits.weight")];
    return first && last
      ? { options: { depth: shapeOf("layer_0.2.conv_2d_1.weight") ? 34 : 18, width: first[0]! }, classes: last[0]!, channels: first[1]! }
      : undefined;
  },
  create: (options, data) => dmPreactResnet({ ...options, ...data }),
});

/** Options of {@link dmPreactResnet}. */
export interface DmPreactResnetOptions extends ModelData {
  /** Layers; 18 unless set. */
  readonly depth?: number;
  /** Channels of the first stage; 64 unless set. */
  readonly width?: number;
  /** `swish` unless set. */
  readonly activation?: Activation;
}

const BLOCKS: Readonly<Record<number, readonly number[]>> = { 18: [2, 2, 2, 2], 34: [3, 4, 6, 3] };

/**
 * Makes DeepMind's pre-activation ResNet.
 *
 * @throws ConfigError when an option has no such value.
 */
export function dmPreactResnet(given: DmPreactResnetOptions = {}): Model {
  const { depth = 18, width = 64, activation = "swish", classes = 10, shape = [3, 32, 32] } = given;
  const blocks = BLOCKS[depth];
  if (!blocks) throw new ConfigError(`dm-preact-resnet: depth (=${depth}) must be 18 or 34`);
  checkValue("dm-preact-resnet: width", options.width, width);
  const network: Network = (layers, x) => {
    let h = layers.convolution("conv_2d", x, { out: width, size: 3, padding: 1 });
    blocks.forEach((count, stage) => {
      for (let i = 0; i < count; i++) {
        h = residual(layers, h, { name: `layer_${stage}.${i}`, out: width * 2 ** stage, stride: i === 0 && stage > 0 ? 2 : 1, activation });
      }
    });
    return layers.linear("logits", layers.globalAveragePool(activated(layers, activation, "batchnorm", h)), classes);
  };
  return layeredModel({ name: "dm-preact-resnet", config: { depth, width, activation, classes, shape: [...shape] } }, shape, network);
}

interface Block {
  readonly name: string;
  readonly out: number;
  readonly stride: number;
  readonly activation: Activation;
}

function residual<H>(layers: Layers<H>, x: H, { name, out, stride, activation }: Block): H {
  const window = { out, size: 3, stride, padding: samePadding(stride) };
  const first = layers.convolution(`${name}.conv_2d_1`, activated(layers, activation, `${name}.batchnorm_0`, x), window);
  const y = layers.convolution(`${name}.conv_2d_2`, activated(layers, activation, `${name}.batchnorm_1`, first), { out, size: 3, padding: 1 });
  const shortcut = stride === 1 && layers.channels(x) === out ? x : layers.convolution(`${name}.shortcut`, x, window);
  return layers.add(y, shortcut);
}
