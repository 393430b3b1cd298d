/** @file Builds the page into the package of the command that serves it. */

import { PAGE_STYLE } from "@gradalign/runs";
import { defaultClientConditions, defineConfig } from "vite";

export default defineConfig({
  base: "./",
  // The packages' sources, as in the tests.
  resolve: { conditions: ["source", ...defaultClientConditions] },
  plugins: [
    {
      name: "report-style",
      transformIndexHtml: () => [{ tag: "style", children: PAGE_STYLE, injectTo: "head-prepend" }],
    },
  ],
  worker: { format: "es" },
  build: { outDir: "../../packages/gradalign/dist/page", emptyOutDir: true, target: "es2023", modulePreload: { polyfill: false }, chunkSizeWarningLimit: 1000 },
});
