/** @file Smallest element over axes. */
import { extremum } from "./reduce.ts";

export const min = extremum("min");
