/** @file Runs in a browser: draws the panels of two runs, of which one overfits at epoch 12.3. */
import type { Evaluation } from "@gradalign/robustness";
import { drawPanel, PANELS } from "../src/charts.ts";

/** What each panel shows of it. */
export function drawCollapse(): { words: string[]; dashed: number; lines: number }[] {
  const evaluations = [0, 6, 12.3, 20, 30].map((epoch, i) => {
    const value = 0.1 + 0.05 * i;
    return { epoch, test_clean_acc: value, test_pgd_acc: value, test_fgsm_acc: value, gradient_alignment: value } as Evaluation;
  });
  const curve = { epochs: 30, evaluations };
  const curves = [
    { ...curve, label: "FGSM", color: "#d1570a", overfitting: 12.3 },
    { ...curve, label: "FGSM + GradAlign", color: "#0b63b5", overfitting: null },
  ];
  return PANELS.map((panel) => {
    const svg = drawPanel(panel, curves, 480);
    return {
      words: [...svg.querySelectorAll("text")].map((text) => text.textContent ?? "").filter((text) => text.includes("overfits")),
      dashed: svg.querySelectorAll("[stroke-dasharray='5,3'] line, line[stroke-dasharray='5,3']").length,
      lines: svg.querySelectorAll("[aria-label=line] path").length,
    };
  });
}
