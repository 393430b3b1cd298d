/** @file Tile transformations as WebAssembly: four or eight channels at a time, columns first, then rows. */
import type { TileStrides, TileTransformKernel } from "../../ir/kernel.ts";
import type { LinearMap, LinearSum } from "../../ir/linear-map.ts";
import { FunctionBuilder } from "./function-builder.ts";
import { type KernelCode, type ModuleContext, SCRATCH } from "./kernel-code.ts";
import { I32, OP, SIMD, V128 } from "./opcodes.ts";
import { evenPart } from "./pixels.ts";

/** Tiles × channels of a task, about 50 µs. */
const TASK_CHANNELS = 1024;

/** Tasks are rows of tiles, or parts of one where a row has many channels. Buffers: input, output. */
export function emitTileTransform(kernel: TileTransformKernel, module: ModuleContext): KernelCode {
  const { images, tileRows, tileColumns, channels } = kernel;
  const vectors = module.wide && channels % 8 === 0 ? 2 : 1;
  const width = 4 * vectors;
  const part = width * evenPart(channels / width, Math.max(1, Math.floor(TASK_CHANNELS / tileColumns / width)));
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
  const tile = new TileEmitter(f, kernel, vectors, module);
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
      tile.emit(source, target);
      f.get(channel).i32(width).op(OP.i32_add).tee(channel).get(last).op(OP.i32_lt_s).branchIf(0);
    });
  });
  return { tasks: images * tileRows * parts, entry: module.add(f) };
}

/** Emits the transformation of one tile. What the columns give goes through memory: in locals the engine would keep all of it at once,
 * and it joins neighbouring operations only from a load to a store. */
class TileEmitter {
  readonly #f: FunctionBuilder;
  readonly #kernel: TileTransformKernel;
  readonly #vectors: number;
  readonly #relaxed: boolean;
  /** Locals of the map's operands, one for each vector. */
  readonly #operands: readonly (readonly number[])[];
  readonly #between: number;

  constructor(f: FunctionBuilder, kernel: TileTransformKernel, vectors: number, module: ModuleContext) {
    const { inputs, sums, outputs } = kernel.map;
    this.#f = f;
    this.#kernel = kernel;
    this.#vectors = vectors;
    this.#relaxed = module.relaxed;
    const local = (): number[] => Array.from({ length: vectors }, () => f.local(V128));
    this.#operands = Array.from({ length: inputs + sums.length - outputs }, local);
    this.#between = f.local(I32);
    f.globalGet(SCRATCH)
      .i32(module.scratch(16 * vectors * inputs * outputs))
      .op(OP.i32_add)
      .set(this.#between);
  }

  /** Transforms the channels at the address in `source` and stores them at the address in `target`. */
  emit(source: number, target: number): void {
    const { map, input, output } = this.#kernel;
    const between = (i: number, j: number): number => 16 * this.#vectors * (i * map.inputs + j);
    for (let j = 0; j < map.inputs; j++) {
      this.#apply(
        map,
        (i) => [source, 4 * (i * input.row + j * input.column)],
        (i) => [this.#between, between(i, j)],
      );
    }
    for (let i = 0; i < map.outputs; i++) {
      this.#apply(
        map,
        (j) => [this.#between, between(i, j)],
        (j) => [target, 4 * (i * output.row + j * output.column)],
      );
    }
  }

  #apply({ inputs, sums, outputs }: LinearMap, from: (i: number) => [base: number, offset: number], to: (i: number) => [base: number, offset: number]): void {
    const f = this.#f;
    for (let i = 0; i < inputs; i++) {
      const [base, offset] = from(i);
      this.#operands[i]!.forEach((local, v) => {
        f.get(base)
          .v128Load(offset + 16 * v)
          .set(local);
      });
    }
    const inner = sums.length - outputs;
    sums.forEach((sum, i) => {
      for (let v = 0; v < this.#vectors; v++) {
        if (i < inner) {
          this.#sum(sum, v);
          f.set(this.#operands[inputs + i]![v]!);
        } else {
          const [base, offset] = to(i - inner);
          f.get(base);
          this.#sum(sum, v);
          f.v128Store(offset + 16 * v);
        }
      }
    });
  }

  /** Pushes Σ weight · operand. */
  #sum(sum: LinearSum, v: number): void {
    const f = this.#f;
    sum.forEach(([operand, weight], i) => {
      const value = this.#operands[operand]![v]!;
      if (i === 0) {
        f.get(value);
        if (weight !== 1) f.v128(bits(weight)).simd(SIMD.f32x4_mul);
      } else if (weight === 1) f.get(value).simd(SIMD.f32x4_add);
      else if (weight === -1) f.get(value).simd(SIMD.f32x4_sub);
      else if (this.#relaxed) this.#multiplyAdd(value, weight);
      else f.get(value).v128(bits(weight)).simd(SIMD.f32x4_mul).simd(SIMD.f32x4_add);
    });
  }

  /** Adds value · weight to the sum on the stack, rounding once. */
  #multiplyAdd(value: number, weight: number): void {
    const f = this.#f;
    if (this.#sumLocal < 0) this.#sumLocal = f.local(V128);
    f.set(this.#sumLocal).get(value).v128(bits(weight)).get(this.#sumLocal).simd(SIMD.f32x4_relaxed_madd);
  }

  #sumLocal = -1;
}

function bits(value: number): number {
  return new Int32Array(new Float32Array([value]).buffer)[0]!;
}
