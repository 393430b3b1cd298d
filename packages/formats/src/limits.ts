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
  /** A pickle; its storages are elsewhere. Optimisers of thousands of tensors take some MB. */
  pickle: 64 * MIB,
  /** Instructions of a pickle: about forty for each tensor. An empty object of one byte takes some hundred in memory. */
  pickleOpcodes: 2 ** 21,
  /** A module's and name's length in a pickle, in bytes. */
  pickleName: 1024,
  /** Entries of a zip file: one for each storage. */
  zipEntries: 2 ** 17,
  /** Elements of a tensor that is repeated over a smaller storage. */
  repeatedElements: 2 ** 20,
  /** What a checkpoint's tensors take together may be more than the file, by so much: where names share a storage. */
  sharedBytes: 256 * MIB,
  /** An ONNX file; protobuf's own bound. */
  onnx: 2048 * MIB,
  /** Fields of an ONNX file: some dozen for each operator. The smallest has two bytes and takes some hundred in memory. */
  onnxFields: 2 ** 20,
  /** Numbers of a list in an ONNX file; weights are stored as bytes. */
  onnxNumbers: 2 ** 22,
  /** A value shown in a message, in characters. */
  shown: 80,
} as const;
