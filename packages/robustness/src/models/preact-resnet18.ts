/**
 * @file Pre-activation ResNet-18. As in the paper's code, shortcuts see the raw input and have no batch norm, and nothing follows the last
 * addition before pooling; other repositories have a final batch norm and ReLU, and shortcuts that start after the activation.
 */
import { integer } from "../options/option.ts";
import { checkValue } from "../options/resolve.ts";
import { layeredModel } from "./layers.ts";
import { defineModel, type Model, type ModelData } from "./model.ts";
import type { Layers, Network } from "./network.ts";

const WIDTH = integer({ least: 1, default: 64, help: "channels of the first stage", remedy: "leave it out for the paper's 64" });

/** How the variants differ from the paper's. */
interface Variant {
  readonly name: string;
  readonly finalNorm?: boolean;
  readonly activatedShortcut?: boolean;
}

const variant = (variant: Variant, paper: string) =>
  defineModel({
    id: variant.name,
    paper,
    options: { width: WIDTH },
    recognize(shapeOf) {
      const [first, last] = [shapeOf("conv1.weight"), shapeOf("linear.weight")];
      return first && last ? { options: { width: first[0]! }, classes: last[0]!, channels: first[1]! } : undefined;
    },
    create: (options, data) => preactResnet18Variant(variant, { ...options, ...data }),
  });

/** The paper's ResNet. */
export const preactResnet18Definition = variant({ name: "preact-resnet18" }, "He et al. 2016; as in the code of Andriushchenko, Flammarion 2020");

/** With a batch norm and ReLU before pooling: 1,024 parameters more. */
export const preactResnet18FinalNormDefinition = variant({ name: "preact-resnet18-final-norm", finalNorm: true }, "He et al. 2016");

/** With shortcuts that start after the activation too: RobustBench's PreActBlockV2. */
export const preactResnet18V2Definition = variant({ name: "preact-resnet18-v2", finalNorm: true, activatedShortcut: true }, "Rice et al. 2020");

/** Options of {@link preactResnet18}. */
export interface PreactResnet18Options extends ModelData {
  /** Channels of the first stage; the paper's 64 unless set. */
  readonly width?: number;
}

const STAGES = [1, 2, 4, 8];

/**
 * Makes the paper's ResNet; at width 64 and 10 classes it has 11,171,146 parameters.
 *
 * @throws ConfigError when `width` is no number of channels.
 */
export function preactResnet18(options: PreactResnet18Options = {}): Model {
  return preactResnet18Variant({ name: "preact-resnet18" }, options);
}

function preactResnet18Variant(variant: Variant, { width = 64, classes = 10, shape = [3, 32, 32] }: PreactResnet18Options): Model {
  checkValue(`${variant.name}: width`, WIDTH, width);
  const network: Network = (layers, x) => {
    let h = layers.convolution("conv1", x, { out: width, size: 3, padding: 1 });
    STAGES.forEach((multiplier, stage) => {
      for (const index of [0, 1]) {
        const block = { name: `layer${stage + 1}.${index}`, out: width * multiplier, stride: stage > 0 && index === 0 ? 2 : 1 };
        h = residual(layers, h, block, variant);
      }
    });
    if (variant.finalNorm) h = layers.relu(layers.batchNorm("bn", h));
    return layers.linear("linear", layers.globalAveragePool(h), classes);
  };
  return layeredModel({ name: variant.name, config: { width, classes, shape: [...shape] } }, shape, network);
}

/** One residual block: its name's prefix, channels out, the stride of its first convolution. */
interface Block {
  readonly name: string;
  readonly out: number;
  readonly stride: number;
}

/** x + conv2(relu(bn2(conv1(relu(bn1(x)))))), with a 1 x 1 convolution in the shortcut where the shape changes. */
function residual<H>(layers: Layers<H>, x: H, { name, out, stride }: Block, { activatedShortcut }: Variant): H {
  const projected = (from: H): H => layers.convolution(`${name}.shortcut.0`, from, { out, size: 1, stride });
  const projects = stride !== 1 || layers.channels(x) !== out;
  // The shortcut of the raw input comes first in the program.
  const raw = projects && !activatedShortcut ? projected(x) : x;
  const start = layers.relu(layers.batchNorm(`${name}.bn1`, x));
  const inner = layers.relu(layers.batchNorm(`${name}.bn2`, layers.convolution(`${name}.conv1`, start, { out, size: 3, stride, padding: 1 })));
  const y = layers.convolution(`${name}.conv2`, inner, { out, size: 3, padding: 1 });
  return layers.add(y, projects && activatedShortcut ? projected(start) : raw);
}
