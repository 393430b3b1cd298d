/** @file Loop kernels as compute shaders. Without a reduction an invocation computes one element, or four neighbours. Reductions give
 * each result a row of a workgroup's invocations, which add up their shares in a fixed tree: equal inputs give equal bits. Within a subgroup
 * the tree's nodes are exchanged between registers instead of through shared memory, which changes no bit. */
import type { DType } from "../../base/dtype.ts";
import { invariant } from "../../base/errors.ts";
import { isAligned, isWideMap } from "../../ir/groups.ts";
import type { Combine, LoopKernel, LoopOutput } from "../../ir/kernel.ts";
import { forEachExpr } from "../../ir/scalar.ts";
import { LONGEST_REDUCTION, sumBlock } from "../../ir/sums.ts";
import { ExprWriter, isByte, literal } from "./expr-code.ts";
import { ceilDiv, type KernelCode, linearGrid, shader, WORKGROUP } from "./kernel-code.ts";
import { type BufferBinding, Memory, REGISTER } from "./memory.ts";

const product = (extents: readonly number[]): number => extents.reduce((n, extent) => n * extent, 1);

/** `subgroup` is the number of invocations of every subgroup, a power of two; 0 where it is not known or not to be used. */
export function generateLoop(kernel: LoopKernel, places: readonly BufferBinding[], subgroup = 0): KernelCode {
  return kernel.reduced === 0 ? generateMap(kernel, places) : generateReduction(kernel, places, subgroup);
}

/** Element type of every buffer. */
function bufferTypes(kernel: LoopKernel): DType[] {
  const types: DType[] = [];
  for (const { buffer, dtype } of kernel.outputs) types[buffer] = dtype;
  forEachExpr(
    kernel.outputs.map((output) => output.value),
    (expr) => {
      if (expr.kind === "load" || expr.kind === "gather") types[expr.buffer] = expr.dtype;
    },
  );
  return Array.from(types, (dtype) => dtype ?? "float32");
}

/** Declares loop indices from the number of an element in row-major order; the last loop's number counts `step` elements at once. */
function decode(name: string, extents: readonly number[], prefix: string, step = 1): string[] {
  const lines: string[] = [];
  let rest = name;
  for (let loop = extents.length - 1; loop >= 0; loop--) {
    const last = loop === extents.length - 1;
    const extent = last ? extents[loop]! / step : extents[loop]!;
    const digit = loop === 0 ? rest : `${rest} % ${extent}`;
    lines.push(`let ${prefix}${loop} = ${last && step > 1 ? `(${digit}) * ${step}` : digit};`);
    if (loop > 0) {
      lines.push(`let ${prefix}rest${loop} = ${rest} / ${extent};`);
      rest = `${prefix}rest${loop}`;
    }
  }
  return lines;
}

function isDense(output: LoopOutput, extents: readonly number[]): boolean {
  let stride = 1;
  for (let loop = extents.length - 1; loop >= 0; loop--) {
    if (extents[loop] !== 1 && output.at.strides[loop] !== stride) return false;
    stride *= extents[loop]!;
  }
  return output.at.offset === 0;
}

function generateMap(kernel: LoopKernel, places: readonly BufferBinding[]): KernelCode {
  if (isWideMap(kernel)) return generateWideMap(kernel, places);
  return kernel.outputs.some(({ dtype }) => isByte(dtype)) ? generateByteMap(kernel, places) : generateElementMap(kernel, places);
}

function indexNames(extents: readonly number[], prefix: string): string[] {
  return extents.map((_, loop) => `${prefix}${loop}`);
}

