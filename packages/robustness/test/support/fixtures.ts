/** @file The fixtures PyTorch made, as the library's tests use them; reading and comparing is in the tensor package's file. */
import { gather, iota, mul, randomKey, type Value } from "@gradalign/tensor";
import { vi } from "vitest";
import type { Fixture, Stored } from "../../../tensor/test/support/fixtures.ts";
import type { Method, MethodContext } from "../../src/methods/method.ts";
import type { TrainingNetwork } from "../../src/methods/network.ts";
import type { Given, OptionTable, ValuesOf } from "../../src/options/option.ts";
import { linf } from "../../src/threat/linf.ts";
import { lossOptions } from "../../src/train/setup.ts";

export { describeOracle, Fixture, type Oracle, relativeError, type Stored } from "../../../tensor/test/support/fixtures.ts";

/** Named values, as a model's parameters. */
export type Values = Readonly<Record<string, Value>>;

/** Puts results into one flat record, so that one compiled function can return them all. */
export function flatten(groups: Record<string, Value | Values>): Record<string, Value> {
  const flat: Record<string, Value> = {};
  for (const [name, group] of Object.entries(groups)) {
    if (isValue(group)) flat[name] = group;
    else for (const [key, value] of Object.entries(group)) flat[`${name}/${key}`] = value;
  }
  return flat;
}

/** The stored counterparts of {@link flatten}: arrays by name, and all arrays of a folder where the name ends with a slash. */
export function stored(fixture: Fixture, prefix: string, ...names: string[]): Record<string, Stored> {
  const found: Record<string, Stored> = {};
  for (const name of names) {
    if (!name.endsWith("/")) found[name] = fixture.get(prefix + name);
    else for (const [key, array] of Object.entries(fixture.group(prefix + name))) found[name + key] = array;
  }
  return found;
}

/** Shapes by name. */
export function shapes(values: Values): Record<string, readonly number[]> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.shape]));
}

/** Runs `f` with the oracle's random numbers in place of those the library draws: the ball's random point, and random signs. */
export function withRandomPoint<Result>(point: Value, f: () => Result): Result {
  const spy = vi.spyOn(linf, "randomStart").mockImplementation(() => point);
  try {
    return f();
  } finally {
    spy.mockRestore();
  }
}

/** Runs `f` with these draws, uniform in [-1, 1], in place of the ball's random points, one after another; each is multiplied by the radius. */
export function withDraws<Result>(draws: readonly Value[], f: () => Result): Result {
  let next = 0;
  const spy = vi.spyOn(linf, "randomStart").mockImplementation((_key, shape, radius) => {
    const draw = draws[next++];
    if (draw?.shape.join() !== shape.join()) throw new Error(`draw ${next} is [${draw?.shape}], asked for was [${shape}]`);
    return mul(draw, radius);
  });
  try {
    return f();
  } finally {
    spy.mockRestore();
  }
}

/** What a method is given, with these options where it has them. */
export function methodContext<Options extends OptionTable>(
  method: Method<Options>,
  network: TrainingNetwork,
  x: Value,
  epsilon: number,
  given: Given = {},
): MethodContext<Options> {
  const chosen = Object.fromEntries(Object.entries(given).filter(([name]) => name in method.options)) as Partial<ValuesOf<Options>>;
  const rows = iota([x.shape[0] as number]);
  const augmented = (table: Value): Value => gather(table, [rows]);
  return { network, x, rows, augmented, epsilon, ramp: 1, epoch: 0, key: randomKey(0), carry: {}, options: lossOptions(method, epsilon, chosen) };
}

function isValue(group: Value | Values): group is Value {
  return Array.isArray(group["shape"]);
}
