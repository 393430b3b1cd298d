/**
 * @file The local HTTP server behind `gradalign studio`: the built page, and a data set in parts. It answers nothing else, and only
 * requests that name it by an address of its own: a page elsewhere whose name is made to point here (DNS rebinding) is refused.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, isIPv4 } from "node:net";
import { extname, join } from "node:path";
import type { ResidentDataset } from "@gradalign/robustness";
import { ConfigError, UnsupportedError } from "@gradalign/tensor";
import { cutIntoParts } from "./node-data-parts.ts";

/** What is served where. */
export interface StudioServerOptions {
  readonly dataset: ResidentDataset;
  /** What stands for its content. */
  readonly fingerprint?: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly host: string;
  /** Folder of the built page. */
  readonly page: string;
}

/** A listening server. */
export interface StudioServer {
  /** Where a browser on this machine finds the page. */
  readonly url: string;
  /** Stops listening and ends open connections. */
  close(): Promise<void>;
}

interface Resource {
  readonly type: string;
  readonly content: readonly Uint8Array[];
  readonly cache: string;
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".bin": "application/octet-stream",
};

/** The first two make the page cross-origin isolated, without which browsers share no memory between threads. */
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Content-Security-Policy":
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

/** For names that contain a checksum of what they name. */
const FOR_EVER = "private, max-age=31536000, immutable";
const ASK_AGAIN = "no-cache";

/**
 * Serves the page and the data set until closed.
 *
 * @throws ConfigError when host and port cannot be listened on; UnsupportedError when the page was not built.
 */
export async function startStudioServer({ dataset, fingerprint, port, host, page }: StudioServerOptions): Promise<StudioServer> {
  const resources = new Map([...pageResources(page), ...dataResources(dataset, fingerprint)]);
  const server = createServer((request, response) => answer(request, response, resources, host));
  await listen(server, port, host);
  const address = server.address() as AddressInfo;
  return {
    url: `http://${browsable(host)}:${address.port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Only what is in the map can be asked for, so no path leads out of the page's folder. */
function answer(request: IncomingMessage, response: ServerResponse, resources: ReadonlyMap<string, Resource>, host: string): void {
  const { method = "GET", url = "/" } = request;
  const refuse = (status: number, text: string, headers: Readonly<Record<string, string>> = {}): void => {
    response.writeHead(status, { ...HEADERS, ...headers, "Content-Type": "text/plain; charset=utf-8" }).end(`${text}\n`);
  };
  if (!isMeantForUs(request, host)) return refuse(421, "this server answers to localhost, its own address and the name given with --host, at its own port");
  if (!isFromUs(request, host)) return refuse(403, "this server answers its own pages, and links; not the scripts of others");
  if (method !== "GET" && method !== "HEAD") return refuse(405, "only GET and HEAD are answered", { Allow: "GET, HEAD" });
  const found = resources.get(url.replace(/[?#].*$/s, ""));
  if (!found) return refuse(404, "not found");
  const length = found.content.reduce((sum, piece) => sum + piece.length, 0);
  response.writeHead(200, { ...HEADERS, "Content-Type": found.type, "Content-Length": length, "Cache-Control": found.cache });
  if (method === "GET") for (const piece of found.content) response.write(piece);
  response.end();
}

/** Whether the Host header names us. */
function isMeantForUs({ headers, socket }: IncomingMessage, host: string): boolean {
  return namesUs(headers.host ?? "", socket, host);
}

/** Whether a script that asks, if it is one that browsers name, is of a page of ours. */
function isFromUs({ headers: { origin }, socket }: IncomingMessage, host: string): boolean {
  return origin === undefined || (origin.startsWith("http://") && namesUs(origin.slice("http://".length), socket, host));
}

/** Whether a host and its port are localhost, a loopback address, the host given, or the address the request came in on, with our port. */
function namesUs(authority: string, socket: IncomingMessage["socket"], host: string): boolean {
  const [, address, name, port = "80"] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(authority) ?? [];
  const named = (address ?? name ?? "").toLowerCase();
  const own = ["localhost", "::1", host.toLowerCase(), socket.localAddress?.replace(/^::ffff:/, "")];
  return Number(port) === socket.localPort && (own.includes(named) || (isIPv4(named) && named.startsWith("127.")));
}

function pageResources(folder: string): [string, Resource][] {
  if (!existsSync(join(folder, "index.html"))) {
    throw new UnsupportedError(`studio: the page is not in ${folder}; build it with: npm run build:studio`);
  }
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.flatMap((entry): [string, Resource][] => {
    const file = join(entry.parentPath, entry.name);
    const path = file.slice(folder.length).replaceAll("\\", "/");
    const resource = { type: typeOf(path), content: [readFileSync(file)], cache: path.startsWith("/assets/") ? FOR_EVER : ASK_AGAIN };
    return path === "/index.html"
      ? [
          ["/", resource],
          [path, resource],
        ]
      : [[path, resource]];
  });
}

function dataResources(dataset: ResidentDataset, fingerprint: string | undefined): [string, Resource][] {
  const { list, bytes } = cutIntoParts(dataset, fingerprint);
  return [
    ["/data/list.json", { type: typeOf(".json"), content: [Buffer.from(JSON.stringify(list))], cache: ASK_AGAIN }],
    ...[...bytes].map(([path, content]): [string, Resource] => [`/data/${path}`, { type: typeOf(path), content, cache: FOR_EVER }]),
  ];
}

function typeOf(path: string): string {
  return TYPES[extname(path) || path] ?? "application/octet-stream";
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const where = error.code === "EADDRINUSE" || error.code === "EACCES";
      const [flag, value, rule] = where ? ["port", port, "a port that is free and allowed; 0 takes any"] : ["host", host, "an address of this machine"];
      reject(new ConfigError(`--${flag} (=${value}) must be ${rule} (${error.message})`, { cause: error }));
    });
    server.listen(port, host, () => resolve());
  });
}

/** Pages from localhost count as secure, those from other addresses only over HTTPS. */
function browsable(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "localhost";
  return host.includes(":") ? `[${host}]` : host;
}
