/** @file Plans as text, for people. */
import type { ElementRun, ElementValue, Plan, Routine, Step, Value } from "./language.ts";

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
    case "clear":
      return [`clear ${step.words} words at ${step.address.name}`];
    case "dots": {
      const { window, gradient, sums, windows, gradients, rows, vectorsPerRow } = step.dots;
      return [`dots of ${windows.length} ${window.name} x ${gradients.length} ${gradient.name} over ${rows}; ${vectorsPerRow} vectors to ${sums.name}`];
    }
    case "elements":
      return printElements(step.run);
    case "philox":
      return [`philox of ${step.philox.blocks.name} times eight counters from ${step.philox.counter.name} on, to ${step.philox.target.name}`];
    case "transform": {
      const { map, vectors } = step.transform;
      return [`transform ${map.inputs}x${map.inputs} to ${map.outputs}x${map.outputs}, ${4 * vectors} channels, ${step.source.name} to ${step.target.name}`];
    }
  }
}

function printTile({ scalars, lanes }: Extract<Step, { kind: "accumulate" }>["tile"]): string {
  return `${scalars.length} rows x ${lanes.length} vectors`;
}

function printElements({ count, turns, across, results }: ElementRun): string[] {
  const names = new Map<ElementValue, string>();
  const lines: string[] = [];
  const place = (pointer: string, offset: number, along: boolean): string => `${pointer}[${offset}${along ? " .." : ""}]`;
  const print = (value: ElementValue): string => {
    if (value.kind === "bits") return `0x${(value.bits >>> 0).toString(16)}`;
    if (value.kind === "load") return `${value.narrow ? "byte " : ""}${place(value.pointer.name, value.offset, value.along)}`;
    const known = names.get(value);
    if (known !== undefined) return known;
    const from = value.from ? `${value.from.narrow ? "byte " : ""}${value.from.pointer.name}[${value.from.offset}], ` : "";
    const text = `${value.op}(${from}${value.args.map(print).join(", ")})`;
    const name = `%${names.size}`;
    names.set(value, name);
    lines.push(`${name} = ${text}`);
    return name;
  };
  const stores = results.map(({ pointer, offset, value, combine }) => {
    const text = print(value);
    return `${place(pointer.name, offset, !across)} = ${combine ? `${combine.op} of ` : ""}${text}`;
  });
  const around = turns.map((turn) => `${turn.count} turns by ${turn.moves.map(([pointer, bytes]) => `${pointer.name} + ${bytes}`).join(", ")}`);
  const head = `${typeof count === "number" ? count : count.variable.name} elements${across ? " combined" : ""}`;
  return [[head, ...around].join("; "), ...indented([...lines, ...stores])];
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
  if (value.op === "word") return `word at ${printValue(value.args[0], true)}`;
  const args = value.args.map((arg) => printValue(arg, value.op !== "min" && value.op !== "let"));
  if (value.op === "min") return `min(${args.join(", ")})`;
  const text = value.op === "let" ? `${value.variable.name} := ${args[0]}` : value.op === "isZero" ? `${args[0]} == 0` : args.join(` ${SIGNS[value.op]} `);
  return inner ? `(${text})` : text;
}
