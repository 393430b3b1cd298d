/** @file Fetching and caching data sets, against servers on this machine that fail in the ways real ones do. */

import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DatasetDefinition, DatasetSource } from "../../src/data/definition.ts";
import { type DataEvent, type LoadDatasetOptions, loadDataset } from "../../src/data/node-load-dataset.ts";
import { contents, files, readFrom, recordsArchive, sheetsArchive, sourceOf, tinyCifar10 } from "./cifar-fixture.ts";
import { type Misbehaviour, serveFile, startServer, type TestServer } from "./test-server.ts";

const archive = await recordsArchive();
const expected = await readFrom(tinyCifar10);
let folder: string;
let servers: TestServer[];
let events: DataEvent[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gradalign-data-"));
  servers = [];
  events = [];
});

afterEach(async () => {
  for (const server of servers) await server.close();
  rmSync(folder, { recursive: true, force: true });
});

function keep(server: TestServer): TestServer {
  servers.push(server);
  return server;
}

async function serve(fault?: Misbehaviour, bytes: Uint8Array = archive): Promise<TestServer> {
  return keep(await serveFile(bytes, fault));
}

function load(sources: readonly DatasetSource[], options: Partial<LoadDatasetOptions> & Partial<Pick<DatasetDefinition, "files">> = {}) {
  const { files: named = files, ...rest } = options;
  return loadDataset(
    { ...tinyCifar10, files: named, sources },
    { cacheDir: folder, onProgress: (event) => events.push(event), idleTimeoutMs: 5000, retryDelayMs: 10, ...rest },
  );
}

const cache = (name: string): string => join(folder, "cifar-10-batches-bin", name);
const isComplete = () => expect(readdirSync(join(folder, "cifar-10-batches-bin")).sort()).toEqual([...contents.keys()].sort());

const kinds = (type: DataEvent["type"]) => events.filter((event) => event.type === type);

