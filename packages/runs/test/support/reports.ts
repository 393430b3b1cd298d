/** @file Reports as Node writes them. */
import { nodeDocument } from "../../src/figures/node-document.ts";
import * as pages from "../../src/pages/report.ts";
import type { ReportRun } from "../../src/run/run-data.ts";

export const runReport = (run: ReportRun): string => pages.runReport(run, nodeDocument());
export const compareReport = (runs: readonly ReportRun[], title: string): string => pages.compareReport(runs, title, nodeDocument());
