/** @file Putting a served data set together: every byte is checked, and a list that is none is refused before anything is kept for it. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { imageDataset } from "@gradalign/robustness";
import { cutIntoParts, type DataList } from "@gradalign/runs/node";
import { afterEach, describe, expect, it } from "vitest";
import { fetchDataset } from "../src/training/fetch-dataset.ts";

const numbers = (count: number, seed: number) => ({
  images: Uint8Array.from({ length: count * 12 }, (_, i) => seed + 7 * i),
  labels: Uint8Array.from({ length: count }, (_, i) => i % 3),
});
const dataset = imageDataset({ name: "cifar10", classNames: ["a", "b", "c"], shape: [3, 2, 2], train: numbers(5, 1), test: numbers(3, 9) });
const { list, bytes } = cutIntoParts(dataset, "f0", 2);

let server: Server;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** Serves a list and parts; `spoil` may change a part's bytes. */
async function serve(answer: unknown, spoil = (_path: string, part: Buffer, _times: number) => part): Promise<string> {
  const times = new Map<string, number>();
  server = createServer((request, response) => {
    const path = (request.url ?? "").replace("/data/", "");
    const asked = (times.get(path) ?? 0) + 1;
    times.set(path, asked);
    const part = bytes.get(path);
    if (path === "list.json") response.end(typeof answer === "string" ? answer : JSON.stringify(answer));
    else if (part) response.end(spoil(path, Buffer.concat(part), asked));
    else response.writeHead(404).end();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/data/list.json`;
}

describe("fetchDataset", () => {
  it("gives the data set back, although parts came damaged, short and long at first", async () => {
    let spoilt = 0;
    const url = await serve(list, (_, part, asked) => {
      if (asked > 1) return part;
      spoilt++;
      return [part.map((byte) => byte ^ 1), part.subarray(1), Buffer.concat([part, part])][spoilt % 3] as Buffer;
    });
    expect(await fetchDataset(url, () => {})).toEqual({ dataset, fingerprint: "f0" });
    expect(spoilt).toBe(list.parts.length);
  });

  const part = list.parts[0] as DataList["parts"][0];
  const withParts = (...parts: unknown[]) => ({ ...list, parts });
  it.each<[what: string, answer: unknown]>([
    ["a web page", "<html>"],
    ["nothing", null],
    ["a list of numbers", [1, 2]],
    ["without a shape", { ...list, shape: undefined }],
    ["of huge images", { ...list, shape: [3, 1e9, 1e9] }],
    ["of fractional images", { ...list, shape: [3, 0.5, 2] }],
    ["without counts", { ...list, counts: null }],
    ["of too many images", { ...list, counts: { train: 1e15, test: 1 } }],
    ["of parts that are none", withParts(null, 3)],
    ["of another split", withParts({ ...part, split: "__proto__" })],
    ["of parts that overlap", withParts(...list.parts, part)],
    ["with a gap", withParts(...list.parts.slice(1))],
    ["with a part that is too long", withParts({ ...part, bytes: 2 ** 40 }, ...list.parts.slice(1))],
    ["that leads elsewhere", withParts({ ...part, path: "http://evil.example/x.bin" }, ...list.parts.slice(1))],
    ["with a fingerprint that is no text", { ...list, fingerprint: 7 }],
    ["that is long", " ".repeat(5e6)],
  ])("refuses a list that is %s", async (_, answer) => {
    const url = await serve(answer);
    await expect(fetchDataset(url, () => {})).rejects.toThrow(
      expect.objectContaining({ code: "DataError", message: expect.stringMatching(/^the (server's )?list of parts (is not one: .*; start|must be at most)/) }),
    );
  });
});
