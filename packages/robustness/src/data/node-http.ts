/**
 * @file HTTP(S) GET of a byte stream, by way of the user's proxy and certificates.
 *
 * undici connects, tunnels, and takes a broken connection up again where it broke; when it is worth it is the caller's decision. Node
 * 20's `fetch` can do none of that.
 */
import { readFileSync, statSync } from "node:fs";
import { rootCertificates } from "node:tls";
import { GradalignError } from "@gradalign/tensor";
import { Agent, type Dispatcher, errors, Pool, ProxyAgent, RetryAgent, request } from "undici";
import { LIMITS } from "../limits.ts";
import { isHttpAddress, type NpmConfig, wrongSetting } from "./node-npm-config.ts";

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
  /** Milliseconds until a connection must be there, and again until the response's head must have arrived. */
  readonly connectTimeoutMs: number;
  /** Milliseconds without a byte of the body after which a connection counts as broken. */
  readonly idleTimeoutMs: number;
  /** Called with the number of bytes of the body as they arrive, before the reader has them; ends the request by throwing. */
  readonly onBytes?: ((count: number) => void) | undefined;
  /** Resolves when a broken or refused attempt is to be repeated from where it broke; rejects with what the reader shall see instead. */
  readonly retry: (reason: Error) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

/** A response whose head is here. */
export interface HttpAnswer {
  readonly status: number;
  /** The header of that lower-case name; of several, the first. */
  header(name: string): string | undefined;
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends the connection, whether the body was read or not. */
  close(): Promise<void>;
}

const MAX_REDIRECTS = 5;
/** Announcements (status 102, 103) before a response; each starts the clock anew. */
const MAX_ANNOUNCEMENTS = 10;
/** The server is busy or ill, and may be well later. */
const BUSY: number[] = [408, 429, ...Array.from({ length: 100 }, (_, i) => 500 + i)];

/** No response came: no such host, refused, timed out, or an untrusted certificate. */
export class UnreachableError extends Error {}

/** A server that is there, but busy or ill. */
export class BusyError extends Error {}

/**
 * The route that npm's settings and the usual proxy and certificate variables describe.
 *
 * @throws ConfigError when the file of certificates cannot be used; `proxyFor` throws one when the proxy's address cannot.
 */
export function httpRoute(npm: NpmConfig, env: Readonly<Record<string, string | undefined>> = process.env): HttpRoute {
  const setting = (name: string) => [name, npm.get(name)] as const;
  const variable = (name: string) => [name, env[name.toLowerCase()] || env[name]] as const;
  const first = (...settings: (readonly [name: string, address: string | undefined])[]) => settings.find(([, address]) => address);
  const forHttps = first(setting("https-proxy"), variable("HTTPS_PROXY"), setting("proxy"), variable("ALL_PROXY"));
  const forHttp = first(setting("proxy"), variable("HTTP_PROXY"), variable("ALL_PROXY"));
  const direct = (npm.get("noproxy") || env["no_proxy"] || env["NO_PROXY"] || "")
    .split(/[\s,]+/)
    .filter((host) => host !== "" && host !== '""')
    .map((host) => host.toLowerCase().replace(/^\*?\./, ""));
  const cafile = npm.get("cafile");
  return {
    proxyFor(url) {
      const [name, address] = (url.protocol === "https:" ? forHttps : forHttp) ?? [];
      if (!name || !address || address === "null" || address === "false") return undefined;
      const host = url.hostname.toLowerCase();
      // A proxy's own localhost is another machine than the one meant.
      if (host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host)) return undefined;
      if (direct.some((name) => name === "*" || host === name || url.host.toLowerCase() === name || host.endsWith(`.${name}`))) return undefined;
      const full = address.includes("://") ? address : `http://${address}`;
      // What stands before an @ may be a password.
      if (!isHttpAddress(full)) throw wrongSetting(name, address.replace(/.*@/s, "…@"), "an http or https address");
      return new URL(full);
    },
    ca: cafile ? certificates(cafile, env["NODE_EXTRA_CA_CERTS"]) : undefined,
  };
}

