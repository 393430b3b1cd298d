/** @file Figure 7: what a little noise does to the feature maps of a regular filter and of the Laplace-like one. */

import { convolution, keyFor, linf, relu } from "@gradalign/robustness";
import { grownFilter } from "@gradalign/runs";
import { add, jit, type Tensor, tensor, type Value } from "@gradalign/tensor";
import * as Plot from "@observablehq/plot";
import type { Experiment, Figure, Measurement } from "../paper/experiment.ts";
import { EPSILON, EXAMPLES, FILTERS, hostFilters, pixelsOf, singleLayerExperiment } from "../support/single-layer.ts";
import { decimals, percent } from "../support/statistics.ts";

/** Test image that is shown. */
const SHOWN = 1;
const SIZE = 32;

interface Details {
  readonly seed: number;
  readonly collapse: number | null;
  readonly grown: number;
  readonly regular: number;
  readonly examples: number;
  /** Feature maps after ReLU of the shown image, rounded: [filter][clean, noisy]. */
  readonly maps: readonly (readonly (readonly number[])[])[];
  /** The image and the noisy one, rows of [r, g, b] in 0..255. */
  readonly images: readonly (readonly number[])[];
}

/** Figure 7. */
export const fig7: Experiment = singleLayerExperiment({
  id: "fig7",
  title: "Feature maps with and without noise",
  paper: "Figure 7, section 4",
  summary:
    "After catastrophic overfitting at ε = 10/255: the feature maps of an image and of the same image with uniform noise, and, over many images, how many units are active and how many noise switches.",
  async look({ finished, seed }, lab, scale) {
    const saved = finished.load("last");
    const filters = await hostFilters(saved);
    const grown = grownFilter(filters);
    // A regular filter: among the others, the one that contributes most.
    const products = filters.norms.map((norm, f) => (f === grown ? -1 : norm * (filters.outgoing[f] as number)));
    const regular = products.indexOf(Math.max(...products));
    const dataset = await lab.dataset(finished.config.dataset);
    const n = EXAMPLES[scale];
    const program = jit(
      (weight: Value, bias: Value, x: Value, key: Value) => {
        const noisy = add(x, linf.randomStart(key, x.shape, EPSILON));
        const response = (point: Value): Value => convolution(point, weight, bias, { padding: 1 });
        return { noisy, clean: response(x), near: response(noisy), cleanMap: relu(response(x)), nearMap: relu(response(noisy)) };
      },
      { device: lab.device },
    );
    const stats = Array.from({ length: FILTERS }, () => ({ active: 0, activeNear: 0, switched: 0, change: 0, size: 0 }));
    let shown: Pick<Details, "maps" | "images"> = { maps: [], images: [] };
    for (let image = 0; image < n; image++) {
      const x = tensor(await pixelsOf(dataset, image, 1), [1, ...dataset.shape]);
      const key = Int32Array.from(keyFor(seed, "alignment", image, 1));
      const result = program(saved.params["_model.0.weight"] as Value, saved.params["_model.0.bias"] as Value, x, key);
      const read = async (value: Value): Promise<Float32Array> => (await (value as Tensor).read()) as Float32Array;
      const [clean, near] = [await read(result.clean), await read(result.near)];
      for (let f = 0; f < FILTERS; f++) {
        const own = stats[f] as (typeof stats)[number];
        for (let i = f * SIZE * SIZE; i < (f + 1) * SIZE * SIZE; i++) {
          const [s, t] = [clean[i] as number, near[i] as number];
          own.active += s >= 0 ? 1 : 0;
          own.activeNear += t >= 0 ? 1 : 0;
          own.switched += s >= 0 !== t >= 0 ? 1 : 0;
          own.change += (Math.max(s, 0) - Math.max(t, 0)) ** 2;
          own.size += Math.max(s, 0) ** 2;
        }
      }
      if (image === Math.min(SHOWN, n - 1)) {
        const [cleanMap, nearMap, noisy] = [await read(result.cleanMap), await read(result.nearMap), await read(result.noisy)];
        const map = (data: Float32Array, f: number): number[] => [...data.subarray(f * SIZE * SIZE, (f + 1) * SIZE * SIZE)].map((v) => Number(v.toFixed(3)));
        const bytes = (data: Float32Array): number[] => [...data].map((v) => Math.round(255 * Math.min(1, Math.max(0, v))));
        shown = {
          maps: [grown, regular].map((f) => [map(cleanMap, f), map(nearMap, f)]),
          images: [bytes(await pixelsOf(dataset, image, 1)), bytes(noisy)],
        };
      }
      for (const value of [x, ...Object.values(result)]) value.dispose();
      if (image % 50 === 49) await lab.progress(image + 1, n);
    }
    program.dispose();
    const units = n * SIZE * SIZE;
    const rows: Measurement[] = stats.map(({ active, activeNear, switched, change, size }, f) => ({
      quantity: "feature map under noise",
      training: finished.id,
      seed,
      epsilon: "10/255",
      n,
      batch_norm: "none in this network",
      filter: `w${f + 1}`,
      role: f === grown ? "grown" : f === regular ? "regular" : "other",
      active: active / units,
      active_with_noise: activeNear / units,
      switched: switched / units,
      relative_change: size > 0 ? Math.sqrt(change / size) : null,
    }));
    return { measurements: rows, details: { grown, regular, examples: n, ...shown } };
  },
  page({ measurements, details }) {
    const { seed, collapse, grown, regular, examples, maps, images } = details as unknown as Details;
    const rows = measurements.filter((row) => row["quantity"] === "feature map under noise") as readonly Record<string, number>[];
    const [a, b] = [rows[grown] as Record<string, number>, rows[regular] as Record<string, number>];
    const collapsed = collapse !== null;
    const [grownName, regularName] = [`w${grown + 1}`, `w${regular + 1}`];
    return {
      claims: [
        {
          text: "Without noise, the grown filter's responses are mostly negative; with noise, nearly half of its units become active.",
          holds: collapsed ? (a["active"] as number) < 0.35 && (a["active_with_noise"] as number) > (a["active"] as number) + 0.1 : null,
          evidence: `${grownName}: ${percent(a["active"] as number)} of the units active without noise, ${percent(a["active_with_noise"] as number)} with it (n = ${examples} images, seed ${seed})`,
        },
        {
          text: "Small noise is greatly amplified by the grown filter and hardly changes a regular one's map.",
          holds: collapsed ? (a["relative_change"] as number) > 2 * (b["relative_change"] as number) : null,
          evidence: `relative change of the map: ${grownName} ${percent(a["relative_change"] as number)}, ${regularName} ${percent(b["relative_change"] as number)}`,
        },
      ],
      comparisons: [],
      sections: [
        {
          title: "Figure",
          text: `Test image number ${Math.min(SHOWN, examples - 1)}, without and with uniform noise of ±10/255. Maps are after ReLU, each filter's pair on one scale.`,
          figures: [
            imageFigure(images),
            mapFigure(`map-${grownName}`, `Feature maps of ${grownName}, which grew`, maps[0] ?? []),
            mapFigure(`map-${regularName}`, `Feature maps of ${regularName}, a regular filter`, maps[1] ?? []),
          ],
        },
        {
          title: "In numbers",
          tables: [
            {
              title: "Units under noise",
              caption: `Means over the first ${examples} test images, 1,024 units each. Relative change: ‖map(x + η) − map(x)‖ / ‖map(x)‖ after ReLU.`,
              columns: ["filter", "role", "active at x", "active at x + η", "switched", "relative change"],
              rows: rows.map((row) => [
                String(row["filter"]),
                String(row["role"]),
                percent(row["active"] as number),
                percent(row["active_with_noise"] as number),
                percent(row["switched"] as number),
                row["relative_change"] === null ? "–" : decimals(row["relative_change"], 2),
              ]),
            },
          ],
        },
      ],
    };
  },
});

