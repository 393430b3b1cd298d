/** @file Hidden commands that `reproduce` starts in processes of their own; each reads its request from standard input. */

import type { Settings } from "@gradalign/runs";
import { openDevice } from "@gradalign/runs/node";
import type { Command } from "commander";
import { type Cost, measureCost } from "../reproduce/costs.ts";
import { openShelf } from "../reproduce/datasets.ts";
import type { ProbeRequest } from "../reproduce/measure-costs.ts";
import { performTraining, type WorkerRequest } from "../reproduce/perform-grid.ts";
import { interruptible } from "../run/interruptible.ts";
import type { Context } from "../terminal/context.ts";
import { print } from "../terminal/context.ts";
import { createTrainingView } from "../terminal/training-view.ts";

/** Adds the commands to the program. */
export function registerReproduceWorkers(program: Command, context: Context): void {
  program.command("reproduce-training", { hidden: true }).action(() => runTraining(context));
  program.command("reproduce-probe", { hidden: true }).action(() => runProbe(context));
}

async function runTraining(context: Context): Promise<void> {
  const { training, cost, backend } = JSON.parse(await standardInput()) as WorkerRequest;
  const view = createTrainingView({ streams: context.streams, json: true, runs: [training.id] });
  await interruptible(context, view, async (signal) => {
    const shelf = await openShelf([], context.streams.stderr, signal);
    const data = await shelf.load(training.config, training.data);
    const device = await openDevice({ ...(backend === undefined ? {} : { backend: backend as NonNullable<Settings["backend"]> }), threads: 1 }, view.note);
    try {
      await performTraining(training, { data, device, cost, view, signal });
    } finally {
      device.close();
    }
  });
}

async function runProbe(context: Context): Promise<void> {
  const { config, threads, backend } = JSON.parse(await standardInput()) as ProbeRequest;
  const settings = { ...(backend === undefined ? {} : { backend }), ...(threads === undefined ? {} : { threads }) } as Pick<Settings, "backend" | "threads">;
  const device = await openDevice(settings, (text) => void context.streams.stderr.write(`${text}\n`));
  try {
    const cost: Cost = await measureCost(config, device);
    print(context, JSON.stringify(cost));
  } finally {
    device.close();
  }
}

async function standardInput(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin) text += String(chunk);
  return text;
}