describe("loadDataset", () => {
  it("fetches the official archive into an empty cache, and then needs no network", async () => {
    const server = await serve();
    const data = await load([sourceOf(archive, server.url)]);
    expect(data).toEqual(expected);
    expect(readdirSync(folder)).toEqual(["cifar-10-batches-bin"]);
    isComplete();
    expect(kinds("progress").at(-1)).toMatchObject({
      source: "test source",
      receivedBytes: archive.length,
      totalBytes: archive.length,
      etaSeconds: 0,
    });

    expect(await load([], { offline: true })).toEqual(expected);
    expect(server.requests).toHaveLength(1);
  });

  it("makes the same files of the mirror's sheets", async () => {
    const sheets = await sheetsArchive();
    const server = await serve({}, sheets);
    expect(await load([sourceOf(sheets, server.url, { layout: "cifar10-sheets" })])).toEqual(expected);
    for (const [name, bytes] of contents) expect(new Uint8Array(readFileSync(cache(name)))).toEqual(bytes);
  });

  it("resumes where a connection broke", async () => {
    const server = await serve({ cutAfter: 5000, times: 2 });
    expect(await load([sourceOf(archive, server.url)])).toEqual(expected);
    expect(server.requests.map((request) => request.headers.range)).toEqual([
      undefined,
      `bytes=5000-${archive.length - 1}`,
      `bytes=10000-${archive.length - 1}`,
    ]);
    expect(kinds("retry")).toHaveLength(2);
  });

  it("resumes after the process was stopped, if the file is still the same", async () => {
    const server = await serve({ cutAfter: 5000, etag: '"v1"' });
    const source = sourceOf(archive, server.url);
    const stop = new AbortController();
    const reason = new Error("stopped");
    const stopped = load([source], { signal: stop.signal, onProgress: (event) => event.type === "retry" && stop.abort(reason) });
    await expect(stopped).rejects.toBe(reason);
    expect(readdirSync(cache(""))).toContain("archive.tar.gz.part");

    expect(await load([source])).toEqual(expected);
    expect(server.requests.at(-1)?.headers).toMatchObject({ range: "bytes=5000-", "if-range": '"v1"' });
  });

  it("starts again when the file has changed on the server", async () => {
    mkdirSync(cache(""));
    writeFileSync(cache("archive.tar.gz.part"), new Uint8Array(700));
    const server = await serve({ etag: '"v2"' });
    writeFileSync(cache("archive.tar.gz.part.json"), JSON.stringify({ url: server.url, validator: '"v1"' }));
    expect(await load([sourceOf(archive, server.url)])).toEqual(expected);
    expect(server.requests).toHaveLength(1);
  });

  it("starts again when what was kept turns out to be wrong", async () => {
    const server = await serve();
    mkdirSync(cache(""));
    writeFileSync(cache("archive.tar.gz.part"), new Uint8Array(700));
    writeFileSync(cache("archive.tar.gz.part.json"), JSON.stringify({ url: server.url }));
    expect(await load([sourceOf(archive, server.url)])).toEqual(expected);
    expect(server.requests.map((request) => request.headers.range)).toEqual(["bytes=700-", undefined]);
  });

  it("copes with a server that cannot resume", async () => {
    const server = await serve({ cutAfter: 5000, noRanges: true });
    expect(await load([sourceOf(archive, server.url)])).toEqual(expected);
  });

  it("gives up on a server that never sends more", async () => {
    const server = await serve({ cutAfter: 5000, noRanges: true, times: 100 });
    await expect(load([sourceOf(archive, server.url)])).rejects.toThrow(/broke off at 5000 of \d+ bytes 5 times/);
  });

  it("notices a silent connection", async () => {
    const server = keep(
      await startServer((_, response, count) => {
        if (count > 1) return response.writeHead(404).end();
        response.writeHead(200, { "content-length": archive.length });
        return response.write(archive.subarray(0, 100));
      }),
    );
    await expect(load([sourceOf(archive, server.url)], { idleTimeoutMs: 200 })).rejects.toThrow("answered with status 404");
    expect(kinds("retry")).toMatchObject([{ reason: "no byte for 0.2 s" }]);
  });

  it.each<[what: string, answer: string, message: RegExp]>([
    ["a change of protocol", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", /the server answered with status 101/],
    ["101 without a protocol", "HTTP/1.1 101 Switching Protocols\r\n\r\n", /no answer within 0.3 s|status 101/],
    ["announcements without end", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".repeat(50), /announces an answer with status 103 again and again/],
    ["something else than HTTP", "220 mail.example ESMTP\r\n", /cannot reach/],
    ["a length that is none", "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n", /cannot reach/],
    ["an address that is none", "HTTP/1.1 302 Found\r\nlocation: http://[\r\ncontent-length: 0\r\n\r\n", /redirects to what is no http address/],
    ["a file on disk", "HTTP/1.1 302 Found\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n", /redirects to what is no http address/],
    ["itself", "HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n", /redirects more than 5 times/],
    ["an endless head", `HTTP/1.1 200 OK\r\nx: ${"x".repeat(100_000)}`, /cannot reach/],
  ])("refuses a server that answers with %s", async (_, answer, message) => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.write(answer));
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as AddressInfo;
    const attempt = load([sourceOf(archive, `http://127.0.0.1:${port}/a`)], { connectTimeoutMs: 300, idleTimeoutMs: 300 });
    await expect(attempt).rejects.toThrow(expect.objectContaining({ code: "DataError", message: expect.stringMatching(message) }));
    server.close();
  });

  it("takes an announcement before the answer for what it is", async () => {
    const server = keep(
      await startServer((_, response) => {
        response.writeEarlyHints({ link: "</a>; rel=preload" });
        response.end(archive);
      }),
    );
    expect(await load([sourceOf(archive, server.url)])).toEqual(expected);
  });

  it("waits for a server that is busy, and goes on when it is not", async () => {
    const server = keep(await startServer((_, response, count) => (count < 3 ? response.writeHead(503).end() : response.end(archive))));
    expect(await load([sourceOf(archive, server.url)])).toEqual(expected);
    expect(kinds("retry")).toMatchObject([{ reason: "the server answered with status 503" }, { reason: "the server answered with status 503" }]);
  });

  it("refuses a server that sends more than it should, and keeps no more", async () => {
    const server = keep(
      await startServer((_, response) => {
        response.writeHead(200);
        response.write(archive);
        response.end(archive);
      }),
    );
    await expect(load([sourceOf(archive, server.url)])).rejects.toThrow(`sends more than the expected ${archive.length} bytes`);
  });

  it("refuses an archive with the wrong checksum", async () => {
    const altered = archive.slice();
    altered[altered.length >> 1]! ^= 1;
    const server = await serve({}, altered);
    const source = sourceOf(archive, server.url);
    const message = new RegExp(`has the wrong sha256: expected ${source.parts[0]!.checksum.digest}, found [0-9a-f]{64}`);
    await expect(load([source])).rejects.toThrow(expect.objectContaining({ code: "DataError", message: expect.stringMatching(message) }));
    expect(readdirSync(folder)).toEqual(["cifar-10-batches-bin"]);
    expect(readdirSync(cache(""))).toEqual([]);
  });

  it("refuses an archive whose files are not CIFAR-10's, and drops it", async () => {
    const server = await serve();
    const wrong = files.map((file) => ({ ...file, checksum: { ...file.checksum, digest: "0".repeat(40) } }));
    await expect(load([sourceOf(archive, server.url)], { files: wrong })).rejects.toThrow(
      /data_batch_1.bin from test source: expected 12292 bytes with sha1 0{40}, found 12292 bytes/,
    );
    const unknown = [{ ...files[0]!, name: "data_batch_9.bin" }];
    await expect(load([sourceOf(archive, server.url)], { files: unknown })).rejects.toThrow("data_batch_9.bin from test source: not in the archive");
    expect(readdirSync(folder)).toEqual(["cifar-10-batches-bin"]);
    expect(readdirSync(cache(""))).toEqual([]);
  });

  it("refuses a login page in place of the archive", async () => {
    const server = await serve({}, new TextEncoder().encode("<html>please log in</html>"));
    await expect(load([sourceOf(archive, server.url)])).rejects.toThrow(`is 26 bytes long, expected ${archive.length}`);
  });

  it("falls back to the next source, saying why", async () => {
    const gone = keep(await startServer((_, response) => response.writeHead(404).end()));
    const server = await serve();
    const unreachable = sourceOf(archive, "http://127.0.0.1:1/archive.tar.gz", { name: "official" });
    const sources = [unreachable, sourceOf(archive, gone.url, { name: "second" }), sourceOf(archive, server.url)];
    expect(await load(sources)).toEqual(expected);
    expect(kinds("fallback")).toMatchObject([
      { source: "official", reason: expect.stringContaining("cannot reach 127.0.0.1:1") },
      { source: "second", reason: expect.stringContaining("status 404") },
    ]);
  });

  it("does not wait long for a source that does not answer", async () => {
    const silent = keep(await startServer(() => {}));
    const server = await serve();
    expect(await load([sourceOf(archive, silent.url, { name: "silent" }), sourceOf(archive, server.url)], { connectTimeoutMs: 100 })).toEqual(expected);
    expect(kinds("fallback")).toMatchObject([{ source: "silent", reason: expect.stringContaining("within 0.1 s") }]);
  });

  it("names every source and the remedy when none works", async () => {
    const sources = [sourceOf(archive, "http://127.0.0.1:1/a", { name: "one" }), sourceOf(archive, "http://127.0.0.1:1/b", { name: "two" })];
    await expect(load(sources)).rejects.toThrow(/one: cannot reach .*; two: cannot reach .*HTTPS_PROXY.*put archive.tar.gz/);
  });

  it("offline, uses an archive put there by hand, and otherwise says what is missing", async () => {
    const source = sourceOf(archive, "http://127.0.0.1:1/a");
    await expect(load([source], { offline: true })).rejects.toThrow(/no source could be used \(test source: offline, and .*does not exist\)/);
    writeFileSync(cache("archive.tar.gz"), archive);
    expect(await load([source], { offline: true })).toEqual(expected);
  });

  it("stops when aborted, at once and in the middle", async () => {
    const server = keep(
      await startServer((_, response) => {
        response.writeHead(200, { "content-length": archive.length });
        response.write(archive.subarray(0, 100));
      }),
    );
    const source = sourceOf(archive, server.url);
    await expect(load([source], { signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
    expect(server.requests).toHaveLength(0);
    const stop = new AbortController();
    const running = load([source], { signal: stop.signal });
    setTimeout(() => stop.abort(new Error("user pressed stop")), 100);
    await expect(running).rejects.toThrow("user pressed stop");
    expect(readdirSync(folder)).not.toContain("cifar10.lock");
  });

  it("sends a source's headers, but not to another host", async () => {
    const server = await serve();
    const elsewhere = server.url.replace("127.0.0.1", "localhost");
    const first = keep(await startServer((_, response) => response.writeHead(302, { location: elsewhere }).end()));
    await load([sourceOf(archive, first.url, { headers: { authorization: "Bearer secret" } })]);
    expect(first.requests[0]?.headers.authorization).toBe("Bearer secret");
    expect(server.requests[0]?.headers.authorization).toBeUndefined();
  });
});

describe("a cached file", () => {
  const file = () => cache("data_batch_2.bin");
  beforeEach(async () => {
    const server = await serve();
    await load([sourceOf(archive, server.url)]);
  });

  it("is refused when it is truncated", async () => {
    truncateSync(file(), 5000);
    const { digest: sha1 } = files[1]!.checksum;
    const message = `${file()} is damaged: expected 9219 bytes with sha1 ${sha1}, found 5000 bytes with sha1`;
    await expect(load([])).rejects.toThrow(expect.objectContaining({ code: "DataError", message: expect.stringContaining(message) }));
    await expect(load([])).rejects.toThrow("delete this file to have it fetched again");
  });

  it("is refused when one bit is wrong", async () => {
    const bytes = readFileSync(file());
    bytes[4000]! ^= 8;
    writeFileSync(file(), bytes);
    await expect(load([])).rejects.toThrow("is damaged: expected 9219 bytes");
  });

  it("is fetched again once deleted", async () => {
    rmSync(file());
    expect(await load([sourceOf(archive, servers[0]!.url)])).toEqual(expected);
  });
});

describe("two processes", () => {
  it("download once", async () => {
    const server = await serve();
    const source = sourceOf(archive, server.url);
    expect(await Promise.all([load([source]), load([source])])).toEqual([expected, expected]);
    expect(server.requests).toHaveLength(1);
    expect(kinds("wait")).toHaveLength(1);
  });

  it("are not kept waiting by one that died", async () => {
    const server = await serve();
    const lock = join(folder, "cifar10.lock");
    writeFileSync(lock, JSON.stringify({ host: "some-other-host", pid: 1 }));
    const minuteAgo = Date.now() / 1000 - 60;
    utimesSync(lock, minuteAgo, minuteAgo);
    expect(await load([sourceOf(archive, server.url)])).toEqual(expected);
    expect(readdirSync(folder)).toEqual(["cifar-10-batches-bin"]);
    isComplete();
  });
});

describe("a data set of several files", () => {
  const source = (url: string, layout: "files" | "gzip" = "files"): DatasetSource => ({
    name: "site",
    layout,
    parts: files.map(({ name, checksum }) => {
      const bytes = layout === "gzip" ? gzipSync(contents.get(name)!) : contents.get(name)!;
      const digest = createHash("sha1").update(bytes).digest("hex");
      return { fileName: layout === "gzip" ? `${name}.gz` : name, url: `${url}/${name}`, bytes: bytes.length, checksum: { ...checksum, digest } };
    }),
  });
  const serveAll = async (layout: "files" | "gzip"): Promise<TestServer> =>
    keep(
      await startServer((request, response) => {
        const bytes = contents.get((request.url ?? "").split("/").at(-1)!)!;
        response.end(layout === "gzip" ? gzipSync(bytes) : bytes);
      }),
    );

  it.each(["files", "gzip"] as const)("comes file by file (%s), without what is there already", async (layout) => {
    const server = await serveAll(layout);
    mkdirSync(cache(""));
    writeFileSync(cache("test_batch.bin"), contents.get("test_batch.bin")!);
    expect(await load([source(server.url, layout)])).toEqual(expected);
    expect(server.requests.map(({ url }) => url?.split("/").at(-1))).toEqual(["data_batch_1.bin", "data_batch_2.bin"]);
    isComplete();
    expect(await load([], { offline: true })).toEqual(expected);
  });

  it("may be put there by hand, compressed by anybody", async () => {
    mkdirSync(cache(""));
    for (const [name, bytes] of contents) writeFileSync(cache(`${name}.gz`), gzipSync(bytes, { level: 1 }));
    expect(await load([source("http://127.0.0.1:1", "gzip")], { offline: true })).toEqual(expected);
  });

  it("says which files to put where when no source answers", async () => {
    const home = join(folder, "cifar-10-batches-bin");
    await expect(load([source("http://127.0.0.1:1")])).rejects.toThrow(
      `loadDataset: CIFAR-10 is not in ${home} and no source could be used (site: cannot reach 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1); ` +
        `check the network, HTTPS_PROXY and npm's registry setting, or put data_batch_1.bin, data_batch_2.bin, test_batch.bin into ${home}`,
    );
  });

  it("refuses a file put there by hand that is another", async () => {
    mkdirSync(cache(""));
    writeFileSync(cache("test_batch.bin"), "something else");
    await expect(load([source("http://127.0.0.1:1")])).rejects.toThrow(/test_batch.bin is damaged: expected 6146 bytes with sha1 [0-9a-f]{40}, found 14 bytes/);
  });
});
