/** @file Reports of evaluations: their numbers are the record's, they need nothing from outside, and what a record holds is text. */
import { crc32, inflateSync } from "node:zlib";
import { attack, functionVictim } from "@gradalign/robustness";
import { createDevice, matmul, reshape, tensor } from "@gradalign/tensor";
import { parseHTML } from "linkedom";
import { beforeAll, describe, expect, test } from "vitest";
import { evaluationCommand } from "../src/evaluation/command.ts";
import type { EvaluationRecord } from "../src/evaluation/record.ts";
import type { EvaluationReport, ExampleImage } from "../src/evaluation/report-data.ts";
import { boundsBelow, chosenImages, classOutcomes, imagesText, waterfall } from "../src/evaluation/summary.ts";
import { nodeDocument } from "../src/figures/node-document.ts";
import * as pages from "../src/pages/evaluation-report.ts";
import { LARGEST_SIDE, pngAddress } from "../src/pages/png.ts";
import { madeUp, recordOf, recordOfReport } from "./support/synthetic-evaluation.ts";

const reportOf = (record: EvaluationRecord, examples: readonly ExampleImage[] = []): string =>
  pages.evaluationReport({ label: "one", record, examples }, nodeDocument());
const compare = (reports: readonly EvaluationReport[]): string => pages.compareEvaluations(reports, "Evaluations", nodeDocument());
const parsed = (page: string): Document => parseHTML(page).document;
const rowsOf = (table: Element | null | undefined): string[][] =>
  [...(table?.querySelectorAll("tr") ?? [])].map((row) => [...row.children].map((cell) => cell.textContent ?? ""));
/** The table after a heading or a card. */
const tableWith = (document: Document, head: string): string[][] =>
  [...document.querySelectorAll("table")].map(rowsOf).find(([first]) => first?.includes(head)) ?? [];

const ATTACKS = ["apgd-ce", "apgd-t", "square"];
const [outcomes, stages] = madeUp("x01s0s2xs10s", ATTACKS);
const record = recordOf(outcomes, stages, { classNames: ["cat", "dog", "ship"] });

/** What is answered rightly is what is brighter above than below; the attack is the library's. */
let real: EvaluationRecord;
let realImages: Float32Array;
let realAdversarials: Float32Array;
beforeAll(async () => {
  const weight = tensor(
    Float32Array.from({ length: 32 }, (_, i) => (i % 2 === (i < 16 ? 0 : 1) ? 1 : -1)),
    [16, 2],
  );
  const victim = functionVictim((x) => matmul(reshape(x, [-1, 16]), weight), { shape: [1, 4, 4] });
  realImages = Float32Array.from({ length: 8 * 16 }, (_, i) => (i % 16 < 8 === ((i >> 4) % 2 === 0) ? 0.5 + 0.02 * (i >> 4) : 0.3));
  const device = await createDevice();
  const report = await attack(victim, realImages, [0, 1, 0, 1, 0, 1, 0, 0], { device, attack: "pgd-5+fmn", epsilon: 0.15 });
  device.close();
  realAdversarials = report.adversarials;
  real = recordOfReport(report, { numerator: 3, denominator: 20 }, ["upper", "lower"]);
});

function realExamples(): ExampleImage[] {
  const image = (values: Float32Array, index: number) => values.slice(16 * index, 16 * (index + 1));
  return chosenImages(real)
    .flatMap((chosen) => chosen.outcomes)
    .map(({ index, brokenBy }) => ({
      index,
      shape: [1, 4, 4],
      image: image(realImages, index),
      perturbed: brokenBy === null ? null : image(realAdversarials, index),
    }));
}

