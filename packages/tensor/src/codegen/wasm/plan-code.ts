/** @file Plans as WebAssembly: a function for each routine, instruction by instruction. */
import { invariant } from "../../base/errors.ts";
import type { Plan, Routine, Step, Value, Variable } from "../plan/language.ts";
import { DotTiles } from "./dots.ts";
import { FunctionBuilder } from "./function-builder.ts";
import { type KernelCode, type ModuleContext, SCRATCH } from "./kernel-code.ts";
import { I32, OP, V128 } from "./opcodes.ts";
import { RegisterTiles } from "./register-tile.ts";
import { TileTransforms } from "./transform.ts";

const BINARY = {
  add: OP.i32_add,
  sub: OP.i32_sub,
  mul: OP.i32_mul,
  div: OP.i32_div_u,
  rem: OP.i32_rem_u,
  shl: OP.i32_shl,
  or: OP.i32_or,
  eq: OP.i32_eq,
  lt: OP.i32_lt_s,
  below: OP.i32_lt_u,
  reaches: OP.i32_ge_u,
} as const;

/** Adds the functions of a plan's routines to the module. */
export function emitPlan({ tasks, routines, scratchBytes }: Plan, module: ModuleContext): KernelCode {
  if (scratchBytes > 0) module.scratch(scratchBytes);
  const functions = new Map<Routine, number>();
  for (const routine of routines) functions.set(routine, module.add(emitRoutine(routine, functions, module.relaxed)));
  return { tasks, entry: functions.get(routines.at(-1)!)! };
}

function emitRoutine({ parameters, body }: Routine, functions: ReadonlyMap<Routine, number>, relaxed: boolean): FunctionBuilder {
  const f = new FunctionBuilder(parameters.map(() => I32));
  const locals = new Map<Variable, number>(parameters.map((parameter, i) => [parameter, i]));
  const local = (variable: Variable): number => locals.get(variable)!;
  const tiles = new RegisterTiles(f, relaxed, local);
  const transforms = new TileTransforms(f, relaxed);
  const dots = new DotTiles(f, relaxed, local);

  const push = (value: Value): FunctionBuilder => {
    if (typeof value === "number") return f.i32(value);
    if (!("op" in value)) return f.get(local(value));
    if (value.op === "scratch") return f.globalGet(SCRATCH);
    value.args.forEach(push);
    if (value.op === "min") value.args.forEach(push);
    switch (value.op) {
      case "min":
        return f.op(OP.i32_lt_s, OP.select);
      case "isZero":
        return f.op(OP.i32_eqz);
      case "let":
        return f.tee(local(value.variable));
      case "word":
        return f.i32Load();
      default:
        return f.op(BINARY[value.op]);
    }
  };
  const emit = (step: Step): void => {
    switch (step.kind) {
      case "variables":
        for (const variable of step.variables) locals.set(variable, f.local(variable.vector ? V128 : I32));
        break;
      case "set":
        push(step.value).set(local(step.variable));
        break;
      case "repeat":
        f.loop(() => {
          step.body.forEach(emit);
          push(step.again).branchIf(0);
        });
        break;
      case "if":
        push(step.condition).if(() => step.body.forEach(emit), step.otherwise.length > 0 ? () => step.otherwise.forEach(emit) : undefined);
        break;
      case "call":
        step.args.forEach(push);
        f.call(functions.get(step.routine)!);
        break;
      case "touch":
        // A load that may trap is kept by V8 even if nobody wants its value.
        push(step.address).i32Load().op(OP.drop);
        break;
      case "accumulate":
        tiles.accumulate(step.tile, local(step.scalar), local(step.vector), step.loops);
        break;
      case "totals":
        if (step.what === "zero") tiles.zeroTotals(step.tile);
        else if (step.what === "add") tiles.addToTotals(step.tile);
        else tiles.takeTotals(step.tile);
        break;
      case "store":
      case "addStored":
        tiles[step.kind](step.tile, local(step.address), step.rowOffsets);
        break;
      case "clear":
        for (let i = 0; i < step.words; i++)
          f.get(local(step.address))
            .f32(0)
            .f32Store(4 * i);
        break;
      case "dots":
        dots.emit(step.dots);
        break;
      case "elements":
      case "philox":
        return invariant(false, "WebAssembly's loops and random numbers are not written from routines");
      case "transform":
        transforms.emit(step.transform, step.transform.operands.map(local), local(step.source), local(step.target), local(step.between));
        break;
    }
  };
  body.forEach(emit);
  return f;
}
