/** @file Builds the page into the package of the command that serves it, and says how much script it is. */

import { fileURLToPath } from "node:url";
import { PAGE_STYLE } from "@gradalign/runs";
import { provenance } from "@gradalign/runs/node";
import { defaultClientConditions, defineConfig } from "vite";
import { committedResults } from "./committed-results.ts";
import { PRESETS } from "./src/page/presets.ts";

export default defineConfig({
  base: "./",
  // The packages' sources, as in the tests.
  resolve: { conditions: ["source", ...defaultClientConditions] },
  define: { PROGRAM: JSON.stringify({ version: provenance().version, commit: provenance().commit }) },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [
    {
      name: "report-style",
      transformIndexHtml: () => [{ tag: "style", children: PAGE_STYLE, injectTo: "head-prepend" }],
    },
    committedResults([...new Set(PRESETS.map(({ experiment }) => experiment))]),
  ],
  worker: { format: "es" },
  build: {
    outDir: "../../packages/gradalign/dist/page",
    emptyOutDir: true,
    target: "es2023",
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1000,
    rollupOptions: { input: ["index.html", "runs.html"].map((name) => fileURLToPath(new URL(name, import.meta.url))) },
  },
});
