/**
 * @file How much a file may ask for.
 *
 * Readers compare with these bounds before they allocate, so what a few bytes announce costs a few bytes. Every bound is well above
 * what honest files need and well below what a machine has.
 */
const MIB = 2 ** 20;

/** The bounds; all sizes are in bytes. */
export const LIMITS = {
  /** Objects and lists inside one another. The project's own JSON is at most 8 deep; code that walks a value overflows the stack at some thousands. */
  jsonDepth: 64,
  /** A safetensors header. A thousand tensors take 0.1 MB; a parser holds the header several times over. */
  safetensorsHeader: 16 * MIB,
  /** Axes of a stored tensor; NumPy's bound. */
  axes: 64,
  /** A value shown in a message, in characters. */
  shown: 80,
} as const;
