/**
 * @file A process that computes runs, one after another, for a process that must stay responsive.
 *
 * It is asked by lines on its standard input and answers by lines on its standard output. When the asking process is gone, its input ends,
 * and it stops with a checkpoint. It keeps its data sets and compiled steps, so that a run costs little beside its training.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";

/** The built command, of which these processes are hidden parts. */
export const MAIN: string = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

/** What a process answers in the end. */
export type Answer<T> = { readonly answer: T } | { readonly died: string; readonly pid: number };

/** A process that computes what it is asked. */
export interface TrainingProcess<Request, Result> {
  /** Asks; one at a time. */
  ask(request: Request, onLine: (line: { readonly type: string }) => void): Promise<Answer<Result>>;
  /** Asks what it does now to stop. */
  stop(): void;
  /** Lets it end. */
  close(): void;
}

/** A process of a hidden command; started when it is first asked, and again when it died. */
export function trainingProcess<Request, Result>(argv: readonly string[], environment: NodeJS.ProcessEnv): TrainingProcess<Request, Result> {
  type Child = ChildProcessByStdio<Writable, Readable, Readable>;
  let child: Child | undefined;
  let settle: ((answer: Answer<Result>) => void) | undefined;
  let listener: (line: { readonly type: string }) => void = () => {};
  const start = (): Child => {
    // A group of its own: Ctrl-C in the terminal reaches the asking process alone, which passes it on once.
    const started: Child = spawn(process.execPath, [MAIN, ...argv], { stdio: ["pipe", "pipe", "pipe"], detached: true, env: environment });
    let stderr = "";
    started.stderr.on("data", (chunk: Buffer) => {
      stderr = (stderr + chunk.toString()).slice(-4000);
    });
    // A process that dies while it is written to is told of by its end.
    started.stdin.on("error", () => {});
    createInterface({ input: started.stdout }).on("line", (text) => {
      const line = JSON.parse(text) as { readonly type: string; readonly answer?: Result };
      if (line.type === "answer") settle?.({ answer: line.answer as Result });
      else listener(line);
    });
    started.on("close", (code, signal) => {
      if (child === started) child = undefined;
      const last = stderr.trim().split("\n").at(-1) ?? "";
      settle?.({ died: `its process ended with ${signal ?? `code ${code}`}${last === "" ? "" : `: ${last}`}`, pid: started.pid ?? 0 });
    });
    started.on("error", (error) => settle?.({ died: error.message, pid: 0 }));
    return started;
  };
  return {
    ask: (request, onLine) =>
      new Promise((resolve) => {
        listener = onLine;
        settle = (answer) => {
          settle = undefined;
          resolve(answer);
        };
        child ??= start();
        child.stdin.write(`${JSON.stringify(request)}\n`);
      }),
    stop: () => void child?.kill("SIGINT"),
    close: () => void child?.stdin.end(),
  };
}