function generateWideMap({ extents, outputs }: LoopKernel, places: readonly BufferBinding[]): KernelCode {
  const inner = extents.length - 1;
  const types = bufferTypes({ kind: "loop", extents, reduced: 0, outputs });
  const vectors = new Set(outputs.map(({ buffer }) => buffer));
  forEachExpr(
    outputs.map((output) => output.value),
    (expr) => {
      if (expr.kind === "load" && expr.at.strides[inner] === 1 && isAligned(expr.at, inner)) vectors.add(expr.buffer);
    },
  );
  const memory = new Memory(places, types, (buffer) => vectors.has(buffer));
  const items = product(extents) / 4;
  const { workgroups, index } = linearGrid(ceilDiv(items, WORKGROUP));
  const writer = new ExprWriter(memory, indexNames(extents, "i"), inner);
  const stores = outputs.map(({ buffer, dtype, at, value }) => memory.store4(buffer, dtype, writer.affine(at), writer.value(value)));
  const body = [
    `let item = ${index} * ${WORKGROUP} + i32(lane);`,
    `if (item >= ${items}) { return; }`,
    ...decode("item", extents, "i", 4),
    ...writer.takeLines(),
    ...stores,
  ];
  return { wgsl: shader({ declarations: memory.declarations(), threads: WORKGROUP, body: body.join("\n") }), workgroups };
}

function generateElementMap(kernel: LoopKernel, places: readonly BufferBinding[]): KernelCode {
  const { extents, outputs } = kernel;
  const memory = new Memory(places, bufferTypes(kernel), () => false);
  const items = product(extents);
  const { workgroups, index } = linearGrid(ceilDiv(items, WORKGROUP));
  const writer = new ExprWriter(memory, indexNames(extents, "i"), null);
  const stores = outputs.map(({ buffer, dtype, at, value }) => memory.store(buffer, dtype, writer.affine(at), writer.value(value)));
  const body = [
    `let item = ${index} * ${WORKGROUP} + i32(lane);`,
    `if (item >= ${items}) { return; }`,
    ...decode("item", extents, "i"),
    ...writer.takeLines(),
    ...stores,
  ];
  return { wgsl: shader({ declarations: memory.declarations(), threads: WORKGROUP, body: body.join("\n") }), workgroups };
}

/** Results of one byte: an invocation fills whole words, so that no two write to the same. */
function generateByteMap(kernel: LoopKernel, places: readonly BufferBinding[]): KernelCode {
  const { extents, outputs } = kernel;
  for (const output of outputs) invariant(!isByte(output.dtype) || isDense(output, extents), "webgpu: bytes must be written in order");
  const memory = new Memory(places, bufferTypes(kernel), () => false);
  const items = product(extents);
  const { workgroups, index } = linearGrid(ceilDiv(ceilDiv(items, 4), WORKGROUP));
  const writer = new ExprWriter(memory, indexNames(extents, "i"), null);
  const stores = outputs.map(({ buffer, dtype, at, value }) =>
    isByte(dtype)
      ? `word${buffer} |= (u32(${writer.value(value)}) & 255u) << (8u * u32(k));`
      : memory.store(buffer, dtype, writer.affine(at), writer.value(value)),
  );
  const bytes = outputs.filter(({ dtype }) => isByte(dtype));
  const body = [
    `let first = (${index} * ${WORKGROUP} + i32(lane)) * 4;`,
    `if (first >= ${items}) { return; }`,
    ...bytes.map(({ buffer }) => `var word${buffer} = 0u;`),
    "for (var k = 0; k < 4; k++) {",
    "let item = first + k;",
    `if (item >= ${items}) { break; }`,
    ...decode("item", extents, "i"),
    ...writer.takeLines(),
    ...stores,
    "}",
    ...bytes.map(({ buffer }) => memory.storeWord(buffer, "first >> 2u", `word${buffer}`)),
  ];
  return { wgsl: shader({ declarations: memory.declarations(), threads: WORKGROUP, body: body.join("\n") }), workgroups };
}

function identityOf(combine: Combine, dtype: DType): string {
  if (combine === "sum") return literal(dtype, 0);
  const sign = combine === "max" ? -1 : 1;
  if (dtype === "float32") return literal(dtype, sign * Number.POSITIVE_INFINITY);
  return literal(dtype, sign < 0 ? -(2 ** 31) : 2 ** 31 - 1);
}

function combined(combine: Combine, dtype: DType, a: string, b: string): string {
  if (combine === "sum") return `${a} + ${b}`;
  return `${combine}${dtype === "float32" ? "_float" : ""}(${a}, ${b})`;
}