describe("the waterfall", () => {
  test("says what each attack left, as the record does", () => {
    for (const one of [record, real]) {
      const table = tableWith(parsed(reportOf(one)), "forward passes");
      expect(table.slice(2).map(([name, attacked, broken]) => [name, attacked, broken])).toEqual(
        one.stages.map(({ attack: name, attacked, broken }) => [name, String(attacked), String(broken)]),
      );
      const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
      expect(table[1]?.[4]).toBe(percent(one.cleanAccuracy));
      expect(table.at(-1)?.[4]).toBe(percent(one.robustAccuracy));
      expect(table.at(-1)?.[5]).toBe(one.confidence95.map(percent).join(" … "));
      const left = waterfall(one).at(-1)?.left;
      expect([left?.share, left?.interval]).toEqual([one.robustAccuracy, one.confidence95]);
    }
  });

  test("is drawn with a bar for what is left and one for what was broken", () => {
    const svg = parsed(reportOf(record)).querySelector("#waterfall svg[role=img]");
    const [blue, red] = [...(svg?.querySelectorAll('g[aria-label="bar"]') ?? [])].map((group) => [...group.querySelectorAll("rect")]);
    const width = (bar: Element | undefined) => Number(bar?.getAttribute("width"));
    // Of 12 images 10 are right, then 7, 5, 4.
    expect(blue?.map((bar) => width(bar) / width(blue[0]))).toEqual([1, 0.7, 0.5, 0.4].map((share) => expect.closeTo(share, 2)));
    expect(red?.map((bar) => width(bar) / width(blue?.[0]))).toEqual([0, 0.3, 0.2, 0.1].map((share) => expect.closeTo(share, 2)));
    expect(svg?.getAttribute("aria-description")).toContain("apgd-t: 41.7 %, broke 2");
  });
});

describe("accuracy against the radius", () => {
  test("falls at the norms of what was found, from clean to robust accuracy", () => {
    const found = recordOf(
      [0.5, 1.5, 1.5, 4, 8]
        .map((norm, index) => ({ ...(outcomes[1] as (typeof outcomes)[number]), index, norm: norm / 255 }))
        .concat(outcomes.slice(3, 4), outcomes.slice(0, 1)),
      stages,
      {},
    );
    const counts = boundsBelow(found, 8).map(({ accuracy }) => Math.round(7 * accuracy));
    expect(counts).toEqual([6, 5, 3, 3, 2, 2, 2, 2, 1]);
  });

  test("a norm that rounding has put beyond ε is not lost", () => {
    const [one] = outcomes.slice(1);
    const found = recordOf([{ ...(one as (typeof outcomes)[number]), norm: Math.fround(8 / 255) * (1 + 1e-6) }], stages, {});
    expect(boundsBelow(found, 4).map(({ accuracy }) => accuracy)).toEqual([1, 1, 1, 1, 0]);
  });

  test("the page says what bounds it, and names the attack of computed points", () => {
    const page = parsed(reportOf({ ...record, curve: [{ epsilon: 16 / 255, accuracy: 0.125, attack: "fmn" }] }));
    const card = page.querySelector("#radius");
    expect(card?.textContent).toContain("upper bound at radii up to ε");
    expect([...(card?.querySelectorAll(".legend li") ?? [])].map((item) => item.textContent)).toEqual(["upper bound from what was found", "estimate with fmn"]);
    const table = tableWith(page, "radius");
    expect(table[1]).toEqual(["0/255", "83.3 %", "at most, by what was found"]);
    expect(table.at(-2)).toEqual(["8/255", "33.3 %", "at most, by what was found"]);
    expect(table.at(-1)).toEqual(["16/255", "12.5 %", "about, with fmn"]);
  });
});

test("radii far beyond ε, or none at all, leave a figure that can be read", () => {
  const axes = (one: EvaluationRecord) => {
    const page = reportOf(one);
    expect(page).not.toMatch(/NaN|Infinity/);
    const [x] = JSON.parse(parsed(page).querySelector("#radius svg[data-axes]")?.getAttribute("data-axes") ?? "[]") as { type: string; domain: number[] }[];
    return [x?.type, x?.domain];
  };
  expect(axes(record)).toEqual(["linear", [0, 8]]);
  expect(axes({ ...record, curve: [{ epsilon: 1, accuracy: 0, attack: "pgd-20-1" }] })).toEqual(["log", [0.25, 255]]);
  expect(axes({ ...record, threat: { norm: "linf", epsilon: { numerator: 0, denominator: 255 } } })).toEqual(["linear", [0, 1]]);
});

test("classes: who stands, and what the others are taken for", () => {
  expect(classOutcomes(record).map(({ clean, robust }) => [clean.of, clean.count, robust.count])).toEqual([
    [4, 3, 1],
    [4, 3, 0],
    [4, 4, 3],
  ]);
  const page = parsed(reportOf(record));
  const confusion = rowsOf(page.querySelector("table.confusion"));
  expect(confusion[0]).toEqual(["class", "cat", "dog", "ship"]);
  for (const [, ...cells] of confusion.slice(1)) expect(cells.reduce((sum, cell) => sum + (Number(cell) || 0), 0)).toBe(4);
  expect(confusion[1]).toEqual(["cat", "1", "3", "·"]);
  expect(tableWith(page, "clean")[1]).toEqual(["cat", "4", "75.0 %", "30.1 % … 95.4 %", "25.0 %", "4.6 % … 69.9 %", "dog (3)"]);
});

