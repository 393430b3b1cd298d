/** @file Expressions as code: one element at a time, or four neighbours of the innermost loop at a time. Whatever does not change
 * along the innermost loop is computed before it. */
import { BYTES, type DType } from "../../base/dtype.ts";
import type { Affine, Expr, GatherTerm, Guard } from "../../ir/scalar.ts";
import type { FunctionBuilder } from "./function-builder.ts";
import { F32, I32, OP, SIMD, V128 } from "./opcodes.ts";
import { ELEMENT, LANES } from "./scalar-code.ts";

export type Form = "element" | "lanes";

/** Where the emitter finds loop indices and buffer addresses. */
export interface LoopScope {
  readonly f: FunctionBuilder;
  /** Local of each loop's index; the innermost loop's index advances by 4 in lane form. */
  readonly indices: readonly number[];
  /** Local of each buffer's byte address. */
  readonly buffers: readonly number[];
  /** The innermost loop in execution order. */
  readonly inner: number;
  /** Whether relaxed SIMD may be used. */
  readonly relaxed: boolean;
}

const elementType = (dtype: DType): typeof F32 | typeof I32 => (dtype === "float32" ? F32 : I32);

/** Whether a kernel's expressions can run on lanes at all. */
export function hasLaneForm(roots: readonly Expr[], inner: number): boolean {
  const seen = new Set<Expr>();
  const fits = (expr: Expr): boolean => {
    if (seen.has(expr)) return true;
    seen.add(expr);
    switch (expr.kind) {
      case "guard":
        return expr.guards.every((guard) => guard.strides[inner] === 0) && fits(expr.inside);
      case "gather":
        return expr.terms.every((term) => fits(term.index));
      case "op":
        // Lane shifts take one amount for all lanes.
        if ((expr.op === "shiftLeft" || expr.op === "shiftRight") && expr.args[1]!.kind !== "const") return false;
        return expr.args.every(fits);
      default:
        return true;
    }
  };
  return roots.every(fits);
}

/** An address that is computed before the loop. */
interface Base {
  readonly local: number;
  readonly buffer: number;
  readonly at: Affine;
  readonly bytes: number;
  /** The part of a gather's address that is itself computed. */
  readonly terms: readonly GatherTerm[];
}

function placeKey(buffer: number, { offset, strides }: Affine): string {
  return `${buffer};${offset};${strides.join()}`;
}

/** Emits expressions of one kernel. Use: capture the loop body, then `emitPrologue` before the loop, then append the body. */
export class ExprEmitter {
  readonly #scope: LoopScope;
  readonly #f: FunctionBuilder;
  readonly #uses = new Map<Expr, number>();
  readonly #varies = new Map<Expr, boolean>();
  /** The loads by place. */
  readonly #loads = new Map<string, Expr & { kind: "load" }>();
  /** Values computed before the loop, by form. */
  readonly #hoisted: Record<Form, Map<Expr, number>> = { element: new Map(), lanes: new Map() };
  /** Base addresses computed before the loop. */
  readonly #bases = new Map<string, Base>();
  /** Values already computed in the current turn. */
  #memo = new Map<Expr, number>();

  constructor(scope: LoopScope, roots: readonly Expr[]) {
    this.#scope = scope;
    this.#f = scope.f;
    const count = (expr: Expr): void => {
      const uses = this.#uses.get(expr) ?? 0;
      this.#uses.set(expr, uses + 1);
      if (uses > 0) return;
      if (expr.kind === "load") this.#loads.set(placeKey(expr.buffer, expr.at), expr);
      if (expr.kind === "op") expr.args.forEach(count);
      else if (expr.kind === "guard") count(expr.inside);
      else if (expr.kind === "gather") for (const term of expr.terms) count(term.index);
    };
    roots.forEach(count);
  }

  /** Starts a new turn of the loop body: nothing computed so far may be reused. In an unrolled body, `shift` is how many elements
   * of the innermost loop this copy is ahead of the index; it goes into the constant offsets of loads. */
  reset(shift = 0): void {
    this.#memo = new Map();
    this.#shift = shift;
  }

