/** @file Largest element over axes. */
import { extremum } from "./reduce.ts";

export const max = extremum("max");
