/** @file Loop kernels as WebAssembly: element-wise nests ("map"), and reductions along rows (lanes run along the innermost reduced
 * loop and are combined at the end) or along columns (lanes run along the innermost independent loop, a few vectors at a time). */
import { BYTES, type DType } from "../../base/dtype.ts";
import type { Combine, LoopKernel } from "../../ir/kernel.ts";
import { type Expr, forEachExpr, type Guard } from "../../ir/scalar.ts";
import { structuralKey } from "../../ir/structure.ts";
import { LONGEST_REDUCTION, sumBlock } from "../../ir/sums.ts";
import { Addresses, type LoopScope } from "./addresses.ts";
import { type Accumulator, BlockTotals } from "./block-totals.ts";
import { ExprEmitter } from "./expr-code.ts";
import { FunctionBuilder } from "./function-builder.ts";
import type { KernelCode, ModuleContext } from "./kernel-code.ts";
import { chooseShape, isCut, type LoopShape } from "./loop-shape.ts";
import { emitStore } from "./memory-access.ts";
import { F32, I32, OP, SIMD, V128 } from "./opcodes.ts";
import { ELEMENT, type Form, LANES, pushConstant } from "./scalar-code.ts";

/** Elements of one task, about: enough to outweigh claiming it, few enough to share out evenly. */
const TASK_ELEMENTS = 16384;

/** Tasks of a column reduction that are enough to share out. */
const ENOUGH_TASKS = 32;

/** Vectors of results that a column reduction keeps in locals, all outputs together. An operand of each is loaded before they are combined, and
 * with one more the last one would live in memory. */
const COLUMN_VECTORS = 7;

export function emitLoop(kernel: LoopKernel, module: ModuleContext): KernelCode {
  return new LoopEmitter(kernel, module).emit();
}

function identityOf(combine: Combine, dtype: DType): number {
  if (combine === "sum") return 0;
  const float = dtype === "float32";
  return combine === "max" ? (float ? -Infinity : -(2 ** 31)) : float ? Infinity : 2 ** 31 - 1;
}

const INSTRUCTION = { sum: "add", max: "max", min: "min" } as const;

class LoopEmitter {
  readonly #kernel: LoopKernel;
  readonly #module: ModuleContext;
  readonly #f: FunctionBuilder;
  readonly #shape: LoopShape;
  readonly #indices: number[];
  readonly #buffers: number[];
  /** Bounds of the loop that is shared out in pieces. */
  readonly #bounds = new Map<number, { readonly start: number; readonly end: number; readonly size: number }>();
  /** Loops whose index comes from the task number. */
  readonly #fixed = new Set<number>();

  constructor(kernel: LoopKernel, module: ModuleContext) {
    this.#kernel = kernel;
    this.#module = module;
    const buffers = bufferCount(kernel);
    this.#f = new FunctionBuilder(new Array<typeof I32>(buffers + 1).fill(I32));
    this.#buffers = Array.from({ length: buffers }, (_, i) => i + 1);
    this.#shape = chooseShape(kernel);
    this.#indices = kernel.extents.map(() => this.#f.local(I32));
  }

