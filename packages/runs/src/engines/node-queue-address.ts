/**
 * @file Where a queue's Redis is, and its password, which must never be seen: not in the list of processes, nor in messages, logs or plans.
 */
import { ConfigError } from "@gradalign/tensor";
import { STORE_SECRETS } from "../store/node-s3-store.ts";
import { redactor } from "../words/redact.ts";

/** The variables that may hold a queue's secret. */
export const QUEUE_VARIABLES = { address: "GRADALIGN_QUEUE", password: "GRADALIGN_QUEUE_PASSWORD" } as const;

/** How to reach a queue's Redis. */
export interface QueueAddress {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** For people: without the password. */
  readonly shown: string;
  /** A text of others, such as an error's message, without the password. */
  readonly redact: (text: string) => string;
}

/**
 * The address from `--queue`, else from the environment, with the password from the environment.
 *
 * @throws ConfigError when there is none, it is no address, or the flag holds a password.
 */
export function queueAddress(flag: string | undefined, environment: Readonly<Record<string, string | undefined>>): QueueAddress {
  const text = flag ?? environment[QUEUE_VARIABLES.address];
  const source = flag === undefined ? QUEUE_VARIABLES.address : "--queue";
  if (text === undefined || text === "") {
    throw new ConfigError(`--queue must say where the queue is, e.g. redis://queue.example:6379; or set ${QUEUE_VARIABLES.address}`);
  }
  let [url, name, inside]: [URL | undefined, string, string] = [undefined, "", ""];
  try {
    url = new URL(text);
    [name, inside] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  } catch (error) {
    // The address itself stays out of the message: it may hold a password.
    throw new ConfigError(`${source} must be an address like redis://queue.example:6379 or, with TLS, rediss://…`, { cause: withoutInput(error) });
  }
  const db = Number(url.pathname.replace(/^\//, "") || 0);
  if ((url.protocol !== "redis:" && url.protocol !== "rediss:") || url.hostname === "" || !Number.isInteger(db) || db < 0 || url.search !== "") {
    throw new ConfigError(`${source} must be an address like redis://queue.example:6379 or, with TLS, rediss://…; a number after a slash chooses the database`);
  }
  if (flag !== undefined && url.password !== "") {
    throw new ConfigError(
      `--queue must not hold a password, which the list of processes shows to everybody; set ${QUEUE_VARIABLES.password}, ` +
        `or the whole address in ${QUEUE_VARIABLES.address}, and change the password`,
    );
  }
  const password = inside || environment[QUEUE_VARIABLES.password] || undefined;
  const port = url.port === "" ? 6379 : Number(url.port);
  // Not even the name: people put a password there by mistake.
  const shown = `${url.protocol}//${url.hostname}:${port}/${db}`;
  const redact = redactor([password, url.password]);
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port, db, tls: url.protocol === "rediss:", username: name || undefined, password, shown, redact };
}

/** An environment for processes that have no business with the queue and the store. */
export function withoutSecrets(environment: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  const secret: readonly string[] = [...Object.values(QUEUE_VARIABLES), ...STORE_SECRETS];
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !secret.includes(name)));
}

/** Node's errors about addresses carry what they were given. */
function withoutInput(error: unknown): Error {
  return new Error((error as NodeJS.ErrnoException).code ?? "not an address");
}
