import { writeFileSync } from "node:fs";
import { test } from "vitest";
import { compareReport, runReport } from "./src/report/report.ts";
import { syntheticRun } from "./test/support/synthetic-run.ts";
test("r", () => {
  writeFileSync("/tmp/one.html", runReport(syntheticRun("fgsm", 6.2)));
  writeFileSync("/tmp/two.html", compareReport([syntheticRun("fgsm", 14.1), syntheticRun("fgsm-gradalign", null)], "FGSM with and without GradAlign"));
});
