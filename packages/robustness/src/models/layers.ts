/** @file Layers that make a network's tensors, and layers that compute with them: a network as a model. */
import { add, broadcastAlong, div, foldIn, InvariantError, mul, ones, reshape, sub, tanh, tensor, type Value, zeros } from "@gradalign/tensor";
import { batchNorm } from "../nn/batch-norm.ts";
import { initConvolution, initLinear } from "../nn/initialization.ts";
import { convolution, globalAveragePool, linear, relu } from "../nn/layers.ts";
import { type Params, param } from "../nn/params.ts";
import { maxPool } from "../nn/pooling.ts";
import type { Model, ModelOutput, ModelTensors } from "./model.ts";
import type { Layers, Network } from "./network.ts";

/** A network as a model. */
export function layeredModel(identity: Pick<Model, "name" | "config">, shape: readonly [number, number, number], network: Network): Model {
  return {
    ...identity,
    init: (key) => madeTensors(network(planningLayers, planned(shape, [])), key),
    apply(params, state, x, { train, first }): ModelOutput {
      const { layers, moved } = computingLayers(params, state, train);
      return { logits: network(first ? withFirst(layers, () => first) : layers, x), state: moved };
    },
    first(params, state, x) {
      const outputs: Value[] = [];
      const seen = (output: Value): Value => {
        outputs.push(output);
        return output;
      };
      network(withFirst(computingLayers(params, state, true).layers, seen), x);
      if (!outputs[0]) throw new InvariantError(`model: ${identity.name} has no convolution`);
      return outputs[0];
    },
    network,
  };
}

/** The same layers, but for what `made` makes of the first convolution's output. */
function withFirst(layers: Layers<Value>, made: (output: Value) => Value): Layers<Value> {
  let isFirst = true;
  return {
    ...layers,
    convolution(name, x, layer) {
      const output = layers.convolution(name, x, layer);
      if (!isFirst) return output;
      isFirst = false;
      return made(output);
    },
  };
}

/** What flows while tensors are made: a shape without the batch, what it came from, and how to make the tensors of the layer that gave it. */
interface Planned {
  readonly shape: readonly number[];
  readonly from: readonly Planned[];
  /** `draw` gives a key that no other layer has. */
  readonly make: (tensors: MadeTensors, draw: () => Value) => void;
}

interface MadeTensors {
  readonly params: Record<string, Value>;
  readonly state: Record<string, Value>;
}

/** Makes what an output depends on, inputs first and the first input before the others: whatever the order in which a network calls its layers. */
function madeTensors(output: Planned, key: Value): ModelTensors {
  const tensors: MadeTensors = { params: {}, state: {} };
  const done = new Set<Planned>();
  let drawn = 0;
  const visit = (planned: Planned): void => {
    if (done.has(planned)) return;
    done.add(planned);
    for (const before of planned.from) visit(before);
    planned.make(tensors, () => foldIn(key, drawn++));
  };
  visit(output);
  return tensors;
}

const planningLayers: Layers<Planned> = {
  normalize: (x) => x,
  convolution(name, x, { out, size, bias = false, stride = 1, padding = 0 }) {
    const [channels, height, width] = x.shape as readonly [number, number, number];
    const extent = (input: number, axis: 0 | 1): number => {
      const side = typeof padding === "number" ? padding : padding[axis];
      return windows(input + (typeof side === "number" ? 2 * side : side[0] + side[1]), size, stride);
    };
    return planned([out, extent(height, 0), extent(width, 1)], [x], ({ params }, draw) => {
      params[`${name}.weight`] = initConvolution(draw(), [out, channels, size, size]);
      if (bias) params[`${name}.bias`] = zeros([out]);
    });
  },
  batchNorm: (name, x) =>
    planned(x.shape, [x], ({ params, state }) => {
      const shape = [x.shape[0]!];
      params[`${name}.weight`] = ones(shape);
      params[`${name}.bias`] = zeros(shape);
      state[`${name}.running_mean`] = zeros(shape);
      state[`${name}.running_var`] = ones(shape);
    }),
  linear: (name, x, out) =>
    planned([out], [x], ({ params }, draw) => {
      params[`${name}.weight`] = initLinear(draw(), [out, x.shape[0]!]);
      params[`${name}.bias`] = zeros([out]);
    }),
  relu: (x) => x,
  swish: (x) => x,
  add: (a, b) => planned(a.shape, [a, b]),
  maxPool(x, { size, stride, padding }) {
    const [channels, ...extents] = x.shape;
    return planned([channels!, ...extents.map((input) => windows(input + 2 * padding, size, stride))], [x]);
  },
  globalAveragePool: (x) => planned(x.shape.slice(0, 1), [x]),
  flatten: (x) => planned([x.shape.reduce((size, extent) => size * extent, 1)], [x]),
  channels: (x) => x.shape[0]!,
};

const planned = (shape: readonly number[], from: readonly Planned[], make: Planned["make"] = () => {}): Planned => ({ shape, from, make });

/** How many windows of `size` fit into `extent`. */
function windows(extent: number, size: number, stride: number): number {
  return Math.floor((extent - size) / stride) + 1;
}

/** Layers that compute with given tensors; `moved` are the statistics after the pass. */
function computingLayers(params: Params, state: Params, train: boolean): { layers: Layers<Value>; moved: Params } {
  const moved: Record<string, Value> = {};
  const layers: Layers<Value> = {
    normalize(x, { mean, std }) {
      const each = (list: readonly number[]): Value => broadcastAlong(tensor(Float32Array.from(list)), x.shape, [1]);
      return div(sub(x, each(mean)), each(std));
    },
    convolution: (name, x, { out: _, size: __, bias = false, ...options }) =>
      convolution(x, param(params, `${name}.weight`), bias ? param(params, `${name}.bias`) : undefined, options),
    batchNorm(name, x) {
      const [weight, bias] = [param(params, `${name}.weight`), param(params, `${name}.bias`)];
      const [mean, variance] = [`${name}.running_mean`, `${name}.running_var`];
      const result = batchNorm(x, { weight, bias, runningMean: param(state, mean), runningVar: param(state, variance) }, { train });
      moved[mean] = result.runningMean;
      moved[variance] = result.runningVar;
      return result.y;
    },
    linear: (name, x) => linear(x, param(params, `${name}.weight`), param(params, `${name}.bias`)),
    relu,
    // The logistic function by tanh, which does not overflow.
    swish: (x) => mul(x, add(0.5, mul(0.5, tanh(mul(0.5, x))))),
    add,
    maxPool(x, { size, stride, padding }) {
      const side = [padding, padding] as const;
      return maxPool(x, { size: [size, size], stride: [stride, stride], padding: [side, side] });
    },
    globalAveragePool,
    flatten: (x) => reshape(x, [x.shape[0]!, x.shape.slice(1).reduce((size, extent) => size * extent, 1)]),
    channels: (x) => x.shape[1]!,
  };
  return { layers, moved };
}
