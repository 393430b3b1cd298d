/** @file Machine code against WebAssembly on random contractions: no bit of a result may differ, and none be written beside it.
 *
 * npm run campaign:native -- [--count 1000] [--seed 0]
 *
 * So many kernels from the number of the seed on. Every fault is printed with its kernel; the last line is the verdict. */
import { createServer } from "vite";
import { campaignArguments } from "./campaign-arguments.mjs";

const { count, seed } = campaignArguments({ count: 1000, seed: 0 });
const server = await createServer({
  configFile: false,
  logLevel: "error",
  appType: "custom",
  server: { middlewareMode: true, ws: false, watch: null },
  ssr: { noExternal: [/^@gradalign/], resolve: { conditions: ["source"] } },
});
const { compareKernels } = /** @type {typeof import("./native-runner.ts")} */ (await server.ssrLoadModule("/tools/campaigns/native-runner.ts"));
const started = Date.now();
let faults = 0;
compareKernels(seed, count, (text) => {
  faults++;
  process.stdout.write(`${text}\n`);
});
const seconds = ((Date.now() - started) / 1000).toFixed(0);
process.stdout.write(`${faults === 0 ? "PASS" : "FAIL"}: ${count} kernels from number ${seed} in ${seconds} s, ${faults} faults\n`);
process.exit(faults === 0 ? 0 : 1);
