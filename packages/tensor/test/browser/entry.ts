/** @file What the browser tests run inside the browser. */
import { add, browserTuning, createDevice, type DeviceOptions, jit, matmul, ones, type Value } from "@gradalign/tensor";
import { runSample, samples } from "../support/samples.ts";

/** The number of threads a device gets; `null` asks for the default. */
export async function threadsOf(threads: number | null): Promise<number> {
  const device = await createDevice({ backend: "wasm", ...(threads === null ? {} : { threads }) });
  try {
    return device.threads;
  } finally {
    device.close();
  }
}

/** Every sample of every operation on a backend, by name. */
export async function conformance(options: DeviceOptions): Promise<Record<string, number[]>> {
  const device = await createDevice(options);
  try {
    const results = samples.map(async ({ operation, sample, name }) => [name, Array.from(await runSample(operation, sample, device))] as const);
    return Object.fromEntries(await Promise.all(results));
  } finally {
    device.close();
  }
}

/** Devices opened, used and closed one after the other; each leaves its threads and memory. */
export async function reopen(times: number): Promise<number[]> {
  const results: number[] = [];
  for (let i = 0; i < times; i++) {
    const device = await createDevice({ backend: "wasm", threads: 3 });
    results.push(jit(add, { device })(i, 1).item());
    device.close();
  }
  return results;
}

/** The backend of a device opened with these options. */
export async function backendOf(options: DeviceOptions): Promise<string> {
  const device = await createDevice(options);
  device.close();
  return device.backend;
}

/** What is kept of measurements. */
export function keptTiles(): Promise<string | null> {
  return browserTuning().load();
}

export function keepTiles(text: string): Promise<void> {
  return browserTuning().save(text);
}

/** Measures a product's tiles on a device with the browser's store; tells how often something was kept. */
export async function tuneProduct(): Promise<number> {
  let saves = 0;
  const { load, save } = browserTuning();
  const tuning = {
    load,
    save(text: string) {
      saves++;
      return save(text);
    },
  };
  const device = await createDevice({ backend: "webgpu", allowSoftware: true, tuning });
  try {
    const product = jit((x: Value, y: Value) => matmul(x, y), { device })(ones([24, 12]), ones([12, 20]));
    await device.tune?.();
    if (!(await product.read()).every((element) => element === 12)) throw new Error("the product is wrong");
    return saves;
  } finally {
    device.close();
  }
}

/** Opens the store's database without its table's help, for what a foreign or older page may have left there. */
function database(version: number, prepare: (database: IDBDatabase) => void): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("gradalign", version);
    opening.onupgradeneeded = () => prepare(opening.result);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}

/** Deletes the database; what is kept is nothing any more. */
export function deleteDatabase(): Promise<void> {
  return new Promise((resolve, reject) => {
    const deleting = indexedDB.deleteDatabase("gradalign");
    deleting.onsuccess = () => resolve();
    deleting.onerror = () => reject(deleting.error);
    deleting.onblocked = () => reject(new Error("the database is still open somewhere"));
  });
}

/** Puts a value that is no text where the text should be. */
export async function keepNumber(): Promise<void> {
  const opened = await database(1, (fresh) => fresh.createObjectStore("webgpu"));
  const transaction = opened.transaction("webgpu", "readwrite");
  transaction.objectStore("webgpu").put(42, "tiles");
  await new Promise((resolve) => {
    transaction.oncomplete = resolve;
  });
  opened.close();
}

/** Makes a database of the same name without the table. */
export async function keepOtherDatabase(version: number): Promise<void> {
  (await database(version, () => {})).close();
}

let held: IDBDatabase | undefined;

/** Holds the database open while someone asks for its deletion: who opens it now must wait. */
export async function block(): Promise<void> {
  held = await database(1, (fresh) => fresh.createObjectStore("webgpu"));
  indexedDB.deleteDatabase("gradalign");
}

export async function unblock(): Promise<void> {
  held?.close();
}
