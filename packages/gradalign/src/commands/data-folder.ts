/** @file `gradalign data check` and `gradalign data convert`: images of one's own, looked through once, and in another form. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { checkFolder, convertFolder, type FolderCheck, LEFT_OUT, leftOutLine, readIfThere, writeFileAtomic } from "@gradalign/robustness/node";
import { count } from "@gradalign/runs";
import { ConfigError } from "@gradalign/tensor";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type Context, print, remark } from "../terminal/context.ts";
import { EXIT_CODE_OF_SIGNAL, listenForInterrupt } from "../terminal/interrupt.ts";
import { WorkProgress } from "../terminal/work-progress.ts";

const CHECK_HELP = `
Reads every image of train/CLASS and val/CLASS (or test/CLASS, or CLASS), of shards or of Parquet files, once, and says what would stop a training: images that
cannot be decoded, with the reason; images that are there twice, above all in training and evaluation. Exit code 1 if any cannot be decoded.

Examples:
  gradalign data check photos
  gradalign data check photos --val-fraction 0.1 --json
  gradalign data check photos --leave-out`;

const CONVERT_HELP = `
--to shards keeps the images' files, in tar archives as WebDataset reads them; --to packed decodes and resizes them once, to arrays of pixels
that numpy.load reads. Stopped, it goes on where it was. Images that cannot be decoded are refused by --to packed; "data check --leave-out" leaves
them out.

Examples:
  gradalign data convert photos --out photos-64 --to packed --size 64
  gradalign data convert photos --out photos-shards --to shards
  gradalign train --dataset photos-64 --model resnet18 --method fgsm-gradalign --epsilon 4`;

/** Images, duplicates and the like that are told one by one; the others are counted. */
const SHOWN = 20;
/** Names of the same file that are told. */
const SAME_SHOWN = 4;

/** Adds the commands to `gradalign data`. */
export function registerDataFolder(data: Command, context: Context): void {
  const fraction = () =>
    new Option("--val-fraction <x>", "share of each class kept for evaluation, where there is no val or test folder").argParser(numberFrom(0, 1));
  const workers = () => new Option("--workers <n>", "threads that decode").argParser(numberFrom(0, 256)).default(availableParallelism());
  data
    .command("check")
    .description("read every image of a folder, of shards or of Parquet files once: counts, sizes, duplicates, and what cannot be decoded")
    .argument("<folder>", "folder of images, shards or Parquet files")
    .addOption(fraction())
    .addOption(workers())
    .option("--leave-out", `write the images that cannot be decoded into FOLDER/${LEFT_OUT}, which leaves them out from then on`)
    .option("--json", "print the findings as one JSON object")
    .addHelpText("after", CHECK_HELP)
    .action(async (folder: string, { valFraction, workers, leaveOut, json }: { valFraction?: number; workers: number; leaveOut?: boolean; json?: boolean }) => {
      const fractionOption = valFraction === undefined ? {} : { valFraction };
      const found = await interruptible(context, "checking", (progress) => checkFolder(folder, { ...fractionOption, workers, ...progress }));
      if (!found) return;
      if (json) print(context, JSON.stringify(found));
      else for (const line of linesOf(found)) print(context, line);
      if (found.unreadable.length === 0) return;
      if (leaveOut) {
        if (found.kind !== "images")
          throw new ConfigError("data check: --leave-out is for folders of images; write the archives or Parquet files again without what cannot be decoded");
        const file = join(folder, LEFT_OUT);
        const before = readIfThere(file)?.toString() ?? "";
        writeFileAtomic(file, before + found.unreadable.map(({ image }) => `${leftOutLine(image)}\n`).join(""));
        remark(context, `${file}: ${count(found.unreadable.length)} images are left out from now on`);
      } else context.exitCode = 1;
    });
  data
    .command("convert")
    .description("write a folder of images as shards, or packed as arrays of pixels of one size")
    .argument("<folder>", "folder of images, shards or Parquet files")
    .requiredOption("--out <folder>", "folder to write")
    .addOption(new Option("--to <form>", "what to write").choices(["shards", "packed"]).makeOptionMandatory())
    .addOption(new Option("--size <n>", "packed: width and height in pixels").argParser(numberFrom(8, 4096)).default(64))
    .option("--transforms <list>", "packed: transforms that end with a crop (default: resize the shorter side to --size, and the middle)")
    .addOption(new Option("--shard-images <n>", "shards: images in each").argParser(numberFrom(1, 1_000_000)).default(1000))
    .addOption(fraction())
    .addOption(workers())
    .option("--json", "print the outcome as one JSON object")
    .addHelpText("after", CONVERT_HELP)
    .action(async (folder: string, flags: ConvertFlags) => {
      const { out, to, size, shardImages, valFraction = 0, workers, json } = flags;
      const transforms = flags.transforms ?? `resize:size=${size}+center-crop`;
      const done = await interruptible(context, "converting", (progress) =>
        convertFolder(folder, out, { to, size, transforms, shardImages, valFraction, workers, ...progress }),
      );
      if (!done) return;
      print(context, json ? JSON.stringify({ out, to, ...done }) : `${out}: ${count(done.train)} training and ${count(done.test)} evaluation images as ${to}`);
    });
}

