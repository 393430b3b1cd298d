/** @file A plain static web server: files of a folder under a path, with the headers that make a page isolated or without. */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

const TYPES: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json" };
const ISOLATION = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** Serves a folder; `skip` are beginnings of paths that are not there. */
export async function serveFolder(
  folder: string,
  { isolated, skip = "-" }: { readonly isolated: boolean; readonly skip?: string },
): Promise<{ readonly url: string; close(): void }> {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://x").pathname).replace(/^\/somewhere\//, "");
    try {
      if (path.startsWith(skip)) throw new Error("left out");
      const file = join(folder, path === "" ? "index.html" : path);
      const content = readFileSync(file);
      const headers = { "Content-Type": TYPES[extname(file)] ?? "application/octet-stream", "Access-Control-Allow-Origin": "*" };
      response.writeHead(200, { ...headers, ...(isolated ? ISOLATION : {}) }).end(content);
    } catch {
      response.writeHead(404, isolated ? ISOLATION : {}).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/somewhere/`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
