/** @file Random programs and their gradients compute the same on the wasm backend, with one thread and with two, and on the webgpu backend as on the
 * reference backend, and give all memory back. `npm run campaign:graphs` tries more of them. */
import { describe, expect, test } from "vitest";
import { openDevices } from "../support/devices.ts";
import { faultOf, kindsFor } from "../support/random-graphs.ts";

const { tested } = await openDevices();

const PROGRAMS = 80;

describe.each(["wasm", "webgpu"] as const)("%s", (backend) => {
  const devices = tested.map(([, device]) => device).filter((device) => device.backend === backend);

  test.each(kindsFor(backend).map((kind) => [kind.name, kind] as const))("random %s equal the reference", async (_, kind) => {
    // There every program is dozens of shaders to compile, those of convolutions large ones.
    const every = backend === "wasm" ? 1 : kind.images ? 20 : 8;
    const failures: string[] = [];
    for (let seed = 0; seed < PROGRAMS; seed += every) {
      const fault = await faultOf({ kind, seed }, devices);
      if (fault) failures.push(fault);
    }
    expect(failures.join("\n\n")).toBe("");
  });
});
