/** @file The server of `gradalign studio`: what it serves and how, and that it serves nothing else. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import { imageDataset, type ResidentDataset } from "@gradalign/robustness";
import { cutIntoParts, type DataList, type StudioServer, startStudioServer } from "@gradalign/runs/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeRecordFiles } from "./support/record-files.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-studio-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const page = join(folder, "page");
mkdirSync(join(page, "assets"), { recursive: true });
writeFileSync(join(page, "index.html"), "<!doctype html><title>page</title>");
writeFileSync(join(page, "assets/code-1a2b.js"), "export {};");
writeFileSync(join(folder, "secret.txt"), "secret");

function numbers(count: number, first: number) {
  return { images: Uint8Array.from({ length: count * 12 }, (_, i) => first + 7 * i), labels: Uint8Array.from({ length: count }, (_, i) => i % 3) };
}
const dataset: ResidentDataset = imageDataset({
  name: "tiny",
  classNames: ["a", "b", "c"],
  shape: [3, 2, 2],
  train: numbers(5, 1),
  test: numbers(3, 9),
  flip: true,
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** A request whose path goes out exactly as written; `fetch` would tidy it up. */
function ask(url: string, path: string, method = "GET", host?: string, origin?: string): Promise<Answer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        hostname: hostname.replace(/^\[|\]$/g, ""),
        port,
        path,
        method,
        agent: false,
        headers: { ...(host === undefined ? {} : { host }), ...(origin === undefined ? {} : { origin }) },
      },
      (response) => {
        const pieces: Buffer[] = [];
        response.on("data", (piece: Buffer) => pieces.push(piece));
        response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(pieces) }));
      },
    );
    sent.on("error", reject);
    sent.end();
  });
}

describe("the server", () => {
  let server: StudioServer;
  beforeAll(async () => {
    server = await startStudioServer({ dataset, port: 0, host: "127.0.0.1", page });
  });
  afterAll(() => server.close());

  test("listens on this machine alone, at the port it says", () => {
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*\/$/);
  });

  test.each([
    ["/", "text/html; charset=utf-8", "no-cache"],
    ["/index.html?again=1", "text/html; charset=utf-8", "no-cache"],
    ["/assets/code-1a2b.js", "text/javascript; charset=utf-8", "private, max-age=31536000, immutable"],
    ["/data/list.json", "application/json", "no-cache"],
  ])("%s has its type, and headers that make the page cross-origin isolated", async (path, type, cache) => {
    const { status, headers, body } = await ask(server.url, path);
    expect(status).toBe(200);
    expect(body.length).toBe(Number(headers["content-length"]));
    expect(headers).toMatchObject({
      "content-type": type,
      "cache-control": cache,
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
      "cross-origin-resource-policy": "same-origin",
      "x-content-type-options": "nosniff",
    });
    expect(headers["content-security-policy"]).toContain("default-src 'self'");
  });

  test("the parts give the data set back", async () => {
    const list = JSON.parse((await ask(server.url, "/data/list.json")).body.toString()) as DataList;
    expect(list).toMatchObject({ name: "tiny", classNames: ["a", "b", "c"], shape: [3, 2, 2], flip: true, crop: 0, counts: { train: 5, test: 3 } });
    const bodies = await Promise.all(list.parts.map(async ({ path }) => (await ask(server.url, `/data/${path}`)).body));
    expect(bodies.map((body) => [...body])).toEqual([
      [...dataset.train.images, ...dataset.train.labels],
      [...dataset.test.images, ...dataset.test.labels],
    ]);
    expect((await ask(server.url, `/data/${list.parts[0]?.path}`)).headers["content-type"]).toBe("application/octet-stream");
  });

  test.each([
    "/../secret.txt",
    "/assets/../../secret.txt",
    "/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/assets",
    "/data/",
    "//secret.txt",
    "http://evil.example/index.html",
    "/..\\secret.txt",
    "/__proto__",
    "/index.html/../../secret.txt",
    "/data/train-0-00000000.bin",
  ])("%s is not found", async (path) => {
    const { status, body } = await ask(server.url, path);
    expect(status).toBe(404);
    expect(body.toString()).toBe("not found\n");
  });

  test.each(["localhost:PORT", "LOCALHOST:PORT", "127.0.0.1:PORT", "127.1.2.3:PORT", "[::1]:PORT"])("answers a request for %s", async (host) => {
    const { status } = await ask(server.url, "/data/list.json", "GET", host.replace("PORT", new URL(server.url).port));
    expect(status).toBe(200);
  });

  test.each([
    "evil.example:PORT",
    "localhost.evil.example:PORT",
    "127.0.0.1.evil.example:PORT",
    "localhost:1",
    "localhost",
    "localhost:PORT:PORT",
    "[::1].evil.example:PORT",
    "10.0.0.1:PORT",
    "[fe80::1]:PORT",
    "user@localhost:PORT",
  ])("refuses a request for %j, whatever it asks", async (host) => {
    const named = host.replaceAll("PORT", new URL(server.url).port);
    const list = await ask(server.url, "/data/list.json", "GET", named);
    for (const { status, body } of [list, await ask(server.url, "/", "GET", named), await ask(server.url, `/data/train-0-00000000.bin`, "HEAD", named)]) {
      expect(status).toBe(421);
      expect(body.toString()).not.toMatch(/tiny|page/);
    }
  });

  test.each([
    ["http://evil.example", 403],
    ["https://localhost:PORT", 403],
    ["http://localhost:1", 403],
    ["http://localhost:PORT.evil.example", 403],
    ["null", 403],
    ["http://127.0.0.1:PORT", 200],
    ["http://localhost:PORT", 200],
  ])("answers a script of %s with %i", async (origin, expected) => {
    const { status, body } = await ask(server.url, "/data/list.json", "GET", undefined, origin.replace("PORT", new URL(server.url).port));
    expect(status).toBe(expected);
    if (expected === 403) expect(body.toString()).not.toContain("tiny");
  });

  test("refuses a request that names no host at all", async () => {
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    socket.end("GET /data/list.json HTTP/1.0\r\n\r\n");
    let answer = "";
    for await (const piece of socket) answer += String(piece);
    expect(answer).toMatch(/^HTTP\/1\.1 421 /);
    expect(answer).not.toContain("tiny");
  });

  test("answers the host it was given", async () => {
    const given = await startStudioServer({ dataset, port: 0, host: "0.0.0.0", page });
    const { port } = new URL(given.url);
    expect((await ask(`http://127.0.0.1:${port}/`, "/", "GET", `0.0.0.0:${port}`)).status).toBe(200);
    const own = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ family }) => family === "IPv4");
    for (const { address } of own) expect((await ask(`http://${address}:${port}/`, "/")).status).toBe(200);
    expect((await ask(`http://127.0.0.1:${port}/`, "/", "GET", `evil.example:${port}`)).status).toBe(421);
    await given.close();
  });

  test("tells nobody where the data lie", () => {
    const { list } = cutIntoParts({ ...dataset, name: "/home/somebody/private/pictures" });
    expect(list.name).toBe("pictures/");
    expect(JSON.stringify(list)).not.toContain("somebody");
    // A folder of that name is not the known data set, with its recipe.
    expect(cutIntoParts({ ...dataset, name: "/data/cifar10" }).list.name).toBe("cifar10/");
    expect(cutIntoParts({ ...dataset, name: "cifar10" }).list.name).toBe("cifar10");
  });

  test("HEAD is GET without the body, and nothing else is answered", async () => {
    const [get, head, ...others] = await Promise.all(
      ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND"].map((method) => ask(server.url, "/index.html", method)),
    );
    expect(head?.body.length).toBe(0);
    expect(head?.headers["content-length"]).toBe(get?.headers["content-length"]);
    for (const other of others) expect(other).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
  });

  test("a port that is taken and an address of another machine are refused with a remedy", async () => {
    const { port } = new URL(server.url);
    await expect(startStudioServer({ dataset, port: Number(port), host: "127.0.0.1", page })).rejects.toThrow(`--port (=${port}) must be a port that is free`);
    await expect(startStudioServer({ dataset, port: 0, host: "203.0.113.7", page })).rejects.toThrow(
      "--host (=203.0.113.7) must be an address of this machine",
    );
  });
});

