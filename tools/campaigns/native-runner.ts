/** @file Compares machine code with WebAssembly on random kernels. */
import { nodeNative } from "@gradalign/robustness/node";
import { nativeDifference } from "../../packages/tensor/src/runtime/wasm/native-proof.ts";
import { randomKernel } from "../../packages/tensor/test/support/random-kernels.ts";

/** Tries the kernels of so many numbers; says of each that differs how. Throws where there is no machine code. */
export function compareKernels(first: number, count: number, fault: (text: string) => void): void {
  const { host, problem } = nodeNative(false);
  if (!host) throw new Error(`there is no machine code here: ${problem}`);
  for (let seed = first; seed < first + count; seed++) {
    const kernel = randomKernel(seed);
    const difference = nativeDifference(kernel, host, seed);
    if (difference !== null) fault(`number ${seed}: ${difference}\n${JSON.stringify(kernel)}`);
  }
}
