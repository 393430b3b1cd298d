/**
 * @file Pre-activation ResNet-18 as in the paper's code: shortcuts see the raw input and have no batch norm, and nothing follows
 * the last addition before pooling (other repositories have a final batch norm and ReLU: 1,024 parameters more).
 */
import { add, foldIn, ones, type Value, zeros } from "@gradalign/tensor";
import { batchNorm } from "../nn/batch-norm.ts";
import { initConvolution, initLinear } from "../nn/initialization.ts";
import { convolution, globalAveragePool, linear, relu } from "../nn/layers.ts";
import { type Params, param } from "../nn/params.ts";
import { integer } from "../options/option.ts";
import { checkValue } from "../options/resolve.ts";
import { defineModel, type Model, type ModelData, type ModelOutput, type ModelTensors } from "./model.ts";

const WIDTH = integer({ least: 1, default: 64, help: "channels of the first stage", remedy: "leave it out for the paper's 64" });

/** The paper's ResNet. */
export const preactResnet18Definition = defineModel({
  id: "preact-resnet18",
  paper: "He et al. 2016; as in the code of Andriushchenko, Flammarion 2020",
  options: { width: WIDTH },
  create: (options, data) => preactResnet18({ ...options, ...data }),
});

/** Options of {@link preactResnet18}. */
export interface PreactResnet18Options extends ModelData {
  /** Channels of the first stage; the paper's 64 unless set. */
  readonly width?: number;
}

/** One residual block: its name's prefix, channels in and out, the stride of its first convolution. */
interface Block {
  readonly name: string;
  readonly channels: number;
  readonly out: number;
  readonly stride: number;
}

const STAGES = [
  { multiplier: 1, stride: 1 },
  { multiplier: 2, stride: 2 },
  { multiplier: 4, stride: 2 },
  { multiplier: 8, stride: 2 },
];

/**
 * Makes the ResNet; at width 64 and 10 classes it has 11,171,146 parameters.
 *
 * @throws ConfigError when `width` is no number of channels.
 */
export function preactResnet18({ width = 64, classes = 10, shape = [3, 32, 32] }: PreactResnet18Options = {}): Model {
  checkValue("preact-resnet18: width", WIDTH, width);
  const blocks = residualBlocks(width);
  return {
    name: "preact-resnet18",
    config: { width, classes, shape: [...shape] },
    init: (key) => initialTensors(key, blocks, width, classes, shape[0]),
    apply(params, state, x, { train }): ModelOutput {
      const moved: Record<string, Value> = {};
      let h = convolution(x, param(params, "conv1.weight"), undefined, { padding: 1 });
      for (const block of blocks) h = residual(h, block, params, state, moved, train);
      const logits = linear(globalAveragePool(h), param(params, "linear.weight"), param(params, "linear.bias"));
      return { logits, state: moved };
    },
  };
}

/** h + conv2(relu(bn2(conv1(relu(bn1(h)))))), with a 1 x 1 convolution of the raw h where the shape changes. */
function residual(h: Value, block: Block, params: Params, state: Params, moved: Record<string, Value>, train: boolean): Value {
  const { name, stride } = block;
  const norm = (layer: string, x: Value): Value => {
    const at = `${name}.${layer}`;
    const result = batchNorm(
      x,
      {
        weight: param(params, `${at}.weight`),
        bias: param(params, `${at}.bias`),
        runningMean: param(state, `${at}.running_mean`),
        runningVar: param(state, `${at}.running_var`),
      },
      { train },
    );
    moved[`${at}.running_mean`] = result.runningMean;
    moved[`${at}.running_var`] = result.runningVar;
    return relu(result.y);
  };
  const shortcut = projects(block) ? convolution(h, param(params, `${name}.shortcut.0.weight`), undefined, { stride }) : h;
  const inner = convolution(norm("bn1", h), param(params, `${name}.conv1.weight`), undefined, { stride, padding: 1 });
  return add(convolution(norm("bn2", inner), param(params, `${name}.conv2.weight`), undefined, { padding: 1 }), shortcut);
}

function initialTensors(key: Value, blocks: readonly Block[], width: number, classes: number, imageChannels: number): ModelTensors {
  const params: Record<string, Value> = {};
  const state: Record<string, Value> = {};
  let drawn = 0;
  const conv = (name: string, out: number, channels: number, size: number): void => {
    params[`${name}.weight`] = initConvolution(foldIn(key, drawn++), [out, channels, size, size]);
  };
  const norm = (name: string, channels: number): void => {
    params[`${name}.weight`] = ones([channels]);
    params[`${name}.bias`] = zeros([channels]);
    state[`${name}.running_mean`] = zeros([channels]);
    state[`${name}.running_var`] = ones([channels]);
  };
  conv("conv1", width, imageChannels, 3);
  for (const block of blocks) {
    const { name, channels, out } = block;
    norm(`${name}.bn1`, channels);
    conv(`${name}.conv1`, out, channels, 3);
    norm(`${name}.bn2`, out);
    conv(`${name}.conv2`, out, out, 3);
    if (projects(block)) conv(`${name}.shortcut.0`, out, channels, 1);
  }
  params["linear.weight"] = initLinear(foldIn(key, drawn++), [classes, 8 * width]);
  params["linear.bias"] = zeros([classes]);
  return { params, state };
}

function residualBlocks(width: number): Block[] {
  let channels = width;
  return STAGES.flatMap(({ multiplier, stride }, stage) =>
    [stride, 1].map((blockStride, index) => {
      const block = { name: `layer${stage + 1}.${index}`, channels, out: width * multiplier, stride: blockStride };
      channels = block.out;
      return block;
    }),
  );
}

function projects({ channels, out, stride }: Block): boolean {
  return stride !== 1 || channels !== out;
}
