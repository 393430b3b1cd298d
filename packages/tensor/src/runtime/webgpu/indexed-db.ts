/** @file Where measurements of a GPU are kept in a browser: IndexedDB. */
import type { TuningStore } from "./tuning.ts";

const DATABASE = "gradalign";
const TABLE = "webgpu";
const KEY = "tiles";
/** Milliseconds to wait for a database that something else holds on to. */
const PATIENCE = 5000;

/** For `createDevice({ backend: "webgpu", tuning: browserTuning() })`, on a page or in a worker: what was fastest on this GPU. Where the
 * browser keeps nothing (a private window, a damaged or blocked database), it is measured again. */
export function browserTuning(): TuningStore {
  return {
    load: async () => {
      const found = await access("readonly", (table) => table.get(KEY)).catch(() => null);
      return typeof found === "string" ? found : null;
    },
    save: async (text) => {
      await access("readwrite", (table) => table.put(text, KEY)).catch(() => null);
    },
  };
}

/** One request, once its transaction is complete. */
async function access(mode: IDBTransactionMode, request: (table: IDBObjectStore) => IDBRequest): Promise<unknown> {
  const database = await open();
  try {
    const transaction = database.transaction(TABLE, mode);
    const asked = request(transaction.objectStore(TABLE));
    return await new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(asked.result);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    // An open database would keep another page from deleting it.
    database.close();
  }
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    let late = false;
    const giveUp = setTimeout(() => {
      late = true;
      reject(new Error("the database is blocked"));
    }, PATIENCE);
    opening.onupgradeneeded = () => opening.result.createObjectStore(TABLE);
    opening.onerror = () => {
      clearTimeout(giveUp);
      reject(opening.error);
    };
    opening.onsuccess = () => {
      clearTimeout(giveUp);
      if (late) opening.result.close();
      else resolve(opening.result);
    };
  });
}
