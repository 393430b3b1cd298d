/** @file A planned loop nest as code: which part of it a task runs, its outer loops, and its innermost loop in lanes and single elements. */
import type { LoopKernel } from "../../ir/kernel.ts";
import { forEachExpr } from "../../ir/scalar.ts";
import type { LoopPlan } from "../plan/loop-plan.ts";
import type { LoopScope } from "./addresses.ts";
import type { ExprEmitter } from "./expr-code.ts";
import { FunctionBuilder } from "./function-builder.ts";
import type { ModuleContext } from "./kernel-code.ts";
import { I32, OP } from "./opcodes.ts";
import type { Form } from "./scalar-code.ts";

/** Locals that hold where a part of a loop starts and ends. */
interface Bounds {
  readonly start: number;
  readonly end: number;
}

/** The function of a loop kernel under construction. */
export class Nest {
  readonly kernel: LoopKernel;
  readonly plan: LoopPlan;
  readonly f: FunctionBuilder;
  readonly scope: LoopScope;
  /** Of the loops that are run in parts. */
  readonly #bounds = new Map<number, Bounds>();

  constructor(kernel: LoopKernel, plan: LoopPlan, { relaxed }: ModuleContext) {
    this.kernel = kernel;
    this.plan = plan;
    const buffers = bufferCount(kernel);
    const f = new FunctionBuilder(new Array<typeof I32>(buffers + 1).fill(I32));
    this.f = f;
    const indices = kernel.extents.map(() => f.local(I32));
    this.scope = { f, indices, buffers: Array.from({ length: buffers }, (_, i) => i + 1), inner: plan.inner, relaxed };
    this.#emitTask();
  }

  /** Decodes the task number into its loops' indices and its piece's bounds. */
  #emitTask(): void {
    const { f, plan } = this;
    const { extents } = this.kernel;
    const { piece } = plan;
    if (piece) {
      const extent = extents[piece.loop]!;
      const [start, end] = [f.local(I32), f.local(I32)];
      f.get(0).i32(piece.count).op(OP.i32_rem_u).i32(piece.size).op(OP.i32_mul).tee(start).i32(piece.size).op(OP.i32_add).set(end);
      f.get(end).i32(extent).get(end).i32(extent).op(OP.i32_lt_s, OP.select).set(end);
      this.#bounds.set(piece.loop, { start, end });
    }
    let divisor = piece?.count ?? 1;
    for (const outer of plan.fixed.toReversed()) {
      f.get(0).i32(divisor).op(OP.i32_div_u).i32(extents[outer]!).op(OP.i32_rem_u).set(this.scope.indices[outer]!);
      divisor *= extents[outer]!;
    }
  }

  /** Where a loop's part starts and ends; undefined where it is run whole. */
  boundsOf(loop: number): Bounds | undefined {
    return this.#bounds.get(loop);
  }

  /** Runs `body` for every index of the loops, those given by the task excepted. */
  run(loops: readonly number[], body: () => void): void {
    const { f, kernel, plan } = this;
    const [loop, ...rest] = loops;
    if (loop === undefined) return body();
    if (plan.fixed.includes(loop)) return this.run(rest, body);
    const index = this.scope.indices[loop]!;
    const bounds = this.#bounds.get(loop);
    if (!bounds) {
      f.countedLoop(index, 0, kernel.extents[loop]!, 1, () => this.run(rest, body));
      return;
    }
    f.get(bounds.start).set(index);
    f.loop(() => {
      this.run(rest, body);
      f.get(index).i32(1).op(OP.i32_add).tee(index).get(bounds.end).op(OP.i32_lt_s).branchIf(0);
    });
  }

  /** Runs `body` for one block of a loop's turns after the other; inside, the loop is the block. */
  inBlocks(loop: number, size: number, body: () => void): void {
    const { f } = this;
    const extent = this.kernel.extents[loop]!;
    const [start, end] = [f.local(I32), f.local(I32)];
    return this.run(
      this.reduced().filter((outer) => outer < loop),
      () => {
        this.#bounds.set(loop, { start, end });
        f.i32(0).set(start);
        f.loop(() => {
          f.get(start).i32(size).op(OP.i32_add).tee(end).i32(extent).get(end).i32(extent).op(OP.i32_lt_s, OP.select).set(end);
          body();
          f.get(end).tee(start).i32(extent).op(OP.i32_lt_s).branchIf(0);
        });
        this.#bounds.delete(loop);
      },
    );
  }

  /** The independent loops, outermost first. */
  kept(): number[] {
    const { extents, reduced } = this.kernel;
    return Array.from({ length: extents.length - reduced }, (_, loop) => loop);
  }

  /** The reduced loops, outermost first. */
  reduced(): number[] {
    const { extents, reduced } = this.kernel;
    return Array.from({ length: reduced }, (_, i) => extents.length - reduced + i);
  }

  /** Emits the innermost loop over [from, to) (cut by the task's piece): lanes first, then single elements. The body is built
   * before the prologue, because it says what can be computed once. */
  runInner(emitter: ExprEmitter, from: number, to: number, body: (form: Form) => void): void {
    const { f } = this;
    const { inner, lanes } = this.plan;
    const index = this.scope.indices[inner]!;
    const bounds = this.#bounds.get(inner);
    const extent = to - from;
    if (extent <= 0) return;
    const capture = (form: Form): number[] => {
      emitter.reset();
      return this.#captured(() => body(form));
    };
    const laneBody = lanes ? capture("lanes") : [];
    const hasTail = !lanes || bounds !== undefined || extent % 4 !== 0;
    const elementBody = hasTail ? capture("element") : [];
    emitter.emitPrologue();
    const sweep = (code: readonly number[], step: number, limit: () => void): void => {
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
      if (lanes) sweep(laneBody, 4, () => f.i32(to));
      if (hasTail) sweep(elementBody, 1, () => f.i32(to));
      return;
    }
    const end = f.local(I32);
    const clip = (value: number, limit: number, keepLarger: boolean): void => {
      f.get(value).i32(limit).get(value);
      f.i32(limit).op(keepLarger ? OP.i32_gt_s : OP.i32_lt_s, OP.select);
    };
    clip(bounds.start, from, true);
    f.set(index);
    clip(bounds.end, to, false);
    f.set(end);
    if (lanes) sweep(laneBody, 4, () => f.get(end));
    sweep(elementBody, 1, () => f.get(end));
  }

  /** Emits code with the prologue it turns out to need before it. */
  afterPrologue(emitPrologue: () => void, emit: () => void): void {
    const body = this.#captured(emit);
    emitPrologue();
    for (const byte of body) this.f.code.push(byte);
  }

  /** Takes what is emitted out of the function again. */
  #captured(emit: () => void): number[] {
    const { code } = this.f;
    const before = code.length;
    emit();
    return code.splice(before);
  }
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