test("a missing page is told with the command that builds it", async () => {
  await expect(startStudioServer({ dataset, port: 0, host: "127.0.0.1", page: join(folder, "absent") })).rejects.toThrow("build it with: npm run build:studio");
});

test("parts have checksums as in gzip, and no part is larger than asked for", () => {
  const { list, bytes } = cutIntoParts(dataset, undefined, 2);
  expect(list.parts.map(({ split, first, count }) => [split, first, count])).toEqual([
    ["train", 0, 2],
    ["train", 2, 2],
    ["train", 4, 1],
    ["test", 0, 2],
    ["test", 2, 1],
  ]);
  for (const part of list.parts) {
    const content = Buffer.concat(bytes.get(part.path) ?? []);
    expect(part).toMatchObject({ bytes: content.length, crc32: crc32(content) });
  }
});

test("the command says where the page is, and ends on Ctrl-C", async () => {
  const own = join(folder, "own");
  writeRecordFiles(own, 20, 10);
  const bin = fileURLToPath(new URL("../bin/gradalign.js", import.meta.url));
  const child = spawn(process.execPath, [bin, "studio", "--dataset", own, "--train-size", "15", "--port", "0", "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (text: Buffer) => resolve(text.toString()));
    child.once("exit", (code) => reject(new Error(`gradalign studio ended with exit code ${code} before it served anything`)));
  });
  const { type, url } = JSON.parse(line) as { type: string; url: string };
  expect(type).toBe("listening");
  const list = JSON.parse((await ask(url, "/data/list.json")).body.toString()) as DataList;
  expect(list.counts).toEqual({ train: 15, test: 10 });
  expect((await ask(url, "/")).body.toString()).toContain("Watch fast adversarial training fail");
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGINT");
  expect(await ended).toBe(0);
});
