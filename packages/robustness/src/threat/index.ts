/** @file The registry of threat models: one line each. */
import { l1 } from "./l1.ts";
import { l2 } from "./l2.ts";
import { linf } from "./linf.ts";
import type { Threat } from "./threat.ts";

/** Every threat model by name. */
export const threats: Readonly<Record<"linf" | "l2" | "l1", Threat>> = { linf, l2, l1 };
