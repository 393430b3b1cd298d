/** @file A Redis of one's own for tests and campaigns: Debian's redis-server on a free port of the loopback, killed and started again at will. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Whether redis-server is installed. */
export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;
/** Whether it was built with TLS, as Debian's is, and a certificate can be made. */
export const hasRedisTls =
  hasRedis &&
  spawnSync("openssl", ["version"]).status === 0 &&
  spawnSync("sh", ["-c", 'ldd "$(command -v redis-server)"'], { encoding: "utf8" }).stdout.includes("libssl");

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
 * @param {{ tls?: boolean }} [options] With TLS it answers nobody else; whoever connects must trust `certificate`.
 */
export async function redisServer(folder, password, { tls = false } = {}) {
  const port = await freePort();
  const [certificate, key] = [join(folder, "server.crt"), join(folder, "server.key")];
  const secure = [
    "--tls-port",
    String(port),
    "--tls-cert-file",
    certificate,
    "--tls-key-file",
    key,
    "--tls-ca-cert-file",
    certificate,
    "--tls-auth-clients",
    "no",
  ];
  /** @type {import("node:child_process").ChildProcess | undefined} */
  let server;
  const ask = (/** @type {string[]} */ ...words) =>
    spawnSync("redis-cli", ["-p", String(port), ...(tls ? ["--tls", "--cacert", certificate] : []), ...words], {
      encoding: "utf8",
      env: { ...process.env, REDISCLI_AUTH: password },
    });
  return {
    port,
    certificate,
    /** Starts it with what it had written, if `appendonly` let it. */
    async start() {
      mkdirSync(folder, { recursive: true });
      if (tls) {
        const name = ["-subj", "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1"];
        spawnSync("openssl", [
          "req",
          "-x509",
          "-newkey",
          "ec",
          "-pkeyopt",
          "ec_paramgen_curve:prime256v1",
          "-nodes",
          "-keyout",
          key,
          "-out",
          certificate,
          ...name,
        ]);
      }
      const config = [
        "--bind",
        "127.0.0.1",
        "--port",
        tls ? "0" : String(port),
        ...(tls ? secure : []),
        "--dir",
        folder,
        "--requirepass",
        password,
        "--save",
        "",
        "--appendonly",
        "yes",
      ];
      server = spawn("redis-server", [...config, "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"], { stdio: "ignore" });
      for (let i = 0; i < 200; i++) {
        if (ask("ping").stdout.includes("PONG")) return;
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