  /** Pushes the value. */
  push(expr: Expr, form: Form): void {
    const f = this.#f;
    if (expr.kind === "const") return this.#pushConstant(expr.dtype, expr.value, form);
    const hoisted = this.#hoisted[form].get(expr);
    if (hoisted !== undefined) {
      f.get(hoisted);
      return;
    }
    if (!this.#variesInside(expr) && expr.kind !== "guard" && !this.#inGuard) {
      const local = f.local(form === "lanes" ? V128 : elementType(expr.dtype));
      this.#hoisted[form].set(expr, local);
      f.get(local);
      return;
    }
    const known = this.#memo.get(expr);
    if (known !== undefined) {
      f.get(known);
      return;
    }
    this.#compute(expr, form);
    if (this.#uses.get(expr)! > 1) {
      const local = f.local(form === "lanes" ? V128 : elementType(expr.dtype));
      f.tee(local);
      this.#memo.set(expr, local);
    }
  }

  /** Pushes the address of an element of the innermost loop: what does not vary, plus index · stride. */
  pushAddress(buffer: number, at: Affine, dtype: DType, terms: readonly GatherTerm[] = []): void {
    const f = this.#f;
    const bytes = BYTES[dtype];
    const key = `${placeKey(buffer, at)};${bytes};${terms.map((term) => this.#numberOf(term.index)).join()}`;
    let base = this.#bases.get(key);
    if (!base) {
      base = { local: f.local(I32), buffer, at, bytes, terms };
      this.#bases.set(key, base);
    }
    f.get(base.local);
    const stride = at.strides[this.#scope.inner]! * bytes;
    if (stride !== 0) this.#pushScaled(this.#scope.indices[this.#scope.inner]!, stride).op(OP.i32_add);
  }

  /** Emits what `push` and `pushAddress` have put off, to stand before the loop. */
  emitPrologue(): void {
    const f = this.#f;
    const inner = this.#scope.inner;
    this.reset();
    for (const form of ["element", "lanes"] as const) {
      for (const [expr, local] of [...this.#hoisted[form]]) {
        this.#computeInvariant(expr);
        if (form === "lanes") this.#splat(expr.dtype);
        f.set(local);
      }
    }
    for (const { local, buffer, at, bytes, terms } of this.#bases.values()) {
      const outer = { offset: at.offset, strides: at.strides.map((stride, loop) => (loop === inner ? 0 : stride)) };
      f.get(this.#scope.buffers[buffer]!);
      this.#pushAffine(outer, bytes);
      f.op(OP.i32_add);
      this.#addTerms(terms, bytes, (index) => this.#computeInvariant(index));
      f.set(local);
    }
  }

  /** Pushes 1 if every guard holds at the current indices, in element form. */
  pushGuards(guards: readonly Guard[]): void {
    guards.forEach((guard, i) => {
      this.#pushAffine(guard, 1);
      // Negative numbers are large as unsigned ones.
      this.#f.i32(guard.extent).op(OP.i32_lt_u);
      if (i > 0) this.#f.op(OP.i32_and);
    });
  }

  #numberOf(expr: Expr): number {
    const number = this.#numbers.get(expr) ?? this.#numbers.size;
    this.#numbers.set(expr, number);
    return number;
  }

  readonly #numbers = new Map<Expr, number>();
  #inGuard = false;
  #shift = 0;

  #variesInside(expr: Expr): boolean {
    const known = this.#varies.get(expr);
    if (known !== undefined) return known;
    const inner = this.#scope.inner;
    let varies = false;
    if (expr.kind === "load" || expr.kind === "index") varies = expr.at.strides[inner] !== 0;
    else if (expr.kind === "gather") varies = expr.at.strides[inner] !== 0 || expr.terms.some((term) => this.#variesInside(term.index));
    else if (expr.kind === "guard") varies = expr.guards.some((guard) => guard.strides[inner] !== 0) || this.#variesInside(expr.inside);
    else if (expr.kind === "op") varies = expr.args.map((arg) => this.#variesInside(arg)).some(Boolean);
    this.#varies.set(expr, varies);
    return varies;
  }

  /** Computes a loop-invariant value in element form, outside of the loop. */
  #computeInvariant(expr: Expr): void {
    const f = this.#f;
    const known = this.#memo.get(expr);
    if (known !== undefined) {
      f.get(known);
      return;
    }
    this.#computeInvariantAfresh(expr);
    if (this.#uses.get(expr)! > 1 && expr.kind !== "const") {
      const local = f.local(elementType(expr.dtype));
      f.tee(local);
      this.#memo.set(expr, local);
    }
  }

  #computeInvariantAfresh(expr: Expr): void {
    const f = this.#f;
    switch (expr.kind) {
      case "load":
        f.get(this.#scope.buffers[expr.buffer]!);
        this.#pushAffine(expr.at, BYTES[expr.dtype]);
        f.op(OP.i32_add);
        this.#load(expr.dtype);
        return;
      case "op":
        this.#applyElement(expr, (arg) => this.#computeInvariant(arg));
        return;
      case "gather":
        this.#gatherElement(
          expr,
          (index) => this.#computeInvariant(index),
          () => {
            f.get(this.#scope.buffers[expr.buffer]!);
            this.#pushAffine(expr.at, BYTES[expr.dtype]);
            f.op(OP.i32_add);
          },
        );
        return;
      case "index":
        this.#pushAffine(expr.at, 1);
        return;
      case "guard":
        this.#guarded(expr, "element", (inside) => this.#computeInvariant(inside));
        return;
      case "const":
        this.#pushConstant(expr.dtype, expr.value, "element");
    }
  }

  #compute(expr: Expr, form: Form): void {
    const f = this.#f;
    const { inner } = this.#scope;
    switch (expr.kind) {
      case "const":
        return;
      case "index":
        this.#pushAffine({ ...expr.at, offset: expr.at.offset + this.#shift * expr.at.strides[inner]! }, 1);
        if (form === "element") return;
        f.simd(SIMD.i32x4_splat);
        if (expr.at.strides[inner] !== 0) {
          this.#pushRamp(expr.at.strides[inner]!);
          f.simd(SIMD.i32x4_add);
        }
        return;
      case "load":
        if (form === "element") {
          this.pushAddress(expr.buffer, expr.at, expr.dtype);
          return this.#load(expr.dtype);
        }
        if (this.#transposeNeighbours(expr)) {
          f.get(this.#memo.get(expr)!);
          return;
        }
        return this.#loadLanes(expr.buffer, expr.at, expr.dtype);
      case "gather":
        if (this.#isSteady(expr)) {
          if (form === "lanes") return this.#loadLanes(expr.buffer, expr.at, expr.dtype, expr.terms);
          this.pushAddress(expr.buffer, expr.at, expr.dtype, expr.terms);
          return this.#load(expr.dtype);
        }
        if (form === "element")
          return this.#gatherElement(
            expr,
            (index) => this.push(index, form),
            () => this.pushAddress(expr.buffer, expr.at, expr.dtype),
          );
        return this.#gatherLanes(expr);
      case "guard":
        return this.#guarded(expr, form, (inside) => this.push(inside, form));
      case "op":
        if (form === "element") return this.#applyElement(expr, (arg) => this.push(arg, form));
        this.#applyLanes(expr);
    }
  }

  #applyElement(expr: Expr & { kind: "op" }, push: (arg: Expr) => void): void {
    const f = this.#f;
    const { op, args } = expr;
    const operand = args[op === "select" ? 1 : 0]!.dtype;
    if (operand !== "float32" && (op === "max" || op === "min" || op === "abs")) {
      const a = f.local(I32);
      const b = f.local(I32);
      push(args[0]!);
      f.tee(a);
      if (op === "abs") f.get(a).i32(-1).op(OP.i32_mul).tee(b);
      else {
        push(args[1]!);
        f.tee(b);
      }
      f.get(a)
        .get(b)
        .op(op === "min" ? OP.i32_lt_s : OP.i32_gt_s)
        .op(OP.select);
      return;
    }
    for (const arg of op === "select" ? [args[1]!, args[2]!, args[0]!] : args) push(arg);
    ELEMENT[op](f, operand);
  }

