/**
 * @file Trainings in the browser's storage: they survive a reload, a crash, a closed lid. Of each there is a label, and of each side the newest
 * checkpoint and the best one. A side is written in one transaction with its label, so both are of one moment.
 */
import type { Snapshot, TrainConfig } from "@gradalign/robustness";
import type { KeptTraining } from "../protocol.ts";
import type { BySide, Side } from "../sides.ts";

/** One side of a training, as far as it has come. */
export interface KeptSide {
  readonly config: TrainConfig;
  /** Null before the first checkpoint. */
  readonly last: Snapshot | null;
  readonly best: Snapshot | null;
  readonly done: boolean;
}

/** The browser's trainings. */
export interface Shelf {
  /** Puts a training there; of those that are no longer worked on the oldest go, so that few stay. */
  begin(label: KeptTraining, sides: BySide<KeptSide>): Promise<void>;
  write(label: KeptTraining, side: Side, content: KeptSide): Promise<void>;
  /** Newest first, without those that another tab works on. */
  list(): Promise<KeptTraining[]>;
  read(id: string): Promise<{ readonly label: KeptTraining; readonly sides: BySide<KeptSide> } | undefined>;
  remove(id: string): Promise<void>;
}

/** Trainings that are kept. */
const MOST = 4;
const [LABELS, CONTENTS] = ["labels", "sides"] as const;

/**
 * Opens the storage; rejects where the browser has or gives none.
 *
 * @param onFreed called when another tab has let go of a training.
 */
export async function openShelf(onFreed: () => void): Promise<Shelf> {
  const request = indexedDB.open("gradalign-studio", 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore(LABELS, { keyPath: "id" });
    request.result.createObjectStore(CONTENTS);
  };
  const database = await answerOf(request);
  const within = async <T>(mode: IDBTransactionMode, work: (labels: IDBObjectStore, contents: IDBObjectStore) => Promise<T> | T): Promise<T> => {
    const transaction = database.transaction([LABELS, CONTENTS], mode);
    const ended = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("the browser's storage refused to write"));
    });
    const [result] = await Promise.all([work(transaction.objectStore(LABELS), transaction.objectStore(CONTENTS)), ended]);
    return result;
  };
  const all = (): Promise<KeptTraining[]> => within("readonly", (labels) => answerOf<KeptTraining[]>(labels.getAll()));
  const remove = (ids: readonly string[]): Promise<void> =>
    within("readwrite", (labels, contents) => {
      for (const id of ids) {
        labels.delete(id);
        for (const side of ["left", "right"]) contents.delete([id, side]);
      }
    });
  const list = async (): Promise<KeptTraining[]> => {
    const busy = await heldTrainings(onFreed);
    return (await all()).filter(({ id }) => !busy.has(id)).sort((a, b) => b.saved - a.saved);
  };
  return {
    list,
    async begin(label, sides) {
      const old = (await list()).filter(({ id }) => id !== label.id).slice(MOST - 1);
      await remove(old.map(({ id }) => id));
      await within("readwrite", (labels, contents) => {
        labels.put(label);
        for (const [side, content] of Object.entries(sides)) contents.put(content, [label.id, side]);
      });
    },
    write: (label, side, content) =>
      within("readwrite", (labels, contents) => {
        labels.put(label);
        contents.put(content, [label.id, side]);
      }),
    read: (id) =>
      within("readonly", async (labels, contents) => {
        const [label, left, right] = await Promise.all([
          answerOf<KeptTraining | undefined>(labels.get(id)),
          answerOf<KeptSide | undefined>(contents.get([id, "left"])),
          answerOf<KeptSide | undefined>(contents.get([id, "right"])),
        ]);
        return label && left && right ? { label, sides: { left, right } } : undefined;
      }),
    remove: (id) => remove([id]),
  };
}

const PREFIX = "gradalign-training-";
/** This tab's trainings, and those of other tabs that it waits for. */
const [own, awaited] = [new Set<string>(), new Set<string>()];

/** Marks a training as this tab's for as long as the tab is open, or until the returned function is called. */
export function hold(id: string): () => void {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  own.add(id);
  // Only secure pages have locks; without them nobody knows of other tabs.
  void navigator.locks?.request(PREFIX + id, () => held).catch(() => {});
  return () => {
    own.delete(id);
    release();
  };
}

/** Trainings that some tab works on. */
async function heldTrainings(onFreed: () => void): Promise<Set<string>> {
  const { held = [] } = (await navigator.locks?.query()) ?? {};
  const ids = new Set(held.flatMap(({ name = "" }) => (name.startsWith(PREFIX) ? [name.slice(PREFIX.length)] : [])));
  for (const id of ids) {
    if (own.has(id) || awaited.has(id)) continue;
    awaited.add(id);
    // Granted when the other tab lets go, or is gone.
    void navigator.locks
      .request(PREFIX + id, () => awaited.delete(id))
      .then(onFreed)
      .catch(() => {});
  }
  return new Set([...ids, ...own]);
}

function answerOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the browser's storage failed"));
    if (request instanceof IDBOpenDBRequest) request.onblocked = () => reject(new Error("another tab has the browser's storage open in an older form"));
  });
}
