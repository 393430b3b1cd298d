/** @file What is compared, saved: numbers as CSV, panels as SVG and PNG. */
import { type CsvRow, csv } from "@gradalign/runs";
import { saveFile } from "../page/save-file.ts";
import type { Quantity } from "./address.ts";
import { type Group, type LoadedRun, lineOf } from "./aggregate.ts";
import { paintedSvg, pngOf } from "./picture-of.ts";

interface DownloadsProps {
  readonly groups: readonly Group[];
  readonly quantities: readonly Quantity[];
  readonly runs: readonly LoadedRun[];
  readonly smoothing: number;
}

/** The buttons. */
export function Downloads({ groups, quantities, runs, smoothing }: DownloadsProps) {
  return (
    <div class="buttons">
      <button type="button" disabled={runs.length === 0} onClick={() => save("evaluations.csv", "text/csv", csv(evaluationRows(runs)))}>
        Evaluations as CSV
      </button>
      <button type="button" disabled={runs.length === 0} onClick={() => save("lines.csv", "text/csv", csv(lineRows(groups, quantities, smoothing)))}>
        Lines as CSV
      </button>
      <button type="button" disabled={runs.length === 0} onClick={() => eachPanel((name, svg) => save(`${name}.svg`, "image/svg+xml", paintedSvg(svg)))}>
        Panels as SVG
      </button>
      <button type="button" disabled={runs.length === 0} onClick={() => eachPanel((name, svg) => void pngOf(svg).then((png) => saveFile(`${name}.png`, png)))}>
        Panels as PNG
      </button>
    </div>
  );
}

/** Every evaluation with all digits. */
function evaluationRows(runs: readonly LoadedRun[]): CsvRow[] {
  return runs.flatMap(({ summary, evaluations }) =>
    evaluations.map(({ filter_norms = [], outgoing_norms = [], ...numbers }): CsvRow => {
      const norms = [...filter_norms.map((norm, i) => [`filter_norm_${i + 1}`, norm]), ...outgoing_norms.map((norm, i) => [`outgoing_norm_${i + 1}`, norm])];
      return { run: summary.name, ...numbers, ...Object.fromEntries(norms) };
    }),
  );
}

/** What is drawn: smoothed, averaged, with its deviation. */
function lineRows(groups: readonly Group[], quantities: readonly Quantity[], smoothing: number): CsvRow[] {
  return groups.flatMap((group) =>
    quantities.flatMap((quantity) => {
      const { rows, bands } = lineOf(group, quantity, smoothing);
      const deviations = new Map(bands.map(({ epoch, low, high }) => [epoch, (high - low) / 2]));
      return rows.map(({ epoch, value }): CsvRow => ({ line: group.name, quantity: quantity.key, epoch, value, deviation: deviations.get(epoch) }));
    }),
  );
}

function eachPanel(work: (name: string, svg: SVGSVGElement) => void): void {
  for (const panel of document.querySelectorAll<HTMLElement>("#panels [data-quantity]")) {
    const svg = panel.querySelector<SVGSVGElement>("svg[data-axes]");
    if (svg) work(panel.dataset["quantity"] ?? "panel", svg);
  }
}

function save(name: string, type: string, text: string): void {
  saveFile(name, new Blob([text], { type }));
}
