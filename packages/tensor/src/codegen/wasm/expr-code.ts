/** @file Expressions as code: one element at a time, or four neighbours of the innermost loop at a time. Whatever does not change
 * along the innermost loop is computed before it, and what is used twice is computed once. */
import { BYTES } from "../../base/dtype.ts";
import { type Affine, type Expr, operandsOf } from "../../ir/scalar.ts";
import { Addresses, type LoopScope } from "./addresses.ts";
import type { FunctionBuilder } from "./function-builder.ts";
import { gatherLanes, loadElement, loadLanes, ramp } from "./memory-access.ts";
import { SIMD } from "./opcodes.ts";
import { emitElement, emitLanes } from "./operation-code.ts";
import { type Form, LANES, pushConstant, wasmType } from "./scalar-code.ts";
import { TransposedLoads } from "./transposed-loads.ts";

type Gather = Expr & { kind: "gather" };

/** Emits expressions of one kernel. Use: capture the loop body, then `emitPrologue` before the loop, then append the body. */
export class ExprEmitter {
  /** Addresses of what the body reads and writes. */
  readonly addresses: Addresses;
  readonly #scope: LoopScope;
  readonly #f: FunctionBuilder;
  readonly #transposed: TransposedLoads;
  readonly #uses = new Map<Expr, number>();
  readonly #varies = new Map<Expr, boolean>();
  /** Values computed before the loop, by form. */
  readonly #hoisted: Record<Form, Map<Expr, number>> = { element: new Map(), lanes: new Map() };
  /** Values already computed in the current turn. */
  #memo = new Map<Expr, number>();
  #inGuard = false;
  #shift = 0;

