/** @file `gradalign convert`: a model's file in another format. */
import { bytes } from "@gradalign/runs";
import { convertModel, isRunFolder } from "@gradalign/runs/node";
import { ConfigError } from "@gradalign/tensor";
import type { Command } from "commander";
import { writeOutput } from "../run/output.ts";
import { addModelFlags, imageShape, type ModelFlags, modelOptions } from "../settings/model-options.ts";
import { formatOfName } from "../settings/written-format.ts";
import { type Context, print, remark } from "../terminal/context.ts";

const HELP = `
Reads .pth, .pt, .safetensors and .onnx; writes .safetensors (all tensors, with their types) or .onnx (opset 17, normalisation inside the graph).
What is renamed or left out is told; where that cannot be done, nothing is written. What is written opens again without flags.

Examples:
  gradalign convert model.pth --out model.safetensors
  gradalign convert model.pth --part best --arch preact-resnet18 --mean 0.49,0.48,0.45 --std 0.25 --out model.onnx
  gradalign convert model.onnx --out weights.safetensors`;

interface ConvertFlags extends ModelFlags {
  readonly shape?: string;
  readonly out: string;
}

/** Adds the command to the program. */
export function registerConvert(program: Command, context: Context): void {
  const command = program.command("convert").description("write a model's file in another format").argument("<file>", ".pth, .pt, .safetensors or .onnx");
  addModelFlags(command)
    .option("--shape <c,h,w>", "shape of an image, for an ONNX graph (default: what the file says, else 32 x 32 pixels)")
    .requiredOption("--out <file>", "file to write: .safetensors or .onnx")
    .addHelpText("after", HELP)
    .action(async (path: string, flags: ConvertFlags) => {
      const format = formatOfName(flags.out);
      if (!format) throw new ConfigError(`--out (="${flags.out}") must end in .safetensors or .onnx`);
      if (isRunFolder(path)) throw new ConfigError(`"${path}" must be a file, it is a run; write gradalign export ${path} --out ${flags.out}`);
      const { content, notes } = await convertModel(path, format, { ...modelOptions(flags), shape: imageShape("--shape", flags.shape) });
      for (const note of notes) remark(context, note);
      writeOutput(flags.out, content);
      print(context, `${flags.out}: ${format}, ${bytes(content.length)}`);
    });
}
