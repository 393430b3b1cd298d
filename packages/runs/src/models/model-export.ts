/** @file A run's saved model for others: safetensors, ONNX, or a folder as on the Hugging Face hub, each with what the run knows of it. */
import { canonicalJson, elementCount } from "@gradalign/formats";
import { type Aliases, describeModelFor, exportOnnx, exportSafetensors, type ReadableTensor, type Snapshot } from "@gradalign/robustness";
import type { RobustnessRecord } from "../run/run-data.ts";
import { radius } from "../words/format.ts";
import { modelCard } from "./model-card.ts";
import { modelOfSnapshot } from "./open-model.ts";

/** A checkpoint of a run. */
export interface SavedCheckpoint {
  readonly which: string;
  /** With the SHA-256 of its file of tensors, hex. */
  readonly snapshot: Snapshot & { readonly sha256: string };
}

/** The program that exports. */
export interface ExportingCode {
  readonly version: string;
  /** Null for an installed package. */
  readonly commit: string | null;
}

/** The run's model as safetensors that PyTorch's `load_state_dict` takes. */
export function savedSafetensors(saved: SavedCheckpoint, code: ExportingCode, aliases: Aliases = "none"): Uint8Array {
  const { snapshot } = saved;
  const { params, state } = tensorsOf(snapshot);
  return exportSafetensors(params, state, { metadata: savedMetadata(saved, code), batchesTracked: snapshot.iteration, aliases });
}

/** The run's model as an ONNX graph of images in [0, 1]. */
export function savedOnnx(saved: SavedCheckpoint, code: ExportingCode): Uint8Array {
  const { params, state } = tensorsOf(saved.snapshot);
  return exportOnnx(modelOfSnapshot(saved.snapshot), params, state, { metadata: savedMetadata(saved, code) });
}

/**
 * The run's model as the files of a folder: weights, `config.json` and a model card.
 *
 * @param records what attacks on the run's models gave; those of this checkpoint are in the card, and no other figures.
 */
export function savedFolder(saved: SavedCheckpoint, code: ExportingCode, records: readonly RobustnessRecord[]): Record<string, Uint8Array | string> {
  const { which, snapshot } = saved;
  const { config, data } = snapshot.run;
  const model = modelOfSnapshot(snapshot);
  const own = records.filter((record) => record.which === which && record.iteration === snapshot.iteration);
  const about = { architecture: model.name, num_classes: data.classNames.length };
  const settings = {
    ...about,
    library_name: "gradalign",
    // Images stay in [0, 1]: the network does all that is done to them.
    pretrained_cfg: {
      ...about,
      input_size: data.shape,
      mean: Array.from({ length: data.shape[0] ?? 0 }, () => 0),
      std: Array.from({ length: data.shape[0] ?? 0 }, () => 1),
      label_names: data.classNames,
    },
    gradalign: { ...savedMetadata(saved, code), "gradalign.settings": config },
  };
  return {
    "model.safetensors": savedSafetensors(saved, code),
    "config.json": `${JSON.stringify(settings, undefined, 2)}\n`,
    "README.md": modelCard({
      ...{ model, config, data, which, code, records: own },
      ...{ iteration: snapshot.iteration, sha256: snapshot.sha256, parameters: parametersOf(snapshot) },
    }),
  };
}

/** What the run knows of its model, as strings for a file. */
export function savedMetadata(saved: SavedCheckpoint, { version, commit }: ExportingCode): Record<string, string> {
  const { which, snapshot } = saved;
  const { config, data } = snapshot.run;
  return {
    ...describeModelFor(modelOfSnapshot(snapshot), null),
    "gradalign.epsilon": radius(config.epsilon),
    "gradalign.seed": String(config.seed),
    "gradalign.settings": canonicalJson(config),
    "gradalign.checkpoint": which,
    "gradalign.iteration": String(snapshot.iteration),
    "gradalign.sha256": snapshot.sha256,
    "gradalign.data": data.fingerprint ?? "unknown",
    "gradalign.classNames": JSON.stringify(data.classNames),
    "gradalign.version": version,
    "gradalign.commit": commit ?? "unknown",
  };
}

/** A snapshot's parameters and statistics. */
function tensorsOf(snapshot: Snapshot): { readonly params: Record<string, ReadableTensor>; readonly state: Record<string, ReadableTensor> } {
  const under = (prefix: string): Record<string, ReadableTensor> =>
    Object.fromEntries(
      [...snapshot.tensors].flatMap(([name, { dtype, shape, data }]) =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), { dtype, shape, data: () => data }] as const] : [],
      ),
    );
  return { params: under("params/"), state: under("state/") };
}

function parametersOf(snapshot: Snapshot): number {
  return Object.values(tensorsOf(snapshot).params).reduce((sum, { shape }) => sum + elementCount(shape), 0);
}