  constructor(scope: LoopScope, roots: readonly Expr[]) {
    this.#scope = scope;
    this.#f = scope.f;
    this.addresses = new Addresses(scope);
    this.#transposed = new TransposedLoads(scope, this.addresses);
    const count = (expr: Expr): void => {
      const uses = this.#uses.get(expr) ?? 0;
      this.#uses.set(expr, uses + 1);
      if (uses > 0) return;
      if (expr.kind === "load") this.#transposed.add(expr);
      operandsOf(expr).forEach(count);
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
    if (expr.kind === "const") return pushConstant(f, expr.dtype, expr.value, form);
    const hoisted = this.#hoisted[form].get(expr);
    if (hoisted !== undefined) {
      f.get(hoisted);
      return;
    }
    if (!this.#variesInside(expr) && expr.kind !== "guard" && !this.#inGuard) {
      const local = f.local(wasmType(expr.dtype, form));
      this.#hoisted[form].set(expr, local);
      f.get(local);
      return;
    }
    this.#once(expr, form, () => this.#compute(expr, form));
  }

  /** Emits what `push` has put off, to stand before the loop. */
  emitPrologue(): void {
    const f = this.#f;
    this.reset();
    for (const form of ["element", "lanes"] as const) {
      for (const [expr, local] of [...this.#hoisted[form]]) {
        this.#computeInvariant(expr);
        if (form === "lanes") {
          f.simd(expr.dtype === "float32" ? SIMD.f32x4_splat : SIMD.i32x4_splat);
          if (expr.dtype === "bool") LANES.toBool(f, "int32");
        }
        f.set(local);
      }
    }
    this.addresses.emitBases((index) => this.#computeInvariant(index));
  }

  /** Pushes a value that is known in this turn, or computes it and notes it where it is used again. */
  #once(expr: Expr, form: Form, compute: () => void): void {
    const f = this.#f;
    const known = this.#memo.get(expr);
    if (known !== undefined) {
      f.get(known);
      return;
    }
    compute();
    if (this.#uses.get(expr)! > 1 && expr.kind !== "const") {
      const local = f.local(wasmType(expr.dtype, form));
      f.tee(local);
      this.#memo.set(expr, local);
    }
  }

  #variesInside(expr: Expr): boolean {
    const known = this.#varies.get(expr);
    if (known !== undefined) return known;
    const moves = ({ strides }: Affine): boolean => strides[this.#scope.inner] !== 0;
    const own = "at" in expr ? moves(expr.at) : expr.kind === "guard" && expr.guards.some(moves);
    const varies = own || operandsOf(expr).some((operand) => this.#variesInside(operand));
    this.#varies.set(expr, varies);
    return varies;
  }

  /** Computes a loop-invariant value in element form, outside of the loop. */
  #computeInvariant(expr: Expr): void {
    this.#once(expr, "element", () => this.#computeElement(expr, (operand) => this.#computeInvariant(operand), true));
  }

  #compute(expr: Expr, form: Form): void {
    if (form === "element") this.#computeElement(expr, (operand) => this.push(operand, form), false);
    else this.#computeLanes(expr);
  }

  /** Pushes one element over operands that `push` pushes; `outside` of the loop addresses are computed where they are needed. */
  #computeElement(expr: Expr, push: (operand: Expr) => void, outside: boolean): void {
    const f = this.#f;
    switch (expr.kind) {
      case "const":
        return pushConstant(f, expr.dtype, expr.value, "element");
      case "index":
        return this.#pushIndex(expr.at);
      case "load":
        this.#pushAddress(expr, outside);
        return loadElement(f, expr.dtype);
      case "gather":
        if (!outside && this.#isSteady(expr)) this.addresses.push(expr.buffer, expr.at, expr.dtype, expr.terms);
        else {
          this.#pushAddress(expr, outside);
          this.addresses.addTerms(expr.terms, BYTES[expr.dtype], push);
        }
        return loadElement(f, expr.dtype);
      case "guard":
        return this.#guarded(expr, "element", push);
      case "op":
        emitElement(f, expr, push);
    }
  }

  #computeLanes(expr: Expr): void {
    const f = this.#f;
    const { inner, relaxed } = this.#scope;
    const push = (operand: Expr): void => this.push(operand, "lanes");
    switch (expr.kind) {
      case "const":
        return pushConstant(f, expr.dtype, expr.value, "lanes");
      case "index":
        this.#pushIndex(expr.at);
        f.simd(SIMD.i32x4_splat);
        if (expr.at.strides[inner] !== 0) f.v128Lanes(ramp(expr.at.strides[inner]!)).simd(SIMD.i32x4_add);
        return;
      case "load": {
        // Under a guard the neighbours might not be there.
        const turned = this.#shift === 0 && !this.#inGuard ? this.#transposed.emit(expr) : null;
        if (!turned) return loadLanes(this.#scope, this.addresses, this.#shift, expr);
        for (const [load, local] of turned) this.#memo.set(load, local);
        f.get(turned.get(expr)!);
        return;
      }
      case "gather":
        if (this.#isSteady(expr)) return loadLanes(this.#scope, this.addresses, this.#shift, expr);
        return gatherLanes(this.#scope, this.addresses, this.#shift, expr, push);
      case "guard":
        return this.#guarded(expr, "lanes", push);
      case "op":
        emitLanes(f, expr, relaxed, push);
    }
  }

  #pushIndex(at: Affine): void {
    this.addresses.pushAffine({ ...at, offset: at.offset + this.#shift * at.strides[this.#scope.inner]! }, 1);
  }

  #pushAddress({ buffer, at, dtype }: Gather | (Expr & { kind: "load" }), outside: boolean): void {
    if (outside) this.addresses.pushAll(buffer, at, dtype);
    else this.addresses.push(buffer, at, dtype);
  }

  /** Whether a gather only moves along with the innermost loop: a load, but for where it starts. */
  #isSteady({ terms }: Gather): boolean {
    return !this.#inGuard && terms.every((term) => !this.#variesInside(term.index));
  }

  #guarded(expr: Expr & { kind: "guard" }, form: Form, push: (inside: Expr) => void): void {
    const f = this.#f;
    this.addresses.pushGuards(expr.guards);
    const memo = this.#memo;
    const wasInGuard = this.#inGuard;
    f.if(
      () => {
        // What is computed here exists only on this branch.
        this.#memo = new Map(memo);
        this.#inGuard = true;
        push(expr.inside);
      },
      () => pushConstant(f, expr.dtype, expr.fill, form),
      wasmType(expr.dtype, form),
    );
    this.#memo = memo;
    this.#inGuard = wasInGuard;
  }
}
