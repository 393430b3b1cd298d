import { existsSync, readdirSync, readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";
import LongestFirst, { LONGEST } from "./tools/longest-first.ts";

/** Chromium brings SwiftShader, a Vulkan driver without a GPU, for Dawn in Node. The loader reads these when a worker process starts. */
const CHROMIUM = "/usr/lib/chromium";
if (existsSync(`${CHROMIUM}/vk_swiftshader_icd.json`)) {
  process.env["VK_ICD_FILENAMES"] = `${CHROMIUM}/vk_swiftshader_icd.json`;
  process.env["LD_LIBRARY_PATH"] = [process.env["LD_LIBRARY_PATH"], CHROMIUM].filter(Boolean).join(":");
}

/** Where machine code cannot be had, commands say so once each; tests of what they say want it that nobody asked. */
const mayBeNative = process.platform === "linux" && process.arch === "x64" && existsSync(new URL("node_modules/koffi", import.meta.url));
if (!mayBeNative) process.env["GRADALIGN_NATIVE"] ??= "off";

/** Test files that share their process with others: what is short, needs nothing of the process itself, and mocks no module. */
const TOGETHER = ["packages/{tensor,formats,robustness,runs}/test/**/*.test.ts"];
const ALONE = [...LONGEST, "packages/robustness/test/browser/*.test.ts", ...mocking()];

function mocking(): string[] {
  const files = ["tensor", "formats", "robustness", "runs"].flatMap((name) =>
    readdirSync(`packages/${name}/test`, { recursive: true, encoding: "utf8" }).map((file) => `packages/${name}/test/${file}`),
  );
  return files.filter((file) => file.endsWith(".test.ts") && /\bvi\.(mock|stub|useFake)/.test(readFileSync(file, "utf8")));
}

export default defineConfig({
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] } },
  test: {
    reporters: ["default", "./tools/summary-reporter.ts"],
    // On two cores: files wait for servers, browsers and clocks as well.
    maxWorkers: 3,
    // Shaders compile slowly where the CPU imitates a GPU.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // So does what a page is waited for, while other tests run.
    expect: { poll: { timeout: 30_000 } },
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: "alone",
          include: ["packages/gradalign/test/**/*.test.ts", "apps/*/test/**/*.test.ts", "experiments/test/**/*.test.ts", "examples/**/*.test.ts", ...ALONE],
        },
      },
      // In a process of its own every file would load the compiler and the library again, which takes a second.
      { extends: true, test: { name: "together", include: TOGETHER, exclude: ALONE, isolate: false } },
    ],
  },
});
