/** @file Equal expressions as one object, so that code generation computes them once. */
import type { Expr } from "./scalar.ts";

export class ExprTable {
  readonly #known = new Map<string, Expr>();
  readonly #ids = new Map<Expr, number>();

  has(expr: Expr): boolean {
    return this.#ids.has(expr);
  }

  /** The table's expression that equals this one, whose operands are the table's already. */
  intern(expr: Expr): Expr {
    const key = JSON.stringify(expr, (name, value: unknown) => {
      if (name !== "" && typeof value === "object" && value !== null && "kind" in value) return this.#ids.get(value as Expr);
      // JSON has no infinities, NaN or negative zero.
      return typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0)) ? `#${Object.is(value, -0) ? "-0" : value}` : value;
    });
    const found = this.#known.get(key);
    if (found) return found;
    this.#known.set(key, expr);
    this.#ids.set(expr, this.#ids.size);
    return expr;
  }
}
