/** @file Speed and memory as docs/benchmarks.md shows them, from the files that the benchmarks wrote. */
import { fileURLToPath } from "node:url";
import { paragraph, table } from "./markdown.ts";
import { readResults } from "./results.ts";

interface Measured {
  readonly date: string;
  readonly machine: { readonly cpu: string; readonly node: string; readonly pytorch?: string; readonly threads?: number };
}

interface Scaling extends Measured {
  readonly rows: readonly { readonly series: string; readonly batch: number; readonly ms: number; readonly deviceMb: number }[];
}

interface Steady extends Measured {
  readonly rows: readonly { readonly minute: number; readonly imagesPerSecond: number; readonly deviceMb: number; readonly peakRssMb: number }[];
}

const read = <Results>(name: string): Results => readResults<Results>(fileURLToPath(new URL(`../../bench/results/${name}.json`, import.meta.url)));

function from(names: readonly string[], { date, machine }: Measured): string {
  const link = names.map((name) => `[${name}.json](/bench/results/${name}.json)`).join(", ");
  const pytorch = machine.pytorch ? `, PyTorch ${machine.pytorch}` : "";
  const { threads = 2 } = machine;
  const versions = `Node ${machine.node.replaceAll("v", "")}${pytorch}`;
  return paragraph(`From ${link} (${date.slice(0, 10)}, ${machine.cpu}, ${versions}, ${threads} thread${threads === 1 ? "" : "s"}).`);
}

interface Times {
  readonly median: number;
  readonly quartiles: readonly [number, number];
  readonly peakRssMb: number;
}

interface SideBySide extends Measured {
  readonly results: readonly {
    readonly name: string;
    readonly batch: number;
    readonly pytorch: Times;
    readonly ours: readonly (Times & { readonly node: string; readonly native: boolean; readonly ratio: number; readonly compileMs: number })[];
  }[];
}

/** Versions of Node beside each other and PyTorch, in one run: medians (and quartiles), how much faster ours are, and of all of ours the most memory and
 * the longest compilation. */
function sideBySide(name: string): string {
  const measured = read<SideBySide>(name);
  const ms = ({ median, quartiles }: Times): string => `${median.toFixed(1)} (${quartiles.map((value) => value.toFixed(1)).join(" to ")})`;
  const versions = measured.results[0]?.ours.map(({ node, native }) => `Node ${/\d+/.exec(node)}${native ? ", native" : ""}`) ?? [];
  const head = ["step", "batch", "PyTorch, ms", ...versions.flatMap((version) => [`${version}, ms`, "PyTorch / that"]), "memory / PyTorch's", "compile, ms"];
  const rows = measured.results.map(({ name: step, batch, pytorch, ours }) => {
    const memory = Math.max(...ours.map(({ peakRssMb }) => peakRssMb)) / pytorch.peakRssMb;
    const compile = Math.max(...ours.map(({ compileMs }) => compileMs));
    return [step, String(batch), ms(pytorch), ...ours.flatMap((one) => [ms(one), one.ratio.toFixed(2)]), memory.toFixed(2), compile.toFixed(0)];
  });
  return [table(head, rows), from([name], measured)].join("\n\n");
}

/** A table per series; what its steps differ in is the field that is not the same in all. */
function scaling(): string {
  const measured = read<Scaling>("scaling");
  const names = [...new Set(measured.rows.map(({ series }) => series))];
  const tables = names.map((name) => {
    const rows = measured.rows.filter(({ series }) => series === name);
    const fields = Object.keys(rows[0] ?? {}) as (keyof (typeof rows)[number])[];
    const changed = fields.find((field) => !["ms", "deviceMb", "rssMb"].includes(field) && new Set(rows.map((row) => row[field])).size > 1);
    return table(
      [name, "step, ms", "images/s", "memory, MB"],
      rows.map((row) => [
        String(changed && row[changed]),
        row.ms.toFixed(row.ms < 10 ? 2 : 0),
        String(Math.round((1000 * row.batch) / row.ms)),
        row.deviceMb.toFixed(0),
      ]),
    );
  });
  return [...tables, from(["scaling"], measured)].join("\n\n");
}

/** A long run, some of its minutes. */
function steady(): string {
  const measured = read<Steady>("steady");
  const speeds = measured.rows.map(({ imagesPerSecond }) => imagesPerSecond).sort((a, b) => a - b);
  const shown = measured.rows.filter(({ minute }) => [1, 2, 5, 10, 15, 20].includes(minute));
  return [
    paragraph(`${Math.round(speeds[0] as number)} to ${Math.round(speeds.at(-1) as number)} images/s over ${measured.rows.length} minutes.`),
    table(
      ["minute", "images/s", "memory, MB", "peak RSS, MB"],
      shown.map(({ minute, imagesPerSecond, deviceMb, peakRssMb }) => [
        String(minute),
        String(Math.round(imagesPerSecond)),
        deviceMb.toFixed(1),
        peakRssMb.toFixed(0),
      ]),
    ),
    from(["steady"], measured),
  ].join("\n\n");
}

interface Attacked {
  readonly seconds: number;
  readonly clean: number;
  readonly robust: number;
}

