/**
 * @file DeepMind's WideResNet (Gowal et al. 2020), the network of the strongest checkpoints: Swish, names of its own, and TensorFlow's paddings, which
 * lie on one side at stride 2.
 */
import { ACTIVATION, type Activation, activated, samePadding } from "./activation.ts";
import { layeredModel } from "./layers.ts";
import { defineModel, type Model } from "./model.ts";
import type { Layers, Network } from "./network.ts";
import { recognizeWide, WIDE_OPTIONS, type WideBlock, type WideResnetOptions, wideBlocks } from "./wide-resnet.ts";

/** DeepMind's WideResNet. */
export const dmWideResnetDefinition = defineModel({
  id: "dm-wide-resnet",
  paper: "Gowal et al. 2020",
  options: { ...WIDE_OPTIONS, activation: ACTIVATION },
  recognize: (shapeOf) => recognizeWide(shapeOf, "init_conv", (index) => `layer.0.block.${index}.conv_0`, "logits"),
  create: (options, data) => dmWideResnet({ ...options, ...data }),
});

/** Options of {@link dmWideResnet}. */
export interface DmWideResnetOptions extends WideResnetOptions {
  /** `swish` unless set. */
  readonly activation?: Activation;
}

/**
 * Makes DeepMind's WideResNet.
 *
 * @throws ConfigError when there is no network of this size.
 */
export function dmWideResnet(options: DmWideResnetOptions = {}): Model {
  const { depth = 28, widen = 10, activation = "swish", classes = 10, shape = [3, 32, 32] } = options;
  const blocks = wideBlocks("dm-wide-resnet", depth, widen);
  const network: Network = (layers, x) => {
    let h = layers.convolution("init_conv", x, { out: 16, size: 3, padding: 1 });
    for (const block of blocks) h = residual(layers, h, block, activation);
    return layers.linear("logits", layers.globalAveragePool(activated(layers, activation, "batchnorm", h)), classes);
  };
  return layeredModel({ name: "dm-wide-resnet", config: { depth, widen, activation, classes, shape: [...shape] } }, shape, network);
}

function residual<H>(layers: Layers<H>, x: H, { group, index, out, stride }: WideBlock, activation: Activation): H {
  const name = `layer.${group}.block.${index}`;
  const start = activated(layers, activation, `${name}.batchnorm_0`, x);
  const first = layers.convolution(`${name}.conv_0`, start, { out, size: 3, stride, padding: samePadding(stride) });
  const y = layers.convolution(`${name}.conv_1`, activated(layers, activation, `${name}.batchnorm_1`, first), { out, size: 3, padding: 1 });
  const shortcut = layers.channels(x) === out ? x : layers.convolution(`${name}.shortcut`, start, { out, size: 1, stride });
  return layers.add(shortcut, y);
}
