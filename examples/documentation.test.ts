/** @file The documentation is true: its code runs and does what it says, its links lead somewhere, and the source documents itself. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { evaluate, grad, jit, mul, randomKey, sizeOf, sum, type Tensor, tensor, type Value } from "@gradalign/tensor";
import {
  type AscentAttack,
  attackOptions,
  attacks,
  cnn,
  type DatasetDefinition,
  datasets,
  gradAlignPenalty,
  imageDataset,
  keyFor,
  linf,
  type Method,
  type MethodName,
  methods,
  type Params,
  parseAttack,
  readDataset,
  resolveTrainConfig,
  train,
  trainingNetwork,
  unrollAttack,
} from "gradalign";
import { describe, expect, test, vi } from "vitest";
import { CPU } from "../packages/tensor/src/ir/target.ts";
import { conv2d } from "../packages/tensor/src/ops/build.ts";
import { convolutionOf } from "../packages/tensor/src/ops/convolution.ts";
import { apply, type Operation, register } from "../packages/tensor/src/ops/definition.ts";
import { cheapest, type Forward, type Way } from "../packages/tensor/src/passes/contractions/contraction.ts";
import { directConvolution } from "../packages/tensor/src/passes/contractions/direct.ts";
import { filterOf } from "../packages/tensor/src/passes/contractions/filter.ts";
import { arrange, NCHW, plain } from "../packages/tensor/src/passes/placed.ts";
import { openDevices, relativeError } from "../packages/tensor/test/support/devices.ts";
import { blockOfFile, codeBlocks, files, importBlock, pages, ROOT, readText } from "./support/code-blocks.ts";

const { reference, tested } = await openDevices();
const wasm = tested[0]![1];

const markdown = pages();
const numbers = (shape: number[], factor: number): Tensor =>
  tensor(
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => ((i * factor) % 101) / 50 - 1),
    shape,
  );
const values = (value: Value): number[] => [...evaluate(value).data()];

describe("code in the pages", () => {
  const blocks = markdown.flatMap(codeBlocks).filter(({ info }) => info === "run");

  test.each(blocks.map((block, i) => ({ block, name: `${block.page} ${i}` })))("$name runs", async ({ block }) => {
    const log = vi.spyOn(console, "log").mockImplementation(() => {});
    try {
      const module = await importBlock<{ largest?: number; losses?: number[] }>(block);
      if (module.largest !== undefined) expect(module.largest).toBeCloseTo(8 / 255, 6);
      if (module.losses !== undefined) expect(module.losses.at(-1)).toBeLessThan(0.8 * (module.losses[0] as number));
    } finally {
      log.mockRestore();
    }
  });

  test("the README's GradAlign is the library's", async () => {
    type GradAlign = (model: unknown, params: Params, state: Params, x: Value, labels: Value, key: Value, epsilon: number, lambda: number) => Value;
    const [block] = codeBlocks("README.md").filter(({ info }) => info === "run");
    const { gradAlign } = await importBlock<{ gradAlign: GradAlign }>(block!);
    const model = cnn({ filters: 3, classes: 4, shape: [3, 6, 6] });
    const params = evaluate(model.init(randomKey(3)).params) as Params;
    const x = tensor(
      Float32Array.from({ length: 432 }, (_, i) => (i * 37) % 101).map((v) => v / 100),
      [4, 3, 6, 6],
    );
    const labels = tensor(Int32Array.of(0, 1, 2, 3));
    const key = randomKey(5);
    const mine = (p: Params): Value => gradAlign(model, p, {}, x, labels, key, 0.1, 0.3);
    const theirs = (p: Params): Value => {
      const { inputGradient } = trainingNetwork(model, p, {}, labels);
      const eta = linf.randomStart(key, x.shape, 0.1);
      const g1 = tensor(Float32Array.from(values(inputGradient(x))), x.shape);
      return gradAlignPenalty(g1, inputGradient(evaluate(sumOf(x, eta))), 0.3);
    };
    expect(values(mine(params))[0]).toBeGreaterThan(0);
    expect(values(mine(params))[0]).toBeCloseTo(values(theirs(params))[0] as number, 5);
    const gradients = [mine, theirs].map((loss) => values((grad(loss)(params) as Params)["_model.0.weight"] as Value)) as [number[], number[]];
    expect(relativeError(...gradients)).toBeLessThan(1e-4);
    expect(gradients[0].some((g) => g !== 0)).toBe(true);
  });

  test("the operation computes and differentiates, twice, on every backend", async () => {
    const block = blockOfFile("docs/adding-an-op.md", "packages/tensor/src/ops/reciprocal-sqrt.ts");
    const { reciprocalSqrt } = await importBlock<{ reciprocalSqrt: Operation }>(block);
    register([reciprocalSqrt]);
    const f = (x: Value): Value => apply("reciprocal-sqrt", [x]);
    const first = grad((x: Value) => sum(f(x)));
    const second = grad((x: Value) => sum(mul(first(x), 2)));
    const x = [0.25, 1, 3, 4, 9];
    const expected = [x.map((v) => v ** -0.5), x.map((v) => -0.5 * v ** -1.5), x.map((v) => 1.5 * v ** -2.5)];
    for (const device of [reference, wasm]) {
      for (const [i, derivative] of [f, first, second].entries()) {
        const compiled = jit(derivative, { device });
        expect(relativeError(compiled(tensor(x)).data(), expected[i]!)).toBeLessThan(1e-6);
      }
    }
  });

  test("the way of computing a convolution is the cheapest where it fits, and computes it", async () => {
    const file = "packages/tensor/src/passes/contractions/whole-image.ts";
    const { wholeImage } = await importBlock<{ wholeImage: Way<Forward> }>(blockOfFile("docs/adding-a-contraction.md", file));
    const [x, w] = [numbers([3, 5, 4, 4], 37), numbers([7, 5, 6, 5], 53)];
    const padding = { padding: [1, 1, 1, 0] as const };
    const chosen = jit(
      (image: Value, filter: Value): Value => {
        const y = conv2d(image, filter, { stride: [1, 1], dilation: [1, 1], groups: 1, ...padding });
        const problem: Forward = { shape: convolutionOf(y), image: plain(image), filter: filterOf(plain(filter), 1) };
        expect(cheapest([directConvolution, wholeImage], problem, CPU)).toBe(wholeImage);
        return arrange(wholeImage.lower(problem, CPU), NCHW);
      },
      { device: wasm },
    );
    const expected = jit((image: Value, filter: Value): Value => conv2d(image, filter, { stride: [1, 1], dilation: [1, 1], groups: 1, ...padding }));
    expect(relativeError((chosen(x, w) as Tensor).data(), (expected(x, w) as Tensor).data())).toBeLessThan(1e-6);
  });

  test("the attack keeps the contract of attacks", async () => {
    const { rFgsm } = await importBlock<{ rFgsm: AscentAttack }>(blockOfFile("docs/adding-an-attack.md", "packages/robustness/src/attacks/r-fgsm.ts"));
    Object.assign(attacks, { "r-fgsm": rFgsm });
    expect(parseAttack("r-fgsm")?.options.stepSize).toBe(0.5);
    const x = tensor(
      Float32Array.from({ length: 96 }, (_, i) => (i % 7) / 6),
      [2, 3, 4, 4],
    );
    const slope = tensor(
      Float32Array.from({ length: 96 }, (_, i) => Math.cos(i)),
      x.shape,
    );
    const run = (epsilon: number, seed: number): number[] =>
      values(unrollAttack(rFgsm, { site: { x, threat: linf, epsilon }, gradient: () => slope, key: randomKey(seed), options: attackOptions(rFgsm) }));
    const pixels = x.data();
    for (const [i, d] of run(0.1, 0).entries()) {
      expect(Math.abs(d)).toBeLessThanOrEqual(0.1 + 1e-6);
      expect((pixels[i] as number) + d).toBeGreaterThanOrEqual(-1e-6);
      expect((pixels[i] as number) + d).toBeLessThanOrEqual(1 + 1e-6);
    }
    // Half of epsilon with the gradient's sign, the other half with a random one.
    expect(new Set(run(0.1, 0).map((d) => Math.abs(d).toFixed(3)))).toEqual(new Set(["0.000", "0.100"]));
    expect(run(0, 0).every((d) => d === 0)).toBe(true);
    expect(run(0.1, 1)).not.toEqual(run(0.1, 2));
  });

  test("the data set is read from its files", async () => {
    const { textures } = await importBlock<{ textures: DatasetDefinition }>(
      blockOfFile("docs/adding-a-dataset.md", "packages/robustness/src/data/textures.ts"),
    );
    const file = (images: number) => Uint8Array.from({ length: images * 257 }, (_, i) => (i % 257 === 0 ? 1 : i % 251));
    const data = await readDataset(textures, async function* (name) {
      yield name === "train.rec" ? file(400) : file(100);
    });
    expect([data.train.count, data.test.count]).toEqual([400, 100]);
    expect([...data.train.images.subarray(254, 258)]).toEqual([4, 5, 7, 8]);
    await expect(
      readDataset(textures, async function* () {
        yield file(99);
      }),
    ).rejects.toThrow("train.rec is truncated: expected 257 bytes of a record at offset 25443, found 0");
    Object.assign(datasets, { textures });
    expect(resolveTrainConfig({ dataset: "textures", model: "cnn" })).toMatchObject({ epochs: 30, augment: { flip: true, crop: 2 } });
  });

  test("the method trains once it is registered", async () => {
    const { rFgsm } = await importBlock<{ rFgsm: Method }>(blockOfFile("docs/adding-a-method.md", "packages/robustness/src/methods/r-fgsm.ts"));
    Object.assign(methods, { "r-fgsm": rFgsm });
    const split = (count: number) => ({
      images: Uint8Array.from({ length: count * 64 }, (_, i) => 50 + 100 * ((i >> 6) % 2) + (keyFor(i, "model")[0] & 31)),
      labels: Uint8Array.from({ length: count }, (_, i) => i % 2),
    });
    const dataset = imageDataset({ name: "shades", classNames: ["dark", "light"], shape: [1, 8, 8], train: split(64), test: split(16) });
    const method = { name: "r-fgsm" as MethodName };
    const config = resolveTrainConfig({ dataset, model: "cnn", method, epsilon: 0.05, epochs: 15, batchSize: 16, schedule: { peak: 0.02 } });
    expect(config.method).toEqual({ name: "r-fgsm", stepSize: 0.5, warmupEpochs: 0 });
    const { evaluations } = await train(config, dataset, { device: wasm });
    expect(evaluations.at(-1)?.train_loss).toBeLessThan(evaluations[0]?.train_loss as number);
    expect(evaluations.at(-1)?.test_pgd_acc).toBeGreaterThan(0.9);
  });
});

function sumOf(a: Value, b: Value): Value {
  return apply("add", [a, b]);
}

describe("links", () => {
  test.each(markdown)("%s leads to files that are there", (page) => {
    const prose = readText(page).replace(/^```[\s\S]*?^```$/gm, "");
    const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] as string).filter((target) => !/^(https?:|mailto:|#)/.test(target));
    const missing = targets.filter((target) => !existsSync(join(ROOT, dirname(page), target.replace(/#.*/, ""))));
    expect(missing).toEqual([]);
  });
});