/** How a workgroup is divided: `results` side by side, `shares` invocations for each. */
interface Division {
  readonly results: number;
  readonly shares: number;
  /** Neighbouring invocations work on neighbouring results (else on neighbouring elements of one result). */
  readonly alongResults: boolean;
}

/** Results that keep a large GPU busy with one invocation each. */
const MANY_RESULTS = 1 << 16;

function divide(kernel: LoopKernel): Division {
  const kept = kernel.extents.length - kernel.reduced;
  const results = product(kernel.extents.slice(0, kept));
  const elements = product(kernel.extents.slice(kept));
  const alongResults = kept > 0 && unitStrides(kernel, kept - 1) > unitStrides(kernel, kernel.extents.length - 1);
  const powerOfTwo = (n: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, n)));
  // Eight elements a share at least: fewer do not pay for the tree.
  const useful = Math.min(WORKGROUP, powerOfTwo(elements / 8));
  const wanted = Math.min(useful, powerOfTwo(MANY_RESULTS / results));
  // Along results at least 32 side by side, where there are as many, or reads would not be joined.
  const most = alongResults ? WORKGROUP / Math.min(32, powerOfTwo(results)) : WORKGROUP;
  const least = alongResults ? 1 : Math.min(32, useful);
  const shares = Math.max(least, Math.min(wanted, most));
  return { results: WORKGROUP / shares, shares, alongResults };
}

function unitStrides(kernel: LoopKernel, loop: number): number {
  let count = 0;
  forEachExpr(
    kernel.outputs.map((output) => output.value),
    (expr) => {
      if ((expr.kind === "load" || expr.kind === "gather") && expr.at.strides[loop] === 1) count++;
    },
  );
  return count;
}

