/** @file The order of test files: one that takes long must not begin when the others are about to end. */
import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Those of more than twelve seconds, the longest first. */
export const LONGEST: readonly string[] = [
  "packages/tensor/test/browser/webgpu.test.ts",
  "apps/studio/test/page-gpu.test.ts",
  "packages/robustness/test/browser/webgpu.test.ts",
  "packages/gradalign/test/package.test.ts",
  "packages/robustness/test/attacks/ball.test.ts",
  "packages/robustness/test/fixtures-preact-resnet18.test.ts",
  "packages/gradalign/test/clusters.test.ts",
  "packages/gradalign/test/reproduce.test.ts",
  "packages/tensor/test/runtime/webgpu-tensor-cores.test.ts",
  "apps/studio/test/page-hosting.test.ts",
  "packages/tensor/test/codegen/webgpu-matrices.test.ts",
  "apps/studio/test/page-kept.test.ts",
  "packages/tensor/test/conformance/operations.test.ts",
  "packages/gradalign/test/reproduce-interruption.test.ts",
  "packages/gradalign/test/interruption.test.ts",
  "packages/robustness/test/train/webgpu.test.ts",
  "packages/tensor/test/passes/random-programs.test.ts",
  "packages/gradalign/test/plan.test.ts",
  "apps/studio/test/runs.test.ts",
  "apps/studio/test/page-attack.test.ts",
  "packages/tensor/test/fixtures-convolution.test.ts",
  "packages/gradalign/test/slurm.test.ts",
  "packages/tensor/test/browser/wasm.test.ts",
  "apps/studio/test/page-training.test.ts",
  "packages/robustness/test/golden/golden.test.ts",
  "packages/robustness/test/fixtures-methods.test.ts",
  "packages/robustness/test/fixtures-cnn.test.ts",
  "packages/runs/test/report-page.test.ts",
  "packages/robustness/test/attacks/rounds.test.ts",
];

/** Files that have a process of their own come first: those that share one follow each other. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ project, moduleId }: TestSpecification): number => {
      const place = LONGEST.indexOf(relative(this.ctx.config.root, moduleId));
      return project.config.isolate ? (place < 0 ? LONGEST.length : place) : LONGEST.length + 1;
    };
    // Equals stay in vitest's own order: what took long the last time, or else large files, first.
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
