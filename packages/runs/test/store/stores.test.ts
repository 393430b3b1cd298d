/** @file Stores: a folder, and S3 as s3rver speaks it, hold the same; addresses and servers that cannot be used are refused. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../../../tools/redis-server.mjs";
import { s3Server, signatureOf } from "../../../../tools/s3-server.mjs";
import { directoryStore } from "../../src/store/node-directory-store.ts";
import { openStore } from "../../src/store/node-open-store.ts";
import { s3Store } from "../../src/store/node-s3-store.ts";
import type { ObjectStore } from "../../src/store/object-store.ts";

const folder = mkdtempSync(join(tmpdir(), "gradalign-stores-"));
let server: Awaited<ReturnType<typeof s3Server>>;
beforeAll(async () => {
  server = await s3Server(join(folder, "s3"));
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (content: Uint8Array | undefined): string | undefined => content && new TextDecoder().decode(content);

describe.each<[string, () => Promise<ObjectStore>]>([
  ["a folder", async () => directoryStore(join(folder, "directory"))],
  ["S3", () => s3Store("s3://runs/some/sweep", server.environment)],
])("%s", (_, open) => {
  it("keeps what is put, lists it by its beginning, and gives a name once to those who create", async () => {
    const store = await open();
    const id = "fgsm-eps8-seed0+a=b";
    await store.put(`attempts/${id}/2.json`, bytes("two"));
    await store.put(`attempts/${id}/2.json`, bytes("2"));
    await store.put(`attempts/${id}x/1.json`, bytes("another's"));
    expect(text(await store.get(`attempts/${id}/2.json`))).toBe("2");
    expect(await store.get(`attempts/${id}/3.json`)).toBeUndefined();
    const claims = await Promise.all(Array.from({ length: 8 }, (_, i) => store.create(`attempts/${id}/1.json`, bytes(`claim ${i}`))));
    expect(claims.filter(Boolean)).toHaveLength(1);
    expect(text(await store.get(`attempts/${id}/1.json`))).toBe(`claim ${claims.indexOf(true)}`);
    expect(await store.list(`attempts/${id}/`)).toEqual([`attempts/${id}/1.json`, `attempts/${id}/2.json`]);
    expect(await store.list("nothing/")).toEqual([]);
    await store.remove(`attempts/${id}/1.json`);
    await store.remove(`attempts/${id}/1.json`);
    expect(await store.list(`attempts/${id}/`)).toEqual([`attempts/${id}/2.json`]);
    expect(await store.create(`attempts/${id}/1.json`, bytes(""))).toBe(true);
  });
});

it("a folder has no half-written files, and nothing left over", async () => {
  const store = directoryStore(join(folder, "clean"));
  await Promise.all(Array.from({ length: 5 }, (_, i) => store.create("a/b", bytes(String(i)))));
  await store.put("a/c", bytes("c"));
  expect(readdirSync(join(folder, "clean", "a")).sort()).toEqual(["b", "c"]);
});

describe("S3", () => {
  it("is signed as Amazon's example says", () => {
    const headers = {
      authorization:
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Signature=",
      host: "examplebucket.s3.amazonaws.com",
      range: "bytes=0-9",
      "x-amz-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "x-amz-date": "20130524T000000Z",
    };
    const signature = signatureOf({ method: "GET", url: "/test.txt", headers }, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    expect(signature).toBe("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  });

  it("lists page after page, with whatever signs names and tokens have", async () => {
    const pages: Record<string, string> = {
      "": "<IsTruncated>true</IsTruncated><Contents><Key>many/n/a&amp;b</Key></Contents><NextContinuationToken>1+/=&amp;</NextContinuationToken>",
      "1+/=&": "<IsTruncated>false</IsTruncated><Contents><Key>many/n/&#x63;</Key></Contents>",
    };
    const paged = createServer((request, response) => {
      const query = new URL(request.url ?? "", "http://x").searchParams;
      request.resume();
      if (request.method === "PUT") response.writeHead(412).end();
      else response.end(`<ListBucketResult>${query.get("prefix") === "many/n/" ? pages[query.get("continuation-token") ?? ""] : ""}</ListBucketResult>`);
    });
    await new Promise<void>((done) => paged.listen(0, "127.0.0.1", done));
    const { port } = paged.address() as AddressInfo;
    const store = await s3Store("s3://runs/many", { ...server.environment, AWS_ENDPOINT_URL: `http://127.0.0.1:${port}/` });
    expect(await store.list("n/")).toEqual(["n/a&b", "n/c"]);
    paged.closeAllConnections();
    paged.close();
  });

  it("is asked again when it could not answer, and a creation whose answer was lost is still one's own", async () => {
    const store = await s3Store("s3://runs/trouble", server.environment);
    server.trouble.push(503, 500);
    await store.put("a", bytes("a"));
    expect(text(await store.get("a"))).toBe("a");
    await store.put("b", bytes("token"));
    expect([await store.create("b", bytes("token")), await store.create("b", bytes("another"))]).toEqual([true, false]);
  });

  it.each<[string, () => Promise<unknown>, RegExp]>([
    [
      "a wrong key",
      () => s3Store("s3://runs/wrong", { ...server.environment, AWS_SECRET_ACCESS_KEY: "s3cret" }),
      /^store s3:\/\/runs\/wrong: the server answers 403 \((?!.*s3cret)/,
    ],
    ["a bucket that is none", () => s3Store("s3://none", server.environment), /^store s3:\/\/none: the server answers 404 \(.*check bucket, keys and region$/],
    ["no keys", () => s3Store("s3://runs", {}), /AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set/],
    ["a password in the address", () => openStore("s3://me:s3cret@runs"), /^--store must not hold a password(?!.*s3cret)/],
    ["another address", () => openStore("ftp://runs"), /^--store \(="ftp:…"\) must be a folder, or an address like s3:\/\/bucket\/prefix$/],
    ["a password in what is no address", () => openStore("s3://me:s3cret@runs:x"), /^--store \(="s3:…"\) must be (?!.*s3cret)/],
    [
      "a password in the server's address",
      () => s3Store("s3://runs", { ...server.environment, AWS_ENDPOINT_URL: "http://me:s3cret@127.0.0.1" }),
      /^AWS_ENDPOINT_URL must be an address like (?!.*s3cret)/,
    ],
    [
      "nobody there",
      async () => s3Store("s3://runs", { ...server.environment, AWS_ENDPOINT_URL: `http://127.0.0.1:${await freePort()}` }),
      /^store s3:\/\/runs: ECONNREFUSED; start the server/,
    ],
  ])("%s is refused", async (_, open, message) => {
    await expect(open()).rejects.toThrow(message);
  });

  it("a server that writes over what is there although asked not to is refused", async () => {
    const old = await s3Server(join(folder, "old"), { conditional: false });
    await expect(s3Store("s3://runs", old.environment)).rejects.toThrow(/writes over what is there .* use a newer one/);
    old.close();
  });
});
