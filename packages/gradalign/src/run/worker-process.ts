/** @file Hidden commands in processes of their own. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The built command, which worker processes run. */
const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

/** Runs a hidden command in a process of its own; resolves to its exit code. It is asked to stop when the signal is aborted. */
export function runWorker(command: string, request: unknown, onLine: (line: unknown) => void, signal?: AbortSignal): Promise<{ code: number; stderr: string }> {
  // A group of its own: Ctrl-C in the terminal reaches this process alone, which passes it on once.
  const child = spawn(process.execPath, [MAIN, command], { stdio: ["pipe", "pipe", "pipe"], detached: true });
  const stop = (): void => void child.kill("SIGINT");
  signal?.addEventListener("abort", stop, { once: true });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  createInterface({ input: child.stdout }).on("line", (line) => onLine(JSON.parse(line)));
  child.stdin.end(JSON.stringify(request));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      signal?.removeEventListener("abort", stop);
      resolve({ code: code ?? 1, stderr });
    });
  });
}