interface ConvertFlags {
  readonly out: string;
  readonly to: "shards" | "packed";
  readonly size: number;
  readonly transforms?: string;
  readonly shardImages: number;
  readonly valFraction?: number;
  readonly workers: number;
  readonly json?: boolean;
}

function numberFrom(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text === "" || !(value >= least && value <= most) || (most > 1 && !Number.isInteger(value))) {
      throw new InvalidArgumentError(`It must be ${most > 1 ? "an integer" : "a number"} from ${least} to ${most}.`);
    }
    return value;
  };
}

interface Progress {
  readonly signal: AbortSignal;
  onProgress(done: number, total: number): void;
}

/** Does work that tells how far it is, as a bar or now and then as a line; undefined when it was interrupted. */
async function interruptible<Result>(context: Context, what: string, work: (progress: Progress) => Promise<Result>): Promise<Result | undefined> {
  const progress = new WorkProgress(context, what, "images");
  const interrupt = listenForInterrupt(() => {});
  try {
    return await work({ signal: interrupt.signal, onProgress: (done, total) => progress.show(done, total) });
  } catch (error) {
    const received = interrupt.received();
    if (received === undefined || !interrupt.signal.aborted) throw error;
    progress.clear();
    remark(context, `stopped by ${received}; what was written is kept, the same command goes on`);
    context.exitCode = EXIT_CODE_OF_SIGNAL[received];
    return undefined;
  } finally {
    progress.clear();
    interrupt.release();
  }
}

function linesOf({ kind, classes, splits, formats, sizes, unreadable, duplicates, ignored }: FolderCheck): string[] {
  const perClass = (numbers: readonly number[]): string => {
    const [least, most] = [numbers.reduce((a, b) => Math.min(a, b)), numbers.reduce((a, b) => Math.max(a, b))];
    return least === most
      ? `${count(least)} of each class`
      : `${count(least)} (${classes[numbers.indexOf(least)]}) to ${count(most)} (${classes[numbers.indexOf(most)]}) of a class`;
  };
  // A terminal gets no other control characters.
  const oneLine = (text: string): string => text.replace(/[\t\n]/g, (found) => JSON.stringify(found).slice(1, -1));
  const same = (images: readonly string[]): string =>
    images.slice(0, SAME_SHOWN).map(oneLine).join(" = ") + (images.length > SAME_SHOWN ? ` = ${count(images.length - SAME_SHOWN)} more` : "");
  const size = ([width, height]: readonly [number, number]): string => `${width} x ${height}`;
  const leaks = duplicates.filter((found) => found.leaks);
  const contradictions = duplicates.filter((found) => found.contradicts);
  return [
    `${kind}, ${count(classes.length)} classes`,
    `training: ${count(splits.train.images)}, ${perClass(splits.train.byClass)}`,
    splits.test.images === 0
      ? "evaluation: none; a training keeps a share with val-fraction=0.1"
      : `evaluation: ${count(splits.test.images)}, ${perClass(splits.test.byClass)}`,
    `formats: ${
      Object.entries(formats)
        .map(([name, images]) => `${count(images)} ${name}`)
        .join(", ") || "none"
    }`,
    ...(sizes ? [`sizes: ${size(sizes.smallest)} to ${size(sizes.largest)}, the middle one ${size(sizes.median)}`] : []),
    ...(ignored.length > 0 ? [`passed over: ${count(ignored.length)} other files, such as ${oneLine(ignored[0] as string)}`] : []),
    `the same file more than once: ${count(duplicates.length)}, in training and evaluation ${count(leaks.length)}, in different classes ${count(contradictions.length)}`,
    ...some([...new Set([...leaks, ...contradictions])].map(({ images }) => `  ${same(images)}`)),
    `cannot be decoded: ${count(unreadable.length)}`,
    ...some(unreadable.map(({ image, reason }) => `  ${oneLine(image)}: ${oneLine(reason)}`)),
  ];
}

function some(lines: readonly string[]): string[] {
  return lines.length <= SHOWN ? [...lines] : [...lines.slice(0, SHOWN), `  and ${count(lines.length - SHOWN)} more; --json lists all`];
}