function generateReduction(kernel: LoopKernel, places: readonly BufferBinding[], subgroup: number): KernelCode {
  const { extents, outputs, reduced } = kernel;
  const combine = kernel.combine!;
  const kept = extents.length - reduced;
  const keptExtents = extents.slice(0, kept);
  const reducedExtents = extents.slice(kept);
  const elements = product(reducedExtents);
  const results = product(keptExtents);
  const memory = new Memory(places, bufferTypes(kernel), () => false);
  const bytes = outputs.some(({ dtype }) => isByte(dtype));
  for (const output of outputs) invariant(!isByte(output.dtype) || isDense(output, keptExtents), "webgpu: bytes must be written in order");
  const division = bytes ? { results: WORKGROUP, shares: 1, alongResults: true } : divide(kernel);
  const { shares } = division;
  const { workgroups, index } = linearGrid(ceilDiv(ceilDiv(results, bytes ? 4 : 1), division.results));
  const names = [...indexNames(keptExtents, "i"), ...indexNames(reducedExtents, "r")];
  const writer = new ExprWriter(memory, names, null);
  const values = outputs.map((output) => writer.value(output.value));
  const lines = writer.takeLines();
  const accumulator = (name: string): string[] => outputs.map(({ dtype }, i) => `var ${name}${i} = ${identityOf(combine, dtype)};`);
  /** Combines an invocation's elements from turn `from` to before turn `to` in `name`0, `name`1, … */
  const combineTurns = (name: string, from: string, to: string): string[] => [
    ...accumulator(name),
    `for (var turn = ${from}; turn < ${to}; turn += ${shares}) {`,
    ...decode("turn", reducedExtents, "r"),
    ...lines,
    ...outputs.map(({ dtype }, i) => `${name}${i} = ${combined(combine, dtype, `${name}${i}`, values[i]!)};`),
    "}",
  ];
  const turns = ceilDiv(elements, shares);
  const block = sumBlock(turns) * shares;
  const accumulate =
    combine !== "sum" || turns <= LONGEST_REDUCTION
      ? combineTurns("sum", "share", `${elements}`)
      : [
          ...accumulator("sum"),
          `for (var start = share; start < ${elements}; start += ${block}) {`,
          ...combineTurns("part", "start", `min(start - share + ${block}, ${elements})`),
          ...outputs.map((_, i) => `sum${i} += part${i};`),
          "}",
        ];
  const addresses = (): string[] => outputs.map(({ at }) => writer.affine({ offset: at.offset, strides: at.strides.map((s, loop) => (loop < kept ? s : 0)) }));
  const keptIndices = kept === 0 ? [] : decode("result", keptExtents, "i");
  if (bytes) {
    const stores = outputs.map(({ buffer, dtype }, i) =>
      isByte(dtype) ? `word${buffer} |= (u32(sum${i}) & 255u) << (8u * u32(k));` : memory.store(buffer, dtype, addresses()[i]!, `sum${i}`),
    );
    const narrow = outputs.filter(({ dtype }) => isByte(dtype));
    const body = [
      `let first = (${index} * ${WORKGROUP} + i32(lane)) * 4;`,
      `if (first >= ${results}) { return; }`,
      "let share = 0;",
      ...narrow.map(({ buffer }) => `var word${buffer} = 0u;`),
      "for (var k = 0; k < 4; k++) {",
      "let result = first + k;",
      `if (result >= ${results}) { break; }`,
      ...keptIndices,
      ...accumulate,
      ...stores,
      "}",
      ...narrow.map(({ buffer }) => memory.storeWord(buffer, "first >> 2u", `word${buffer}`)),
    ];
    return { wgsl: shader({ declarations: memory.declarations(), threads: WORKGROUP, body: body.join("\n") }), workgroups };
  }
  const place = division.alongResults
    ? [`let column = i32(lane) % ${division.results};`, `let share = i32(lane) / ${division.results};`]
    : [`let column = i32(lane) / ${shares};`, `let share = i32(lane) % ${shares};`];
  const stores = outputs.map(({ buffer, dtype }, i) => memory.store(buffer, dtype, addresses()[i]!, `sum${i}`));
  const step = division.alongResults ? division.results : 1;
  const tree: string[] = [];
  // From here down the shares of a result lie in one subgroup.
  const exchanged = subgroup > 1 && !division.alongResults ? Math.min(shares, subgroup) : 1;
  const shared = shares > exchanged;
  if (shared) {
    tree.push(...outputs.map((_, i) => `shared${i}[lane] = sum${i};`), "workgroupBarrier();");
    for (let half = shares / 2; half >= exchanged; half /= 2) {
      tree.push(
        `if (share < ${half}) {`,
        ...outputs.map(({ dtype }, i) => `shared${i}[lane] = ${combined(combine, dtype, `shared${i}[lane]`, `shared${i}[lane + ${half * step}u]`)};`),
        "}",
        "workgroupBarrier();",
      );
    }
    tree.push(...outputs.map((_, i) => `sum${i} = shared${i}[lane];`));
  } else if (exchanged > 1) {
    // Invocations that left the loop early come together again.
    tree.push("workgroupBarrier();");
  }
  for (let half = exchanged / 2; half >= 1; half /= 2) {
    tree.push(...outputs.map(({ dtype }, i) => `sum${i} = ${combined(combine, dtype, `sum${i}`, `subgroupShuffleXor(sum${i}, ${half}u)`)};`));
  }
  const body = [
    ...place,
    // Invocations beyond the last result repeat it, for barriers need everyone; they do not store.
    `let wanted = ${index} * ${division.results} + column;`,
    `let result = min(wanted, ${results - 1});`,
    ...keptIndices,
    ...accumulate,
    ...tree,
    `if (share == 0 && wanted < ${results}) {`,
    ...stores,
    "}",
  ];
  const globals = shared ? outputs.map(({ dtype }, i) => `var<workgroup> shared${i}: array<${REGISTER[dtype]}, ${WORKGROUP}>;`).join("\n") : "";
  return {
    wgsl: shader({ declarations: memory.declarations(), threads: WORKGROUP, body: body.join("\n"), globals, subgroup: exchanged > 1 ? subgroup : 0 }),
    workgroups,
  };
}
