/** @file The queue's address: where it may come from, and that its password is seen nowhere. */
import { ConfigError } from "@gradalign/tensor";
import { expect, it } from "vitest";
import { queueAddress, withoutSecrets } from "../../src/engines/node-queue-address.ts";

const SECRET = "s3cr:t/&";
const encoded = encodeURIComponent(SECRET);

it("comes from the flag or the environment, its password from the environment alone", () => {
  expect(queueAddress("redis://queue.example", {})).toMatchObject({ host: "queue.example", port: 6379, db: 0, tls: false, password: undefined });
  expect(queueAddress("rediss://me@[::1]:7000/2", { GRADALIGN_QUEUE_PASSWORD: SECRET })).toMatchObject({
    ...{ host: "::1", port: 7000, db: 2, tls: true, username: "me", password: SECRET, shown: "rediss://[::1]:7000/2" },
  });
  expect(queueAddress(undefined, { GRADALIGN_QUEUE: `redis://:${encoded}@queue.example` })).toMatchObject({ host: "queue.example", password: SECRET });
});

it("never shows its password", () => {
  const address = queueAddress(undefined, { GRADALIGN_QUEUE: `redis://:${encoded}@queue.example` });
  expect(address.shown).not.toContain("s3cr");
  expect(address.redact(`AUTH ${SECRET} failed (redis://:${encoded}@queue.example)`)).toBe("AUTH *** failed (redis://:***@queue.example)");
  const environment = { GRADALIGN_QUEUE: `redis://:${encoded}@queue.example`, GRADALIGN_QUEUE_PASSWORD: SECRET, PATH: "/bin" };
  expect(withoutSecrets(environment)).toEqual({ PATH: "/bin" });
});

it.each([
  [
    "a password in the flag, which the list of processes shows",
    `redis://:${encoded}@queue.example`,
    {},
    /--queue must not hold a password.*change the password/,
  ],
  ["nothing", undefined, {}, /--queue must say where the queue is/],
  ["no address", `${SECRET}@queue`, {}, /--queue must be an address like redis:/],
  ["no address in the environment", undefined, { GRADALIGN_QUEUE: `:${SECRET}@queue` }, /GRADALIGN_QUEUE must be an address like redis:/],
  ["no text in the environment", undefined, { GRADALIGN_QUEUE: `redis://:${encoded}%zz@queue` }, /GRADALIGN_QUEUE must be an address like redis:/],
  ["another protocol", `http://:${encoded}@queue.example`, {}, /must be an address like redis:/],
  ["a database that is none", "redis://queue.example/a", {}, /a number after a slash/],
])("%s is refused, and not repeated", (_, flag, environment, message) => {
  let error: unknown;
  try {
    queueAddress(flag, environment);
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as Error).message).toMatch(message);
  for (const text of [String(error), (error as Error).stack, JSON.stringify((error as Error).cause ?? null), String((error as Error).cause)]) {
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain(encoded);
  }
});
