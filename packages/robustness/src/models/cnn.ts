/**
 * @file The paper's single-layer network (section 4): 3 x 3 convolution with bias, ReLU, linear. With 4 filters (41,082
 * parameters) it is small enough to look inside when it overfits catastrophically.
 */
import { integer } from "../options/option.ts";
import { checkValue } from "../options/resolve.ts";
import { layeredModel } from "./layers.ts";
import { defineModel, type Model, type ModelData } from "./model.ts";
import type { Network } from "./network.ts";

const FILTERS = integer({ least: 1, default: 4, help: "filters of the convolution", remedy: "leave it out for the paper's 4" });

/** The paper's single-layer network. */
export const cnnDefinition = defineModel({
  id: "cnn",
  paper: "Andriushchenko, Flammarion 2020, section 4",
  options: { filters: FILTERS },
  recognize(shapeOf) {
    const [convolution, linear] = [shapeOf(`${CONV}.weight`), shapeOf(`${LINEAR}.weight`)];
    return convolution && linear ? { options: { filters: convolution[0]! }, classes: linear[0]!, channels: convolution[1]! } : undefined;
  },
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
  const network: Network = (layers, x) =>
    layers.linear(LINEAR, layers.flatten(layers.relu(layers.convolution(CONV, x, { out: filters, size: 3, padding: 1, bias: true }))), classes);
  return layeredModel({ name: "cnn", config: { filters, classes, shape: [...shape] } }, shape, network);
}
