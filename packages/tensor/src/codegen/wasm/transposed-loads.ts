/** @file Loads of lanes that lie apart, where four of a kernel's loads lie next to each other: four vectors across the lanes, turned in registers. */
import { BYTES } from "../../base/dtype.ts";
import type { Expr } from "../../ir/scalar.ts";
import type { Addresses, LoopScope } from "./addresses.ts";
import { I32, V128 } from "./opcodes.ts";

type Load = Expr & { kind: "load" };

/** The loads of a loop body, by place. */
export class TransposedLoads {
  readonly #scope: LoopScope;
  readonly #addresses: Addresses;
  readonly #loads = new Map<string, Load>();

  constructor(scope: LoopScope, addresses: Addresses) {
    this.#scope = scope;
    this.#addresses = addresses;
  }

  /** Notes a load of the body. */
  add(load: Load): void {
    this.#loads.set(placeOf(load, load.at.offset), load);
  }

  /** Loads four neighbours of which the given one is the first, second, third or fourth; returns the local of each, or null where there are none. */
  emit(load: Load): ReadonlyMap<Expr, number> | null {
    const { f, inner } = this.#scope;
    const { buffer, at, dtype } = load;
    const stride = at.strides[inner]! * BYTES[dtype];
    if (BYTES[dtype] !== 4 || stride < 8) return null;
    const neighbour = (offset: number): Load | undefined => this.#loads.get(placeOf(load, offset));
    let start = at.offset;
    while (neighbour(start - 1)) start--;
    start += 4 * Math.floor((at.offset - start) / 4);
    const columns = [0, 1, 2, 3].flatMap((i) => neighbour(start + i) ?? []);
    if (columns.length < 4) return null;
    const vectors = Array.from({ length: 8 }, () => f.local(V128));
    const [rows, halves] = [vectors.slice(0, 4), vectors.slice(4)];
    const base = f.local(I32);
    this.#addresses.push(buffer, { ...at, offset: start }, dtype);
    f.set(base);
    rows.forEach((row, lane) => {
      f.get(base)
        .v128Load(lane * stride)
        .set(row);
    });
    const pick = (a: number, b: number, words: readonly number[], to: number): void => {
      f.get(a).get(b).shuffleWords(words).set(to);
    };
    for (const i of [0, 1]) {
      pick(rows[2 * i]!, rows[2 * i + 1]!, [0, 4, 1, 5], halves[2 * i]!);
      pick(rows[2 * i]!, rows[2 * i + 1]!, [2, 6, 3, 7], halves[2 * i + 1]!);
    }
    for (const i of [0, 1]) {
      pick(halves[i]!, halves[i + 2]!, [0, 1, 4, 5], rows[2 * i]!);
      pick(halves[i]!, halves[i + 2]!, [2, 3, 6, 7], rows[2 * i + 1]!);
    }
    return new Map(columns.map((column, i) => [column, rows[i]!]));
  }
}

function placeOf({ buffer, at }: Load, offset: number): string {
  return `${buffer} ${offset} ${at.strides.join()}`;
}
