/** @file Scripts for Slurm: arrays within its limits, and what the shell does with a run's exit code and with signals. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { arrayScripts, mergeScript, ranges, type SlurmRequest } from "../../src/engines/node-slurm.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gradalign-slurm-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const request = (more: Partial<SlurmRequest>): SlurmRequest => ({
  ...{ indices: [0], command: ["gradalign", "work"], merge: ["gradalign", "status"], folder, options: [], maxArraySize: 1001 },
  ...more,
});

it("numbers are listed as Slurm does", () => {
  expect(ranges([7, 0, 1, 2, 9, 10])).toBe("0-2,7,9-10");
});

it("more runs than Slurm's arrays hold become several arrays, which share what may run at once", () => {
  const scripts = arrayScripts(request({ indices: Array.from({ length: 2500 }, (_, i) => i).filter((i) => i !== 1500), jobs: 30 }));
  expect(scripts.map(({ text }) => /^#SBATCH --array=(.*)$/m.exec(text)?.[1])).toEqual(["0-1000%10", "0-498,500-1000%10", "0-497%10"]);
  expect(scripts.map(({ text }) => /\$\(\((\d+) \+ SLURM_ARRAY_TASK_ID\)\)/.exec(text)?.[1])).toEqual(["0", "1001", "2002"]);
  for (const line of ["--requeue", "--signal=B:USR1@90", "--open-mode=append"]) expect(scripts[0]?.text).toContain(`#SBATCH ${line}\n`);
});

it("options with quotes or line breaks, which would become directives of their own, are refused", () => {
  expect(() => arrayScripts(request({ options: ["--comment=a\n#SBATCH --uid=0"] }))).toThrow(/must not hold quotes or line breaks/);
  expect(mergeScript(request({ folder: "/a b" })).text).toContain('#SBATCH --output="/a b/merge.log"');
});

/** A script, run by bash with a run and a Slurm made of shell. */
function script(run: string): { file: string; env: NodeJS.ProcessEnv } {
  const programs: [string, string][] = [
    ["run", run],
    ["scontrol", `echo "$@" >> ${folder}/requeued`],
  ];
  for (const [name, text] of programs) {
    writeFileSync(join(folder, name), `#!/bin/bash\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  const file = join(folder, "array.sh");
  const [array] = arrayScripts(request({ indices: [1005], command: [join(folder, "run")] }));
  writeFileSync(file, array?.text ?? "");
  return { file, env: { PATH: `${folder}:${process.env["PATH"]}`, SLURM_ARRAY_JOB_ID: "40", SLURM_ARRAY_TASK_ID: "4" } };
}

it.each([
  [0, ""],
  [42, ""],
  [75, "requeue 40_4\n"],
  [143, "requeue 40_4\n"],
])("a run that ends with %i", (code, requeued) => {
  const { file, env } = script(`echo $1 > ${folder}/index; exit ${code}`);
  expect(spawnSync("bash", [file], { env }).status).toBe(code);
  expect(readFileSync(join(folder, "index"), "utf8")).toBe("1005\n");
  expect(spawnSync("cat", [join(folder, "requeued")], { encoding: "utf8" }).stdout).toBe(requeued);
});

it("a warning that comes before the run has begun, or as it begins, is not lost", async () => {
  // The script signals itself between the run's start and its being known.
  const { file, env } = script("trap 'exit 75' TERM; while true; do sleep 0.05; done");
  const text = readFileSync(file, "utf8");
  writeFileSync(
    file,
    text.replace(/^run=\$!$/m, (line) => `kill -USR1 $$\n${line}`),
  );
  const child = spawn("bash", [file], { env, stdio: "inherit" });
  expect([75, 143]).toContain(await new Promise((done) => child.on("close", done)));
  expect(readFileSync(join(folder, "requeued"), "utf8")).toBe("requeue 40_4\n");
});

it("the warning before the time limit reaches the run, which is waited for and then queued again", async () => {
  const { file, env } = script(`trap 'sleep 0.2; exit 75' TERM; echo began; while true; do sleep 0.05; done`);
  const child = spawn("bash", [file], { env, stdio: ["ignore", "pipe", "inherit"] });
  child.stdout.once("data", () => child.kill("SIGUSR1"));
  expect(await new Promise((done) => child.on("close", done))).toBe(75);
  expect(readFileSync(join(folder, "requeued"), "utf8")).toBe("requeue 40_4\n");
});