/** The pixels of a PNG file, its checksums compared. */
function pixels(address: string): { width: number; height: number; colors: number; bytes: number[] } {
  const file = Buffer.from(address.replace("data:image/png;base64,", ""), "base64");
  expect(file.subarray(0, 8).toString("latin1")).toBe("\x89PNG\r\n\x1a\n");
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < file.length; ) {
    const end = at + 8 + file.readUInt32BE(at);
    expect(file.readUInt32BE(end)).toBe(crc32(file.subarray(at + 4, end)));
    chunks.set(file.toString("latin1", at + 4, at + 8), file.subarray(at + 8, end));
    at = end + 4;
  }
  const header = chunks.get("IHDR") as Buffer;
  const [width, height, colors] = [header.readUInt32BE(0), header.readUInt32BE(4), header[9] === 2 ? 3 : 1];
  const lines = inflateSync(chunks.get("IDAT") as Buffer);
  expect(lines.length).toBe(height * (1 + width * colors));
  return { width, height, colors, bytes: [...lines].filter((_, i) => i % (1 + width * colors) !== 0) };
}

describe("the gallery", () => {
  test("has the first images that each attack broke, and the first that stand", () => {
    expect(chosenImages(record).map((kind) => [kind.attack, kind.total, kind.outcomes.map(({ index }) => index)])).toEqual([
      ["apgd-ce", 3, [1, 4, 10]],
      ["apgd-t", 2, [2, 9]],
      ["square", 1, [6]],
      [null, 4, [3, 5, 8, 11]],
    ]);
  });

  test("shows image, amplified perturbation and sum, with both answers", () => {
    const [broken] = real.outcomes.filter(({ brokenBy }) => brokenBy !== null);
    if (!broken) throw new Error("nothing was broken");
    const page = parsed(reportOf(real, realExamples()));
    const [example] = page.querySelectorAll(".example");
    const images = [...(example?.querySelectorAll("img") ?? [])];
    expect(images.map((image) => image.getAttribute("alt"))).toEqual([
      `Image ${broken.index} as it is: ${real.data.classNames[broken.label]}`,
      "What was added",
      `Image ${broken.index} under attack: answered as ${real.data.classNames[broken.predicted]}`,
    ]);
    const own = (values: Float32Array) => [...values.slice(16 * broken.index, 16 * (broken.index + 1))];
    const [clean, sum] = [own(realImages), own(realAdversarials)];
    const drawn = images.map((image) => pixels(image.getAttribute("src") ?? ""));
    expect(drawn.map(({ width, height, colors }) => [width, height, colors])).toEqual(Array(3).fill([4, 4, 1]));
    expect(drawn[0]?.bytes).toEqual(clean.map((value) => Math.round(255 * value)));
    expect(drawn[1]?.bytes).toEqual(clean.map((value, i) => Math.round(255 * Math.min(1, Math.max(0, 0.5 + ((sum[i] as number) - value) / 0.3)))));
    expect(drawn[2]?.bytes).toEqual(sum.map((value) => Math.round(255 * value)));
    expect(page.querySelector("#images")?.textContent).toContain("amplified 3.3 times");
  });

  test("scales what was added in l2 by its largest value, and says by how much", () => {
    const l2 = { ...real, threat: { ...real.threat, norm: "l2" } };
    const [example] = parsed(reportOf(l2, realExamples())).querySelectorAll(".example");
    const added = pixels(example?.querySelectorAll("img")[1]?.getAttribute("src") ?? "").bytes;
    expect(Math.max(...added.map((byte) => Math.abs(byte - 127.5)))).toBeCloseTo(127.5, 0);
    expect(example?.textContent).toMatch(/× \d/);
  });

  test("draws colours, and large images smaller", () => {
    expect(pixels(pngAddress({ shape: [3, 1, 2], values: [0, 1, 0.2, 2, -1, Number.NaN] })).bytes).toEqual([0, 51, 0, 255, 255, 0]);
    const side = 2 * LARGEST_SIDE - 1;
    const values = Array.from({ length: side * side }, (_, i) => ((i % side) + Math.floor(i / side)) % 2);
    const [mean, largest] = [pixels(pngAddress({ shape: [1, side, side], values })), pixels(pngAddress({ shape: [1, side, side], values }, true))];
    expect([mean.width, mean.height, mean.bytes[0], largest.bytes[0]]).toEqual([LARGEST_SIDE, LARGEST_SIDE, 128, 0]);
  });

  test("says why it is empty", () => {
    expect(reportOf(record)).toContain("The images were not at hand");
    expect(reportOf(record, [{ index: 1, shape: [2, 1, 1], image: [0, 0], perturbed: [0, 0] }])).toContain("Images of 2 channels are not shown.");
  });
});

