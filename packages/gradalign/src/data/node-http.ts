/**
 * @file HTTP(S) GET of a byte stream, by way of the user's proxy and certificates.
 *
 * Node 20's `fetch` knows neither proxies nor npm's `cafile`, and cannot limit the time to connect apart from the time to
 * download; `node:http` can do all three.
 */
import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import type { Socket } from "node:net";
import * as tls from "node:tls";
import type { NpmConfig } from "./node-npm-config.ts";

/** How a request may travel. */
export interface HttpRoute {
  /** The proxy for an address, or undefined to connect directly. */
  proxyFor(url: URL): URL | undefined;
  /** Trusted certificates in place of Node's own list (PEM), or undefined for that list. */
  readonly ca: readonly string[] | undefined;
}

/** Settings of one request. */
export interface HttpGetOptions {
  readonly route: HttpRoute;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds until the response's head must have arrived. */
  readonly connectTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

const MAX_REDIRECTS = 5;

/** No response came: no such host, refused, timed out, or an untrusted certificate. */
export class UnreachableError extends Error {}

/** The route that npm's settings and the usual proxy and certificate variables describe. */
export function httpRoute(npm: NpmConfig, env: Readonly<Record<string, string | undefined>> = process.env): HttpRoute {
  const variable = (name: string) => env[name.toLowerCase()] || env[name.toUpperCase()];
  const forHttps = npm.get("https-proxy") || variable("HTTPS_PROXY") || npm.get("proxy") || variable("ALL_PROXY");
  const forHttp = npm.get("proxy") || variable("HTTP_PROXY") || variable("ALL_PROXY");
  const direct = (npm.get("noproxy") || variable("NO_PROXY") || "")
    .split(/[\s,]+/)
    .filter((host) => host !== "" && host !== '""')
    .map((host) => host.toLowerCase().replace(/^\*?\./, ""));
  const cafile = npm.get("cafile");
  return {
    proxyFor(url) {
      const address = url.protocol === "https:" ? forHttps : forHttp;
      if (!address || address === "null" || address === "false") return undefined;
      const host = url.hostname.toLowerCase();
      // A proxy's own localhost is another machine than the one meant.
      if (host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host)) return undefined;
      if (direct.some((name) => name === "*" || host === name || url.host.toLowerCase() === name || host.endsWith(`.${name}`))) return undefined;
      return new URL(address.includes("://") ? address : `http://${address}`);
    },
    ca: cafile ? certificates(cafile, env.NODE_EXTRA_CA_CERTS) : undefined,
  };
}

/**
 * Starts a GET and resolves to the response once its head is here, after following redirects.
 * The caller reads (or destroys) the body. Credentials are not sent on to another host.
 *
 * @throws UnreachableError when there is no response; the signal's reason when it is aborted.
 */
export async function httpGet(address: string, options: HttpGetOptions): Promise<http.IncomingMessage> {
  let url = new URL(address);
  let headers = options.headers;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const response = await requestOnce(url, headers, options);
    const { statusCode = 0 } = response;
    const { location } = response.headers;
    if (statusCode < 300 || statusCode > 399 || statusCode === 304 || location === undefined) return response;
    response.destroy();
    const target = new URL(location, url);
    if (url.protocol === "https:" && target.protocol === "http:") throw new UnreachableError(`${url.host} redirects from https to plain http`);
    if (target.host !== url.host) headers = Object.fromEntries(Object.entries(headers).filter(([name]) => name !== "authorization"));
    url = target;
  }
  throw new UnreachableError(`${new URL(address).host} redirects more than ${MAX_REDIRECTS} times`);
}