test.each(["docs", "docs/decisions"])("the contents of %s name every page", (folder) => {
  const contents = folder === "docs" ? "docs/index.md" : "docs/decisions/README.md";
  const own = markdown.filter((page) => dirname(page) === folder && page !== contents);
  const linked = [...readText(contents).matchAll(/\]\(([^)#]+)\)/g)].map(([, target = ""]) => join(folder, target));
  expect(own.filter((page) => !linked.includes(page))).toEqual([]);
});

describe("lines of prose", () => {
  /** Lines longer than this are hard to read beside code. */
  const WIDEST = 120;
  /** Lines outside of code and tables that could be broken and are too long, with their numbers. */
  const tooLong = (text: string): string[] => {
    const prose = text.replace(/^```[\s\S]*?^```$/gm, (code) => "\n".repeat(code.split("\n").length - 1));
    return prose.split("\n").flatMap((line, i) => (line.length > WIDEST && !line.startsWith("|") && /\S\s+\S/.test(line) ? [`${i + 1}: ${line}`] : []));
  };

  test.each(markdown)("of %s have at most 120 characters", (page) => {
    expect(tooLong(readText(page))).toEqual([]);
  });

  test("that are too long are found", () => {
    const [words, link] = ["word ".repeat(25), `![](${"a".repeat(130)})`];
    expect(tooLong(`a\n\`\`\`js\n${words}\n\`\`\`\n| ${words} |\n${link}\n${words}`)).toEqual([`7: ${words}`]);
  });
});

describe("the source documents itself", () => {
  test("every file says what it is for", () => {
    const sources = [...files("packages", ".ts"), ...files("examples", ".ts", ".js")].filter((path) => path.includes("/src/") || path.startsWith("examples"));
    expect(sources.length).toBeGreaterThan(100);
    expect(sources.filter((path) => !/^\/\*\*\s+(\* )?@file /.test(readText(path)))).toEqual([]);
  });

  test.each(["packages/tensor/src/index.ts", "packages/formats/src/index.ts", "packages/robustness/src/index.ts", "packages/robustness/src/node.ts"])(
    "every name in %s has a comment",
    (index) => {
      const bare = exportedNames(index).filter(({ file, name }) => {
        const pattern = `^export (?:async )?(?:abstract )?(?:function\\*?|const|class|interface|type) ${name}\\b`;
        const text = readText(file);
        const place = new RegExp(pattern, "m").exec(text);
        return !place || !text.slice(0, place.index).trimEnd().endsWith("*/");
      });
      expect(bare).toEqual([]);
    },
  );
});

/** The names an index passes on, with the files that declare them. */
function exportedNames(index: string): { file: string; name: string }[] {
  const text = readText(index);
  const fileOf = (specifier: string): string => join(dirname(index), specifier);
  // What comes from another package is checked in that one's index.
  const listed = [...text.matchAll(/^export (?:type )?\{([^}]*)\} from "(\..+?)"/gm)].flatMap(([, names = "", specifier = ""]) =>
    names.split(",").map((name) => ({ file: fileOf(specifier), name: name.replace("type ", "").trim() })),
  );
  const starred = [...text.matchAll(/^export \* from "(.+?)"/gm)].flatMap(([, specifier = ""]) => {
    const file = fileOf(specifier);
    return [...readText(file).matchAll(/^export (?:async )?(?:abstract )?(?:function|const|class|interface|type) (\w+)/gm)].map((match) => ({
      file,
      name: match[1] as string,
    }));
  });
  return [...listed, ...starred];
}
