/** @file Ends a test run with one line that people and machines can read: `N passed, N failed, N skipped`. */
import type { Reporter, TestModule } from "vitest/node";

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0 };
    for (const module of modules) {
      let found = 0;
      for (const test of module.children.allTests()) {
        found++;
        const state = test.result().state;
        count[state === "pending" ? "failed" : state]++;
      }
      // A file that fails to load holds no tests, yet it is a failure.
      if (found === 0 || module.state() === "failed") count.failed += module.errors().length;
    }
    process.stdout.write(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
  }
}