  #applyLanes({ op, args }: Expr & { kind: "op" }): void {
    if (op === "select") return this.#selectLanes(args as readonly [Expr, Expr, Expr]);
    const f = this.#f;
    const operand = args[0]!.dtype;
    this.push(args[0]!, "lanes");
    if (op === "shiftLeft" || op === "shiftRight") f.i32((args[1] as Expr & { kind: "const" }).value);
    else if (args[1]) this.push(args[1], "lanes");
    const other = args[1];
    // pmin and pmax are one instruction of x86 where min and max are seven. With a constant other than zero or NaN they differ in nothing,
    // as long as the constant comes second: where the comparison fails, as with NaN, they give the first.
    const pseudo = operand === "float32" && other?.kind === "const" && other.value !== 0 && !Number.isNaN(other.value);
    if (pseudo && op === "min") f.simd(SIMD.f32x4_pmin);
    else if (pseudo && op === "max") f.simd(SIMD.f32x4_pmax);
    else LANES[op](f, operand);
  }

  /** Conditions are masks of whole lanes: selecting zero is one instruction, and so is the relaxed form, which is then exact. */
  #selectLanes([condition, then, otherwise]: readonly [Expr, Expr, Expr]): void {
    const f = this.#f;
    const isZero = (expr: Expr): boolean => expr.kind === "const" && Object.is(expr.value, 0);
    if (isZero(otherwise) || isZero(then)) {
      this.push(isZero(otherwise) ? then : otherwise, "lanes");
      this.push(condition, "lanes");
      f.simd(isZero(otherwise) ? SIMD.v128_and : SIMD.v128_andnot);
      return;
    }
    for (const arg of [then, otherwise, condition]) this.push(arg, "lanes");
    if (this.#scope.relaxed) f.simd(SIMD.i32x4_relaxed_laneselect);
    else LANES.select(f, then.dtype);
  }

  /** Pushes base address + Σ clipped index · stride, then loads. */
  #gatherElement(expr: Expr & { kind: "gather" }, push: (index: Expr) => void, pushBase: () => void): void {
    pushBase();
    this.#addTerms(expr.terms, BYTES[expr.dtype], push);
    this.#load(expr.dtype);
  }

  /** Adds Σ clipped index · stride to the address on the stack. */
  #addTerms(terms: readonly GatherTerm[], bytes: number, push: (index: Expr) => void): void {
    for (const { index, stride, extent } of terms) {
      push(index);
      this.#clip(extent);
      this.#f.i32(stride * bytes).op(OP.i32_mul, OP.i32_add);
    }
  }

  /** Whether a gather only moves along with the innermost loop: a load, but for where it starts. */
  #isSteady({ terms }: Expr & { kind: "gather" }): boolean {
    return !this.#inGuard && terms.every((term) => !this.#variesInside(term.index));
  }

  #clip(extent: number): void {
    const f = this.#f;
    const value = f.local(I32);
    f.set(value);
    f.i32(0).get(value).get(value).i32(0).op(OP.i32_lt_s, OP.select).set(value);
    f.i32(extent - 1)
      .get(value)
      .get(value)
      .i32(extent - 1)
      .op(OP.i32_gt_s, OP.select);
  }

  #gatherLanes(expr: Expr & { kind: "gather" }): void {
    const f = this.#f;
    const offsets = f.local(V128);
    const base = f.local(I32);
    const result = f.local(V128);
    f.v128(0);
    for (const { index, stride, extent } of expr.terms) {
      this.push(index, "lanes");
      f.v128(0)
        .simd(SIMD.i32x4_max_s)
        .v128(extent - 1)
        .simd(SIMD.i32x4_min_s);
      f.v128(stride * BYTES[expr.dtype])
        .simd(SIMD.i32x4_mul)
        .simd(SIMD.i32x4_add);
    }
    const stride = expr.at.strides[this.#scope.inner]! * BYTES[expr.dtype];
    if (stride !== 0) {
      this.#pushRamp(stride, this.#shift * stride);
      f.simd(SIMD.i32x4_add);
    }
    f.set(offsets);
    this.pushAddress(expr.buffer, expr.at, expr.dtype);
    f.set(base);
    f.v128(0).set(result);
    for (let lane = 0; lane < 4; lane++) {
      const pushLaneAddress = (): void => {
        f.get(base).get(offsets).extractLaneI32(lane).op(OP.i32_add);
      };
      if (BYTES[expr.dtype] === 4) {
        pushLaneAddress();
        f.get(result).v128LoadLane(lane);
      } else {
        f.get(result);
        pushLaneAddress();
        f.i32Load8().replaceLaneI32(lane);
      }
      f.set(result);
    }
    f.get(result);
    if (expr.dtype === "bool") LANES.toBool(f, "uint8");
  }

  #guarded(expr: Expr & { kind: "guard" }, form: Form, push: (inside: Expr) => void): void {
    const f = this.#f;
    this.pushGuards(expr.guards);
    const memo = this.#memo;
    const wasInGuard = this.#inGuard;
    f.if(
      () => {
        // What is computed here exists only on this branch.
        this.#memo = new Map(memo);
        this.#inGuard = true;
        push(expr.inside);
      },
      () => this.#pushConstant(expr.dtype, expr.fill, form),
      form === "lanes" ? V128 : elementType(expr.dtype),
    );
    this.#memo = memo;
    this.#inGuard = wasInGuard;
  }

  #load(dtype: DType): void {
    if (dtype === "float32") this.#f.f32Load();
    else if (dtype === "int32") this.#f.i32Load();
    else this.#f.i32Load8();
  }

  /** Where lanes lie apart, but four of the kernel's loads next to each other, these are loaded as four vectors across them and turned. Under a guard
   * the neighbours might not be there. */
  #transposeNeighbours({ buffer, at, dtype }: Expr & { kind: "load" }): boolean {
    const stride = at.strides[this.#scope.inner]! * BYTES[dtype];
    if (BYTES[dtype] !== 4 || stride < 8 || this.#shift !== 0 || this.#inGuard) return false;
    const neighbour = (offset: number): (Expr & { kind: "load" }) | undefined => this.#loads.get(placeKey(buffer, { ...at, offset }));
    let start = at.offset;
    while (neighbour(start - 1)) start--;
    start += 4 * Math.floor((at.offset - start) / 4);
    const columns = [0, 1, 2, 3].map((i) => neighbour(start + i));
    if (!columns.every((column) => column !== undefined)) return false;
    const f = this.#f;
    const vectors = Array.from({ length: 8 }, () => f.local(V128));
    const [rows, halves] = [vectors.slice(0, 4), vectors.slice(4)];
    const base = f.local(I32);
    this.pushAddress(buffer, { ...at, offset: start }, dtype);
    f.set(base);
    rows.forEach((row, lane) => {
      f.get(base)
        .v128Load(lane * stride)
        .set(row);
    });
    const pick = (a: number, b: number, words: readonly number[], to: number): void => {
      f.get(a).get(b).shuffleWords(words).set(to);
    };
    for (const i of [0, 1]) {
      pick(rows[2 * i]!, rows[2 * i + 1]!, [0, 4, 1, 5], halves[2 * i]!);
      pick(rows[2 * i]!, rows[2 * i + 1]!, [2, 6, 3, 7], halves[2 * i + 1]!);
    }
    for (const i of [0, 1]) {
      pick(halves[i]!, halves[i + 2]!, [0, 1, 4, 5], rows[2 * i]!);
      pick(halves[i]!, halves[i + 2]!, [2, 3, 6, 7], rows[2 * i + 1]!);
    }
    columns.forEach((column, i) => {
      this.#memo.set(column, rows[i]!);
    });
    return true;
  }

  #loadLanes(buffer: number, at: Affine, dtype: DType, terms: readonly GatherTerm[] = []): void {
    const f = this.#f;
    const stride = at.strides[this.#scope.inner]!;
    const wide = BYTES[dtype] === 4;
    const ahead = this.#shift * stride * BYTES[dtype];
    this.pushAddress(buffer, at, dtype, terms);
    if (stride === 0) {
      if (wide) f.v128LoadSplat();
      else f.i32Load8().simd(SIMD.i32x4_splat);
    } else if (stride === 1 && wide) {
      f.v128Load(ahead);
    } else if (stride === 1) {
      f.v128LoadZero(ahead).simd(SIMD.i16x8_extend_low_i8x16_u).simd(SIMD.i32x4_extend_low_i16x8_u);
    } else {
      // Lanes lie apart: one load each.
      const base = f.local(I32);
      const result = f.local(V128);
      f.set(base).v128(0).set(result);
      for (let lane = 0; lane < 4; lane++) {
        const offset = ahead + lane * stride * BYTES[dtype];
        const pushAddress = (): void => {
          f.get(base);
          if (offset < 0) f.i32(offset).op(OP.i32_add);
        };
        if (wide) {
          pushAddress();
          f.get(result).v128LoadLane(lane, Math.max(0, offset));
        } else {
          f.get(result);
          pushAddress();
          f.i32Load8(Math.max(0, offset)).replaceLaneI32(lane);
        }
        f.set(result);
      }
      f.get(result);
    }
    if (dtype === "bool") LANES.toBool(f, "uint8");
  }

  #splat(dtype: DType): void {
    const f = this.#f;
    if (dtype === "float32") f.simd(SIMD.f32x4_splat);
    else f.simd(SIMD.i32x4_splat);
    if (dtype === "bool") LANES.toBool(f, "int32");
  }

  #pushConstant(dtype: DType, value: number, form: Form): void {
    const f = this.#f;
    if (form === "element") {
      if (dtype === "float32") f.f32(value);
      else f.i32(value);
      return;
    }
    if (dtype === "float32") f.v128(new Int32Array(new Float32Array([value]).buffer)[0]!);
    else f.v128(dtype === "bool" ? -value : value);
  }

  /** start + 0, stride, 2·stride, 3·stride. */
  #pushRamp(stride: number, start = 0): void {
    this.#f.v128Lanes([start, start + stride, start + 2 * stride, start + 3 * stride]);
  }

  #pushScaled(local: number, factor: number): FunctionBuilder {
    const f = this.#f.get(local);
    const shift = Math.log2(factor);
    if (factor === 1) return f;
    return Number.isInteger(shift) ? f.i32(shift).op(OP.i32_shl) : f.i32(factor).op(OP.i32_mul);
  }

  #pushAffine({ offset, strides }: Affine, scale: number): void {
    const f = this.#f;
    f.i32(offset * scale);
    strides.forEach((stride, loop) => {
      if (stride === 0) return;
      this.#pushScaled(this.#scope.indices[loop]!, stride * scale).op(OP.i32_add);
    });
  }
}

/** Stores element or lanes from the stack, `offset` bytes after the address below the value. */
export function emitStore(f: FunctionBuilder, dtype: DType, form: Form, offset = 0): void {
  if (form === "lanes" && BYTES[dtype] === 4) f.v128Store(offset);
  else if (form === "lanes") {
    // The lowest byte of each lane.
    if (dtype === "bool") f.v128(1).simd(SIMD.v128_and);
    f.v128Lanes([0x0c080400, 0x80808080, 0x80808080, 0x80808080]).simd(SIMD.i8x16_swizzle).v128StoreLane(0, offset);
  } else if (dtype === "float32") f.f32Store(offset);
  else if (dtype === "int32") f.i32Store(offset);
  else f.i32Store8(offset);
}
