/** @file A Redis of one's own for tests and campaigns: Debian's redis-server on a free port of the loopback, killed and started again at will. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** Whether redis-server is installed. */
export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;

/** @returns {Promise<number>} */
export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}

/**
 * A server that is not yet started.
 *
 * @param {string} folder Of its files.
 * @param {string} password
 * @param {readonly string[]} [options] Further ones, such as those of TLS.
 */
export async function redisServer(folder, password, options = []) {
  const port = await freePort();
  /** @type {import("node:child_process").ChildProcess | undefined} */
  let server;
  const ask = (/** @type {string[]} */ ...words) =>
    spawnSync("redis-cli", ["-p", String(port), ...words], { encoding: "utf8", env: { ...process.env, REDISCLI_AUTH: password } });
  return {
    port,
    /** Starts it with what it had written, if `appendonly` let it. */
    async start() {
      mkdirSync(folder, { recursive: true });
      const config = ["--bind", "127.0.0.1", "--port", String(port), "--dir", folder, "--requirepass", password, "--save", "", "--appendonly", "yes"];
      server = spawn("redis-server", [...config, "--appendfsync", "everysec", "--maxmemory-policy", "noeviction", ...options], { stdio: "ignore" });
      for (let i = 0; i < 200; i++) {
        if (options.length > 0 || ask("ping").stdout.includes("PONG")) return;
        await delay(25);
      }
      throw new Error("redis-server did not start");
    },
    /** Kills it, and forgets what it had written if asked to. */
    async kill({ forget = false } = {}) {
      const gone = new Promise((resolve) => server?.once("exit", resolve));
      server?.kill("SIGKILL");
      await gone;
      if (forget) rmSync(folder, { recursive: true, force: true });
    },
  };
}
