/** @file Loads and stores, one element or four lanes: next to each other, apart, or where computed indices say. */
import { BYTES, type DType } from "../../base/dtype.ts";
import type { Affine, Expr, GatherTerm } from "../../ir/scalar.ts";
import type { Addresses, LoopScope } from "./addresses.ts";
import type { FunctionBuilder } from "./function-builder.ts";
import { I32, OP, SIMD, V128 } from "./opcodes.ts";
import { type Form, LANES } from "./scalar-code.ts";

/** Replaces the address on the stack by the element there. */
export function loadElement(f: FunctionBuilder, dtype: DType): void {
  if (dtype === "float32") f.f32Load();
  else if (dtype === "int32") f.i32Load();
  else f.i32Load8();
}

/** Four times `stride`-apart integers from `start`. */
export function ramp(stride: number, start = 0): number[] {
  return [start, start + stride, start + 2 * stride, start + 3 * stride];
}

/** Pushes four elements along the innermost loop, the first one `shift` turns ahead of the index. `terms` are those of a gather that do not vary
 * along it. */
export function loadLanes(
  { f, inner }: LoopScope,
  addresses: Addresses,
  shift: number,
  { buffer, at, dtype, terms = [] }: { readonly buffer: number; readonly at: Affine; readonly dtype: DType; readonly terms?: readonly GatherTerm[] },
): void {
  const stride = at.strides[inner]!;
  const wide = BYTES[dtype] === 4;
  const ahead = shift * stride * BYTES[dtype];
  addresses.push(buffer, at, dtype, terms);
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
      loadLane(f, dtype, result, lane, pushAddress, Math.max(0, offset));
    }
    f.get(result);
  }
  if (dtype === "bool") LANES.toBool(f, "uint8");
}

/** Pushes four elements at computed addresses. */
export function gatherLanes({ f, inner }: LoopScope, addresses: Addresses, shift: number, expr: Expr & { kind: "gather" }, push: (index: Expr) => void): void {
  const { buffer, at, dtype, terms } = expr;
  const offsets = f.local(V128);
  const base = f.local(I32);
  const result = f.local(V128);
  f.v128(0);
  for (const { index, stride, extent } of terms) {
    push(index);
    f.v128(0)
      .simd(SIMD.i32x4_max_s)
      .v128(extent - 1)
      .simd(SIMD.i32x4_min_s);
    f.v128(stride * BYTES[dtype])
      .simd(SIMD.i32x4_mul)
      .simd(SIMD.i32x4_add);
  }
  const stride = at.strides[inner]! * BYTES[dtype];
  if (stride !== 0) f.v128Lanes(ramp(stride, shift * stride)).simd(SIMD.i32x4_add);
  f.set(offsets);
  addresses.push(buffer, at, dtype);
  f.set(base);
  f.v128(0).set(result);
  for (let lane = 0; lane < 4; lane++) {
    loadLane(f, dtype, result, lane, () => f.get(base).get(offsets).extractLaneI32(lane).op(OP.i32_add));
  }
  f.get(result);
  if (dtype === "bool") LANES.toBool(f, "uint8");
}

/** Replaces one lane of a vector by an element in memory. */
function loadLane(f: FunctionBuilder, dtype: DType, vector: number, lane: number, pushAddress: () => void, offset = 0): void {
  if (BYTES[dtype] === 4) {
    pushAddress();
    f.get(vector).v128LoadLane(lane, offset);
  } else {
    f.get(vector);
    pushAddress();
    f.i32Load8(offset).replaceLaneI32(lane);
  }
  f.set(vector);
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
