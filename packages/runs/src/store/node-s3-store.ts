/**
 * @file A bucket of S3, or of anything that speaks like it (MinIO, Ceph, R2), as an object store.
 *
 * aws4fetch signs the requests. Exclusiveness is a write on the condition that nothing has the name (`If-None-Match: *`), which S3 knows since
 * 2024; a server that does not know it is refused when the store is opened.
 */
import { createHash } from "node:crypto";
import { ConfigError, GradalignError, UnsupportedError } from "@gradalign/tensor";
import type { AwsClient } from "aws4fetch";
import type { ObjectStore } from "./object-store.ts";

/** Variables of the environment; the names are those of Amazon's own programs. */
type Environment = Readonly<Record<string, string | undefined>>;
/** Those that hold secrets; processes that train are not given them. */
export const STORE_SECRETS = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] as const;
/** Milliseconds that a request may take, and how often one is repeated that the server could not answer. */
const [REQUEST_MS, RETRIES] = [300_000, 4];
/** Is written to find out whether the server writes over what is there. */
const PROBE = ".exclusive";

/**
 * Opens the store of an address like `s3://bucket/prefix`.
 *
 * @throws ConfigError for another address, or without keys in the environment; UnsupportedError without the package, or where the server has no
 * conditional writes; GradalignError when it refuses.
 */
export async function s3Store(address: string, environment: Environment = process.env): Promise<ObjectStore> {
  const { bucket, prefix } = placeOf(address);
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = environment;
  const region = environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] ?? "us-east-1";
  const endpoint = environment["AWS_ENDPOINT_URL_S3"] ?? environment["AWS_ENDPOINT_URL"] ?? `https://s3.${region}.amazonaws.com`;
  if (!accessKeyId || !secretAccessKey) {
    throw new ConfigError(
      `--store ${address}: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set in the environment, e.g. by "aws configure export-credentials"`,
    );
  }
  if (!URL.canParse(endpoint) || /[@?#]/.test(endpoint)) {
    throw new ConfigError("AWS_ENDPOINT_URL must be an address like https://s3.example:9000, without secrets; correct it, or leave it out");
  }
  const { AwsClient } = await packageOf();
  const client: AwsClient = new AwsClient({ accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}), service: "s3", region, retries: RETRIES });
  const shown = `s3://${bucket}/${prefix}`.replace(/\/$/, "");
  const root = `${endpoint.replace(/\/+$/, "")}/${bucket}`;

  const ask = async (method: string, url: string, good: readonly number[], request: { body?: Uint8Array; headers?: Record<string, string> } = {}) => {
    const { body = new Uint8Array(), headers = {} } = request;
    let response: Response;
    try {
      response = await client.fetch(url, {
        method,
        headers: { ...headers, "x-amz-content-sha256": createHash("sha256").update(body).digest("hex") },
        ...(method === "PUT" ? { body: new Uint8Array(body) } : {}),
        redirect: "error",
        signal: AbortSignal.timeout(REQUEST_MS),
      });
      if (good.includes(response.status)) return { status: response.status, bytes: new Uint8Array(await response.arrayBuffer()) };
    } catch (error) {
      const { cause } = error as Error;
      const reason = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : (error as Error).message;
      throw new GradalignError("EngineError", `store ${shown}: ${reason}; start the server, or correct AWS_ENDPOINT_URL`, { cause: error });
    }
    const text = await response.text().catch(() => "");
    const why = /<Message>([^<]*)<\/Message>/.exec(text)?.[1] ?? /<Code>([^<]*)<\/Code>/.exec(text)?.[1] ?? "";
    throw new GradalignError(
      "EngineError",
      `store ${shown}: the server answers ${response.status}${why === "" ? "" : ` (${plain(why)})`}; check bucket, keys and region`,
    );
  };
  const urlOf = (name: string): string => `${root}/${`${prefix}${name}`.split("/").map(encodeURIComponent).join("/")}`;
  const exclusively = async (name: string, body: Uint8Array): Promise<boolean> => {
    // 409: somebody else is writing it this moment.
    const { status } = await ask("PUT", urlOf(name), [200, 409, 412], { body, headers: { "if-none-match": "*" } });
    return status === 409 ? exclusively(name, body) : status === 200;
  };

  const get = async (name: string): Promise<Uint8Array | undefined> => {
    const { status, bytes } = await ask("GET", urlOf(name), [200, 404]);
    return status === 200 ? bytes : undefined;
  };

  await exclusively(PROBE, new Uint8Array());
  if (await exclusively(PROBE, new Uint8Array())) {
    throw new UnsupportedError(
      `store ${shown}: the server writes over what is there although asked not to (If-None-Match), which claims need; use a newer one`,
    );
  }
  return {
    shown,
    async list(beginning) {
      const names: string[] = [];
      for (let next: string | undefined = ""; next !== undefined; ) {
        const query = new URLSearchParams({ "list-type": "2", prefix: `${prefix}${beginning}`, ...(next === "" ? {} : { "continuation-token": next }) });
        const text = new TextDecoder().decode((await ask("GET", `${root}?${query}`, [200])).bytes);
        for (const [, key = ""] of text.matchAll(/<Key>([^<]*)<\/Key>/g)) names.push(plain(key).slice(prefix.length));
        next = plain(/<NextContinuationToken>([^<]+)<\/NextContinuationToken>/.exec(text)?.[1] ?? "") || undefined;
      }
      return names.sort();
    },
    get,
    async put(name, body) {
      await ask("PUT", urlOf(name), [200], { body });
    },
    async create(name, body) {
      if (await exclusively(name, body)) return true;
      // The answer to a first request may have been lost, and this have been a repetition.
      const there = await get(name);
      return there !== undefined && Buffer.compare(there, body) === 0;
    },
    async remove(name) {
      await ask("DELETE", urlOf(name), [200, 204, 404]);
    },
  };
}

function placeOf(address: string): { readonly bucket: string; readonly prefix: string } {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.username || url?.password) {
    throw new ConfigError("--store must not hold a password, which the list of processes shows to everybody; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  }
  const [, bucket, path = ""] = /^s3:\/\/([a-z0-9][a-z0-9.-]+)(?:\/([\w./-]*))?$/.exec(address) ?? [];
  if (bucket === undefined) {
    // The rest may hold a secret.
    throw new ConfigError(`--store (="${address.split(":")[0]}:…") must be a folder, or an address like s3://bucket/prefix`);
  }
  const prefix = path.replace(/^\/+|\/+$/g, "");
  return { bucket, prefix: prefix === "" ? "" : `${prefix}/` };
}

/** The text of an XML element. */
function plain(text: string): string {
  const signs: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(?:#(\d+)|#x([0-9a-fA-F]+)|(\w+));/g, (all, decimal?: string, hex?: string, name?: string) =>
    decimal !== undefined
      ? String.fromCodePoint(Number(decimal))
      : hex !== undefined
        ? String.fromCodePoint(Number.parseInt(hex, 16))
        : (signs[name ?? ""] ?? all),
  );
}

async function packageOf() {
  try {
    return await import("aws4fetch");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new UnsupportedError("--store s3://… needs a package that is not installed; run: npm install aws4fetch", { cause: error });
  }
}
