/**
 * @file Trained weights as a safetensors file that PyTorch's `load_state_dict(strict=True)` accepts.
 *
 * Names and layouts (convolutions OIHW, linear [out, in]) are PyTorch's already; only batch norm's `num_batches_tracked`
 * counters, which PyTorch insists on and inference ignores, are added.
 */
import { encodeSafetensors, type StoredTensor } from "../checkpoint/safetensors.ts";

/** The part of a tensor that storing it needs; `@gradalign/tensor`'s Tensor fits. */
export interface ReadableTensor {
  readonly dtype: "float32" | "int32" | "uint8" | "bool";
  readonly shape: readonly number[];
  data(): Float32Array | Int32Array | Uint8Array;
}

/** Options of {@link exportSafetensors}. */
export interface ExportOptions {
  /** Free-form strings for the file's header, besides `format: "pt"`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Training steps seen by batch norm, for `num_batches_tracked`; 0 unless set. */
  readonly batchesTracked?: number;
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
 * In Python: `model.load_state_dict(safetensors.torch.load_file("model.safetensors"))`.
 */
export function exportSafetensors(
  params: Readonly<Record<string, ReadableTensor>>,
  state: Readonly<Record<string, ReadableTensor>>,
  options: ExportOptions = {},
): Uint8Array {
  const { metadata = {}, batchesTracked = 0 } = options;
  const tensors = new Map([...storedTensors(params), ...storedTensors(state)]);
  for (const name of Object.keys(state)) {
    if (!name.endsWith("running_mean")) continue;
    const counter = `${name.slice(0, -"running_mean".length)}num_batches_tracked`;
    tensors.set(counter, { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(batchesTracked)) });
  }
  return encodeSafetensors(tensors, { ...metadata, format: "pt" });
}
