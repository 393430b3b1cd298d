/**
 * @file The local HTTP server behind `gradalign studio`: the built pages, a data set in parts, and runs. It answers nothing else, and only
 * requests that name it by an address of its own: a page elsewhere whose name is made to point here (DNS rebinding) is refused.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, isIPv4 } from "node:net";
import { extname, join } from "node:path";
import type { ResidentDataset } from "@gradalign/robustness";
import { ConfigError, GradalignError, UnsupportedError } from "@gradalign/tensor";
import { cutIntoParts } from "./node-data-parts.ts";
import { HEADERS, refuse } from "./node-http.ts";
import { type RunsOptions, type RunsService, runsService } from "./node-runs-service.ts";

/** What is served where. */
export interface StudioServerOptions {
  /** The data set, or what loads it when a page first asks for it, and again after it failed. */
  readonly dataset: ResidentDataset | (() => Promise<{ readonly dataset: ResidentDataset; readonly fingerprint: string }>);
  /** What stands for its content. */
  readonly fingerprint?: string;
  /** The runs that are served, if any. */
  readonly runs?: RunsOptions;
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
  /** Stops what was started here, stops listening and ends open connections. */
  close(): Promise<void>;
}

interface Resource {
  readonly type: string;
  readonly content: readonly Uint8Array[];
  readonly cache: string;
}

type Resources = ReadonlyMap<string, Resource>;

/** All that a request may be answered with. */
interface Served {
  readonly page: Resources;
  readonly data: () => Promise<Resources>;
  readonly runs: RunsService | undefined;
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".bin": "application/octet-stream",
};

/** For names that contain a checksum of what they name. */
const FOR_EVER = "private, max-age=31536000, immutable";
const ASK_AGAIN = "no-cache";

/**
 * Serves the pages, the data set and the runs until closed.
 *
 * @throws ConfigError when host and port cannot be listened on; UnsupportedError when the page was not built.
 */
export async function startStudioServer({ dataset, fingerprint, runs, port, host, page }: StudioServerOptions): Promise<StudioServer> {
  const pages = new Map(pageResources(page));
  let data: Promise<Resources> | undefined;
  let service: RunsService | undefined;
  const load = async (): Promise<Resources> => {
    const loaded = typeof dataset === "function" ? await dataset() : { dataset, fingerprint };
    return new Map(dataResources(loaded.dataset, loaded.fingerprint));
  };
  const served: Served = {
    page: pages,
    data() {
      const now = data ?? load();
      data = now;
      now.catch(() => {
        data = undefined;
      });
      return now;
    },
    get runs() {
      return service;
    },
  };
  const server = createServer((request, response) => {
    answer(request, response, served, host).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else refuse(response, 500, error instanceof Error ? error.message : String(error));
    });
  });
  await listen(server, port, host);
  service = runs && runsService(runs);
  const address = server.address() as AddressInfo;
  return {
    url: `http://${browsable(host)}:${address.port}/`,
    async close() {
      await service?.close();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

/** Only what is in a map can be asked for, so no path leads out of the page's folder, and no run out of those served. */
async function answer(request: IncomingMessage, response: ServerResponse, { page, data, runs }: Served, host: string): Promise<void> {
  const { method = "GET", url = "/" } = request;
  if (!isMeantForUs(request, host))
    return refuse(response, 421, "this server answers to localhost, its own address and the name given with --host, at its own port");
  if (!isFromUs(request, host)) return refuse(response, 403, "this server answers its own pages, and links; not the scripts of others");
  const [, path = "", query = ""] = /^([^?#]*)(?:\?([^#]*))?/s.exec(url) ?? [];
  if (runs && path.startsWith("/runs/")) return runs.answer(request, response, path, new URLSearchParams(query));
  if (method !== "GET" && method !== "HEAD") return refuse(response, 405, "only GET and HEAD are answered", { Allow: "GET, HEAD" });
  let found = page.get(path);
  if (!found && path.startsWith("/data/")) {
    try {
      found = (await data()).get(path);
    } catch (error) {
      return refuse(response, 503, `the images could not be had: ${error instanceof GradalignError ? error.message : "see the server's messages"}`);
    }
  }
  if (!found) return refuse(response, 404, "not found");
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