/**
 * Starts a GET and resolves to the response once its head is here, after following redirects. The caller closes it.
 * Credentials are not sent on to another host.
 *
 * @throws UnreachableError when there is no response; what `retry` rejects with; the signal's reason when it is aborted.
 */
export async function httpGet(address: string, options: HttpGetOptions): Promise<HttpAnswer> {
  let url = new URL(address);
  let headers = options.headers;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const answer = await requestOnce(url, headers, options);
    const location = answer.header("location");
    if (answer.status < 300 || answer.status > 399 || answer.status === 304 || location === undefined) return answer;
    await answer.close();
    const target = URL.canParse(location, url) ? new URL(location, url) : undefined;
    if (target?.protocol !== "https:" && target?.protocol !== "http:") throw new UnreachableError(`${url.host} redirects to what is no http address`);
    if (url.protocol === "https:" && target.protocol === "http:") throw new UnreachableError(`${url.host} redirects from https to plain http`);
    if (target.host !== url.host) headers = Object.fromEntries(Object.entries(headers).filter(([name]) => name !== "authorization"));
    url = target;
  }
  throw new UnreachableError(`${new URL(address).host} redirects more than ${MAX_REDIRECTS} times`);
}

async function requestOnce(url: URL, headers: Readonly<Record<string, string>>, options: HttpGetOptions): Promise<HttpAnswer> {
  const { route, connectTimeoutMs, idleTimeoutMs, signal } = options;
  signal?.throwIfAborted();
  const proxy = route.proxyFor(url);
  const connections = proxy === undefined ? directly(route, connectTimeoutMs) : through(proxy, route, connectTimeoutMs);
  const dispatcher = new RetryAgent(
    connections.compose((dispatch) => (settings, handler) => dispatch(settings, watched(handler, options.onBytes))),
    { retry: (error, _, done) => void options.retry(explained(error, options)).then(() => done(null), done), statusCodes: BUSY },
  );
  try {
    const {
      statusCode,
      headers: received,
      body,
    } = await request(url, {
      ...{ dispatcher, headers, headersTimeout: connectTimeoutMs, bodyTimeout: idleTimeoutMs },
      ...(signal ? { signal } : {}),
    });
    // The body may break before anybody reads it; who reads it then is told.
    body.on("error", () => {});
    return {
      status: statusCode,
      header: (name) => [received[name]].flat()[0],
      body,
      close: async () => {
        body.destroy();
        await connections.destroy();
      },
    };
  } catch (error) {
    await connections.destroy();
    signal?.throwIfAborted();
    if (error instanceof GradalignError) throw error;
    const by = proxy === undefined ? "" : ` through the proxy ${proxy.host}`;
    throw new UnreachableError(`cannot reach ${url.host}${by}: ${explained(error, options).message}`, { cause: error });
  }
}

function directly({ ca }: HttpRoute, timeout: number): Dispatcher {
  return new Agent({ connect: { timeout, ...(ca ? { ca: [...ca] } : {}) } });
}

function through(proxy: URL, { ca }: HttpRoute, timeout: number): Dispatcher {
  const tls = { timeout, ...(ca ? { ca: [...ca] } : {}) };
  const credentials = `${decoded(proxy.username)}:${decoded(proxy.password)}`;
  return new ProxyAgent({
    uri: proxy.origin,
    // Many proxies tunnel to port 443 only.
    proxyTunnel: false,
    ...(proxy.username === "" ? {} : { token: `Basic ${Buffer.from(credentials).toString("base64")}` }),
    requestTls: tls,
    proxyTls: tls,
    clientFactory: (origin, settings) => new ProxyConnections(origin, { ...settings, headersTimeout: timeout }),
  });
}

