/** @file What every training method keeps to, and which forward passes it makes, in which order, and where. */

import {
  cnn,
  type Given,
  gradAlignPenalty,
  type Method,
  type MethodContext,
  methods,
  type OptionTable,
  type Params,
  type PartialMethodConfig,
  resolveTrainConfig,
  trainingNetwork,
  type ValuesOf,
} from "@gradalign/robustness";
import { add, evaluate, grad, mul, randomKey, sub, type Tensor, tensor, type Value } from "@gradalign/tensor";
import { describe, expect, it } from "vitest";
import type { Witness } from "../../src/methods/network.ts";
import { meanCosine } from "../../src/nn/cosine-similarity.ts";
import { attackSigns, nextWatched, nothingWatched } from "../../src/train/watched.ts";
import { methodContext } from "../support/fixtures.ts";

const model = cnn({ filters: 2, classes: 4, shape: [3, 4, 4] });
const params = evaluate(model.init(randomKey(1)).params) as Params;
const shape = [4, 3, 4, 4];
const x = tensor(
  Float32Array.from({ length: 192 }, (_, i) => Math.min(1, Math.max(0, ((i * 7) % 17) / 14 - 0.1))),
  shape,
);
const labels = tensor(Uint8Array.of(0, 1, 2, 3));
const values = (value: Value): number[] => [...evaluate(value).data()];

/** What a test changes of a method's context; options are those that the method has among these. */
interface Changes extends Partial<Omit<MethodContext, "options" | "epsilon">> {
  readonly epsilon?: number;
  readonly options?: Given;
}

function contextOf(method: Method, { epsilon = 0.1, options = {}, ...given }: Changes = {}, at: Params = params): MethodContext {
  const network = trainingNetwork(model, at, {}, labels);
  const carry = method.carries?.({ batch: 4, image: [3, 4, 4], examples: 8 }) ?? {};
  const context = { ...methodContext(method, network, x, epsilon, { lambda: 0.5, ...options }), key: randomKey(7), carry, ...given };
  return method.displacement ? { ...context, found: method.displacement.first(context).found } : context;
}

function total(method: Method, given: Changes = {}, at: Params = params): Value {
  const { adversarial, regularizer } = method.loss(contextOf(method, given, at));
  return regularizer ? add(adversarial.loss, regularizer) : adversarial.loss;
}

/** Records where a method evaluates the network, in order. */
function forwardPoints(method: Method, given: Changes = {}): number[][] {
  const points: Value[] = [];
  const apply = (...args: Parameters<typeof model.apply>) => {
    points.push(args[2]);
    return model.apply(...args);
  };
  const recording = { ...model, apply };
  method.loss(contextOf(method, { network: trainingNetwork(recording, params, {}, labels), ...given }));
  return points.map(values);
}

/** All of a method's options, with these where it has them. */
function settingsOf(method: Method, options: Given = {}): ValuesOf<OptionTable> {
  const chosen = Object.fromEntries(Object.entries(options).filter(([name]) => name in method.options));
  return resolveTrainConfig({ method: { name: method.id, ...chosen } as PartialMethodConfig }).method;
}

const distance = (point: readonly number[]): number => {
  const pixels = x.data();
  return Math.max(...point.map((v, i) => Math.abs(v - (pixels[i % pixels.length] as number))));
};

