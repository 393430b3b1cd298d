/** @file Loop kernels as WebAssembly: planned, then written by the plan's strategy. */
import type { LoopKernel } from "../../ir/kernel.ts";
import { planLoop } from "../plan/loop-plan.ts";
import { emitColumns } from "./columns-code.ts";
import type { KernelCode, ModuleContext } from "./kernel-code.ts";
import { emitMap } from "./map-code.ts";
import { Nest } from "./nest-code.ts";
import { emitRows } from "./rows-code.ts";

const EMITTERS = { map: emitMap, rows: emitRows, columns: emitColumns } as const;

export function emitLoop(kernel: LoopKernel, module: ModuleContext): KernelCode {
  const plan = planLoop(kernel, module.wide);
  const nest = new Nest(kernel, plan, module);
  EMITTERS[plan.strategy](nest);
  return { tasks: plan.tasks, entry: module.add(nest.f) };
}
