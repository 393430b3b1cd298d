/** @file Tensors in memory: created from numbers, returned by compiled functions, read back. */
import { type DataArray, type DType, dtypeOfArray, type HostArray, hostArray } from "../base/dtype.ts";
import { DTypeError, ShapeError, TraceError } from "../base/errors.ts";
import { checkDType, checkNumber, holds } from "../base/numbers.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "../base/shape.ts";
import { Node } from "../ir/graph.ts";
import type { Device, DeviceBuffer } from "../runtime/backend.ts";

/** A value of a program: an operand of any operation. Inside a compiled function it has a type but no elements yet. */
export type Value = Node;

/** What operations accept: a number takes the other operand's element type. */
export type Operand = Value | number | boolean;

/** Frees the device memory of tensors that nobody can reach any more; `dispose` does it at once. */
const reclaim = new FinalizationRegistry<DeviceBuffer>((buffer) => {
  if (buffer.released === "no") buffer.device.free(buffer);
});

/** A value whose elements are in memory. */
export class Tensor extends Node {
  #host: HostArray | null;
  readonly #buffers = new Map<Device, DeviceBuffer>();

  /** @internal Use {@link tensor}. */
  constructor(shape: Shape, dtype: DType, source: HostArray | DeviceBuffer) {
    super("constant", [], {}, shape, dtype);
    if ("device" in source) {
      this.#host = null;
      this.#hold(source);
    } else {
      this.#host = source;
    }
  }

  /** A copy of the elements in row-major order. Throws UnsupportedError on backends that can only answer later (webgpu): use `read`. */
  data(): HostArray {
    if (this.#host) return this.#host.slice();
    for (const buffer of this.#buffers.values()) {
      this.#check(buffer);
      return buffer.device.download(buffer);
    }
    throw new TraceError("tensor: it was disposed; keep a copy of data() to use its elements later");
  }

  /** The only element of a tensor of size 1. */
  item(): number {
    if (sizeOf(this.shape) !== 1) throw new ShapeError(`item: expected one element, got shape ${formatShape(this.shape)}`);
    return this.data()[0]!;
  }

  /** Like `data`, on every backend. */
  async read(): Promise<HostArray> {
    for (const buffer of this.#buffers.values()) {
      this.#check(buffer);
      return buffer.device.read(buffer);
    }
    return this.data();
  }

  /** Frees device memory; the tensor cannot be used afterwards. */
  dispose(): void {
    this.#host = null;
    for (const buffer of this.#buffers.values()) if (buffer.released === "no") buffer.device.free(buffer);
    this.#buffers.clear();
  }

  /** @internal The elements in a device's memory, uploaded on first use. */
  bufferOn(device: Device): DeviceBuffer {
    let buffer = this.#buffers.get(device);
    if (buffer) {
      this.#check(buffer);
      return buffer;
    }
    buffer = device.upload(this.dtype, this.#host ?? this.data());
    this.#hold(buffer);
    // One copy is enough: a data set would otherwise stay in memory twice.
    this.#host = null;
    return buffer;
  }

  /** @internal The devices that hold a copy. */
  homes(): Device[] {
    return [...this.#buffers.keys()];
  }

  #hold(buffer: DeviceBuffer): void {
    this.#buffers.set(buffer.device, buffer);
    reclaim.register(this, buffer);
  }

  #check(buffer: DeviceBuffer): void {
    if (buffer.released === "donated") {
      throw new TraceError("tensor: its memory was donated to a compiled function; use the function's result instead, or do not donate it");
    }
    if (buffer.released === "disposed") throw new TraceError("tensor: it was disposed");
  }
}

function isTypedArray(data: unknown): data is DataArray {
  return ArrayBuffer.isView(data) && !(data instanceof DataView);
}

type NestedNumbers = number | boolean | readonly NestedNumbers[];

/** A tensor from a number, nested arrays, or a typed array with its shape. Nested arrays and numbers become float32 (booleans
 * become bool) unless `dtype` says otherwise; a typed array keeps its type. Every element must be one that the type holds (DTypeError; float32
 * rounds); as bool, all but 0 is true.
 * @example tensor([[1, 2], [3, 4]]); tensor(new Uint8Array(6), [2, 3]); tensor(7, [], "int32") */
export function tensor(data: NestedNumbers | DataArray, shape?: Shape, dtype?: DType): Tensor {
  if (isTypedArray(data)) {
    const type = dtype ?? dtypeOfArray(data);
    return build(data, shape ?? [data.length], type);
  }
  const flat: number[] = [];
  let allBoolean = true;
  const visit = (node: NestedNumbers, depth: number, extents: number[]): void => {
    if (typeof node === "number" || typeof node === "boolean") {
      if (depth !== extents.length) throw new ShapeError("tensor: nested arrays must form a box, got rows of different depth");
      allBoolean &&= typeof node === "boolean";
      flat.push(Number(node));
      return;
    }
    if (!Array.isArray(node)) {
      throw new DTypeError(`tensor: expected numbers, booleans, nested arrays of them or a typed array, got ${Object.prototype.toString.call(node)}`);
    }
    if (extents[depth] !== node.length) throw new ShapeError(`tensor: nested arrays must form a box, got rows of ${extents[depth]} and ${node.length}`);
    for (const item of node) visit(item, depth + 1, extents);
  };
  const extents: number[] = [];
  for (let node = data; Array.isArray(node); node = node[0] as NestedNumbers) extents.push(node.length);
  visit(data, 0, extents);
  return build(flat, shape ?? extents, dtype ?? (allBoolean && flat.length > 0 ? "bool" : "float32"));
}

function build(data: ArrayLike<number>, shape: Shape, dtype: DType): Tensor {
  checkDType("tensor", dtype);
  checkShape("tensor", shape);
  if (sizeOf(shape) !== data.length) throw new ShapeError(`tensor: shape ${formatShape(shape)} needs ${sizeOf(shape)} elements, got ${data.length}`);
  const host = hostArray(dtype, data.length);
  if (dtype === "bool") for (let i = 0; i < data.length; i++) host[i] = data[i] !== 0 ? 1 : 0;
  else {
    if (!(data instanceof host.constructor)) {
      for (let i = 0; i < data.length; i++) if (!holds(dtype, data[i])) checkNumber("tensor", dtype, data[i], `element ${i}, `);
    }
    host.set(data);
  }
  return new Tensor([...shape], dtype, host);
}
