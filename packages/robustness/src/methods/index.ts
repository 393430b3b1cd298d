/** @file The registry of training methods: one line each. */
import { ConfigError } from "@gradalign/tensor";
import { cure } from "./cure.ts";
import { fgsm } from "./fgsm.ts";
import { fgsmGradAlign } from "./fgsm-gradalign.ts";
import { fgsmRs } from "./fgsm-rs.ts";
import { free } from "./free.ts";
import { gradNorm } from "./grad-norm.ts";
import { llr } from "./llr.ts";
import type { Method } from "./method.ts";
import { pgd } from "./pgd.ts";
import { pgdCorner } from "./pgd-corner.ts";
import { pgdGradAlign } from "./pgd-gradalign.ts";
import { randomCorner } from "./random-corner.ts";
import { standard } from "./standard.ts";

/** Every method's name. */
export type MethodName =
  | "standard"
  | "fgsm"
  | "fgsm-rs"
  | "fgsm-gradalign"
  | "pgd"
  | "pgd-gradalign"
  | "pgd-corner"
  | "random-corner"
  | "free"
  | "cure"
  | "grad-norm"
  | "llr";

/** Every method by name. */
export const methods: Readonly<Record<MethodName, Method>> = {
  standard,
  fgsm,
  "fgsm-rs": fgsmRs,
  "fgsm-gradalign": fgsmGradAlign,
  pgd,
  "pgd-gradalign": pgdGradAlign,
  "pgd-corner": pgdCorner,
  "random-corner": randomCorner,
  free,
  cure,
  "grad-norm": gradNorm,
  llr,
};

/**
 * The method of that name.
 *
 * @throws ConfigError when there is none.
 */
export function methodNamed(name: string): Method {
  if (!Object.hasOwn(methods, name)) throw new ConfigError(`method: name (="${name}") must be one of ${Object.keys(methods).join(", ")}`);
  return methods[name as MethodName];
}
