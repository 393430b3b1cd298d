/** @file Computes random graphs on a backend, one after the other: the part of the campaign that may crash or hang. */
import { createDevice, type Device } from "@gradalign/tensor";
import { testGpu } from "../../packages/tensor/test/support/gpu.ts";
import { faultOf, kindsFor } from "../../packages/tensor/test/support/random-graphs.ts";

/** What the campaign is told. */
export type Message = { readonly starts: string } | { readonly fault: string };

export interface GraphRun {
  readonly backend: "wasm" | "webgpu";
  /** Number of the first graph and of the one after the last; they take turns among the kinds. */
  readonly first: number;
  readonly end: number;
}

/** Every so many graphs of a kind are computed by two threads as well: on a busy machine threads wait for each other for long. */
const THREADED = 5;

/** Runs the graphs; devices are opened anew after a fault. */
export async function runGraphs({ backend, first, end }: GraphRun, tell: (message: Message) => void): Promise<void> {
  const kinds = kindsFor(backend);
  let devices = await open(backend);
  for (let number = first; number < end; number++) {
    const kind = kinds[number % kinds.length]!;
    const seed = Math.floor(number / kinds.length);
    tell({ starts: `${kind.name}, seed ${seed}` });
    const fault = await faultOf({ kind, seed }, seed % THREADED === 0 ? devices : devices.slice(0, 1));
    if (!fault) continue;
    tell({ fault });
    for (const device of devices) device.close();
    devices = await open(backend);
  }
  for (const device of devices) device.close();
}

async function open(backend: GraphRun["backend"]): Promise<Device[]> {
  if (backend === "webgpu") return [await createDevice({ backend, ...(await testGpu()) })];
  return Promise.all([1, 2].map((threads) => createDevice({ backend, threads })));
}
