/** @file `gradalign export`: a saved model as a safetensors file for PyTorch. */

import { type Aliases, exportOnnx, exportSafetensors, type Snapshot } from "@gradalign/robustness";
import { bytes, count } from "@gradalign/runs";
import { loadSavedModel, modelOfSnapshot, type Which } from "@gradalign/runs/node";
import type { Command } from "commander";
import { Option } from "commander";
import { writeOutput } from "../run/output.ts";
import { whichOption } from "../settings/which-option.ts";
import { type Context, print, remark } from "../terminal/context.ts";

const HELP = `
Names and layouts are PyTorch's, batch-norm statistics included:
  model.load_state_dict(safetensors.torch.load_file("model.safetensors"))
The classes of the paper's code register their first layers twice (model_preact_hl1): export with --aliases authors, or load with strict=False.

Examples:
  gradalign export runs/my-run --format safetensors --out model.safetensors
  gradalign export runs/my-run --which best --out best.safetensors
  gradalign export runs/my-run --format onnx --out model.onnx`;

/** Adds the command to the program. */
export function registerExport(program: Command, context: Context): void {
  program
    .command("export")
    .description("write a saved model's weights for PyTorch, or the model as ONNX")
    .argument("<run|checkpoint>", "run folder, or last.json or best.json in its checkpoints folder")
    .addOption(whichOption())
    .addOption(new Option("--format <format>", "file format").choices(["safetensors", "onnx"]).default("safetensors"))
    .addOption(new Option("--aliases <whose>", "write the first layers a second time for the paper's own classes").choices(["authors", "none"]).default("none"))
    .requiredOption("--out <file>", "file to write")
    .addHelpText("after", HELP)
    .action((path: string, options: { which?: Which; format: "safetensors" | "onnx"; aliases: Aliases; out: string }) => {
      const { which, snapshot } = loadSavedModel(path, options.which, (text) => remark(context, text));
      const params = tensorsUnder("params/", snapshot);
      const state = tensorsUnder("state/", snapshot);
      const metadata = { "gradalign.model": snapshot.model.name, "gradalign.iteration": String(snapshot.iteration) };
      const content =
        options.format === "onnx"
          ? exportOnnx(modelOfSnapshot(snapshot), params, state, { metadata })
          : exportSafetensors(params, state, { metadata, batchesTracked: snapshot.iteration, aliases: options.aliases });
      writeOutput(options.out, content);
      print(
        context,
        `${options.out}: ${which} model of iteration ${count(snapshot.iteration)}, ${Object.keys(params).length} parameter tensors, ${bytes(content.length)}`,
      );
    });
}

/** A snapshot's tensors with a prefix, without it. */
function tensorsUnder(prefix: string, snapshot: Snapshot) {
  return Object.fromEntries(
    [...snapshot.tensors].flatMap(([name, { dtype, shape, data }]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), { dtype, shape, data: () => data }] as const] : [],
    ),
  );
}
