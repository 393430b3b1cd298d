/** @file Scatter-add as WebAssembly: one task, so that equal targets add up in a fixed order. */
import type { ScatterKernel } from "../../ir/kernel.ts";
import { FunctionBuilder, I32, OP } from "./encoder.ts";
import type { KernelCode, ModuleContext } from "./kernel-code.ts";

export function emitScatter({ count, slice, size, extents, strides }: ScatterKernel, module: ModuleContext): KernelCode {
  const f = new FunctionBuilder(new Array<typeof I32>(extents.length + 3).fill(I32));
  const updates = 1;
  const out = extents.length + 2;
  const [i, j, source, target, position] = [f.local(I32), f.local(I32), f.local(I32), f.local(I32), f.local(I32)];
  f.countedLoop(i, 0, size, 1, () => {
    f.get(out).get(i).i32(2).op(OP.i32_shl, OP.i32_add).f32(0).f32Store();
  });
  f.countedLoop(i, 0, count, 1, () => {
    f.get(out).set(target);
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
        .i32(4 * strides[axis]!)
        .op(OP.i32_mul, OP.i32_add)
        .set(target);
    });
    f.get(updates)
      .get(i)
      .i32(4 * slice)
      .op(OP.i32_mul, OP.i32_add)
      .set(source);
    f.countedLoop(j, 0, slice, 1, () => {
      f.get(target).get(target).f32Load().get(source).f32Load().op(OP.f32_add).f32Store();
      f.get(target).i32(4).op(OP.i32_add).set(target).get(source).i32(4).op(OP.i32_add).set(source);
    });
  });
  return { tasks: 1, entry: module.add(f) };
}
