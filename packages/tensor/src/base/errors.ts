/** @file Every error this project throws on purpose: one class per kind of mistake, so that callers can tell them apart. */

/** Base of all deliberate errors; `code` is the class's stable name, also when bundlers rename classes. */
export class GradalignError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = code;
  }
}

/** A class of errors that is told apart by its name alone. */
function errorNamed(code: string): new (message: string, options?: ErrorOptions) => GradalignError {
  return class extends GradalignError {
    constructor(message: string, options?: ErrorOptions) {
      super(code, message, options);
    }
  };
}

/** Operands' shapes do not fit an operation. */
export class ShapeError extends errorNamed("ShapeError") {}

/** Operands' element types do not fit an operation. */
export class DTypeError extends errorNamed("DTypeError") {}

/** A function cannot be traced, or a traced value was used as if it were a number. */
export class TraceError extends errorNamed("TraceError") {}

/** The backend or the machine cannot do what was asked. */
export class UnsupportedError extends errorNamed("UnsupportedError") {}

/** A setting has a value that its rule forbids. */
export class ConfigError extends errorNamed("ConfigError") {}

/** Data are missing, damaged, or not what they claim to be. */
export class DataError extends errorNamed("DataError") {}

/** A device's memory does not suffice. On wasm everything is as before the call, which works once enough was freed; on webgpu the device is over. */
export class OutOfMemoryError extends errorNamed("OutOfMemoryError") {}

/** The device failed while it was in use, and cannot be used any more. */
export class DeviceError extends errorNamed("DeviceError") {}

/** The adapter's limits do not allow what was asked; the numbers tell by how much. */
export class LimitError extends GradalignError {
  /** The limit's name in WebGPU. */
  readonly limit: string;
  readonly needed: number;
  readonly available: number;
  constructor(message: string, limit: string, needed: number, available: number) {
    super("LimitError", message);
    this.limit = limit;
    this.needed = needed;
    this.available = available;
  }
}

/** A promise this code makes to itself is broken: always our bug, never the user's. */
export class InvariantError extends GradalignError {
  constructor(message: string, options?: ErrorOptions) {
    super("InvariantError", `${message} (this is a bug in gradalign, please report it)`, options);
  }
}

/** Throws an {@link InvariantError} unless the condition holds. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