interface Attacks {
  readonly n: number;
  readonly threads: number;
  readonly processor: string;
  readonly ours: { readonly node: string; readonly native: boolean };
  readonly original: { readonly torch: string };
  readonly totals: { readonly ours: Attacked; readonly original: Attacked };
  readonly ratio: number;
}

/** AutoAttack, ours beside the original. */
function attacks(): string {
  const { n, threads, processor, ours, original, totals, ratio } = read<Attacks>("attacks");
  const code = { ours: `ours, Node ${ours.node.slice(1)}${ours.native ? ", native" : ""}`, original: `the original, PyTorch ${original.torch}` };
  const rows = (["ours", "original"] as const).map((side) => {
    const { seconds, clean, robust } = totals[side];
    return [code[side], ...[seconds, clean, robust].map((value) => value.toFixed(0))];
  });
  const head = ["", "seconds", `right, of ${n}`, "after the attacks"];
  const link = "[attacks.json](/bench/results/attacks.json)";
  const told = `Ours is ${ratio.toFixed(2)} times as fast. From ${link} (${processor}, ${threads} threads).`;
  return [table(head, rows), paragraph(told)].join("\n\n");
}

interface StepTime {
  readonly ms: number;
  readonly cpuMs: number;
}

interface Streamed extends Measured {
  readonly width: number;
  readonly batch: number;
  readonly size: number;
  readonly workers: number;
}

interface Streaming extends Streamed {
  readonly images: number;
  readonly resident: StepTime;
  readonly streamed: StepTime;
  readonly ratio: number;
  readonly ratios: readonly number[];
}

/** Steps on images in files beside the same on images in memory. */
function streaming(): string {
  const measured = read<Streaming>("streaming");
  const { images, width, batch, size, workers, resident, streamed, ratio, ratios } = measured;
  const row = (what: string, { ms, cpuMs }: StepTime): string[] => [what, ms.toFixed(0), cpuMs.toFixed(0)];
  const range = `${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)} in ${ratios.length} turns`;
  const told = `Streamed takes ${ratio.toFixed(3)} times as long (${range}): ${images} images, width ${width}, batches of ${batch}, ${size} x ${size} pixels, ${workers} workers.`;
  const rows = [row("in memory", resident), row("streamed", streamed)];
  return [table(["images", "step, ms", "of processor, ms"], rows), paragraph(told), from(["streaming"], measured)].join("\n\n");
}

interface StreamingMemory extends Streamed {
  readonly rows: readonly {
    readonly images: number;
    readonly listedMs: number;
    readonly emptyMb: number;
    readonly listedMb: number;
    readonly peakMb: number;
  }[];
}

/** What a process takes that trains on so many images in files. */
function streamingMemory(): string {
  const measured = read<StreamingMemory>("streaming-memory");
  const rows = measured.rows.map(({ images, listedMs, ...mb }) => [
    String(images),
    (listedMs / 1000).toFixed(1),
    ...[mb.emptyMb, mb.listedMb, mb.peakMb].map((value) => value.toFixed(0)),
  ]);
  const head = ["images", "listed in, s", "RSS before, MB", "listed, MB", `at most, with five steps of ${measured.batch}, MB`];
  return [table(head, rows), from(["streaming-memory"], measured)].join("\n\n");
}

interface Layers extends Measured {
  readonly batch: number;
  readonly rows: readonly { readonly name: string; readonly pass: string; readonly count: number; readonly ours: number; readonly pytorch: number }[];
}

const PASSES = ["forward", "input", "filter"];

/** Single layers of a ResNet-50, ours beside PyTorch's, and all of them as often as they are there. */
function layers(): string {
  const measured = read<Layers>("layers");
  const cells = (ours: number, pytorch: number): string[] => [ours.toFixed(2), (pytorch / ours).toFixed(2)];
  const names = [...new Set(measured.rows.map(({ name }) => name))];
  const rows = names.map((name) => [
    name,
    ...PASSES.flatMap((pass) => {
      const found = measured.rows.find((row) => row.name === name && row.pass === pass);
      return found ? cells(found.ours, found.pytorch) : ["", ""];
    }),
  ]);
  const total = (pass: string, side: "ours" | "pytorch"): number =>
    measured.rows.filter((row) => row.pass === pass).reduce((sum, row) => sum + row.count * row[side], 0);
  const all = ["all, as often as they are there", ...PASSES.flatMap((pass) => cells(total(pass, "ours"), total(pass, "pytorch")))];
  const head = ["layer", ...["forward", "input's gradient", "filter's gradient"].flatMap((pass) => [`${pass}, ms`, "PyTorch / ours"])];
  return [table(head, [...rows, all]), paragraph(`Batches of ${measured.batch}.`), from(["layers"], measured)].join("\n\n");
}

const REGIONS: Readonly<Record<string, () => string>> = {
  "steps-native": () => sideBySide("steps-native"),
  "steps-avx512": () => sideBySide("steps-avx512"),
  "steps-avx2": () => sideBySide("steps-avx2"),
  "steps-webassembly": () => sideBySide("steps-webassembly"),
  scaling,
  steady,
  attacks,
  streaming,
  "streaming-memory": streamingMemory,
  layers,
};

/** A region of docs/benchmarks.md by its name; undefined if there is none. */
export function benchRegion([name = ""]: readonly string[]): string | undefined {
  return REGIONS[name]?.();
}
