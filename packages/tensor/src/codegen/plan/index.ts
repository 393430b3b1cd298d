/** @file The plan of a kernel, for those that have one: one line per kind. */
import type { Kernel } from "../../ir/kernel.ts";
import { planConv } from "./conv.ts";
import { planFilterGrad } from "./filter-grad.ts";
import type { Plan } from "./language.ts";
import type { Machine } from "./machine.ts";
import { planPlanarConv, planPlanarFilterGrad } from "./planar.ts";
import { Planner, type Tasks } from "./planner.ts";
import { planTileTransform } from "./tile-transform.ts";
import { planWinogradConv, planWinogradFilterGrad } from "./winograd.ts";

const PLANS = {
  conv: planConv,
  "filter-grad": planFilterGrad,
  "planar-conv": planPlanarConv,
  "planar-filter-grad": planPlanarFilterGrad,
  "tile-transform": planTileTransform,
  "winograd-conv": planWinogradConv,
  "winograd-filter-grad": planWinogradFilterGrad,
} as const satisfies { readonly [Kind in Kernel["kind"]]?: (kernel: Kernel & { kind: Kind }, planner: Planner) => Tasks };

/** Kernels that are planned apart from the code for them. */
export type PlannedKernel = Kernel & { readonly kind: keyof typeof PLANS };

export const isPlanned = (kernel: Kernel): kernel is PlannedKernel => kernel.kind in PLANS;

export function planKernel(kernel: PlannedKernel, machine: Machine): Plan {
  const planner = Planner.for(machine);
  const plan = PLANS[kernel.kind] as (kernel: PlannedKernel, planner: Planner) => Tasks;
  return planner.plan(plan(kernel, planner).tasks);
}
