/** @file Scatter-add as WebAssembly: one task, so that equal targets add up in a fixed order. */
import type { ScatterKernel } from "../../ir/kernel.ts";
import { FunctionBuilder } from "./function-builder.ts";
import type { KernelCode, ModuleContext } from "./kernel-code.ts";
import { I32, OP } from "./opcodes.ts";

export function emitScatter({ count, slice, size, extents, strides, wide }: ScatterKernel, module: ModuleContext): KernelCode {
  const f = new FunctionBuilder(new Array<typeof I32>(extents.length + (wide ? 4 : 3)).fill(I32));
  const updates = 1;
  /** Where values are added up, and how many bytes a sum has. */
  const sums = extents.length + 2;
  const bytes = wide ? 8 : 4;
  const [i, j, source, target, position] = [f.local(I32), f.local(I32), f.local(I32), f.local(I32), f.local(I32)];
  const advance = (local: number, step: number): void => {
    f.get(local).i32(step).op(OP.i32_add).set(local);
  };
  f.countedLoop(i, 0, size, 1, () => {
    f.get(sums).get(i).i32(bytes).op(OP.i32_mul, OP.i32_add).f32(0);
    if (wide) f.op(OP.f64_promote_f32).f64Store();
    else f.f32Store();
  });
  f.countedLoop(i, 0, count, 1, () => {
    f.get(sums).set(target);
    extents.forEach((extent, axis) => {
      f.get(axis + 2)
        .get(i)
        .i32(2)
        .op(OP.i32_shl, OP.i32_add)
        .i32Load()
        .set(position);
      f.i32(0).get(position).get(position).i32(0).op(OP.i32_lt_s, OP.select).set(position);
      f.i32(extent - 1)
        .get(position)
        .get(position)
        .i32(extent - 1)
        .op(OP.i32_gt_s, OP.select)
        .set(position);
      f.get(target)
        .get(position)
        .i32(bytes * strides[axis]!)
        .op(OP.i32_mul, OP.i32_add)
        .set(target);
    });
    f.get(updates)
      .get(i)
      .i32(4 * slice)
      .op(OP.i32_mul, OP.i32_add)
      .set(source);
    f.countedLoop(j, 0, slice, 1, () => {
      f.get(target).get(target);
      if (wide) f.f64Load().get(source).f32Load().op(OP.f64_promote_f32, OP.f64_add).f64Store();
      else f.f32Load().get(source).f32Load().op(OP.f32_add).f32Store();
      advance(target, bytes);
      advance(source, 4);
    });
  });
  if (wide) {
    f.get(sums).set(source);
    f.get(sums + 1).set(target);
    f.countedLoop(i, 0, size, 1, () => {
      f.get(target).get(source).f64Load().op(OP.f32_demote_f64).f32Store();
      advance(source, 8);
      advance(target, 4);
    });
  }
  return { tasks: 1, entry: module.add(f) };
}
