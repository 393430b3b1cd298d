/** @file `gradalign import`: what a file of weights or a model is, without running it. */
import { elementCount, type FileTensor, identifyFile, openWeights, readOnnx } from "@gradalign/formats";
import { architectureOf, checkWeights, describedModel, onnxModel, recognizeModels, writeArchitecture } from "@gradalign/robustness";
import { count, type ModelBytes, shellWord } from "@gradalign/runs";
import { modelFile, ofFile } from "@gradalign/runs/node";
import { GradalignError } from "@gradalign/tensor";
import type { Command } from "commander";
import { imageShape } from "../settings/model-options.ts";
import { type Context, print } from "../terminal/context.ts";
import { textTable } from "../terminal/table.ts";

const HELP = `
Reads PyTorch's .pth and .pt files (zip and legacy form), safetensors and ONNX, and runs nothing of them. What cannot be read is refused by
what it is: TorchScript, an HTML page saved as .pth, a pickle that asks for Python classes, a file that was cut. What can be evaluated is told
with the command that does it.

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
    .option("--shape <c,h,w>", "shape of an image, where it is not 32 x 32 pixels and the file does not say")
    .option("--json", "print one JSON object")
    .addHelpText("after", HELP)
    .action(async (path: string, { part, shape, json }: { part?: string; shape?: string; json?: boolean }) => {
      const about: About = { path, part, shape: imageShape("--shape", shape) };
      const found = await ofFile(path, () => {
        const file = modelFile(path);
        return identifyFile(file.source) === "onnx" ? describeOnnx(file, about) : describeWeights(file, about);
      });
      if (json) print(context, JSON.stringify(found));
      else for (const line of linesOf(found)) print(context, line);
    });
}

const NO_NETWORK =
  "no built-in network has exactly these tensors; --arch in gradalign eval says what differs, and any network can come as ONNX (torch.onnx.export)";

/** What was said of the file. */
interface About {
  readonly path: string;
  readonly part: string | undefined;
  readonly shape: readonly [number, number, number] | undefined;
}

interface Described {
  readonly format: string;
  /** What is worth knowing, by name. */
  readonly facts: Readonly<Record<string, string | number | readonly string[] | Readonly<Record<string, string>>>>;
  readonly parameters: number;
  readonly tensors: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }[];
}

function describeWeights({ source }: ModelBytes, { path, part, shape }: About): Described {
  const weights = openWeights(source, part === undefined ? {} : { part });
  const { format, tensors, wrappers, prefixes, others, metadata } = weights;
  const described = describedModel(metadata);
  const [, height = 32, width = 32] = shape ?? described?.shape ?? [];
  const fitting = recognizeModels(tensors, [height, width]);
  const names = fitting.map(({ model }) => writeArchitecture(architectureOf(model)));
  const command = ["gradalign eval", shellWord(path), ...(part === undefined ? [] : ["--part", shellWord(part)])].join(" ");
  const buffers = fitting.flatMap(({ model }) => checkWeights(model, tensors).normalization ?? []);
  const facts = {
    networks: fitting.map(({ classes }, i) => `${names[i]} (${classes} classes)`),
    ...(names.length > 0 ? {} : { hint: NO_NETWORK }),
    normalization: described?.normalization ? "in the metadata" : buffers.length > 0 ? `the tensors ${[...new Set(buffers)].join(" and ")}` : [],
    wrappers,
    prefixes,
    others,
    // The file itself says which of them it is, or nothing else can be meant.
    evaluate: described || names.length === 1 ? [command] : names.map((name) => `${command} --arch ${name}`),
    metadata,
  };
  return { format, facts, ...listed(tensors) };
}

async function describeOnnx({ source, external }: ModelBytes, { path, shape = [3, 32, 32] }: About): Promise<Described> {
  const onnx = readOnnx(source, { external });
  const operators = new Map<string, number>();
  for (const { domain, op } of onnx.nodes) operators.set(domain ? `${domain}.${op}` : op, (operators.get(domain ? `${domain}.${op}` : op) ?? 0) + 1);
  const values = (list: typeof onnx.inputs): string[] =>
    list.map(({ name, dtype, shape }) => `${name} ${dtype ?? "?"} [${(shape ?? ["?"]).map((e) => e ?? "?").join(", ")}]`);
  const { usable, evaluate } = await onnxModel(onnx, onnx.inputs[0]?.shape?.slice(1).every((extent) => typeof extent === "number") ? {} : { shape }).then(
    ({ classes, notes }) => ({ usable: [`${classes} classes`, ...notes], evaluate: [`gradalign eval ${shellWord(path)}`] }),
    (error: unknown) => {
      if (error instanceof GradalignError) return { usable: [`no: ${error.message}`], evaluate: [] };
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
    evaluate,
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
