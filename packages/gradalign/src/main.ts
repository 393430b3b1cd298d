/** @file The gradalign command. */
import { runCli } from "./cli.ts";

/** Whether nobody reads any more: the reader of a pipe left, as `head` does, or the terminal was closed. */
let unheard = false;

for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE" && error.code !== "EIO") throw error;
    if (unheard) return;
    unheard = true;
    // A training stops in order, with a checkpoint; everything else ends here.
    if (!process.emit("SIGHUP", "SIGHUP")) process.exit(1);
  });
}

process.exitCode = await runCli(process.argv.slice(2), { stdout: process.stdout, stderr: process.stderr });
