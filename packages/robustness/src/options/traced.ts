/** @file Options as compiled steps see them: numbers that are inputs, all others as they are. */
import type { Value } from "@gradalign/tensor";
import type { Given, NumberOption, Option, OptionTable, TracedValues } from "./option.ts";

function isInput(option: Option): option is NumberOption<"input" | "length"> {
  return option.kind === "number" && option.role !== "constant";
}

/** The inputs that a table's values make, by name. Lengths are multiplied here, in double precision. */
export function inputsOf(table: OptionTable, values: Given, epsilon: number): Record<string, number> {
  const numbers = Object.entries(table).flatMap(([name, option]) => {
    if (!isInput(option)) return [];
    const value = values[name] as number;
    return [[name, option.role === "length" ? value * epsilon : value] as const];
  });
  return Object.fromEntries(numbers);
}

/** The values that are part of a program's structure: all others. */
export function structureOf(table: OptionTable, values: Given): Given {
  const isStructure = ([name, option]: readonly [string, Option]): boolean => !isInput(option) && values[name] !== undefined;
  return Object.fromEntries(
    Object.entries(table)
      .filter(isStructure)
      .map(([name]) => [name, values[name]]),
  );
}

/** A table's values inside a step: its inputs, and from `values` what is structure. */
export function tracedValues<Table extends OptionTable>(table: Table, values: Given, inputs: Readonly<Record<string, Value | number>>): TracedValues<Table> {
  return Object.fromEntries(Object.entries(table).map(([name, option]) => [name, isInput(option) ? inputs[name] : values[name]])) as TracedValues<Table>;
}
