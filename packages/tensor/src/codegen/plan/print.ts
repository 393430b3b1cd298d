/** @file Plans as text, for people. */
import type { Plan, Routine, Step, Value } from "./language.ts";

/** A plan's tasks, then its routines, the entry last. Equal plans give equal text. */
export function printPlan({ tasks, routines, scratchBytes }: Plan): string {
  const names = new Map<Routine, string>();
  for (const routine of routines) names.set(routine, [...names.values()].includes(routine.name) ? `${routine.name} ${names.size}` : routine.name);
  const head = `${tasks} task${tasks === 1 ? "" : "s"}${scratchBytes > 0 ? `, ${scratchBytes} bytes of scratch memory` : ""}`;
  return [head, ...routines.flatMap((routine) => printRoutine(routine, names))].join("\n");
}

function printRoutine(routine: Routine, names: ReadonlyMap<Routine, string>): string[] {
  const head = `${names.get(routine)}(${routine.parameters.map(({ name }) => name).join(", ")})`;
  return [head, ...indented(printSteps(routine.body, names))];
}

const indented = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

function printSteps(steps: readonly Step[], names: ReadonlyMap<Routine, string>): string[] {
  return steps.flatMap((step) => printStep(step, names));
}

function printStep(step: Step, names: ReadonlyMap<Routine, string>): string[] {
  switch (step.kind) {
    case "variables":
      return [];
    case "set":
      return [`${step.variable.name} = ${printValue(step.value)}`];
    case "repeat":
      return ["repeat", ...indented(printSteps(step.body, names)), `while ${printValue(step.again)}`];
    case "if": {
      const otherwise = step.otherwise.length > 0 ? ["else", ...indented(printSteps(step.otherwise, names))] : [];
      return [`if ${printValue(step.condition)}`, ...indented(printSteps(step.body, names)), ...otherwise];
    }
    case "call":
      return [`${names.get(step.routine)}(${step.args.map((arg) => printValue(arg)).join(", ")})`];
    case "touch":
      return [`touch ${printValue(step.address)}`];
    case "accumulate": {
      const loops = step.loops.map(({ count, scalarStep, vectorStep }) => `${typeof count === "number" ? count : count.name} by ${scalarStep}, ${vectorStep}`);
      return [`accumulate ${printTile(step.tile)} of ${step.scalar.name} x ${step.vector.name} over ${loops.join("; ")}`];
    }
    case "totals":
      return [`${step.what} totals`];
    case "store":
      return [`store at ${step.address.name}`];
    case "addStored":
      return [`add what is at ${step.address.name}`];
    case "transform": {
      const { map, vectors } = step.transform;
      return [`transform ${map.inputs}x${map.inputs} to ${map.outputs}x${map.outputs}, ${4 * vectors} channels, ${step.source.name} to ${step.target.name}`];
    }
  }
}

function printTile({ scalars, lanes }: Extract<Step, { kind: "accumulate" }>["tile"]): string {
  return `${scalars.length} rows x ${lanes.length} vectors`;
}

const SIGNS: Readonly<Record<string, string>> = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  rem: "%",
  shl: "<<",
  or: "|",
  eq: "==",
  lt: "<",
  below: "<",
  reaches: ">=",
};

function printValue(value: Value, inner = false): string {
  if (typeof value === "number") return String(value);
  if (!("op" in value)) return value.name;
  if (value.op === "scratch") return "scratch";
  const args = value.args.map((arg) => printValue(arg, value.op !== "min" && value.op !== "let"));
  if (value.op === "min") return `min(${args.join(", ")})`;
  const text = value.op === "let" ? `${value.variable.name} := ${args[0]}` : value.op === "isZero" ? `${args[0]} == 0` : args.join(` ${SIGNS[value.op]} `);
  return inner ? `(${text})` : text;
}
