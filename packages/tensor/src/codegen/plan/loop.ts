/** @file Loop kernels as plans, in the terms of contractions: tasks, loops that move pointers, and runs of elements in the middle. It is the plan of
 * `loop-plan.ts` written out, for machines whose emitter does whole runs. WebAssembly's loops are written from that plan directly (`codegen/wasm/loop.ts`),
 * which can do what has no form here: guards inside of expressions, narrow results, sums in blocks, reading across. */
import type { LoopKernel } from "../../ir/kernel.ts";
import { sideBySide } from "../../ir/loop-nest.ts";
import { constant, type Guard } from "../../ir/scalar.ts";
import { Elements, type Stream } from "./elements.ts";
import {
  add,
  below,
  div,
  type ElementResult,
  type ElementRun,
  type ElementValue,
  letBe,
  lt,
  min,
  mul,
  type Plan,
  rem,
  type Steps,
  sub,
  type Value,
  type Variable,
  variable,
  wordAt,
} from "./language.ts";
import { chooseShape, type LoopPlan, planLoop, valueInside } from "./loop-plan.ts";
import type { Machine } from "./machine.ts";
import { Planner } from "./planner.ts";

/** Pointers of a run, at most: they stay in registers. */
const MOST_POINTERS = 11;
/** Results of a reduction, at most: so are their sums. */
const MOST_SUMS = 4;
/** What a pointer moves in all turns of a loop is below this. */
const MOST_BYTES = 2 ** 31;

/** The plan of a kernel whose buffers are in a table, by position: the routine's second parameter is its address. Null where there is none. */
export function planLoopKernel(given: LoopKernel, machine: Machine): Plan | null {
  const kernel = withRowsTogether(given);
  const loop = planLoop(kernel, true);
  if (!loop.lanes || loop.block) return null;
  const runs = loop.strategy === "map" ? mapRuns(kernel, loop) : reducedRuns(kernel, loop);
  if (!runs || runs.streams.length > MOST_POINTERS) return null;
  const planner = Planner.for(machine);
  planner.add(loop.strategy, ["task", "table"], (steps, task, table) => {
    new Nest(kernel, loop, runs.streams).emit(steps, task, table, runs.emit);
  });
  return planner.plan(loop.tasks);
}

/** Sums along rows are taken of a few rows at once: each waits for its last addition, and others can be done meanwhile. */
function withRowsTogether(kernel: LoopKernel): LoopKernel {
  const { extents, reduced, combine, outputs } = kernel;
  const rows = extents.length - reduced - 1;
  if (combine !== "sum" || rows < 0 || outputs.length > 1 || chooseShape(kernel).strategy !== "rows") return kernel;
  const together = [MOST_SUMS, 3, 2].find((count) => extents[rows]! % count === 0);
  return together ? sideBySide(kernel, rows, together) : kernel;
}

/** What is done where all loops that are not part of runs have an index. */
interface Runs {
  readonly streams: readonly Stream[];
  readonly emit: (steps: Steps, nest: Nest) => void;
}

function mapRuns({ extents, outputs }: LoopKernel, { inner, sections, piece }: LoopPlan): Runs | null {
  const extent = extents[inner]!;
  const inPieces = piece?.loop === inner;
  const elements = new Elements(extents, inner);
  const parts: ((steps: Steps, nest: Nest) => void)[] = [];
  for (const { outputs: positions, guards, from, to } of sections) {
    if (inPieces && (from > 0 || to < extent)) return null;
    const results = (inside: boolean): ElementResult[] | null => {
      const all = positions.map((position) => {
        const output = outputs[position]!;
        const { value, dtype } = output;
        return elements.result(output, inside ? valueInside(value, inner) : constant(dtype, value.kind === "guard" ? value.fill : 0));
      });
      return all.includes(null) ? null : (all as ElementResult[]);
    };
    const inside = results(true);
    const outside = from > 0 || to < extent || guards.length > 0 ? results(false) : [];
    if (!inside || !outside) return null;
    parts.push((steps, nest) => {
      const run = (at: Steps, values: readonly ElementResult[], start: number, end: number): void => {
        if (end <= start) return;
        const count = inPieces ? nest.pieceCount() : end - start;
        at.elements({ count, turns: [], across: false, results: moved(values, start) });
      };
      const segments = (at: Steps): void => {
        run(at, outside, 0, from);
        run(at, inside, from, to);
        run(at, outside, to, extent);
      };
      if (guards.length === 0) segments(steps);
      else steps.if(nest.holds(guards), segments, (at) => run(at, outside, 0, extent));
    });
  }
  return {
    streams: elements.streams,
    emit: (steps, nest) => {
      for (const part of parts) part(steps, nest);
    },
  };
}

/** Results some elements further along the run. */
function moved(results: readonly ElementResult[], count: number): readonly ElementResult[] {
  if (count === 0) return results;
  const known = new Map<ElementValue, ElementValue>();
  const move = (value: ElementValue): ElementValue => {
    const before = known.get(value);
    if (before) return before;
    const after =
      value.kind === "load" && value.along
        ? { ...value, offset: value.offset + (value.narrow ? 1 : 4) * count }
        : value.kind === "op"
          ? { ...value, args: value.args.map(move) }
          : value;
    known.set(value, after);
    return after;
  };
  return results.map((result) => ({ ...result, offset: result.offset + 4 * count, value: move(result.value) }));
}

