/**
 * @file The layers of the source, once: which packages a package may import, and inside of it which folders a folder may import.
 *
 * The architecture test holds the tree to this table; docs/architecture.md draws it (`npm run tables`).
 */

/** A folder of a package's `src`. */
export interface Folder {
  readonly what: string;
  /** Folders of the same package that it may import; besides, it may import leaves. */
  readonly uses: readonly string[];
}

/** A package. */
export interface Package {
  readonly name: string;
  /** From the repository's root. */
  readonly path: string;
  readonly what: string;
  /** What it may know of the rest, in words. */
  readonly knows: string;
  /** Our packages that it may import, by the entries named. */
  readonly imports: readonly string[];
  /** Whether it may import packages of others. */
  readonly others: boolean;
  /** Where it may import Node's modules. */
  readonly node: "nowhere" | "node-* files" | "everywhere";
  /** Folders of `src`, from the bottom up: each uses only some before it. */
  readonly folders: Readonly<Record<string, Folder>>;
}

/** Files at the top of `src` that may import every folder, and that no folder imports; other files there are leaves. */
export const ENTRIES: readonly string[] = ["index.ts", "node.ts", "main.ts", "cli.ts"];

const tensor: Package = {
  name: "@gradalign/tensor",
  path: "packages/tensor",
  what: "a tensor compiler",
  knows: "nothing of adversaries, of Node, of other packages",
  imports: [],
  others: false,
  node: "nowhere",
  folders: {
    base: { what: "element types, shapes, errors, keys, the bits of random numbers", uses: [] },
    ir: { what: "graphs, and kernels as data: what passes write and code generators read", uses: ["base"] },
    ops: { what: "each operation: type rule, derivative, lowering, plain meaning, samples", uses: ["base", "ir"] },
    autodiff: { what: "gradients: graph to graph", uses: ["base", "ir", "ops"] },
    passes: { what: "graph to kernels and a plan of memory", uses: ["base", "ir", "ops"] },
    codegen: { what: "kernels to plans, WebAssembly, machine code and WGSL; knows no graphs, operations or devices", uses: ["base", "ir"] },
    runtime: { what: "devices: memory, threads, running programs", uses: ["base", "ir", "ops", "passes", "codegen"] },
    frontend: { what: "what a user calls: tensors, tracing, jit, functions", uses: ["base", "ir", "ops", "runtime"] },
  },
};

const formats: Package = {
  name: "@gradalign/formats",
  path: "packages/formats",
  what: "readers and writers of files of weights",
  knows: "nothing but the compiler's classes of errors",
  imports: ["@gradalign/tensor"],
  others: false,
  node: "nowhere",
  folders: { onnx: { what: "ONNX's graph and its wire format", uses: [] } },
};

const robustness: Package = {
  name: "@gradalign/robustness",
  path: "packages/robustness",
  what: "the library: models, methods, attacks, data, training",
  knows: "nothing of kernels: the compiler by its index",
  imports: ["@gradalign/tensor", "@gradalign/formats"],
  others: true,
  node: "node-* files",
  folders: {
    files: { what: "writing whole or not at all, locks, reading what may be anything", uses: [] },
    options: { what: "what an option is: kind, bounds, default, help; filling in and checking", uses: [] },
    nn: { what: "layers, batch norm, cross-entropy, cosine similarity, initialisation", uses: [] },
    threat: { what: "norm balls and the box of valid images", uses: ["nn"] },
    models: { what: "pure functions of named tensors: `init(key)` and `apply(params, state, x, { train })`", uses: ["nn", "options"] },
    optim: { what: "optimisers and learning-rate schedules", uses: ["nn", "options"] },
    diagnostics: { what: "gradient alignment, weight norms, detection of catastrophic overfitting", uses: ["nn"] },
    images: { what: "decoding JPEG, PNG and WebP, and transforms, to the bytes of Pillow and torchvision", uses: ["options"] },
    data: { what: "data sets as bytes, their formats and downloads", uses: ["files", "images", "options"] },
    interop: { what: "weights of files into models, and models for PyTorch", uses: ["models"] },
    onnx: { what: "ONNX graphs as models, networks as ONNX graphs", uses: ["nn", "models", "interop"] },
    checkpoint: { what: "manifests and tensor files of a run's state", uses: ["files"] },
    device: { what: "WebGPU and machine code in Node, and what was measured of them", uses: ["data", "files"] },
    attacks: { what: "how an attack starts, steps and finishes", uses: ["options", "threat", "models", "nn"] },
    methods: { what: "the loss of one training batch", uses: ["attacks", "threat", "models", "nn", "options"] },
    eval: { what: "accuracy on clean and attacked images, and what makes it doubtful", uses: ["attacks", "threat", "models", "nn", "data", "diagnostics"] },
    train: {
      what: "settings, the compiled step, the loop, evaluations while training",
      uses: ["methods", "eval", "attacks", "threat", "models", "nn", "data", "optim", "options", "diagnostics", "checkpoint"],
    },
  },
};

