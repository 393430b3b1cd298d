/** @file Answers of the local server: the headers that all of them have, JSON, and what a page sends. */
import type { IncomingMessage, ServerResponse } from "node:http";

/** The first two make the page cross-origin isolated, without which browsers share no memory between threads. */
export const HEADERS: Readonly<Record<string, string>> = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Content-Security-Policy":
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

/** Bytes that a page may send at once. */
const MOST_BYTES = 65_536;

/** Answers with a line of text. */
export function refuse(response: ServerResponse, status: number, text: string, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { ...HEADERS, ...headers, "Content-Type": "text/plain; charset=utf-8" }).end(`${text}\n`);
}

/** Answers with JSON, in which numbers that are not finite are null. */
export function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { ...HEADERS, "Content-Type": "application/json", "Cache-Control": "no-store" }).end(JSON.stringify(value));
}

/** What a page sent as JSON; undefined if that is none, or too long. */
export async function readBody(request: IncomingMessage): Promise<unknown> {
  if (!/^application\/json\b/.test(request.headers["content-type"] ?? "")) return undefined;
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > MOST_BYTES) return undefined;
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString()) as unknown;
  } catch {
    return undefined;
  }
}
