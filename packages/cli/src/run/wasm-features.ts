/** @file Which WebAssembly features this JavaScript engine has: it is asked to validate a tiny module that uses each. */

/** Smallest modules that need the feature; made with wabt. */
const PROBES: Readonly<Record<string, readonly number[]>> = {
  // (func (result v128) i32.const 0 i8x16.splat i8x16.popcnt)
  simd: [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
  // (func (result v128) i32.const 1 i8x16.splat i32.const 2 i8x16.splat i8x16.relaxed_swizzle)
  "relaxed-simd": [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11],
  // A shared memory and (i32.atomic.load (i32.const 0))
  threads: [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 5, 4, 1, 3, 1, 1, 10, 11, 1, 9, 0, 65, 0, 254, 16, 2, 0, 26, 11],
};

/** Each feature with whether it is there. */
export function wasmFeatures(): Record<string, boolean> {
  return Object.fromEntries(Object.entries(PROBES).map(([name, bytes]) => [name, WebAssembly.validate(Uint8Array.from(bytes))]));
}