describe.each<Method>(Object.values(methods))("$id", (method) => {
  it("is standard training at epsilon 0", () => {
    const standard = values(total(methods.standard))[0] as number;
    const { adversarial, regularizer } = method.loss(contextOf(method, { epsilon: 0, options: { lambda: 0, labelShare: 1 } }));
    expect(values(adversarial.loss)[0]).toBeCloseTo(standard, 6);
    // MART's margin has no weight.
    if (regularizer && method.id !== "mart") expect(values(regularizer)[0]).toBeCloseTo(0, 6);
  });

  it("has a finite gradient in the parameters", () => {
    const gradients = grad((p: Params) => total(method, {}, p))(params) as Params;
    for (const [name, gradient] of Object.entries(gradients)) {
      const data = values(gradient);
      expect(data.every(Number.isFinite), name).toBe(true);
      expect(
        data.some((g) => g !== 0),
        name,
      ).toBe(true);
    }
  });

  it("is a function of its key", () => {
    expect(values(total(method))).toEqual(values(total(method)));
  });

  it("trains within epsilon of the image, or as far as it says", () => {
    const reach = method.reach?.(settingsOf(method)) ?? 1;
    const farthest = Math.max(...forwardPoints(method).map(distance));
    expect(farthest).toBeLessThanOrEqual(0.1 * reach * (1 + 1e-6));
    // What it says is not more than what it does.
    if (method.reach) expect(farthest).toBeGreaterThan(0.1 * reach * 0.8);
  });

  it("runs the network forward as often as it says", () => {
    // A pass of a larger batch counts as several.
    const images = forwardPoints(method).flat().length / x.data().length;
    expect(images).toBe(method.passes(settingsOf(method)).forward);
  });

  it("takes every gradient of an attack of the scaled loss, so that small ones do not vanish in float16", () => {
    const network = (scale?: Value) => trainingNetwork(model, params, {}, labels, scale);
    const losses = (scale?: Value) => {
      const { adversarial, regularizer = adversarial.loss } = method.loss(contextOf(method, { network: network(scale), epoch: 9 }));
      return [...values(adversarial.logits), ...values(regularizer)].join();
    };
    const attacked = method.passes(settingsOf(method)).backward > 1;
    // A scale that leaves nothing of gradients is seen wherever they decide.
    expect(losses(tensor(Number.POSITIVE_INFINITY)) !== losses()).toBe(attacked);
  });

  it("shows a guard its attack at no further pass", () => {
    const witness: Witness = {};
    let calls = 0;
    const counting = {
      ...model,
      apply: (...args: Parameters<typeof model.apply>) => {
        calls++;
        return model.apply(...args);
      },
    };
    const watched = (seen?: Witness) => trainingNetwork(counting, params, {}, labels, undefined, seen);
    const { adversarial } = method.loss(contextOf(method, { network: watched(witness), epoch: 9 }));
    const counted = calls;
    method.loss(contextOf(method, { network: watched(), epoch: 9 }));
    expect(calls).toBe(2 * counted);
    const { alignment, aligned, fallen, seen } = evaluate(nextWatched(nothingWatched(), witness)) as unknown as Record<string, Tensor>;
    const signs = attackSigns({ alignment: alignment!.item(), aligned: aligned!.item(), fallen: fallen!.item(), seen: seen!.item() });
    if (method.passes(settingsOf(method)).backward === 1) return expect(signs).toEqual({ attack_alignment: null, fallen_losses: null });
    expect(Math.abs(signs.attack_alignment ?? 2)).toBeLessThanOrEqual(1.001);
    expect(signs.fallen_losses).toBeLessThanOrEqual(1);
    return expect(values(adversarial.logits).every(Number.isFinite)).toBe(true);
  });

  it("carries on what it began with: the same names, shapes and types", () => {
    const forms = (carry: MethodContext["carry"] = {}) => Object.entries(carry).map(([name, { shape, dtype }]) => [name, shape, dtype]);
    const context = contextOf(method);
    expect(forms(method.loss(context).carry)).toEqual(forms(context.carry));
  });
});

it("a guard sees the cosine of FGSM's gradients at x and at x + delta, and whose loss fell", () => {
  const witness: Witness = {};
  methods.fgsm.loss(contextOf(methods.fgsm as Method, { network: trainingNetwork(model, params, {}, labels, undefined, witness) }) as never);
  const plain = trainingNetwork(model, params, {}, labels);
  const g = plain.boxedInputGradient(x);
  const h = plain.inputPass(forwardPoint());
  const { alignment, fallen } = evaluate(nextWatched(nothingWatched(), witness)) as unknown as Record<string, Tensor>;
  expect(alignment!.item()).toBeCloseTo(0.1 * (evaluate(meanCosine(g, h.gradient, 0)) as Tensor).item(), 6);
  const [before, after] = [values(plain.forward(x).losses), values(h.losses)];
  expect(fallen!.item()).toBeCloseTo(0.1 * (after.filter((loss, i) => loss < (before[i] as number)).length / 4), 6);

  function forwardPoint(): Value {
    return tensor(Float32Array.from(forwardPoints(methods.fgsm as Method)[1] as number[]), shape);
  }
});

it("GradAlign's variants make the passes that they say, and are not in settings unless they are asked for", () => {
  const method = methods["fgsm-gradalign"] as Method;
  const passes = (options: Given) => [forwardPoints(method, { options }).flat().length / x.data().length, method.passes(settingsOf(method, options)).forward];
  expect(passes({ neighbour: "trained" })).toEqual([2, 2]);
  expect(passes({ aligned: "quarter" })).toEqual([2.25, 2.25]);
  expect(passes({ through: "first-layer" })).toEqual([3, 3]);
  expect(passes({ through: "first-layer", neighbour: "trained" })).toEqual([2, 2]);
  expect(passes({ aligned: "none" })).toEqual([2, 2]);
  const cost = (options: Given) => method.passes(settingsOf(method, options));
  expect(cost({ through: "first-layer" })).toEqual({ forward: 3, backward: 3 });
  // Every fourth step is one of GradAlign's, the others are FGSM's.
  expect(cost({ alignEvery: 4 })).toEqual({ forward: 2.25, backward: 2.75 });
  for (const name of ["neighbour", "aligned", "through", "alignEvery"]) expect(Object.keys(settingsOf(method))).not.toContain(name);
});

