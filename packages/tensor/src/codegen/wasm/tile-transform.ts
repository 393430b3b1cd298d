/** @file Tile transformations as WebAssembly: four channels at a time, columns first, then rows. */
import type { TileStrides, TileTransformKernel } from "../../ir/kernel.ts";
import { FunctionBuilder, I32, OP, SIMD, V128 } from "./encoder.ts";
import type { KernelCode, ModuleContext } from "./kernel-code.ts";
import { evenPart } from "./pixels.ts";

/** Tiles × channels of a task, about 50 µs. */
const TASK_CHANNELS = 1024;

/** Tasks are rows of tiles, or parts of one where a row has many channels. Buffers: input, output. */
export function emitTileTransform(kernel: TileTransformKernel, module: ModuleContext): KernelCode {
  const { images, tileRows, tileColumns, channels, matrix } = kernel;
  const part = 4 * evenPart(channels / 4, Math.max(1, Math.floor(TASK_CHANNELS / tileColumns / 4)));
  const parts = Math.ceil(channels / part);
  const f = new FunctionBuilder([I32, I32, I32]);
  const [task, input, output] = [0, 1, 2];
  const [rest, first, last, column, channel] = [f.local(I32), f.local(I32), f.local(I32), f.local(I32), f.local(I32)];
  const [from, to, source, target] = [f.local(I32), f.local(I32), f.local(I32), f.local(I32)];
  // task = (image · tileRows + tileRow) · parts + part
  f.get(task).i32(parts).op(OP.i32_rem_u).i32(part).op(OP.i32_mul).tee(first).i32(part).op(OP.i32_add).set(last);
  f.get(last).i32(channels).get(last).i32(channels).op(OP.i32_lt_s, OP.select).set(last);
  f.get(task).i32(parts).op(OP.i32_div_u).set(rest);
  const emitBase = (buffer: number, strides: TileStrides, local: number): void => {
    f.get(buffer);
    f.get(rest)
      .i32(tileRows)
      .op(OP.i32_div_u)
      .i32(4 * strides.image)
      .op(OP.i32_mul, OP.i32_add);
    f.get(rest)
      .i32(tileRows)
      .op(OP.i32_rem_u)
      .i32(4 * strides.tileRow)
      .op(OP.i32_mul, OP.i32_add);
    f.set(local);
  };
  emitBase(input, kernel.input, from);
  emitBase(output, kernel.output, to);
  module.scratch(matrix.length * matrix[0]!.length);
  const tile = new TileEmitter(f, matrix, module.relaxed);
  f.countedLoop(column, 0, tileColumns, 1, () => {
    f.get(first).set(channel);
    f.loop(() => {
      const emitAddress = (base: number, stride: number, local: number): void => {
        f.get(base)
          .get(column)
          .i32(4 * stride)
          .op(OP.i32_mul, OP.i32_add)
          .get(channel)
          .i32(2)
          .op(OP.i32_shl, OP.i32_add)
          .set(local);
      };
      emitAddress(from, kernel.input.tileColumn, source);
      emitAddress(to, kernel.output.tileColumn, target);
      tile.emit(source, kernel.input, target, kernel.output);
      f.get(channel).i32(4).op(OP.i32_add).tee(channel).get(last).op(OP.i32_lt_s).branchIf(0);
    });
  });
  return { tasks: images * tileRows * parts, entry: module.add(f) };
}

class TileEmitter {
  readonly #f: FunctionBuilder;
  readonly #matrix: readonly (readonly number[])[];
  readonly #relaxed: boolean;
  /** Column or row being transformed. */
  readonly #line: number[];

  constructor(f: FunctionBuilder, matrix: readonly (readonly number[])[], relaxed: boolean) {
    this.#f = f;
    this.#matrix = matrix;
    this.#relaxed = relaxed;
    this.#line = matrix[0]!.map(() => f.local(V128));
  }

  /** Transforms the four channels at the address in `source` and stores them at the address in `target`. */
  emit(source: number, input: TileStrides, target: number, output: TileStrides): void {
    const f = this.#f;
    const size = this.#line.length;
    this.#line.forEach((_, j) => {
      this.#line.forEach((local, i) => {
        f.get(source)
          .v128Load(4 * (i * input.row + j * input.column))
          .set(local);
      });
      this.#matrix.forEach((weights, i) => {
        this.#combine(weights, this.#line);
        f.globalSet(i * size + j);
      });
    });
    this.#matrix.forEach((_, i) => {
      this.#line.forEach((local, j) => {
        f.globalGet(i * size + j).set(local);
      });
      this.#matrix.forEach((weights, j) => {
        f.get(target);
        this.#combine(weights, this.#line);
        f.v128Store(4 * (i * output.row + j * output.column));
      });
    });
  }

  /** Pushes Σ weights[k] · values[k]. */
  #combine(weights: readonly number[], values: readonly number[]): void {
    const f = this.#f;
    let started = false;
    weights.forEach((weight, k) => {
      if (weight === 0) return;
      const value = values[k]!;
      if (!started) {
        f.get(value);
        if (weight !== 1) f.v128(bits(weight)).simd(SIMD.f32x4_mul);
      } else if (weight === 1) f.get(value).simd(SIMD.f32x4_add);
      else if (weight === -1) f.get(value).simd(SIMD.f32x4_sub);
      else if (this.#relaxed) this.#multiplyAdd(value, weight);
      else f.get(value).v128(bits(weight)).simd(SIMD.f32x4_mul).simd(SIMD.f32x4_add);
      started = true;
    });
  }

  /** Adds value · weight to the sum on the stack, rounding once. */
  #multiplyAdd(value: number, weight: number): void {
    const f = this.#f;
    const sum = this.#sum();
    f.set(sum).get(value).v128(bits(weight)).get(sum).simd(SIMD.f32x4_relaxed_madd);
  }

  #sumLocal = -1;
  #sum(): number {
    if (this.#sumLocal < 0) this.#sumLocal = this.#f.local(V128);
    return this.#sumLocal;
  }
}

function bits(value: number): number {
  return new Int32Array(new Float32Array([value]).buffer)[0]!;
}
