/** @file The model that is attacked: a file, a run folder, or what a side has trained so far. */
import { encodeSafetensors, sha256, sha256Of } from "@gradalign/formats";
import { encodeCheckpoint, type ResidentDataset, type Snapshot } from "@gradalign/robustness";
import { type ModelOptions, type ModelVictim, requireFitting, victimOfFile, victimOfSnapshot } from "@gradalign/runs";
import { ConfigError } from "@gradalign/tensor";
import type { AttackRequest, ModelChoice } from "../attack-protocol.ts";
import { baseName, mayBeRun, modelAmong } from "../files.ts";
import { runName } from "../names.ts";
import { besides, blobSource } from "./files.ts";
import type { Pair } from "./pair.ts";
import { runFolders } from "./run-folders.ts";

/** Read at once for a checksum. */
const PIECE = 2 ** 22;

/**
 * Opens it. Nothing of a file is run.
 *
 * @param pair the trainings beside each other, if there are any.
 * @throws ConfigError, FormatError, DataError or CheckpointError saying why it cannot be attacked with these images.
 */
export async function openModel({ model, arch, mean, std }: AttackRequest, dataset: ResidentDataset, pair: Pair | null): Promise<ModelVictim> {
  const { shape } = dataset;
  const opened = model.type === "side" ? openSide(model, pair) : await openFiles(model, { shape, arch, mean, std });
  requireFitting(opened.victim, dataset, `the data (${dataset.name})`);
  return opened;
}

/** A side's newest checkpoint, or the model that it was at an epoch. */
function openSide({ side, label, at }: Extract<ModelChoice, { type: "side" }>, pair: Pair | null): ModelVictim {
  const last = pair?.side(side).last;
  if (!pair || !last) throw new ConfigError(`${label} has no model yet; wait for its first checkpoint`);
  const name = runName(pair.side(side).config);
  const moment = at === null ? undefined : pair.moments(side).at(at);
  if (!moment || moment.iteration === last.iteration) return victimOfSnapshot(name, { which: "last", snapshot: last, sha256: checkpointSum("last", last) });
  const snapshot = { ...last, iteration: moment.iteration, epoch: moment.epoch, tensors: moment.tensors };
  return victimOfSnapshot(name, { which: `epoch ${moment.epoch.toFixed(2)}`, snapshot, sha256: sha256(encodeSafetensors(moment.tensors)) });
}

async function openFiles({ files }: Extract<ModelChoice, { type: "files" }>, options: ModelOptions): Promise<ModelVictim> {
  if (mayBeRun(files)) {
    const [folder, another] = await runFolders(files);
    if (folder && !another) {
      const { last } = await folder.read();
      return victimOfSnapshot(baseName(folder.path) || runName(last.run.config), { which: "last", snapshot: last, sha256: last.sha256 });
    }
    if (another) throw new ConfigError(`a model must be one run, got ${folder?.path} and ${another.path}; choose one of the folders`);
  }
  const file = modelAmong(files);
  if (!file) throw new ConfigError("a model must be a file or a run folder, got none; choose one");
  const external = besides(files);
  const source = blobSource(file.file);
  const model = {
    source,
    external,
    sha256() {
      const sum = sha256Of();
      for (let start = 0; start < source.size; start += PIECE) sum.update(source.read(start, Math.min(source.size, start + PIECE)));
      return sum.hex();
    },
  };
  return victimOfFile(baseName(file.path), model, options);
}

/** The checksum of the file of tensors that a snapshot is in a run folder. */
export function checkpointSum(name: string, { model, tensors, iteration, epoch }: Snapshot): string {
  return encodeCheckpoint({ name, model, tensors, iteration, epoch }).manifest.sha256;
}