async function requestOnce(url: URL, headers: Readonly<Record<string, string>>, options: HttpGetOptions): Promise<http.IncomingMessage> {
  const { route, connectTimeoutMs, signal } = options;
  signal?.throwIfAborted();
  const late = AbortSignal.timeout(connectTimeoutMs);
  const stop = signal ? AbortSignal.any([signal, late]) : late;
  const proxy = route.proxyFor(url);
  let tunnel: Socket | undefined;
  try {
    let request: http.ClientRequest;
    if (proxy === undefined) {
      const tlsOptions = route.ca && url.protocol === "https:" ? { ca: [...route.ca] } : {};
      request = (url.protocol === "https:" ? https : http).request(url, { headers, agent: false, ...tlsOptions });
    } else if (url.protocol === "https:") {
      tunnel = await openTunnel(url, proxy, route, stop);
      const socket = tunnel;
      // With an agent, even `agent: false`, Node would ignore the connection made here.
      request = https.request(url, { headers, createConnection: () => socket });
    } else {
      const authorized = { ...headers, ...proxyAuthorization(proxy), host: url.host };
      request = http.request({ ...hostOf(proxy), path: url.href, headers: authorized, agent: false });
    }
    return await answerOf(request, "response", stop);
  } catch (error) {
    tunnel?.destroy();
    signal?.throwIfAborted();
    if (late.aborted) throw new UnreachableError(`no answer from ${url.host} within ${connectTimeoutMs / 1000} s`, { cause: error });
    const through = proxy === undefined ? "" : ` through the proxy ${proxy.host}`;
    throw new UnreachableError(`cannot reach ${url.host}${through}: ${reasonOf(error)}`, { cause: error });
  }
}

/** Opens a TLS connection to `url` inside a proxy's CONNECT tunnel. */
async function openTunnel(url: URL, proxy: URL, route: HttpRoute, stop: AbortSignal): Promise<Socket> {
  const target = `${url.hostname}:${url.port || 443}`;
  const secure = proxy.protocol === "https:";
  const settings = {
    ...hostOf(proxy),
    method: "CONNECT",
    path: target,
    headers: { host: target, ...proxyAuthorization(proxy) },
    agent: false as const,
  };
  const request = secure ? https.request(route.ca ? { ...settings, ca: [...route.ca] } : settings) : http.request(settings);
  const response = await answerOf(request, "connect", stop);
  if (response.statusCode !== 200) {
    response.socket.destroy();
    throw new Error(`the proxy answered CONNECT with status ${response.statusCode}`);
  }
  const socket = tls.connect({ socket: response.socket, servername: url.hostname, ...(route.ca ? { ca: [...route.ca] } : {}) });
  await new Promise<void>((done, fail) => {
    const abort = () => socket.destroy(new Error("aborted"));
    stop.addEventListener("abort", abort, { once: true });
    socket.once("secureConnect", () => {
      stop.removeEventListener("abort", abort);
      socket.off("error", fail);
      done();
    });
    socket.once("error", fail);
  });
  return socket;
}

/** Sends the request and waits for its `event`; `stop` only counts until then. */
function answerOf(request: http.ClientRequest, event: "response" | "connect", stop: AbortSignal): Promise<http.IncomingMessage> {
  return new Promise((done, fail) => {
    const abort = () => request.destroy(new Error("aborted"));
    if (stop.aborted) abort();
    stop.addEventListener("abort", abort, { once: true });
    // Stays attached: an error after the answer also reaches the response's stream, where the reader sees it.
    request.on("error", fail);
    request.once(event, (response: http.IncomingMessage) => {
      stop.removeEventListener("abort", abort);
      done(response);
    });
    request.end();
  });
}

function hostOf(url: URL): { hostname: string; port: number } {
  return { hostname: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port) || (url.protocol === "https:" ? 443 : 80) };
}

function proxyAuthorization(proxy: URL): Record<string, string> {
  if (proxy.username === "") return {};
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(pair).toString("base64")}` };
}

/** Passing `ca` to Node replaces its whole list, so the built-in and the extra certificates are put in again. */
function certificates(cafile: string, extra: string | undefined): string[] | undefined {
  try {
    const files = [cafile, ...(extra ? [extra] : [])].map((file) => readFileSync(file, "utf8"));
    return [...tls.rootCertificates, ...files];
  } catch {
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return error.errors[0].message;
  return error instanceof Error ? error.message : String(error);
}