  emit(): KernelCode {
    const tasks = this.#emitTasks();
    const { strategy, inner } = this.#shape;
    const kept = this.#loops(0, this.#kernel.extents.length - this.#kernel.reduced);
    const reducedLoops = this.#loops(kept.length, this.#kernel.extents.length);
    if (strategy === "map")
      this.#nest(
        kept.filter((loop) => loop !== inner),
        () => this.#map(),
      );
    else if (strategy === "columns")
      this.#nest(
        kept.filter((loop) => loop !== inner),
        () => this.#columns(reducedLoops),
      );
    else this.#nest(kept, () => this.#rows(reducedLoops));
    return { tasks, entry: this.#module.add(this.#f) };
  }

  #loops(from: number, to: number): number[] {
    return Array.from({ length: to - from }, (_, i) => from + i);
  }

  /** Decides which outer independent loops tasks run over, and decodes the task number into their indices. */
  #emitTasks(): number {
    const f = this.#f;
    const { extents, reduced } = this.#kernel;
    const kept = extents.length - reduced;
    const work = extents.reduce((n, extent) => n * extent, 1);
    const wanted = Math.max(1, Math.ceil(work / TASK_ELEMENTS));
    let tasks = 1;
    let loop = 0;
    const fixed: number[] = [];
    // Whole loops become tasks while one task would still be too much work.
    while (loop < kept && tasks * extents[loop]! <= wanted && (loop !== this.#shape.inner || !this.#shape.lanes)) {
      tasks *= extents[loop]!;
      fixed.push(loop++);
    }
    let pieces = 1;
    let size = 1;
    // Parts of a row are read less well than whole rows.
    const enough = this.#shape.strategy === "columns" && loop === this.#shape.inner ? ENOUGH_TASKS : wanted;
    if (loop < kept && tasks < enough) {
      size = Math.max(1, Math.ceil(extents[loop]! / Math.ceil(wanted / tasks)));
      if (loop === this.#shape.inner) size = Math.ceil(size / 16) * 16;
      pieces = Math.ceil(extents[loop]! / size);
    }
    if (pieces > 1) {
      const start = f.local(I32);
      const end = f.local(I32);
      f.get(0).i32(pieces).op(OP.i32_rem_u).i32(size).op(OP.i32_mul).tee(start).i32(size).op(OP.i32_add).set(end);
      f.get(end).i32(extents[loop]!).get(end).i32(extents[loop]!).op(OP.i32_lt_s, OP.select).set(end);
      this.#bounds.set(loop, { start, end, size });
    }
    let divisor = pieces;
    for (const outer of fixed.reverse()) {
      f.get(0).i32(divisor).op(OP.i32_div_u).i32(extents[outer]!).op(OP.i32_rem_u).set(this.#indices[outer]!);
      divisor *= extents[outer]!;
      this.#fixed.add(outer);
    }
    return tasks * pieces;
  }

  /** Runs `body` for every index of the loops, those given by the task excepted. */
  #nest(loops: readonly number[], body: () => void): void {
    const f = this.#f;
    const [loop, ...rest] = loops;
    if (loop === undefined) return body();
    if (this.#fixed.has(loop)) return this.#nest(rest, body);
    const index = this.#indices[loop]!;
    const bounds = this.#bounds.get(loop);
    if (!bounds) {
      f.countedLoop(index, 0, this.#kernel.extents[loop]!, 1, () => this.#nest(rest, body));
      return;
    }
    f.get(bounds.start).set(index);
    f.loop(() => {
      this.#nest(rest, body);
      f.get(index).i32(1).op(OP.i32_add).tee(index).get(bounds.end).op(OP.i32_lt_s).branchIf(0);
    });
  }

  #scope(): LoopScope {
    return { f: this.#f, indices: this.#indices, buffers: this.#buffers, inner: this.#shape.inner, relaxed: this.#module.relaxed };
  }

  /** Emits the innermost loop over [from, to) (cut by the task's piece): lanes first, then single elements. The body is built
   * before the prologue, because it says what can be computed once. */
  #inner(emitter: ExprEmitter, from: number, to: number, body: (form: Form) => void): void {
    const f = this.#f;
    const { inner, lanes } = this.#shape;
    const index = this.#indices[inner]!;
    const bounds = this.#bounds.get(inner);
    const extent = to - from;
    if (extent <= 0) return;
    const capture = (form: Form): number[] => {
      emitter.reset();
      const before = f.code.length;
      body(form);
      return f.code.splice(before);
    };
    const laneBody = lanes ? capture("lanes") : [];
    const hasTail = !lanes || bounds !== undefined || extent % 4 !== 0;
    const elementBody = hasTail ? capture("element") : [];
    emitter.emitPrologue();
    const run = (code: readonly number[], step: number, limit: () => void): void => {
      f.block(() => {
        f.get(index).i32(step).op(OP.i32_add);
        limit();
        f.op(OP.i32_gt_s).branchIf(0);
        f.loop(() => {
          for (const byte of code) f.code.push(byte);
          f.get(index).i32(step).op(OP.i32_add).tee(index).i32(step).op(OP.i32_add);
          limit();
          f.op(OP.i32_le_s).branchIf(0);
        });
      });
    };
    if (!bounds) {
      f.i32(from).set(index);
      if (lanes) run(laneBody, 4, () => f.i32(to));
      if (hasTail) run(elementBody, 1, () => f.i32(to));
      return;
    }
    const end = f.local(I32);
    const clip = (value: () => void, limit: number, keepLarger: boolean): void => {
      value();
      f.i32(limit);
      value();
      f.i32(limit).op(keepLarger ? OP.i32_gt_s : OP.i32_lt_s, OP.select);
    };
    clip(() => f.get(bounds.start), from, true);
    f.set(index);
    clip(() => f.get(bounds.end), to, false);
    f.set(end);
    if (lanes) run(laneBody, 4, () => f.get(end));
    run(elementBody, 1, () => f.get(end));
  }

  /** Every output of the current element, each under its own outermost guard. */
  #map(): void {
    const { inner } = this.#shape;
    const { outputs, extents } = this.#kernel;
    const groups = new Map<string, { guards: readonly Guard[]; members: { output: LoopKernel["outputs"][number]; value: Expr; fill: number }[] }>();
    for (const output of outputs) {
      const { value } = output;
      const cut = isCut(value, inner);
      const guards = cut ? value.guards : [];
      const key = structuralKey(guards);
      const group = groups.get(key) ?? { guards, members: [] };
      groups.set(key, group);
      group.members.push({ output, value: cut ? value.inside : value, fill: cut ? value.fill : 0 });
    }
    for (const { guards, members } of groups.values()) {
      const store =
        (pick: (member: (typeof members)[number]) => Expr) =>
        (from: number, to: number): void => {
          const emitter = new ExprEmitter(this.#scope(), members.map(pick));
          this.#inner(emitter, from, to, (form) => {
            for (const member of members) {
              const { buffer, at, dtype } = member.output;
              emitter.addresses.push(buffer, at, dtype);
              emitter.push(pick(member), form);
              emitStore(this.#f, dtype, form);
            }
          });
        };
      const inside = store((member) => member.value);
      const outside = store(({ output, fill }) => ({ kind: "const", dtype: output.dtype, value: fill }));
      const extent = extents[inner]!;
      const outer = guards.filter((guard) => guard.strides[inner] === 0);
      let [low, high] = [0, extent];
      for (const guard of guards) {
        if (guard.strides[inner] !== 1) continue;
        low = Math.max(low, -guard.offset);
        high = Math.min(high, guard.extent - guard.offset);
      }
      [low, high] = [Math.min(low, extent), Math.max(high, Math.min(low, extent))];
      const segments = (): void => {
        outside(0, low);
        inside(low, high);
        outside(high, extent);
      };
      if (outer.length === 0) segments();
      else {
        new Addresses(this.#scope()).pushGuards(outer);
        this.#f.if(segments, () => outside(0, extent));
      }
    }
  }

  /** Lanes along the last independent loop. A few vectors of results at a time stay in locals while all reduced turns go by. */
  #columns(reducedLoops: readonly number[]): void {
    const f = this.#f;
    const { inner } = this.#shape;
    const extent = this.#kernel.extents[inner]!;
    const index = this.#indices[inner]!;
    const bounds = this.#bounds.get(inner);
    const limit = Math.floor(((this.#module.wide ? 2 : 1) * COLUMN_VECTORS) / this.#kernel.outputs.length);
    const unroll = largestDivisor(Math.floor((bounds?.size ?? extent) / 4), Math.max(1, limit));
    if (bounds) f.get(bounds.start).set(index);
    else f.i32(0).set(index);
    /** Blocks of `width` elements while they fit. */
    const sweep = (width: number, body: () => void): void => {
      f.block(() => {
        f.loop(() => {
          f.get(index).i32(width).op(OP.i32_add);
          if (bounds) f.get(bounds.end);
          else f.i32(extent);
          f.op(OP.i32_gt_s).branchIf(1);
          body();
          f.get(index).i32(width).op(OP.i32_add).set(index).branch(0);
        });
      });
    };
    sweep(4 * unroll, () => this.#columnBlock(reducedLoops, "lanes", unroll));
    if (unroll > 1 && (bounds || extent % (4 * unroll) >= 4)) sweep(4, () => this.#columnBlock(reducedLoops, "lanes", 1));
    if (bounds || extent % 4 !== 0) sweep(1, () => this.#columnBlock(reducedLoops, "element", 1));
  }

  #columnBlock(reducedLoops: readonly number[], form: Form, vectors: number): void {
    const f = this.#f;
    const { outputs, combine } = this.#kernel;
    const values = outputs.map((output) => output.value);
    const accumulators = outputs.map(({ dtype }) =>
      Array.from({ length: vectors }, (): Accumulator => ({ local: f.local(form === "lanes" ? V128 : dtype === "float32" ? F32 : I32), dtype, form })),
    );
    this.#inBlocks(reducedLoops, accumulators.flat(), (loops) => {
      for (const { local, dtype } of accumulators.flat()) {
        this.#pushIdentity(combine!, dtype, form);
        f.set(local);
      }
      this.#nest(loops, () => {
        const emitter = new ExprEmitter(this.#scope(), values);
        this.#afterPrologue(emitter, () => {
          for (let vector = 0; vector < vectors; vector++) {
            emitter.reset(4 * vector);
            outputs.forEach(({ dtype }, i) => {
              const { local } = accumulators[i]![vector]!;
              f.get(local);
              emitter.push(values[i]!, form);
              this.#combine(form, dtype, i);
              f.set(local);
            });
          }
        });
      });
    });
    const emitter = new ExprEmitter(this.#scope(), []);
    this.#afterPrologue(emitter, () => {
      outputs.forEach(({ buffer, at, dtype }, i) => {
        accumulators[i]!.forEach(({ local }, vector) => {
          emitter.addresses.push(buffer, at, dtype);
          f.get(local);
          emitStore(f, dtype, form, 16 * vector);
        });
      });
    });
  }

  /** Runs `body` with the reduced loops that it is to go through, which leaves their sums in the accumulators. Where an accumulator would take too
   * many terms, it goes through a block of them at a time. */
  #inBlocks(reducedLoops: readonly number[], accumulators: readonly Accumulator[], body: (loops: readonly number[]) => void): void {
    const f = this.#f;
    const { extents, combine, outputs } = this.#kernel;
    const { inner, lanes, strategy } = this.#shape;
    const terms = (loop: number): number => extents[loop]! / (strategy === "rows" && lanes && loop === inner ? 4 : 1);
    const total = reducedLoops.reduce((n, loop) => n * terms(loop), 1);
    if (combine !== "sum" || total <= LONGEST_REDUCTION || !outputs.some(({ dtype }) => dtype === "float32")) return body(reducedLoops);
    // The innermost loops that fit into a block, and as many turns of the next one as do.
    const block = sumBlock(0);
    let cut = reducedLoops.length - 1;
    let inside = 1;
    while (inside * terms(reducedLoops[cut]!) < block) inside *= terms(reducedLoops[cut--]!);
    const loop = reducedLoops[cut]!;
    const extent = extents[loop]!;
    const size = Math.floor(block / inside) * (extent / terms(loop));
    const totals = new BlockTotals(f, accumulators);
    const [start, end] = [f.local(I32), f.local(I32)];
    this.#nest(reducedLoops.slice(0, cut), () => {
      this.#bounds.set(loop, { start, end, size });
      f.i32(0).set(start);
      f.loop(() => {
        f.get(start).i32(size).op(OP.i32_add).tee(end).i32(extent).get(end).i32(extent).op(OP.i32_lt_s, OP.select).set(end);
        body(reducedLoops.slice(cut));
        totals.add();
        f.get(end).tee(start).i32(extent).op(OP.i32_lt_s).branchIf(0);
      });
      this.#bounds.delete(loop);
    });
    totals.finish();
  }

  /** Emits code with the prologue it turns out to need before it. */
  #afterPrologue(emitter: ExprEmitter, emit: () => void): void {
    const { code } = this.#f;
    const before = code.length;
    emit();
    const body = code.splice(before);
    emitter.emitPrologue();
    for (const byte of body) code.push(byte);
  }

  #pushIdentity(combine: Combine, dtype: DType, form: Form): void {
    pushConstant(this.#f, dtype, identityOf(combine, dtype), form);
  }

  #combine(form: Form, dtype: DType, output: number): void {
    const f = this.#f;
    const op = INSTRUCTION[this.#kernel.combine!];
    if (form === "lanes" && op === "max" && isMagnitude(this.#kernel.outputs[output]!.value)) f.simd(SIMD.i32x4_max_s);
    else if (form === "lanes") LANES[op](f, dtype);
    else if (dtype === "float32" || op === "add") ELEMENT[op](f, dtype);
    else {
      const [a, b] = [f.local(I32), f.local(I32)];
      f.set(b)
        .tee(a)
        .get(b)
        .get(a)
        .get(b)
        .op(op === "min" ? OP.i32_lt_s : OP.i32_gt_s, OP.select);
    }
  }

  /** Lanes along the last reduced loop, in registers; combined pairwise at the end. */
  #rows(reducedLoops: readonly number[]): void {
    const f = this.#f;
    const { outputs, extents, combine } = this.#kernel;
    const { inner, lanes } = this.#shape;
    const elements = outputs.map(({ dtype }): Accumulator => ({ local: f.local(dtype === "float32" ? F32 : I32), dtype, form: "element" }));
    const vectors = outputs.map(() => f.local(V128));
    this.#inBlocks(reducedLoops, elements, (loops) => {
      outputs.forEach(({ dtype }, i) => {
        this.#pushIdentity(combine!, dtype, "element");
        f.set(elements[i]!.local);
        this.#pushIdentity(combine!, dtype, "lanes");
        f.set(vectors[i]!);
      });
      this.#nest(
        loops.filter((loop) => loop !== inner),
        () => {
          const emitter = new ExprEmitter(
            this.#scope(),
            outputs.map((output) => output.value),
          );
          this.#inner(emitter, 0, extents[inner]!, (form) => {
            outputs.forEach(({ value, dtype }, i) => {
              const accumulator = form === "lanes" ? vectors[i]! : elements[i]!.local;
              f.get(accumulator);
              emitter.push(value, form);
              this.#combine(form, dtype, i);
              f.set(accumulator);
            });
          });
        },
      );
      if (!lanes) return;
      outputs.forEach(({ dtype }, i) => {
        // (0,1,2,3) + (2,3,·,·), then + (1,·,·,·): the same order everywhere.
        for (const shift of [8, 4]) {
          f.get(vectors[i]!)
            .get(vectors[i]!)
            .get(vectors[i]!)
            .shuffle(Array.from({ length: 16 }, (_, byte) => (byte + shift) % 16));
          this.#combine("lanes", dtype, i);
          f.set(vectors[i]!);
        }
        f.get(vectors[i]!);
        if (dtype === "float32") f.extractLaneF32(0);
        else f.extractLaneI32(0);
        f.get(elements[i]!.local);
        this.#combine("element", dtype, i);
        f.set(elements[i]!.local);
      });
    });
    outputs.forEach(({ buffer, at, dtype }, i) => {
      this.#storeResult(buffer, at, dtype, elements[i]!.local);
    });
  }

  #storeResult(buffer: number, at: { offset: number; strides: readonly number[] }, dtype: DType, local: number): void {
    const f = this.#f;
    f.get(this.#buffers[buffer]!)
      .i32(at.offset * BYTES[dtype])
      .op(OP.i32_add);
    at.strides.forEach((stride, loop) => {
      if (stride !== 0)
        f.get(this.#indices[loop]!)
          .i32(stride * BYTES[dtype])
          .op(OP.i32_mul, OP.i32_add);
    });
    f.get(local);
    emitStore(f, dtype, "element");
  }
}

/** Whether a float32 has no sign. Then its bits are ordered like integers, NaN last, and the integers' maximum is one instruction of x86 where
 * the floats' is seven, each waiting for the one before. */
function isMagnitude(value: Expr): boolean {
  return value.kind === "op" && value.op === "abs" && value.dtype === "float32";
}

/** The largest divisor of n that is not above the limit. */
function largestDivisor(n: number, limit: number): number {
  let divisor = Math.min(n, limit);
  while (divisor > 1 && n % divisor !== 0) divisor--;
  return divisor;
}

function bufferCount({ outputs }: LoopKernel): number {
  let last = Math.max(...outputs.map((output) => output.buffer));
  forEachExpr(
    outputs.map((output) => output.value),
    (expr) => {
      if (expr.kind === "load" || expr.kind === "gather") last = Math.max(last, expr.buffer);
    },
  );
  return last + 1;
}
