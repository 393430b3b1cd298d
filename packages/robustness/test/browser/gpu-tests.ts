/** @file Runs in a browser: this package's test files, as far as they are about the webgpu backend. */
import { type Outcome, runGpuTests } from "../../../../tools/in-browser/run-tests.ts";

/** By their paths. */
export const FILES: Readonly<Record<string, () => Promise<unknown>>> = {
  "attacks/ball": () => import("../attacks/ball.test.ts"),
  "eval/blind-gradients": () => import("../eval/blind-gradients.test.ts"),
  "eval/non-finite": () => import("../eval/non-finite.test.ts"),
  "fixtures-attacks": () => import("../fixtures-attacks.test.ts"),
  "fixtures-auto-attack": () => import("../fixtures-auto-attack.test.ts"),
  "fixtures-cnn": () => import("../fixtures-cnn.test.ts"),
  "fixtures-methods": () => import("../fixtures-methods.test.ts"),
  "fixtures-mixing": () => import("../fixtures-mixing.test.ts"),
  "fixtures-optimizers": () => import("../fixtures-optimizers.test.ts"),
  "fixtures-preact-resnet18": () => import("../fixtures-preact-resnet18.test.ts"),
  "fixtures-regularizers": () => import("../fixtures-regularizers.test.ts"),
  "train/webgpu": () => import("../train/webgpu.test.ts"),
};

/** Runs a file's tests of the webgpu backend. */
export const run = (name: string): Promise<Outcome> => runGpuTests(name, FILES);
