/** @file `gradalign import`: what a file of weights or a model is, without running it. */
import { type ByteSource, elementCount, type FileTensor, identifyFile, openWeights, readOnnx } from "@gradalign/formats";
import { onnxModel, recognizeModels } from "@gradalign/robustness";
import { fileSource, filesBeside } from "@gradalign/robustness/node";
import { count } from "@gradalign/runs";
import { GradalignError } from "@gradalign/tensor";
import type { Command } from "commander";
import { type Context, print } from "../terminal/context.ts";
import { textTable } from "../terminal/table.ts";

const HELP = `
Reads PyTorch's .pth and .pt files (zip and legacy form), safetensors and ONNX, and runs nothing of them. What cannot be read is refused by
what it is: TorchScript, an HTML page saved as .pth, a pickle that asks for Python classes, a file that was cut.

Examples:
  gradalign import model.pth
  gradalign import model.pth --part best
  gradalign import model.onnx --json`;

/** Adds the command to the program. */
export function registerImport(program: Command, context: Context): void {
  program
    .command("import")
    .description("show what a file of weights or a model is: format, tensors, which network")
    .argument("<file>", ".pth, .pt, .safetensors or .onnx")
    .option("--part <key>", "of a PyTorch file with several models: the key of one, e.g. best")
    .option("--json", "print one JSON object")
    .addHelpText("after", HELP)
    .action(async (path: string, { part, json }: { part?: string; json?: boolean }) => {
      const source = fileSource(path);
      const found = identifyFile(source) === "onnx" ? await describeOnnx(path, source) : describeWeights(source, part);
      if (json) print(context, JSON.stringify(found));
      else for (const line of linesOf(found)) print(context, line);
    });
}

interface Described {
  readonly format: string;
  /** What is worth knowing, by name. */
  readonly facts: Readonly<Record<string, string | number | readonly string[] | Readonly<Record<string, string>>>>;
  readonly parameters: number;
  readonly tensors: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }[];
}

function describeWeights(source: ByteSource, part: string | undefined): Described {
  const { format, tensors, wrappers, prefixes, others, metadata } = openWeights(source, part === undefined ? {} : { part });
  const networks = recognizeModels(tensors).map(({ config: { name, ...options }, classes }) =>
    [name, ...Object.entries(options).map(([key, value]) => `${key} ${String(value)}`), `${classes} classes`].join(", "),
  );
  return { format, facts: { networks, wrappers, prefixes, others, metadata }, ...listed(tensors) };
}

async function describeOnnx(path: string, source: ByteSource): Promise<Described> {
  const onnx = readOnnx(source, { external: filesBeside(path) });
  const operators = new Map<string, number>();
  for (const { domain, op } of onnx.nodes) operators.set(domain ? `${domain}.${op}` : op, (operators.get(domain ? `${domain}.${op}` : op) ?? 0) + 1);
  const values = (list: typeof onnx.inputs): string[] =>
    list.map(({ name, dtype, shape }) => `${name} ${dtype ?? "?"} [${(shape ?? ["?"]).map((e) => e ?? "?").join(", ")}]`);
  const shape = [3, 32, 32] as const;
  const usable = await onnxModel(onnx, onnx.inputs[0]?.shape?.slice(1).every((extent) => typeof extent === "number") ? {} : { shape }).then(
    ({ classes, notes }) => [`${classes} classes`, ...notes],
    (error: unknown) => {
      if (error instanceof GradalignError) return [`no: ${error.message}`];
      throw error;
    },
  );
  const facts = {
    opset: onnx.opset,
    "IR version": onnx.irVersion,
    producer: onnx.producer,
    inputs: values(onnx.inputs),
    outputs: values(onnx.outputs),
    operators: [...operators].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, times]) => (times > 1 ? `${times} ${name}` : name)),
    usable,
    metadata: onnx.metadata,
  };
  return { format: "onnx", facts, ...listed(onnx.initializers) };
}

function listed(tensors: ReadonlyMap<string, FileTensor>): Pick<Described, "parameters" | "tensors"> {
  const list = [...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  return { parameters: list.reduce((sum, { shape }) => sum + elementCount(shape), 0), tensors: list };
}

function linesOf({ format, facts, parameters, tensors }: Described): string[] {
  const told = Object.entries(facts).flatMap(([name, value]) => {
    const entries = typeof value === "object" && !Array.isArray(value) ? Object.entries(value).map(([key, text]) => `${key}: ${text}`) : [value].flat();
    return entries.length === 0 || entries[0] === "" ? [] : [`${name}: ${entries.join("; ")}`];
  });
  const rows = tensors.map(({ name, dtype, shape }) => [name, dtype, shape.length === 0 ? "scalar" : shape.join(" x ")]);
  return [
    `format: ${format}`,
    ...told,
    `${count(tensors.length)} tensors, ${count(parameters)} elements`,
    "",
    ...textTable([["tensor", "type", "shape"], ...rows]),
  ];
}
