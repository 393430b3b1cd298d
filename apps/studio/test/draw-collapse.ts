/** @file Runs in a browser: draws the panels of a training that overfits at epoch 12.3, looked back at epoch 6. */
import type { Evaluation } from "@gradalign/robustness";
import { drawEstimate, drawPanel, drawSlice, drawSurface, PANELS } from "../src/page/charts.ts";

/** What each panel shows of it. */
export function drawCollapse(): { words: string[]; dashed: number; lines: number; cursors: number }[] {
  const evaluations = [0, 6, 12.3, 20, 30].map((epoch, i) => {
    const value = 0.1 + 0.05 * i;
    return { epoch, test_clean_acc: value, test_pgd_acc: value, test_fgsm_acc: value, gradient_alignment: value, cos_fgsm_pgd: value } as Evaluation;
  });
  return PANELS.map((panel) => {
    const svg = drawPanel(panel, { label: "FGSM", epochs: 30, evaluations, overfitting: 12.3, at: 6 }, 480);
    return {
      words: [...svg.querySelectorAll("text")].map((text) => text.textContent ?? "").filter((text) => text.includes("overfits")),
      dashed: svg.querySelectorAll("[stroke-dasharray='5,3'] line, line[stroke-dasharray='5,3']").length,
      lines: svg.querySelectorAll("[aria-label=line] path").length,
      cursors: svg.querySelectorAll("[aria-label=rule][stroke-opacity] line, [aria-label=rule] line[stroke-opacity]").length,
    };
  });
}

/** What is said of a loss that rises to a bump at half of FGSM's perturbation. */
export function drawBump(): (string | null)[] {
  const [size, from, to] = [25, -0.25, 1.25];
  const at = (i: number): number => from + ((to - from) * i) / (size - 1);
  const losses = Float32Array.from({ length: size * size }, (_, i) => 3 - 4 * (at(i % size) - 0.5) ** 2 - 0.1 * at(Math.floor(i / size)));
  const surface = { size, from, to, losses, direction: "random" as const };
  return [drawSurface(surface, 400), drawSlice(surface, 4, 400)].map((svg) => svg.getAttribute("aria-description"));
}

/** Fills of the squares below the contours of a loss that is the same everywhere, with their width. */
export function drawFlat(): (readonly [string | null, string | null])[] {
  const svg = drawSurface({ size: 25, from: -0.25, to: 1.25, losses: new Float32Array(625).fill(2.3), direction: "random" }, 400);
  return [...svg.querySelectorAll("[aria-label=rect] rect, rect[aria-label=rect]")].map((rect) => [rect.getAttribute("fill"), rect.getAttribute("width")]);
}

/** The labels of the curve of an attack's axis, in letters as large as on a telephone, each with how much of it is cut off. */
export function drawAxis(): { words: string | null; cut: number }[] {
  const svg = drawEstimate([{ images: 8, robust: 0.5, low: 0.4, high: 0.6 }], 16, 300) as SVGSVGElement;
  svg.style.cssText = "font-size: 14.5px; font-family: sans-serif";
  document.body.append(svg);
  const { left } = svg.getBoundingClientRect();
  const labels = [...svg.querySelectorAll("[aria-label='y-axis tick label'] text")];
  return labels.map((label) => ({ words: label.textContent, cut: Math.max(0, left - label.getBoundingClientRect().left) }));
}
