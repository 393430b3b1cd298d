/**
 * @file The paper's single-layer network (section 4): 3 x 3 convolution with bias, ReLU, linear. With 4 filters (41,082
 * parameters) it is small enough to look inside when it overfits catastrophically.
 */
import { foldIn, reshape, type Value, zeros } from "@gradalign/tensor";
import { initConvolution, initLinear } from "../nn/initialization.ts";
import { convolution, linear, relu } from "../nn/layers.ts";
import { type Params, param } from "../nn/params.ts";
import { integer } from "../options/option.ts";
import { checkValue } from "../options/resolve.ts";
import { defineModel, type Model, type ModelData, type ModelOutput, type ModelTensors } from "./model.ts";

const FILTERS = integer({ least: 1, default: 4, help: "filters of the convolution", remedy: "leave it out for the paper's 4" });

/** The paper's single-layer network. */
export const cnnDefinition = defineModel({
  id: "cnn",
  paper: "Andriushchenko, Flammarion 2020, section 4",
  options: { filters: FILTERS },
  create: (options, data) => cnn({ ...options, ...data }),
});

/** Options of {@link cnn}. */
export interface CnnOptions extends ModelData {
  /** Number of filters; the paper's 4 unless set. */
  readonly filters?: number;
}

// Positions in the authors' nn.Sequential(Conv2d, ReLU, Flatten, Linear).
const CONV = "_model.0";
const LINEAR = "_model.3";

/**
 * Makes the single-layer network.
 *
 * @throws ConfigError when `filters` is no number of filters.
 */
export function cnn({ filters = 4, classes = 10, shape = [3, 32, 32] }: CnnOptions = {}): Model {
  checkValue("cnn: filters", FILTERS, filters);
  const [channels, height, width] = shape;
  return {
    name: "cnn",
    config: { filters, classes, shape: [...shape] },
    init(key: Value): ModelTensors {
      const params = {
        [`${CONV}.weight`]: initConvolution(foldIn(key, 0), [filters, channels, 3, 3]),
        [`${CONV}.bias`]: zeros([filters]),
        [`${LINEAR}.weight`]: initLinear(foldIn(key, 1), [classes, filters * height * width]),
        [`${LINEAR}.bias`]: zeros([classes]),
      };
      return { params, state: {} };
    },
    apply(params: Params, state: Params, x: Value): ModelOutput {
      const h = relu(convolution(x, param(params, `${CONV}.weight`), param(params, `${CONV}.bias`), { padding: 1 }));
      const flat = reshape(h, [x.shape[0] as number, filters * height * width]);
      return { logits: linear(flat, param(params, `${LINEAR}.weight`), param(params, `${LINEAR}.bias`)), state };
    },
  };
}