const FACET = {
  width: 460,
  height: 236,
  marginLeft: 6,
  marginRight: 6,
  marginTop: 24,
  marginBottom: 6,
  x: { axis: null },
  y: { axis: null, reverse: true },
} as const;
const TITLES = ["x", "x + η"] as const;

function imageFigure(images: readonly (readonly number[])[]): Figure {
  const area = SIZE * SIZE;
  const pixels = images.flatMap((image, which) =>
    Array.from({ length: area }, (_, i) => {
      const color = `rgb(${image[i]},${image[area + i]},${image[2 * area + i]})`;
      return { which: TITLES[which] as string, x: i % SIZE, y: Math.floor(i / SIZE), color };
    }),
  );
  return {
    id: "image",
    title: "The image",
    caption: "The noise is hardly seen.",
    options: {
      ...FACET,
      ariaLabel: "The image without and with noise",
      ariaDescription: "A CIFAR-10 test image, and the same with uniform noise of ten levels.",
      fx: { domain: [...TITLES], label: null, axis: "top", padding: 0.05 },
      marks: [
        Plot.rect(pixels, {
          fx: "which",
          x1: "x",
          x2: (d: { x: number }) => d.x + 1.03,
          y1: "y",
          y2: (d: { y: number }) => d.y + 1.03,
          fill: (d: { color: string }) => d.color,
        }),
      ],
    },
  };
}

/** Shades of a map; neighbours of equal shade are drawn as one rectangle. */
const SHADES = 20;

function mapFigure(id: string, title: string, pair: readonly (readonly number[])[]): Figure {
  const largest = Math.max(1e-9, ...pair.flat());
  const runs = pair.flatMap((map, which) => {
    const rows: { which: string; x1: number; x2: number; y: number; shade: number }[] = [];
    for (let y = 0; y < SIZE; y++) {
      for (let x = 0; x < SIZE; x++) {
        const shade = Math.round((SHADES * (map[y * SIZE + x] as number)) / largest) / SHADES;
        const before = rows.at(-1);
        if (before && before.y === y && before.shade === shade) before.x2 = x + 1;
        else rows.push({ which: TITLES[which] as string, x1: x, x2: x + 1, y, shade });
      }
    }
    return rows;
  });
  const mean = pair.map((map) => map.reduce((sum, value) => sum + value, 0) / map.length);
  return {
    id,
    title,
    caption: `White is 0, dark is ${largest.toFixed(2)}. Mean without noise ${decimals(mean[0], 3)}, with noise ${decimals(mean[1], 3)}.`,
    options: {
      ...FACET,
      ariaLabel: title,
      ariaDescription: `Mean activation ${decimals(mean[0], 3)} without and ${decimals(mean[1], 3)} with noise.`,
      fx: { domain: [...TITLES], label: null, axis: "top", padding: 0.05 },
      color: { type: "linear", scheme: "blues", domain: [0, 1] },
      marks: [
        Plot.rect(runs, { fx: "which", x1: "x1", x2: (d: { x2: number }) => d.x2 + 0.03, y1: "y", y2: (d: { y: number }) => d.y + 1.03, fill: "shade" }),
        Plot.frame({ stroke: "var(--line)" }),
      ],
    },
  };
}
