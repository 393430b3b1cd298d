/** @file A hidden command: the process in which a few steps of a training are timed. */
import { openDevice } from "@gradalign/runs/node";
import type { Command } from "commander";
import { measureCost } from "../reproduce/costs.ts";
import type { ProbeRequest } from "../reproduce/measure-costs.ts";
import { answerQuestions } from "../run/worker-process.ts";
import { type Context, remark } from "../terminal/context.ts";

/** Adds the command to the program. */
export function registerReproduceProbe(program: Command, context: Context): void {
  program.command("reproduce-probe", { hidden: true }).action(() =>
    answerQuestions<ProbeRequest>(context, async ({ config, threads, backend }) => {
      const settings = { ...(backend === undefined ? {} : { backend }), ...(threads === undefined ? {} : { threads }) };
      const device = await openDevice(settings, (text) => remark(context, text));
      try {
        return await measureCost(config, device);
      } finally {
        device.close();
      }
    }),
  );
}
