/** @file Which kernels work on groups of four neighbouring elements. Code generators write such groups at once, and values that are only
 * written so may be packed. */
import type { ConvKernel, FilterGradKernel, ImageStrides, Kernel, LoopKernel } from "./kernel.ts";
import type { Affine, Expr, Guard } from "./scalar.ts";

/** Whether four elements from a multiple of four along `loop` lie in one aligned group. */
export function isAligned({ offset, strides }: Affine, loop: number): boolean {
  return offset % 4 === 0 && strides.every((stride, i) => i === loop || stride % 4 === 0);
}

/** Whether every address of a pixel is a multiple of four. */
export function pixelsAligned({ offset, image, row, pixel }: ImageStrides): boolean {
  return offset % 4 === 0 && image % 4 === 0 && row % 4 === 0 && pixel % 4 === 0;
}

/** Whether values can be computed four at a time along a loop: no guard may change within a group. */
function canBeWide(roots: readonly Expr[], loop: number): boolean {
  const seen = new Map<Expr, boolean>();
  const fits = (expr: Expr): boolean => {
    const known = seen.get(expr);
    if (known !== undefined) return known;
    seen.set(expr, true);
    let result = true;
    if (expr.kind === "guard") result = expr.guards.every((guard) => isUniform(guard, loop)) && fits(expr.inside);
    else if (expr.kind === "gather") result = expr.terms.every((term) => fits(term.index));
    else if (expr.kind === "op") result = expr.args.every(fits);
    seen.set(expr, result);
    return result;
  };
  return roots.every(fits);
}

/** Whether a guard is the same for four elements from a multiple of four: it looks elsewhere, or its borders are multiples of four too. */
function isUniform(guard: Guard, loop: number): boolean {
  const stride = guard.strides[loop];
  return stride === 0 || (stride === 1 && isAligned(guard, loop) && guard.extent % 4 === 0);
}

/** Whether a loop without a reduction is computed four elements at a time along its innermost loop. */
export function isWideMap({ extents, reduced, outputs }: LoopKernel): boolean {
  const inner = extents.length - 1;
  const contiguous = outputs.every(({ at }) => at.strides[inner] === 1 && isAligned(at, inner));
  const values = outputs.map((output) => output.value);
  return reduced === 0 && extents[inner]! % 4 === 0 && contiguous && canBeWide(values, inner);
}

/** Whether a contraction's channels are written in groups. */
export function writesChannelGroups(kernel: ConvKernel | FilterGradKernel): boolean {
  return kernel.channels % 4 === 0 && (kernel.kind === "filter-grad" || (pixelsAligned(kernel.output) && (kernel.groups?.output ?? 0) % 4 === 0));
}

/** Whether a kernel writes its results only in aligned groups of four. */
export function writesGroups(kernel: Kernel): boolean {
  switch (kernel.kind) {
    case "loop":
      return isWideMap(kernel);
    case "conv":
    case "filter-grad":
      return writesChannelGroups(kernel);
    default:
      return false;
  }
}
