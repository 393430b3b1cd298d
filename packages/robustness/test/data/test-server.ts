/** @file A file server on this machine that can misbehave on purpose. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A running server and the requests it has had. */
export interface TestServer {
  readonly url: string;
  readonly requests: IncomingMessage[];
  close(): Promise<void>;
}

/** How {@link serveFile} departs from a well-behaved server. */
export interface Misbehaviour {
  /** Cut the connection after so many body bytes, for the first `times` requests. */
  readonly cutAfter?: number;
  readonly times?: number;
  /** Ignore `range` headers. */
  readonly noRanges?: boolean;
  readonly etag?: string;
}

export async function startServer(handle: (request: IncomingMessage, response: ServerResponse, count: number) => void): Promise<TestServer> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    handle(request, response, requests.length);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/archive.tar.gz`,
    requests,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

/** Serves one file with ranges, `if-range`, and the given faults. */
export function serveFile(bytes: Uint8Array, fault: Misbehaviour = {}): Promise<TestServer> {
  const { cutAfter, times = 1, noRanges = false, etag } = fault;
  return startServer((request, response, count) => {
    const asked = /^bytes=(\d+)-\d*$/.exec(request.headers.range ?? "");
    const condition = request.headers["if-range"];
    const start = asked && !noRanges && (condition === undefined || condition === etag) ? Number(asked[1]) : 0;
    const body = bytes.subarray(start);
    const range = start > 0 ? { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {};
    response.writeHead(start > 0 ? 206 : 200, { "content-length": body.length, ...range, ...(etag ? { etag } : {}) });
    if (cutAfter === undefined || count > times) response.end(body);
    else response.write(body.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 200));
  });
}