it("GradAlign through the first layer alone has the same loss, and there the derivative of that layer's weights alone", () => {
  const method = methods["fgsm-gradalign"] as Method;
  const gradients = (options: Given) => grad((p: Params) => total(method, { options }, p))(params) as Params;
  for (const neighbour of ["random", "trained"]) {
    const [shallow, deep, none] = [{ through: "first-layer", neighbour }, { neighbour }, { aligned: "none" }] as const;
    expect(values(total(method, { options: shallow }))[0]).toBeCloseTo(values(total(method, { options: deep }))[0] as number, 5);
    const [ours, whole, fgsm] = [gradients(shallow), gradients(deep), gradients(none)];
    // Nothing of the regulariser reaches the last layer.
    expect(values(ours["_model.3.weight"] as Value)).toEqual(values(fgsm["_model.3.weight"] as Value));
    expect(values(whole["_model.3.weight"] as Value)).not.toEqual(values(fgsm["_model.3.weight"] as Value));
    expect(values(ours["_model.0.weight"] as Value)).not.toEqual(values(fgsm["_model.0.weight"] as Value));
  }
});

it("a model that does not tell its first layer is refused there", () => {
  const method = methods["fgsm-gradalign"] as Method;
  const { first: _, ...untold } = model;
  const network = trainingNetwork(untold, params, {}, labels);
  expect(() => method.loss(contextOf(method, { network, options: { through: "first-layer" } }))).toThrow("the model cnn does not tell its first layer");
});

describe("forward passes, which each move the batch-norm statistics", () => {
  const count = (name: keyof typeof methods, steps?: number): number => {
    const method = methods[name] as Method;
    const options = steps === undefined ? {} : { steps };
    const { length } = forwardPoints(method, { options });
    expect(method.passes(settingsOf(method, options)).forward).toBe(length);
    return length;
  };

  it("are as many as in the paper's code", () => {
    expect(count("fgsm")).toBe(2);
    expect(count("fgsm-rs")).toBe(2);
    expect(count("free")).toBe(2);
    expect(count("fgsm-gradalign")).toBe(3);
    expect(count("standard")).toBe(2);
    expect(count("random-corner")).toBe(2);
    expect(count("pgd", 3)).toBe(5);
    expect(count("pgd", 1)).toBe(3);
    expect(count("pgd-corner", 3)).toBe(5);
    expect(count("pgd-gradalign", 2)).toBe(5);
    expect(count("cure")).toBe(3);
    expect(count("grad-norm")).toBe(2);
    // Loss and gradient at x, two steps of search, the worst point.
    expect(count("llr", 2)).toBe(5);
  });

  it("fgsm-gradalign visits x, then x + delta, then x + eta, which may leave the box", () => {
    const [clean, adversarial, random] = forwardPoints(methods["fgsm-gradalign"]) as [number[], number[], number[]];
    expect(distance(clean)).toBe(0);
    expect(distance(adversarial)).toBeCloseTo(0.1, 5);
    expect(adversarial.every((v) => v >= -1e-7 && v <= 1 + 1e-7)).toBe(true);
    expect(random.some((v) => v < 0 || v > 1)).toBe(true);
    // eta is uniform, not a corner.
    expect(random.filter((v, i) => Math.abs(v - (x.data()[i] as number)) < 0.05).length).toBeGreaterThan(40);
  });
});

