/** @file An evaluation in the worker: a few images go through all attacks, then the next ones, so that the estimate builds up; in the end the record. */
import { sha256 } from "@gradalign/formats";
import { type AttackRecord, arithmeticOf, attack, type ImageRecord, type ResidentDataset, readImages } from "@gradalign/robustness";
import {
  adversarialsFile,
  brokenImages,
  type EvaluationSettings,
  epsilonOf,
  evaluationPlan,
  identityOfSettings,
  type ModelVictim,
  recordOf,
  sealed,
} from "@gradalign/runs";
import type { Device } from "@gradalign/tensor";
import type { AttackReport, AttackRequest, JudgedImage } from "../attack-protocol.ts";
import { browserName } from "./browser-name.ts";
import type { LoadedData } from "./fetch-dataset.ts";

/** What an attack needs besides its model. */
export interface AttackOptions {
  readonly request: AttackRequest;
  readonly loaded: LoadedData;
  readonly device: Device;
  readonly signal: AbortSignal;
  readonly tell: (message: Unnumbered<AttackReport>) => void;
}

type Unnumbered<T> = T extends unknown ? Omit<T, "attack"> : never;

/** Images that go through all attacks together: few, so that the estimate soon shows; a GPU is fast with many only. */
const TOGETHER: Readonly<Record<string, number>> = { webgpu: 64 };
const FEW = 8;

/**
 * Attacks and tells image by image.
 *
 * @throws ConfigError for an attack that there is not, or not in the norm; the signal's reason when it is aborted.
 */
export async function attackModel({ victim, judged, notes }: ModelVictim, { request, loaded, device, signal, tell }: AttackOptions): Promise<void> {
  const { norm, epsilon, attack: name, seed } = request;
  const { dataset, fingerprint } = loaded;
  const { test, shape } = dataset;
  const count = Math.min(request.count, test.count);
  const settings: EvaluationSettings = {
    ...{ model: judged, data: { dataset, fingerprint }, dataName: dataset.name, count, norm, epsilon, attack: name, seed },
    arithmetic: arithmeticOf(device, device.backend === "webgpu" ? { tensorCores: "off" } : {}),
  };
  const identity = identityOfSettings(settings, PROGRAM.version);
  const plan = evaluationPlan(name, norm);
  tell({ type: "attack-began", model: judged, notes, count });
  const images = await readImages(test, shape, 0, count);
  const together = Math.min(count, TOGETHER[device.backend] ?? FEW);
  const judge = inOrder({ dataset, everyImage: identity.selection === "highest-loss", count });
  let rounds = Number.POSITIVE_INFINITY;
  let fraction = 0;
  const report = await attack(victim, images, test.labels.subarray(0, count), {
    ...{ device, attack: plan, selection: identity.selection, threat: norm as "linf", epsilon: epsilonOf(epsilon), key: seed, together, signal },
    onProgress(progress) {
      rounds = progress.total / Math.ceil(count / together);
      ({ fraction } = progress);
    },
    onRecord(part) {
      const found = judge(part, rounds);
      if (found.length > 0) tell({ type: "attack-images", images: found, fraction });
    },
    onWarning: (warning) => tell({ type: "attack-warning", warning }),
  });
  const { backend, threads } = device;
  const machine = { node: browserName(), backend, threads, processor: navigator.platform || "unknown" };
  const record = recordOf(identity, report, { commit: PROGRAM.commit, machine, written: new Date().toISOString() });
  const size = shape.reduce((product, extent) => product * extent, 1);
  const adversarials = adversarialsFile(brokenImages(report, size), shape, record.id);
  tell({ type: "attack-ended", record: sealed(record, sha256(adversarials)), adversarials });
}

/** Gathers what parts say of images, and gives those that are through in order: the next one waits for its turn, or the estimate would lean. */
function inOrder({ dataset: { test, shape }, everyImage, count }: { readonly dataset: ResidentDataset; readonly everyImage: boolean; readonly count: number }) {
  const known = new Map<number, ImageRecord>();
  const size = shape.reduce((product, extent) => product * extent, 1);
  let next = 0;
  return (part: AttackRecord, rounds: number): JudgedImage[] => {
    for (const image of part.images) known.set(image.index, image);
    const through: JudgedImage[] = [];
    for (let image = known.get(next); image && next < count; image = known.get(next)) {
      if (image.rounds < rounds && (everyImage || image.robust)) break;
      const { index, label, clean, robust, predicted, brokenBy, norm, adversarial } = image;
      const own = adversarial && Float32Array.from(test.images.subarray(index * size, (index + 1) * size), (byte) => byte / 255);
      through.push({ index, label, clean, robust, predicted, brokenBy, norm, pixels: adversarial && own ? { image: own, adversarial } : null });
      known.delete(next++);
    }
    return through;
  };
}
