import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "apps/*/test/**/*.test.ts", "experiments/test/**/*.test.ts", "examples/**/*.test.ts"],
    reporters: ["default", "./tools/summary-reporter.ts"],
    // Two cores: the engine's own threads need them more than test files do.
    maxWorkers: 2,
    testTimeout: 60_000,
  },
});