describe("options", () => {
  const adversary = (name: keyof typeof methods, given: Changes): number[] => {
    const points = forwardPoints(methods[name] as Method, given);
    return points.at(-1) as number[];
  };

  it("fgsm leaves pixels on the border of the box alone", () => {
    const point = adversary("fgsm", {});
    const border = [...x.data()].flatMap((v, i) => (v === 0 || v === 1 ? [i] : []));
    expect(border.length).toBeGreaterThan(0);
    for (const i of border) expect(point[i]).toBe(x.data()[i]);
  });

  it("the warm-up shortens FGSM's step and PGD's ball", () => {
    const options = { stepSize: 1 };
    expect(distance(adversary("fgsm", { options, ramp: 0.5 }))).toBeCloseTo(0.05, 5);
    expect(distance(adversary("pgd", { options: { ...options, steps: 2 }, ramp: 0.25 }))).toBeCloseTo(0.025, 5);
  });

  it("the warm-up leaves the corners where they are", () => {
    const options = { stepSize: 1, steps: 2 };
    expect(distance(adversary("pgd-corner", { options, ramp: 0.25 }))).toBeCloseTo(0.1, 5);
  });

  it("free carries the perturbation it trained on", () => {
    const carry = { delta: tensor(new Float32Array(192).fill(0.02), shape) };
    const free: Method = methods.free;
    const { carry: next } = free.loss(contextOf(free, { carry }));
    const point = adversary("free", { carry });
    const delta = values(next?.["delta"] as Value);
    for (const [i, v] of point.entries()) expect(v).toBeCloseTo((x.data()[i] as number) + (delta[i] as number), 6);
  });

  it("without an adversary the loss is on clean images, and the regulariser stays", () => {
    for (const name of ["cure", "grad-norm"] as const) {
      const options = { adversary: "none" };
      expect(distance(adversary(name, { options }))).toBe(0);
      const method: Method = methods[name];
      const { regularizer } = method.loss(contextOf(method, { options }));
      expect(values(regularizer as Value)[0]).toBeGreaterThan(0);
    }
  });

  it("one branch and both branches: equal penalties, different gradients", () => {
    const method = methods["fgsm-gradalign"];
    const loss = (branches: "one" | "both") => (p: Params) => total(method, { options: { branches } }, p);
    expect(values(loss("one")(params))).toEqual(values(loss("both")(params)));
    const [one, both] = (["one", "both"] as const).map((b) => values((grad(loss(b))(params) as Params)["_model.0.weight"] as Value));
    expect(one).not.toEqual(both);
  });
});

describe("eval mode", () => {
  /** Modes of a method's passes in order: t for train, e for eval. */
  const modes = (name: keyof typeof methods): string => {
    let seen = "";
    const apply = (...args: Parameters<typeof model.apply>) => {
      seen += args[3].train ? "t" : "e";
      return model.apply(...args);
    };
    const method: Method = methods[name];
    method.loss(contextOf(method, { network: trainingNetwork({ ...model, apply }, params, {}, labels), options: { steps: 2 } }));
    return seen;
  };

  it("is where the authors' code has it", () => {
    expect(modes("stable-fgsm")).toBe("teet");
    expect(modes("gat")).toBe("tet");
    expect(modes("nuat")).toBe("tet");
    expect(modes("trades")).toBe("eeett");
    expect(modes("mart")).toBe("eett");
  });

  it("TRADES and MART start a thousandth beside the image", () => {
    for (const name of ["trades", "mart"] as const) {
      const [first] = forwardPoints(methods[name] as Method, {}).filter((point) => distance(point) > 0) as [number[]];
      const deviation = Math.sqrt(first.reduce((sum, v, i) => sum + (v - (x.data()[i] as number)) ** 2, 0) / first.length);
      expect(deviation).toBeGreaterThan(0.0008);
      expect(deviation).toBeLessThan(0.0012);
    }
  });
});

describe("NuAT's weight", () => {
  it("grows by the epoch", () => {
    const method: Method = methods.nuat;
    const at = (epoch: number): number =>
      values(method.loss(contextOf(method, { epoch, options: { lambda: 4, growthEpochs: 8 } })).regularizer as Value)[0] as number;
    expect([at(0), at(2) / at(8), at(12)]).toEqual([0, expect.closeTo(0.25, 5), at(8)]);
  });
});

describe("GradAlign's penalty", () => {
  it("is lambda (1 - mean cosine), without zero gradients, and 0 if there are only such", () => {
    const g1 = tensor([[[[1, 0]]], [[[0, 0]]], [[[0, 2]]]]);
    const g2 = tensor([[[[1, 1]]], [[[1, 1]]], [[[0, -3]]]]);
    expect(values(gradAlignPenalty(g1, g2, 2))[0]).toBeCloseTo(2 * (1 - (Math.SQRT1_2 - 1) / 2), 6);
    expect(values(gradAlignPenalty(mul(g1, 0), g2, 2))).toEqual([0]);
    expect(values(gradAlignPenalty(g1, g1, 2))[0]).toBeCloseTo(0, 6);
    expect(values(sub(gradAlignPenalty(g1, mul(g1, -1), 2), 4))[0]).toBeCloseTo(0, 6);
  });
});
