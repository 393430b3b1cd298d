/** @file Where measurements of a GPU are kept in a browser: IndexedDB. */
import type { TuningStore } from "./webgpu-tuning.ts";

const [DATABASE, TABLE, KEY] = ["gradalign", "webgpu", "tiles"];

/** For `createDevice({ backend: "webgpu", tuning: browserTuning() })`, on a page or in a worker: what was fastest on this GPU. Where the
 * browser keeps nothing (a private window), it is measured again. */
export function browserTuning(): TuningStore {
  const access = (mode: IDBTransactionMode, request: (table: IDBObjectStore) => IDBRequest): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const opening = indexedDB.open(DATABASE!, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(TABLE!);
      opening.onerror = () => reject(opening.error);
      opening.onsuccess = () => {
        const done = request(opening.result.transaction(TABLE!, mode).objectStore(TABLE!));
        done.onsuccess = () => resolve(done.result);
        done.onerror = () => reject(done.error);
      };
    });
  return {
    load: async () => ((await access("readonly", (table) => table.get(KEY!)).catch(() => null)) as string | undefined) ?? null,
    save: async (text) => {
      await access("readwrite", (table) => table.put(text, KEY!)).catch(() => null);
    },
  };
}