function reducedRuns({ extents, reduced, outputs, combine }: LoopKernel, { inner, strategy, piece }: LoopPlan): Runs | null {
  const elements = new Elements(extents, inner);
  const results = outputs.map((output) => elements.result(output, output.value, combine));
  if (results.length > MOST_SUMS || results.includes(null) || elements.gathers) return null;
  const across = strategy === "rows";
  const loops = extents.map((_, loop) => loop).slice(extents.length - reduced);
  const { streams } = elements;
  if (streams.some(({ steps }) => loops.some((loop) => Math.abs(steps[loop]! * extents[loop]!) >= MOST_BYTES))) return null;
  const emit = (steps: Steps, nest: Nest): void => {
    const turns = loops
      .filter((loop) => loop !== inner)
      .map((loop) => ({
        count: extents[loop]!,
        moves: streams.flatMap(({ pointer, steps: bytes }) => (bytes[loop] === 0 ? [] : [[pointer, bytes[loop]!] as const])),
      }));
    const count: ElementRun["count"] = piece?.loop === inner ? nest.pieceCount() : extents[inner]!;
    steps.elements({ count, turns, across, results: results as ElementResult[] });
  };
  return { streams, emit };
}

/** The loops of a task around its runs. */
class Nest {
  readonly #kernel: LoopKernel;
  readonly #plan: LoopPlan;
  readonly #streams: readonly Stream[];
  readonly #indices: readonly Variable[];
  readonly #start = variable("start");
  readonly #end = variable("end");
  readonly #count = variable("count");

  constructor(kernel: LoopKernel, plan: LoopPlan, streams: readonly Stream[]) {
    this.#kernel = kernel;
    this.#plan = plan;
    this.#streams = streams;
    this.#indices = kernel.extents.map((_, loop) => variable(String.fromCharCode("i".charCodeAt(0) + loop)));
  }

  emit(steps: Steps, task: Variable, table: Variable, body: Runs["emit"]): void {
    const { extents, reduced } = this.#kernel;
    const { fixed, piece, inner } = this.#plan;
    const pointers = this.#streams.map(({ pointer }) => pointer);
    steps.declare(...this.#indices, ...pointers, this.#start, this.#end, this.#count);
    if (piece) {
      steps.set(this.#start, mul(rem(task, piece.count), piece.size));
      steps.set(this.#end, min(add(this.#start, piece.size), extents[piece.loop]!));
      steps.set(this.#count, sub(this.#end, this.#start));
    }
    let divisor = piece?.count ?? 1;
    for (const loop of fixed.toReversed()) {
      steps.set(this.#indices[loop]!, rem(div(task, divisor), extents[loop]!));
      divisor *= extents[loop]!;
    }
    for (const { pointer, buffer, steps: bytes } of this.#streams) {
      const terms: Value[] = fixed.flatMap((loop) => (bytes[loop] === 0 ? [] : [mul(this.#indices[loop]!, bytes[loop]!)]));
      if (piece && bytes[piece.loop] !== 0) terms.push(mul(this.#start, bytes[piece.loop]!));
      steps.set(pointer, add(wordAt(add(table, 4 * buffer)), ...terms));
    }
    const kept = extents.map((_, loop) => loop).slice(0, extents.length - reduced);
    this.#run(
      kept.filter((loop) => !fixed.includes(loop) && loop !== inner),
      steps,
      body,
    );
  }

  /** Where each guard holds at the current indices. */
  holds(guards: readonly Guard[]): Value {
    const conditions = guards.map(({ offset, strides, extent }) => {
      const terms = strides.flatMap((stride, loop): Value[] => (stride === 0 ? [] : [mul(this.#indices[loop]!, stride)]));
      // Negative numbers are large as unsigned ones.
      return below(add(offset, ...terms), extent);
    });
    return mul(...(conditions as [Value, ...Value[]]));
  }

  /** Elements of the task's piece of the innermost loop. */
  pieceCount(): ElementRun["count"] {
    const { piece } = this.#plan;
    const extent = this.#kernel.extents[piece!.loop]!;
    const multiple = [8, 4].find((lanes) => piece!.size % lanes === 0 && extent % lanes === 0) ?? 1;
    return { variable: this.#count, multiple };
  }

  /** Runs the body for every index of the loops. Pointers move along, and from the end of a loop straight to where its next turn around starts. */
  #run([loop, ...rest]: readonly number[], steps: Steps, body: Runs["emit"]): void {
    if (loop === undefined) return body(steps, this);
    const { extents } = this.#kernel;
    const { piece } = this.#plan;
    const index = this.#indices[loop]!;
    const inPieces = piece?.loop === loop;
    const next = rest[0];
    steps.set(index, inPieces ? this.#start : 0);
    steps.repeat(
      (turn) => {
        this.#run(rest, turn, body);
        for (const { pointer, steps: bytes } of this.#streams) {
          const step = bytes[loop]! - (next === undefined ? 0 : extents[next]! * bytes[next]!);
          if (step !== 0) turn.set(pointer, add(pointer, step));
        }
      },
      lt(letBe(index, add(index, 1)), inPieces ? this.#end : extents[loop]!),
    );
  }
}