/** Connections to a proxy. What goes wrong in making a tunnel is final: undici 6 would try for ever where the proxy closes the connection. */
class ProxyConnections extends Pool {
  override connect(settings: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData>;
  override connect(settings: Dispatcher.ConnectOptions, done: (error: Error | null, tunnel: Dispatcher.ConnectData) => void): void;
  override connect(settings: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData> {
    return super.connect(settings).then(
      (tunnel) => {
        if (tunnel.statusCode === 200) return tunnel;
        tunnel.socket.destroy();
        throw new Error(`the proxy answered CONNECT with status ${tunnel.statusCode}`);
      },
      (cause: Error) => {
        throw cause instanceof errors.SocketError ? new Error(cause.message, { cause }) : cause;
      },
    );
  }
}

/** Undoes percent signs; a password may hold one that means itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Counts a body's bytes, and keeps announcements from the retrying handler, which takes the first head for the response's. */
function watched(handler: Dispatcher.DispatchHandlers, onBytes: ((count: number) => void) | undefined): Dispatcher.DispatchHandlers {
  let announcements = 0;
  let abort = (_: Error): void => {};
  return {
    onConnect(end) {
      abort = end;
      handler.onConnect?.(end);
    },
    onHeaders(status, headers, resume, text) {
      if (status >= 200) return handler.onHeaders?.(status, headers, resume, text) ?? true;
      if (++announcements > MAX_ANNOUNCEMENTS) abort(new Error(`the server announces an answer with status ${status} again and again`));
      return true;
    },
    onData(chunk) {
      onBytes?.(chunk.length);
      handler.onData?.(chunk);
      // Never pause: undici 6 throws out of reach when a connection ends while a slow reader keeps it waiting. The caller bounds the bytes.
      return true;
    },
    onUpgrade: (status, headers, socket) => handler.onUpgrade?.(status, headers, socket),
    onBodySent: (size, total) => handler.onBodySent?.(size, total),
    onComplete: (trailers) => handler.onComplete?.(trailers),
    onError: (error) => handler.onError?.(error),
  };
}

/** Whether an attempt was ended because the server cannot go on where the one before broke. */
export function isRefusedResumption(error: unknown): boolean {
  return error instanceof errors.RequestRetryError && !BUSY.includes(error.statusCode);
}

/** What went wrong, in words that say what the user may look at. */
function explained(error: unknown, { connectTimeoutMs, idleTimeoutMs }: HttpGetOptions): Error {
  const because = (reason: string) => new Error(reason, { cause: error });
  if (isRefusedResumption(error)) return error as Error;
  if (error instanceof errors.RequestRetryError) return new BusyError(`the server answered with status ${error.statusCode}`, { cause: error });
  if (error instanceof errors.BodyTimeoutError) return because(`no byte for ${idleTimeoutMs / 1000} s`);
  if (error instanceof errors.ConnectTimeoutError || error instanceof errors.HeadersTimeoutError)
    return because(`no answer within ${connectTimeoutMs / 1000} s`);
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return error.errors[0];
  if (error instanceof Error && error.message === "bad upgrade") return because("the server answered with status 101 (another protocol)");
  return error instanceof Error ? error : new Error(String(error));
}

/** undici replaces Node's whole list by `ca`, so the built-in and the extra certificates are put in again. */
function certificates(cafile: string, extra: string | undefined): string[] | undefined {
  const own = readCertificates(cafile);
  if (own === undefined) return undefined;
  if (own instanceof Error || !/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/.test(own)) {
    throw wrongSetting("cafile", cafile, `a readable file of certificates (PEM)${own instanceof Error ? `, but ${own.message}` : ""}`);
  }
  const more = extra ? readCertificates(extra) : undefined;
  return [...rootCertificates, own, ...(typeof more === "string" ? [more] : [])];
}

/** A file's text, why it cannot be read, or undefined when it is not there, which npm takes for none. */
function readCertificates(file: string): string | Error | undefined {
  try {
    const found = statSync(file);
    if (!found.isFile() || found.size > LIMITS.certificates) return new Error(`it is not a file of at most ${LIMITS.certificates} bytes`);
    return readFileSync(file, "utf8");
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? undefined : (error as Error);
  }
}
