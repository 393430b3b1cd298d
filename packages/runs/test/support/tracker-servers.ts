/** @file What trackers have in the end: TensorBoard's reading of event files, and as much of MLflow's server as is spoken to. */
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** A number as a tracker has it: `name step value`, the value as float32. */
type Point = string;

const pointOf = (name: string, step: number, value: number): Point => `${name} ${step} ${Math.fround(value)}`;

/** The points that TensorBoard shows of a folder: the beginning of a process at a step voids what was written before of that step and later. */
export function tensorboardPoints(folder: string): Point[] {
  let points: { readonly step: number; readonly point: Point }[] = [];
  for (const name of readdirSync(folder).sort()) {
    const bytes = readFileSync(join(folder, name));
    for (let at = 0; at < bytes.length; ) {
      const length = Number(bytes.readBigUInt64LE(at));
      const event = fieldsOf(bytes.subarray(at + 12, at + 12 + length));
      at += length + 16;
      const step = Number(event.get(2) ?? 0);
      if (event.has(7)) points = points.filter((known) => known.step < step);
      const summary = event.get(5);
      if (!(summary instanceof Uint8Array)) continue;
      const value = fieldsOf(fieldsOf(summary).get(1) as Uint8Array);
      points.push({ step, point: pointOf(Buffer.from(value.get(1) as Uint8Array).toString(), step, value.get(2) as number) });
    }
  }
  return points.map(({ point }) => point).sort();
}

/** The fields of a message of protocol buffers, each of which is there once. */
function fieldsOf(bytes: Uint8Array): Map<number, number | Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const fields = new Map<number, number | Uint8Array>();
  let at = 0;
  /** The place of the next so many bytes. */
  const skip = (size: number): number => {
    at += size;
    return at - size;
  };
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = view.getUint8(skip(1));
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  const wires: Readonly<Record<number, () => number | Uint8Array>> = {
    0: varint,
    1: () => view.getFloat64(skip(8), true),
    2: () => {
      const length = varint();
      return bytes.subarray(skip(length), at);
    },
    5: () => view.getFloat32(skip(4), true),
  };
  while (at < bytes.length) {
    const key = varint();
    fields.set(key >> 3, wires[key & 7]?.() ?? 0);
  }
  return fields;
}

/** A run of MLflow. */
export interface MlflowRun {
  readonly name: string;
  readonly tag: string;
  readonly metrics: { readonly key: string; readonly value: number; readonly step: number }[];
  readonly params: Map<string, string>;
  status: string;
}

/** Starts as much of MLflow's server as is spoken to; `trouble` says what the next requests are answered. */
export async function mlflowServer() {
  const state = { trouble: [] as number[], authorization: new Set<string>(), runs: [] as MlflowRun[] };
  const http = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const trouble = state.trouble.shift();
    state.authorization.add(request.headers.authorization ?? "");
    const { pathname, searchParams } = new URL(request.url ?? "", "http://x");
    const body = (text === "" ? Object.fromEntries(searchParams) : JSON.parse(text)) as Record<string, string> & {
      readonly tags?: readonly { readonly value: string }[];
      readonly metrics?: MlflowRun["metrics"];
      readonly params?: readonly { readonly key: string; readonly value: string }[];
    };
    const run = state.runs[Number(body["run_id"])];
    const shown = (one: MlflowRun) => ({
      info: { run_id: String(state.runs.indexOf(one)) },
      data: {
        metrics: [...new Map(one.metrics.map((metric) => [metric.key, metric])).values()],
        params: [...one.params].map(([key, value]) => ({ key, value })),
      },
    });
    const answers: Record<string, () => [number, unknown]> = {
      "experiments/get-by-name": () => [404, { error_code: "RESOURCE_DOES_NOT_EXIST" }],
      "experiments/create": () => [200, { experiment_id: "1" }],
      "runs/search": () => [200, { runs: state.runs.filter(({ tag }) => body["filter"]?.includes(tag)).map(shown) }],
      "runs/create": () => {
        const made: MlflowRun = { name: body["run_name"] ?? "", tag: body.tags?.[0]?.value ?? "", metrics: [], params: new Map(), status: "" };
        state.runs.push(made);
        return [200, { run: shown(made) }];
      },
      "runs/get": () => [200, { run: run && shown(run) }],
      "runs/log-batch": () => {
        run?.metrics.push(...(body.metrics ?? []));
        for (const { key, value } of body.params ?? []) run?.params.set(key, value);
        return [200, {}];
      },
      "runs/update": () => {
        if (run) run.status = body["status"] ?? "";
        return [200, {}];
      },
    };
    const [status, answer] = trouble === undefined ? (answers[pathname.replace("/api/2.0/mlflow/", "")]?.() ?? [404, {}]) : [trouble, {}];
    response.writeHead(status).end(JSON.stringify(answer));
  });
  await new Promise<void>((done) => http.listen(0, "127.0.0.1", done));
  const points = ({ metrics }: MlflowRun): Point[] => metrics.map(({ key, step, value }) => pointOf(key, step, value)).sort();
  return { state, points, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, close: () => http.close() };
}
