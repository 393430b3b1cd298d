/**
 * @file Trained weights as a safetensors file that PyTorch's `load_state_dict(strict=True)` accepts.
 *
 * Names and layouts (convolutions OIHW, linear [out, in]) are PyTorch's already; only batch norm's `num_batches_tracked`
 * counters, which PyTorch insists on and inference ignores, are added.
 */
import { encodeSafetensors, type StoredArray, type StoredDType, type StoredTensor } from "@gradalign/formats";

/** The part of a tensor that storing it needs; `@gradalign/tensor`'s Tensor fits. */
export interface ReadableTensor {
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  data(): StoredArray;
}

/** For whom tensors are registered a second time: for the classes of the paper's authors, or for nobody. */
export type Aliases = "authors" | "none";

/**
 * Where the authors' classes register their first layers again, for a statistic: as a sequence named `model_preact_hl1` of the
 * single-layer network's convolution, or of the ResNet's first convolution and the first block's batch norm.
 */
const AUTHORS: Readonly<Record<string, string>> = {
  "_model.0.": "model_preact_hl1.0.",
  "conv1.": "model_preact_hl1.1.",
  "layer1.0.bn1.": "model_preact_hl1.2.",
};

/** Options of {@link exportSafetensors}. */
export interface ExportOptions {
  /** Free-form strings for the file's header, besides `format: "pt"`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Training steps seen by batch norm, for `num_batches_tracked`; 0 unless set. */
  readonly batchesTracked?: number;
  /** Second names to write too; none unless set. */
  readonly aliases?: Aliases;
}

/** Reads tensors to the host for a checkpoint or an export, with `prefix` before each name. */
export function storedTensors(tensors: Readonly<Record<string, ReadableTensor>>, prefix = ""): Map<string, StoredTensor> {
  const stored = new Map<string, StoredTensor>();
  for (const [name, tensor] of Object.entries(tensors)) {
    stored.set(prefix + name, { dtype: tensor.dtype, shape: tensor.shape, data: tensor.data() });
  }
  return stored;
}

/**
 * A model's parameters and batch-norm state as safetensors bytes.
 *
 * In Python: `model.load_state_dict(safetensors.torch.load_file("model.safetensors"))`. The authors' own classes need `aliases: "authors"`,
 * or `strict=False`.
 */
export function exportSafetensors(
  params: Readonly<Record<string, ReadableTensor>>,
  state: Readonly<Record<string, ReadableTensor>>,
  options: ExportOptions = {},
): Uint8Array {
  const { metadata = {}, batchesTracked = 0, aliases = "none" } = options;
  const tensors = new Map([...storedTensors(params), ...storedTensors(state)]);
  for (const name of Object.keys(state)) {
    if (!name.endsWith("running_mean")) continue;
    const counter = `${name.slice(0, -"running_mean".length)}num_batches_tracked`;
    tensors.set(counter, { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(batchesTracked)) });
  }
  for (const [name, stored] of aliases === "authors" ? [...tensors] : []) {
    const prefix = Object.keys(AUTHORS).find((start) => name.startsWith(start));
    if (prefix !== undefined) tensors.set(`${AUTHORS[prefix]}${name.slice(prefix.length)}`, stored);
  }
  return encodeSafetensors(tensors, { ...metadata, format: "pt" });
}
