/**
 * @file Hidden commands in processes of their own, for a process that must stay responsive, or must not be ended with them.
 *
 * They are asked by lines on their standard input and answer by lines on their standard output, one question after another. When the asking
 * process is gone, their input ends, and so do they.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { type Context, print } from "../terminal/context.ts";

/** The built command, of which these processes are hidden parts. */
export const MAIN: string = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

/** What a process answers in the end. */
export type Answer<T> = { readonly answer: T } | { readonly died: string };

/** A process that does what it is asked. */
export interface WorkerProcess<Request, Result> {
  /** Asks; one at a time. */
  ask(request: Request, onLine?: (line: { readonly type: string }) => void): Promise<Answer<Result>>;
  /** Asks what it does now to stop. */
  stop(): void;
  /** Lets it end. */
  close(): void;
}

/** A process of a hidden command; started when it is first asked, and again when it died. */
export function workerProcess<Request, Result>(command: string, environment: NodeJS.ProcessEnv = process.env): WorkerProcess<Request, Result> {
  type Child = ChildProcessByStdio<Writable, Readable, Readable>;
  let child: Child | undefined;
  let settle: ((answer: Answer<Result>) => void) | undefined;
  let listener: (line: { readonly type: string }) => void = () => {};
  const start = (): Child => {
    // A group of its own: Ctrl-C in the terminal reaches the asking process alone, which passes it on once.
    const started: Child = spawn(process.execPath, [MAIN, command], { stdio: ["pipe", "pipe", "pipe"], detached: true, env: environment });
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
      settle?.({ died: `its process ended with ${signal ?? `code ${code}`}${last === "" ? "" : `: ${last}`}` });
    });
    started.on("error", (error) => settle?.({ died: error.message }));
    return started;
  };
  return {
    ask: (request, onLine = () => {}) =>
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

/**
 * The other end: answers each question, until there are no more.
 *
 * @param answer is told by its signal when whoever asks is gone.
 */
export async function answerQuestions<Request>(context: Context, answer: (request: Request, gone: AbortSignal) => Promise<unknown>): Promise<void> {
  const gone = new AbortController();
  const lines = createInterface({ input: process.stdin });
  lines.on("close", () => gone.abort(new Error("the asking process is gone")));
  for await (const line of lines) print(context, JSON.stringify({ type: "answer", answer: await answer(JSON.parse(line) as Request, gone.signal) }));
}
