/** @file The registry of training methods: one line each. */
import { ConfigError } from "@gradalign/tensor";
import type { Given, OptionTable, ValuesOf } from "../options/option.ts";
import { aaer } from "./aaer.ts";
import { atas } from "./atas.ts";
import { cure } from "./cure.ts";
import { elle } from "./elle.ts";
import { elleA } from "./elle-a.ts";
import { fgsm } from "./fgsm.ts";
import { fgsmGradAlign } from "./fgsm-gradalign.ts";
import { fgsmMep } from "./fgsm-mep.ts";
import { fgsmRs } from "./fgsm-rs.ts";
import { free } from "./free.ts";
import { gat } from "./gat.ts";
import { gradNorm } from "./grad-norm.ts";
import { lap } from "./lap.ts";
import { llr } from "./llr.ts";
import { lpFgsm } from "./lp-fgsm.ts";
import { mart } from "./mart.ts";
import type { Method } from "./method.ts";
import { multiGrad } from "./multigrad.ts";
import { nFgsm } from "./n-fgsm.ts";
import { nuat } from "./nuat.ts";
import { pgd } from "./pgd.ts";
import { pgdCorner } from "./pgd-corner.ts";
import { pgdGradAlign } from "./pgd-gradalign.ts";
import { randomCorner } from "./random-corner.ts";
import { sora } from "./sora.ts";
import { stableFgsm } from "./stable-fgsm.ts";
import { standard } from "./standard.ts";
import { trades } from "./trades.ts";
import { zeroGrad } from "./zerograd.ts";

/** Every method by name. */
export const methods = {
  standard,
  fgsm,
  "fgsm-rs": fgsmRs,
  "n-fgsm": nFgsm,
  zerograd: zeroGrad,
  multigrad: multiGrad,
  "stable-fgsm": stableFgsm,
  "fgsm-gradalign": fgsmGradAlign,
  pgd,
  "pgd-gradalign": pgdGradAlign,
  "pgd-corner": pgdCorner,
  "random-corner": randomCorner,
  free,
  cure,
  "grad-norm": gradNorm,
  llr,
  elle,
  "elle-a": elleA,
  gat,
  nuat,
  aaer,
  lap,
  sora,
  "lp-fgsm": lpFgsm,
  "fgsm-mep": fgsmMep,
  atas,
  trades,
  mart,
} satisfies Readonly<Record<string, Method>>;

/** Every method's name. */
export type MethodName = keyof typeof methods;

/** A method and its options, as stored in a run's settings. */
export type MethodConfig = { [Name in MethodName]: { readonly name: Name } & ValuesOf<(typeof methods)[Name]["options"]> }[MethodName];

/** A method and those of its options that are chosen. */
export type PartialMethodConfig =
  | { [Name in MethodName]: { readonly name: Name } & Partial<ValuesOf<(typeof methods)[Name]["options"]>> }[MethodName]
  // A name that is not known beforehand: TypeScript does not see that the union, which is long, has a member for each.
  | { readonly name: MethodName };

/**
 * The method of that name.
 *
 * @throws ConfigError when there is none.
 */
export function methodNamed(name: string): Method {
  if (!Object.hasOwn(methods, name)) throw new ConfigError(`method: name (="${name}") must be one of ${Object.keys(methods).join(", ")}`);
  return methods[name as MethodName];
}

/**
 * The method of a run's settings, and its options.
 *
 * @throws ConfigError when there is no such method.
 */
export function configuredMethod({ name, ...options }: { readonly name: string } & Given): {
  readonly method: Method;
  readonly options: ValuesOf<OptionTable>;
} {
  // Whoever checks the settings checks that they are values of the declared options.
  return { method: methodNamed(name), options: options as ValuesOf<OptionTable> };
}
