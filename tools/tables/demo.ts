/** @file What the demo showed, from experiments/results/demo.json: a table, and whether the picture is of the same run. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { paragraph, table } from "./markdown.ts";
import { RESULTS, readResults, type Source, sourceLine } from "./results.ts";

interface Run {
  readonly method: string;
  readonly clean: number;
  readonly fgsm: number;
  readonly attack: string;
  readonly robust: number;
  readonly gradient_alignment: number;
  readonly outcome: string;
  readonly overfitting: { readonly iteration: number; readonly epoch: number } | null;
}

/** What tools/tables/measure-demo.mjs writes. */
export interface Demo {
  readonly provenance: Source;
  /** Test images of the final attack, and of evaluations. */
  readonly images: { readonly attack: number; readonly evaluation: number };
  readonly runs: readonly Run[];
  /** SHA-256 of docs/images/demo.png. */
  readonly picture: string;
}

const FILE = join(RESULTS, "demo.json");

/** The committed run of the demo. */
export const readDemo = (): Demo => readResults<Demo>(FILE);

/** The demo's table. */
export function demoRegion(): string {
  const { runs, images, provenance } = readDemo();
  const attack = runs[0]?.attack.toUpperCase() ?? "";
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const rows = runs.map(({ method, clean, fgsm, robust, gradient_alignment, overfitting }) => [
    method,
    percent(clean),
    percent(fgsm),
    percent(robust),
    gradient_alignment.toFixed(2),
    overfitting ? `iteration ${overfitting.iteration.toLocaleString("en-US")} (epoch ${overfitting.epoch.toFixed(1)})` : "none",
  ]);
  return [
    table(["method", "clean", "FGSM", attack, "gradient alignment", "catastrophic overfitting"], rows),
    paragraph(
      `Clean and ${attack} accuracy are of the first ${images.attack.toLocaleString("en-US")} test images, FGSM accuracy and alignment of the first ${images.evaluation}. ${sourceLine([FILE], [provenance])}`.replaceAll(
        "\n",
        " ",
      ),
    ),
  ].join("\n\n");
}

/** SHA-256 of the picture that is there. */
export function pictureDigest(): string {
  const file = fileURLToPath(new URL("../../docs/images/demo.png", import.meta.url));
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