describe("warnings", () => {
  test("have their id, what was seen and where to read on", () => {
    const warnings = [
      { id: "zero-gradients", seen: "Gradients were zero.", images: 3, of: 12 },
      { id: "few-images", seen: "The interval is wide." },
    ];
    const page = parsed(reportOf({ ...record, warnings }));
    const found = [...page.querySelectorAll("#warnings .verdict")].map((warning) => warning.textContent);
    expect(found).toEqual([
      expect.stringMatching(/^zero-gradients, 3 of 12 images: Gradients were zero\.\s+What it means and what to do/),
      expect.stringMatching(/^few-images: The interval is wide\./),
    ]);
    expect([...page.querySelectorAll("#warnings a")].map((link) => link.getAttribute("href"))).toEqual(
      warnings.map(({ id }) => `https://github.com/gradalign/gradalign/blob/main/docs/evaluation-checks.md#${id}`),
    );
  });

  test("none is said too", () => {
    expect(parsed(reportOf(record)).querySelector("#warnings")?.textContent).toContain("None.");
  });
});

describe.each([
  ["nothing robust", "01201", {}],
  ["nothing right", "xxx", {}],
  ["nothing broken", "ssss", {}],
  ["one image", "0", {}],
  ["a hundred classes", "x01s".repeat(75), { classes: 100 }],
])("of %s", (_, fates, made) => {
  const own = madeUp(fates, ATTACKS, made);
  const page = reportOf(recordOf(...own, {}));

  test("draws no value that is not a number, and names what it draws", () => {
    expect(page).not.toMatch(/NaN|Infinity|undefined|\[object/);
    const document = parsed(page);
    const figures = [...document.querySelectorAll("svg[role=img]")];
    expect(figures).toHaveLength(3);
    for (const figure of figures) expect(figure.getAttribute("aria-label") && figure.getAttribute("aria-description")).toBeTruthy();
  });

  test("asks for nothing from outside", () => {
    expect(page).not.toMatch(/@import|(?:src|href)="(?!data:)|url\((?!#)/);
    expect((page.match(/https?:\/\/[^"\s<]+/g) ?? []).filter((address) => !address.startsWith("http://www.w3.org/"))).toEqual([]);
  });
});

test("of a hundred classes the least robust are drawn, all are in the table", () => {
  const [many, steps] = madeUp("x01s".repeat(75), ATTACKS, { classes: 100 });
  const page = parsed(reportOf(recordOf(many, steps, {})));
  expect(page.querySelectorAll('#classes g[aria-label="bar"] rect')).toHaveLength(2 * 24);
  expect(page.querySelector("#classes")?.textContent).toContain("24 least robust of 100 classes");
  expect(tableWith(page, "clean")).toHaveLength(101);
  expect(page.querySelector("table.confusion")).toBe(null);
});

test("nothing in a record is markup", () => {
  const hostile = `<b>"'&</b></script></style><img src=x onerror=alert(1)>\ud800`;
  const record: EvaluationRecord = JSON.parse(
    JSON.stringify({
      ...recordOf(...madeUp("x01s0s2xs10s", ATTACKS), {}),
      curve: [{ epsilon: 0.1, accuracy: 0.1, attack: "fmn" }],
      warnings: [{ id: "id", seen: "seen" }],
    }),
    (key, value) => (typeof value === "string" && !["format", "selection", "norm"].includes(key) ? `${hostile}${value}` : value),
  );
  const bad = { ...record, data: { ...record.data, classNames: [hostile, hostile, hostile] }, threat: { ...record.threat, norm: hostile } };
  const example: ExampleImage = { index: 1, shape: [1, 1, 1], image: [0], perturbed: [1] };
  for (const page of [
    reportOf(bad, [example]),
    compare([
      { label: hostile, record: bad, examples: [] },
      { label: "two", record: real, examples: [] },
    ]),
  ]) {
    const document = parsed(page);
    expect(document.querySelectorAll("script").length).toBe(1);
    for (const image of document.querySelectorAll("img")) expect(image.getAttribute("src")).toMatch(/^data:image\/png;base64,/);
    for (const bold of document.querySelectorAll("b")) expect(bold.textContent).not.toBe(`"'&`);
    const attributes = [...document.querySelectorAll("*")].flatMap((element) => [...element.attributes].map(({ name }) => name));
    expect(attributes.filter((name) => name.startsWith("on"))).toEqual([]);
    expect(document.body.textContent).toContain(hostile.slice(0, -1));
  }
});

test("how to get it again: command, hashes, versions", () => {
  const text = parsed(reportOf(record)).body.textContent ?? "";
  for (const part of [
    "gradalign eval network.safetensors --arch cnn:filters=4 --mean 0.5 --std 0.25 --dataset cifar10 --norm linf --epsilon 8/255 --attack apgd-ce+apgd-t+square --n 12 --seed 3",
    record.id,
    record.model.sha256,
    record.data.fingerprint,
    "gradalign 0.1.0, commit 0123456789ab",
    "mean 0.5; std 0.25",
  ]) {
    expect(text).toContain(part);
  }
});

test("of a run the command names the checkpoint, of a graph no network", () => {
  const { architecture, ...model } = record.model;
  const checkpoint = { which: "best", iteration: 200 };
  const run = { ...record, model: { ...model, architecture, file: "my run", format: "run" as const, normalization: null, checkpoint } };
  expect(evaluationCommand(run)).toBe(
    "gradalign eval 'my run' --which best --dataset cifar10 --norm linf --epsilon 8/255 --attack apgd-ce+apgd-t+square --n 12 --seed 3",
  );
  const graph = { ...record, model: { ...model, architecture: null, file: "graph.onnx", format: "onnx" as const, normalization: null } };
  expect(evaluationCommand(graph)).toMatch(/^gradalign eval graph\.onnx --dataset cifar10 /);
});

test("the images in words", () => {
  const { data } = record;
  expect(imagesText(data)).toBe("first 12 test images of cifar10");
  expect(imagesText({ ...data, first: 100, count: 1000 })).toBe("test images 100 to 1099 of cifar10");
  expect(imagesText({ ...data, count: 1 })).toBe("test image 0 of cifar10");
});

describe("several evaluations", () => {
  const of = (label: string, attacks: readonly string[], change: Partial<EvaluationRecord> = {}): EvaluationReport => ({
    label,
    record: { ...recordOf(...madeUp("x01s0s2xs10s", attacks), {}), ...change },
    examples: [],
  });

  test("stand in one table where threat and images are the same, in columns where the attacks are", () => {
    const page = parsed(
      compare([
        of("a", ATTACKS),
        of("b", ["apgd-ce", "square", "fmn"]),
        of("c", ATTACKS, { threat: { norm: "l2", epsilon: { numerator: 1, denominator: 2 } } }),
        of("d", ATTACKS),
      ]),
    );
    const tables = [...page.querySelectorAll("table.summary")].map(rowsOf);
    expect(tables).toHaveLength(2);
    expect(tables[0]?.[0]?.slice(1, -3)).toEqual(["clean", "apgd-ce", "+ apgd-t", "+ square", "apgd-ce + square", "+ fmn"]);
    expect(tables[0]?.slice(1).map(([name, ...cells]) => [name, ...cells.slice(0, -2)])).toEqual([
      ["1 a", "83.3 %", "58.3 %", "41.7 %", "33.3 %", "–", "–", "33.3 %"],
      ["2 b", "83.3 %", "58.3 %", "–", "–", "41.7 %", "33.3 %", "33.3 %"],
      ["4 d", "83.3 %", "58.3 %", "41.7 %", "33.3 %", "–", "–", "33.3 %"],
    ]);
    expect(tables[1]?.slice(1).map(([name]) => name)).toEqual(["3 c"]);
  });

  test("have a curve each, in a figure for each norm", () => {
    const l2 = of("c", ATTACKS, { threat: { norm: "l2", epsilon: { numerator: 1, denominator: 2 } } });
    const page = parsed(compare([of("a", ATTACKS), of("b", ATTACKS, { curve: [{ epsilon: 0.1, accuracy: 0.2, attack: "fmn" }] }), l2]));
    const lines = (id: string) => [...(page.querySelector(id)?.querySelectorAll(".legend li") ?? [])].map((item) => item.textContent);
    expect(lines("#radius-linf")).toEqual(["a", "b", "b, fmn"]);
    expect(lines("#radius-l2")).toEqual(["c"]);
    expect(page.querySelectorAll("#radius-linf path[aria-label]").length).toBeGreaterThanOrEqual(2);
  });
});
