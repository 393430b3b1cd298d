/** @file Runs in a browser: this package's test files, as far as they are about the webgpu backend. */
import { type Outcome, runGpuTests } from "../../../../tools/in-browser/run-tests.ts";

/** By their paths. */
export const FILES: Readonly<Record<string, () => Promise<unknown>>> = {
  "autodiff/gradients": () => import("../autodiff/gradients.test.ts"),
  "base/random": () => import("../base/random.test.ts"),
  "conformance/empty": () => import("../conformance/empty.test.ts"),
  "conformance/operations": () => import("../conformance/operations.test.ts"),
  "fixtures-batch-norm": () => import("../fixtures-batch-norm.test.ts"),
  "fixtures-convolution": () => import("../fixtures-convolution.test.ts"),
  "fixtures-pooling": () => import("../fixtures-pooling.test.ts"),
  "fixtures-cross-entropy": () => import("../fixtures-cross-entropy.test.ts"),
  "frontend/clamp": () => import("../frontend/clamp.test.ts"),
  "frontend/jit": () => import("../frontend/jit.test.ts"),
  "frontend/numbers": () => import("../frontend/numbers.test.ts"),
  "frontend/shaping": () => import("../frontend/shaping.test.ts"),
  "ops/integers": () => import("../ops/integers.test.ts"),
  "ops/transcendental": () => import("../ops/transcendental.test.ts"),
  "passes/from-inputs": () => import("../passes/from-inputs.test.ts"),
  "passes/long-chains": () => import("../passes/long-chains.test.ts"),
  "passes/plan-memory": () => import("../passes/plan-memory.test.ts"),
  "passes/random-programs": () => import("../passes/random-programs.test.ts"),
  "runtime/long-sums": () => import("../runtime/long-sums.test.ts"),
  "runtime/webgpu": () => import("../runtime/webgpu.test.ts"),
  "runtime/webgpu-half": () => import("../runtime/webgpu-half.test.ts"),
};

/** Runs a file's tests of the webgpu backend. */
export const run = (name: string): Promise<Outcome> => runGpuTests(name, FILES);
