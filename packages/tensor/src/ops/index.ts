/** @file The registry: one line per operation. */
import { abs } from "./abs.ts";
import { add } from "./add.ts";
import { alias } from "./alias.ts";
import { and } from "./and.ts";
import { broadcast } from "./broadcast.ts";
import { conv2d } from "./conv2d.ts";
import { conv2dFilterGrad } from "./conv2d-filter-grad.ts";
import { conv2dInputGrad } from "./conv2d-input-grad.ts";
import { convert } from "./convert.ts";
import { cos } from "./cos.ts";
import { type Operation, register } from "./definition.ts";
import { div } from "./div.ts";
import { dot } from "./dot.ts";
import { eq } from "./eq.ts";
import { exp } from "./exp.ts";
import { flip } from "./flip.ts";
import { floor } from "./floor.ts";
import { full } from "./full.ts";
import { gather } from "./gather.ts";
import { iota } from "./iota.ts";
import { le } from "./le.ts";
import { constantLeaf, input } from "./leaves.ts";
import { log } from "./log.ts";
import { lt } from "./lt.ts";
import { max } from "./max.ts";
import { maxPool2d } from "./max-pool2d.ts";
import { maximum } from "./maximum.ts";
import { min } from "./min.ts";
import { minimum } from "./minimum.ts";
import { mul } from "./mul.ts";
import { neg } from "./neg.ts";
import { not } from "./not.ts";
import { or } from "./or.ts";
import { pad } from "./pad.ts";
import { randomBits } from "./random-bits.ts";
import { reshape } from "./reshape.ts";
import { scatterAdd } from "./scatter-add.ts";
import { select } from "./select.ts";
import { shiftRight } from "./shift-right.ts";
import { sign } from "./sign.ts";
import { sin } from "./sin.ts";
import { slice } from "./slice.ts";
import { sqrt } from "./sqrt.ts";
import { stopGradient } from "./stop-gradient.ts";
import { sub } from "./sub.ts";
import { sum } from "./sum.ts";
import { tanh } from "./tanh.ts";
import { transpose } from "./transpose.ts";
import { windowArgmax } from "./window-argmax.ts";
import { windowGather } from "./window-gather.ts";
import { windowScatter } from "./window-scatter.ts";
import { xor } from "./xor.ts";

/** Every operation there is. */
export const operations: readonly Operation[] = [
  abs,
  add,
  alias,
  and,
  broadcast,
  constantLeaf,
  conv2d,
  conv2dFilterGrad,
  conv2dInputGrad,
  convert,
  cos,
  div,
  dot,
  eq,
  exp,
  flip,
  floor,
  full,
  gather,
  input,
  iota,
  le,
  log,
  lt,
  max,
  maxPool2d,
  maximum,
  min,
  minimum,
  mul,
  neg,
  not,
  or,
  pad,
  randomBits,
  reshape,
  scatterAdd,
  select,
  shiftRight,
  sign,
  sin,
  slice,
  sqrt,
  stopGradient,
  sub,
  sum,
  tanh,
  transpose,
  windowArgmax,
  windowGather,
  windowScatter,
  xor,
];

register(operations);
