/** @file When two things are the same: plain data as text, and equal expressions as one object. */
import type { Expr } from "./scalar.ts";

/** Plain data as text, exact to the bit: equal texts mean equal values, shared alike. An object that comes again is written as a reference, or the
 * text would grow exponentially with the depth of shared expressions; `known` gives numbers to objects that stand outside. */
export function structuralKey(value: unknown, known: (object: object) => number | undefined = () => undefined): string {
  let numbers: Map<object, number> | undefined;
  const text = (part: unknown): string => {
    if (typeof part === "number") return Object.is(part, -0) ? "-0" : String(part);
    if (typeof part !== "object" || part === null) return JSON.stringify(part) ?? "";
    // Loops and not `map`: compilation spends much of its time here.
    if (Array.isArray(part)) {
      let items = "[";
      for (const item of part) items += `${text(item)},`;
      return `${items}]`;
    }
    const outside = known(part);
    if (outside !== undefined) return `%${outside}`;
    const number = numbers?.get(part);
    if (number !== undefined) return `#${number}`;
    numbers ??= new Map();
    numbers.set(part, numbers.size);
    let fields = "{";
    for (const name of Object.keys(part)) fields += `${name}:${text((part as Readonly<Record<string, unknown>>)[name])},`;
    return `${fields}}`;
  };
  return text(value);
}

/** Equal expressions as one object, so that code generation computes them once. */
export class ExprTable {
  readonly #known = new Map<string, Expr>();
  readonly #ids = new Map<object, number>();

  has(expr: Expr): boolean {
    return this.#ids.has(expr);
  }

  /** The table's expression that equals this one, whose operands are the table's already. */
  intern(expr: Expr): Expr {
    if (this.has(expr)) return expr;
    const key = this.#keyOf(expr);
    const found = this.#known.get(key);
    if (found) return found;
    this.#known.set(key, expr);
    this.#ids.set(expr, this.#ids.size);
    return expr;
  }

  /** The frequent kinds are written out: compilation spends much of its time here. */
  #keyOf(expr: Expr): string {
    if (expr.kind === "load") return `#${expr.buffer} ${expr.dtype} ${expr.at.offset} ${expr.at.strides.join()}`;
    if (expr.kind === "op") {
      let key = `${expr.op} ${expr.dtype}`;
      for (const arg of expr.args) key += ` ${this.#ids.get(arg)}`;
      if (expr.args.every((arg) => this.has(arg))) return key;
    }
    return structuralKey(expr, (object) => this.#ids.get(object));
  }
}
