/** @file `gradalign export`: a saved model as safetensors for PyTorch, as ONNX, or as a folder for the Hugging Face hub. */
import type { Aliases } from "@gradalign/robustness";
import { writeFolderAtomic } from "@gradalign/robustness/node";
import { bytes, count, savedFolder, savedOnnx, savedSafetensors } from "@gradalign/runs";
import { loadSavedModel, provenance, readRobustness, type Which } from "@gradalign/runs/node";
import { ConfigError } from "@gradalign/tensor";
import type { Command } from "commander";
import { Option } from "commander";
import { writeOutput } from "../run/output.ts";
import { whichOption } from "../settings/which-option.ts";
import { formatOfName } from "../settings/written-format.ts";
import { type Context, print, remark } from "../terminal/context.ts";

const HELP = `
Names and layouts are PyTorch's, batch-norm statistics included:
  model.load_state_dict(safetensors.torch.load_file("model.safetensors"))
The classes of the paper's code register their first layers twice (model_preact_hl1): export with --aliases authors, or load with strict=False.

huggingface writes a folder of model.safetensors, config.json and a model card (README.md), whose figures are those of the run's records:
evaluate first. Every format holds the network, settings, radius, seed, commit and checksums: "gradalign eval" opens it without flags.

Examples:
  gradalign export runs/my-run --out model.safetensors
  gradalign export runs/my-run --which best --out best.onnx
  gradalign export runs/my-run --which best --format huggingface --out my-model`;

interface ExportFlags {
  readonly which?: Which;
  readonly format?: "safetensors" | "onnx" | "huggingface";
  readonly aliases: Aliases;
  readonly out: string;
}

/** Adds the command to the program. */
export function registerExport(program: Command, context: Context): void {
  program
    .command("export")
    .description("write a saved model's weights for PyTorch, as ONNX, or as a folder for the Hugging Face hub")
    .argument("<run|checkpoint>", "run folder, or last.json or best.json in its checkpoints folder")
    .addOption(whichOption())
    .addOption(
      new Option("--format <format>", "what to write (default: what the name of --out ends in, else safetensors)").choices([
        "safetensors",
        "onnx",
        "huggingface",
      ]),
    )
    .addOption(new Option("--aliases <whose>", "write the first layers a second time for the paper's own classes").choices(["authors", "none"]).default("none"))
    .requiredOption("--out <file>", "file to write; with huggingface a folder")
    .addHelpText("after", HELP)
    .action((path: string, { out, format: wanted, aliases, which }: ExportFlags) => {
      const named = formatOfName(out);
      const format = wanted ?? named ?? "safetensors";
      if (named && format !== named) throw new ConfigError(`--out (="${out}") must not end in .${named} with --format ${format}`);
      if (aliases !== "none" && format !== "safetensors") throw new ConfigError(`--aliases (=${aliases}) must be left out with --format ${format}`);
      const saved = loadSavedModel(path, which, (text) => remark(context, text));
      const code = provenance();
      const content =
        format === "huggingface"
          ? savedFolder(saved, code, readRobustness(saved.folder))
          : format === "onnx"
            ? savedOnnx(saved, code)
            : savedSafetensors(saved, code, aliases);
      if (content instanceof Uint8Array) writeOutput(out, content);
      else writeFolderAtomic(out, content);
      const size = content instanceof Uint8Array ? bytes(content.length) : Object.keys(content).join(", ");
      print(context, `${out}: ${saved.which} model of iteration ${count(saved.snapshot.iteration)}, ${size}`);
    });
}
