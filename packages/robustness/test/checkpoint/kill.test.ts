/** @file A process killed while it saves always leaves a checkpoint that loads. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { loadCheckpoint } from "../../src/checkpoint/node-store.ts";

const child = fileURLToPath(new URL("fixtures/save-loop.mjs", import.meta.url));
const ROUNDS = 8;

it("kill -9 while saving in a loop", async () => {
  const folder = mkdtempSync(join(tmpdir(), "gradalign-kill-"));
  let next = 1;
  for (let round = 0; round < ROUNDS; round++) {
    const saving = spawn(process.execPath, [child, folder, String(next)], { stdio: ["ignore", "pipe", "inherit"] });
    const exited = once(saving, "exit");
    const [first] = await Promise.race([once(saving.stdout, "data"), exited]);
    expect(String(first)).toBe("saved\n");
    // Spread over the few milliseconds that one save takes.
    await delay(15 + round * 4.3);
    saving.kill("SIGKILL");
    await exited;

    const { manifest, tensors, refused } = loadCheckpoint(folder, "last", { expectModel: { name: "mlp", config: {} } });
    expect(refused).toEqual([]);
    expect(manifest.iteration).toBeGreaterThanOrEqual(next);
    expect(manifest.run).toEqual({ iteration: manifest.iteration });
    expect(new Set(tensors.get("w")?.data as Float32Array)).toEqual(new Set([manifest.iteration]));
    // Two manifests, their tensors, and at most one unfinished save.
    expect(readdirSync(folder).length).toBeLessThanOrEqual(6);
    next = manifest.iteration + 1;
  }
  rmSync(folder, { recursive: true });
}, 120_000);