const runs: Package = {
  name: "@gradalign/runs",
  path: "packages/runs",
  what: "runs: their folders, settings, figures and pages",
  knows: "the library and the compiler by their indexes; nothing of commands and terminals",
  imports: ["@gradalign/tensor", "@gradalign/formats", "@gradalign/robustness", "@gradalign/robustness/node"],
  others: true,
  node: "node-* files",
  folders: {
    words: { what: "how numbers and outcomes are written for people", uses: [] },
    run: { what: "what a run is to whoever shows it: its data and its events", uses: [] },
    settings: { what: "every setting of a run once: its flag, its key in a config file, its rule", uses: ["words"] },
    folder: { what: "run folders: settings, evaluations, checkpoints, notes", uses: ["run", "settings"] },
    track: { what: "numbers of a run sent elsewhere while it trains: a file per tracker", uses: ["folder", "run", "settings", "words"] },
    plan: { what: "plans of runs: grids, their files, how far they have come", uses: ["folder", "run", "settings"] },
    evaluation: { what: "evaluations of any classifier: their records and folders", uses: ["settings", "words"] },
    models: { what: "a model of a run folder or any file, as a victim", uses: ["folder", "evaluation", "run", "settings", "words"] },
    figures: { what: "series, curves and filters as figures", uses: ["run", "evaluation", "words"] },
    pages: { what: "reports as one HTML file each", uses: ["figures", "run", "plan", "evaluation", "settings", "words"] },
    store: { what: "runs of several machines exchanged through an object store: a folder, S3", uses: ["folder"] },
    engines: { what: "who computes which run: attempts, a queue in Redis, Slurm", uses: ["folder", "plan", "store", "run", "settings", "words"] },
    serve: {
      what: "the local server of pages: a data set in parts, runs as they go on, a queue of them",
      uses: ["folder", "run", "plan", "settings", "models", "engines"],
    },
    perform: { what: "a run from its folder to its report", uses: ["folder", "evaluation", "run", "settings", "figures", "pages"] },
  },
};

const experiments: Package = {
  name: "@gradalign/experiments",
  path: "experiments",
  what: "the paper's experiments: a file each says what to train, to measure and to show",
  knows: "nothing of folders and processes",
  imports: ["@gradalign/tensor", "@gradalign/robustness", "@gradalign/runs"],
  others: true,
  node: "nowhere",
  folders: {
    theory: { what: "the paper's formulas", uses: [] },
    paper: { what: "the paper's numbers, and what an experiment is", uses: [] },
    support: { what: "what several experiments share: grids, curves, tables", uses: ["paper"] },
    experiments: { what: "a file per experiment", uses: ["paper", "support", "theory"] },
  },
};

const gradalign: Package = {
  name: "gradalign",
  path: "packages/gradalign",
  what: "what people install: the command, and the library again",
  knows: "all of them, by their indexes",
  imports: [tensor, formats, robustness, runs, experiments].flatMap(({ name }) => [name, `${name}/node`]),
  others: true,
  node: "everywhere",
  folders: {
    terminal: { what: "events as a live view, lines or JSON; signals", uses: [] },
    settings: { what: "settings as flags and in config files", uses: [] },
    run: { what: "what commands that train have in common", uses: ["terminal"] },
    reproduce: { what: "performs experiments: grids of trainings, their pages; plans", uses: ["run", "settings", "terminal"] },
    engines: { what: "handing a plan's runs to whoever computes them: a file per engine", uses: ["reproduce", "run", "settings", "terminal"] },
    commands: { what: "a file per command", uses: ["engines", "reproduce", "run", "settings", "terminal"] },
  },
};

const studio: Package = {
  name: "apps/studio",
  path: "apps/studio",
  what: "the page of `gradalign studio`",
  knows: "the library and runs, in a browser",
  imports: ["@gradalign/tensor", "@gradalign/formats", "@gradalign/robustness", "@gradalign/runs", "@gradalign/runs/node"],
  others: true,
  node: "nowhere",
  folders: {
    training: { what: "in a worker: the data, two trainings side by side and in the browser's storage, looking at images, attacking models", uses: [] },
    page: { what: "what is shown and asked for: state, address, components, drawings", uses: ["training"] },
    runs: { what: "the page of runs: live curves, comparisons, a queue, plans", uses: ["page"] },
  },
};

/** All packages, from the bottom up: each imports only some before it. */
export const PACKAGES: readonly Package[] = [tensor, formats, robustness, runs, experiments, studio, gradalign];
