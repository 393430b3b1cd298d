/** @file A kernel as text, whole: two kernels with equal text have equal code. For goldens and debugging. */
import type { Kernel, LoopKernel } from "./kernel.ts";
import { type Affine, type Expr, forEachExpr, type Guard } from "./scalar.ts";

/** The kernel's kind, then its settings one a line; a loop's expressions are numbered and written once. */
export function printKernel(kernel: Kernel): string {
  if (kernel.kind === "loop") return printLoop(kernel);
  const { kind, ...settings } = kernel;
  return [kind, ...Object.entries(settings).map(([name, value]) => `  ${name} ${JSON.stringify(value)}`)].join("\n");
}

function printLoop({ extents, reduced, combine, outputs, ...rest }: LoopKernel): string {
  const { kind, ...others } = rest;
  const names = new Map<Expr, string>();
  const lines: string[] = [];
  forEachExpr(
    outputs.map((output) => output.value),
    (expr) => {
      const name = `%${names.size}`;
      names.set(expr, name);
      lines.push(`  ${name} = ${expr.dtype} ${printExpr(expr, (operand) => names.get(operand)!)}`);
    },
  );
  const head = `${kind} [${extents.join(", ")}]${reduced > 0 ? ` the last ${reduced} reduced by ${combine}` : ""}`;
  const settings = Object.entries(others).map(([name, value]) => `  ${name} ${JSON.stringify(value)}`);
  return [
    head,
    ...settings,
    ...lines,
    ...outputs.map(({ buffer, dtype, at, value }) => `  ${dtype} #${buffer}[${printAffine(at)}] = ${names.get(value)}`),
  ].join("\n");
}

function printExpr(expr: Expr, name: (operand: Expr) => string): string {
  switch (expr.kind) {
    case "const":
      return Object.is(expr.value, -0) ? "-0" : String(expr.value);
    case "index":
      return `index ${printAffine(expr.at)}`;
    case "load":
      return `#${expr.buffer}[${printAffine(expr.at)}]`;
    case "gather": {
      const terms = expr.terms.map(({ index, stride, extent }) => ` + ${stride} * clip(${name(index)}, ${extent})`);
      return `#${expr.buffer}[${printAffine(expr.at)}${terms.join("")}]`;
    }
    case "guard":
      return `${name(expr.inside)} where ${expr.guards.map(printGuard).join(" and ")}, else ${expr.fill}`;
    case "op":
      return `${expr.op}(${expr.args.map(name).join(", ")})`;
  }
}

function printGuard(guard: Guard): string {
  return `0 <= ${printAffine(guard)} < ${guard.extent}`;
}

/** Loops are called i, j, k … from the outermost. */
function printAffine({ offset, strides }: Affine): string {
  const terms = strides.flatMap((stride, loop) => (stride === 0 ? [] : [stride === 1 ? loopName(loop) : `${stride}${loopName(loop)}`]));
  return offset !== 0 || terms.length === 0 ? [offset, ...terms].join(" + ") : terms.join(" + ");
}

function loopName(loop: number): string {
  return String.fromCharCode("i".charCodeAt(0) + loop);
}
