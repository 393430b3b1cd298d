/** @file The registry of attacks: one line each. */
import { apgdCe, apgdDlr, apgdT } from "./apgd.ts";
import type { Attack } from "./attack.ts";
import { fab, fabT } from "./fab.ts";
import { fgsm } from "./fgsm.ts";
import { fgsmRs } from "./fgsm-rs.ts";
import { fmn } from "./fmn.ts";
import { pgd } from "./pgd.ts";
import { pgdCorner } from "./pgd-corner.ts";
import { pgdT } from "./pgd-t.ts";
import { pma } from "./pma.ts";
import { randomCorner } from "./random-corner.ts";
import { square } from "./square.ts";

/** Every attack by name. */
export const attacks: Readonly<Record<string, Attack>> = {
  fgsm,
  "fgsm-rs": fgsmRs,
  pgd,
  "pgd-t": pgdT,
  "pgd-corner": pgdCorner,
  "random-corner": randomCorner,
  "apgd-ce": apgdCe,
  "apgd-dlr": apgdDlr,
  "apgd-t": apgdT,
  fab,
  "fab-t": fabT,
  fmn,
  pma,
  square,
};
