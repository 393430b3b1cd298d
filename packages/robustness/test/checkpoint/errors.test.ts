/** @file The library's own error of checkpoints is one of the project's deliberate errors. */
import { CheckpointError } from "@gradalign/robustness";
import * as compiler from "@gradalign/tensor";
import { expect, test } from "vitest";

test("a CheckpointError is the library's, has its name as code, and keeps the cause", () => {
  const cause = new Error("why");
  const error = new CheckpointError("what", { cause });
  expect(error).toBeInstanceOf(compiler.GradalignError);
  expect([error.code, error.name, error.message, error.cause]).toEqual(["CheckpointError", "CheckpointError", "what", cause]);
  expect(Object.keys(compiler)).not.toContain("CheckpointError");
});
