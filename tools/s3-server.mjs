/**
 * @file An S3 of one's own for tests: s3rver on a free port of the loopback, and before it what it lacks: signatures are checked, and writes on
 * the condition that nothing has the name are refused where something has.
 */
import { createHash, createHmac } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";

/** The only keys that s3rver knows. */
const KEY = "S3RVER";

/**
 * The signature (version 4) that a request must have, by Amazon's description.
 *
 * @param {{ method: string, url: string, headers: Readonly<Record<string, string | string[] | undefined>> }} request
 * @param {string} secret
 */
export function signatureOf({ method, url, headers }, secret) {
  const [, scope = "", signed = ""] = /Credential=[^/]+\/(\S+), SignedHeaders=(\S+), /.exec(String(headers["authorization"])) ?? [];
  const [path = "", query = ""] = url.split("?");
  const hash = (/** @type {string} */ text) => createHash("sha256").update(text).digest("hex");
  const lines = signed.split(";").map((name) => `${name}:${String(headers[name]).trim()}\n`);
  const parameters = query
    .split("&")
    .filter(Boolean)
    .map((part) => part.replaceAll("+", "%20"))
    .sort();
  const canonical = [method, path, parameters.join("&"), lines.join(""), signed, headers["x-amz-content-sha256"]].join("\n");
  const text = ["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hash(canonical)].join("\n");
  const hmac = (/** @type {import("node:crypto").BinaryLike} */ key, /** @type {string} */ data) => createHmac("sha256", key).update(data).digest();
  const key = scope.split("/").reduce((before, part) => hmac(before, part), /** @type {import("node:crypto").BinaryLike} */ (`AWS4${secret}`));
  return hmac(key, text).toString("hex");
}

/**
 * Starts it, with a bucket named `runs`.
 *
 * @param {string} folder Of its files.
 * @param {{ conditional?: boolean }} [options] Whether it knows conditional writes.
 */
export async function s3Server(folder, { conditional = true } = {}) {
  const S3rver = createRequire(import.meta.url)("s3rver");
  const s3 = new S3rver({ directory: folder, silent: true, configureBuckets: [{ name: "runs" }] });
  await s3.configureBuckets();
  const answer = s3.callback();
  /** @type {Set<string>} */
  const made = new Set();
  /** Answers to give instead of what would be right, first to last. */
  const trouble = /** @type {number[]} */ ([]);
  const server = createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    const isSigned = String(headers.authorization).endsWith(`Signature=${signatureOf({ method, url, headers }, KEY)}`);
    const isThere = conditional && method === "PUT" && headers["if-none-match"] === "*" && made.has(url);
    const refusal = trouble.shift() ?? (isSigned ? (isThere ? 412 : undefined) : 403);
    if (refusal !== undefined) {
      request.resume();
      response.writeHead(refusal).end(refusal === 403 ? "<Error><Code>SignatureDoesNotMatch</Code></Error>" : "");
      return;
    }
    if (method === "PUT") made.add(url);
    if (method === "DELETE") made.delete(url);
    answer(request, response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    trouble,
    environment: { AWS_ACCESS_KEY_ID: KEY, AWS_SECRET_ACCESS_KEY: KEY, AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
