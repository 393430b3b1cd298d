/** @file Runs in a browser: vitest's own runner, on test files that were bundled with it. */
import { startTests } from "vitest/internal/browser";

/** What became of a file's tests. */
export interface Outcome {
  readonly passed: number;
  /** Names of the others, and why they failed. */
  readonly failures: readonly string[];
}

type Runner = Parameters<typeof startTests>[1];
type Task = Awaited<ReturnType<typeof startTests>>[number]["tasks"][number];

const CONFIG: Runner["config"] = {
  root: "/",
  setupFiles: [],
  name: undefined,
  passWithNoTests: false,
  testNamePattern: undefined,
  allowOnly: false,
  sequence: { seed: 0, hooks: "stack", setupFiles: "list" },
  chaiConfig: undefined,
  maxConcurrency: 1,
  testTimeout: 180_000,
  hookTimeout: 180_000,
  retry: 0,
  includeTaskLocation: undefined,
  tags: [],
  tagsFilter: undefined,
  strictTags: false,
};

/** Runs one of several files by its name, as far as it is about the webgpu backend; files whose names say so are about nothing else. */
export function runGpuTests(name: string, files: Readonly<Record<string, () => Promise<unknown>>>): Promise<Outcome> {
  return runTests(name, files[name]!, name.includes("/webgpu") ? /./ : /webgpu/);
}

/** Runs a file's tests whose full names match a pattern. */
async function runTests(name: string, load: () => Promise<unknown>, pattern: RegExp): Promise<Outcome> {
  const [file] = await startTests([name], { config: { ...CONFIG, testNamePattern: pattern }, importFile: load });
  if (!file) throw new Error(`${name} was not run`);
  const tests = leaves(file.tasks).filter((task) => task.mode === "run");
  const bad = [file as Task, ...groups(file.tasks), ...tests].filter((task) => task.result?.errors?.length);
  const unfinished = tests.filter((task) => task.result?.state !== "pass" && !bad.includes(task));
  return {
    passed: tests.filter((task) => task.result?.state === "pass").length,
    failures: [
      ...bad.map((task) => `${task.fullName}: ${task.result?.errors?.map(({ message, diff }) => [message, diff].filter(Boolean).join("\n")).join("; ")}`),
      ...unfinished.map((task) => `${task.fullName}: ${task.result?.state ?? "not run"}`),
    ],
  };
}

function leaves(tasks: readonly Task[]): Task[] {
  return tasks.flatMap((task) => ("tasks" in task ? leaves(task.tasks) : [task]));
}

function groups(tasks: readonly Task[]): Task[] {
  return tasks.flatMap((task) => ("tasks" in task ? [task, ...groups(task.tasks)] : []));
}
