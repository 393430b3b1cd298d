/**
 * @file Runs exchanged through an object store: each machine has a folder of runs of its own, and the store holds what others need of it.
 *
 *     attempts/<id>/3.json           a claim, made exclusively; those of the store are the ones that count
 *     attempts/<id>/3.failed.json    why that attempt failed
 *     attempts/<id>/3.files.json     what its run folder held at its newest checkpoint
 *     finished/<id>.json             what a finished run's folder holds; made exclusively, once
 *     differing/<id>/3.json          the same of a result that should have been equal and is not: an alarm
 *     files/<id>/3/<sha256>          the contents, written before the list that names them
 *
 * So a checkpoint or a finished run is there when its list is, whoever is killed when. Claims, failures and checkpoints of others are brought
 * into the folder of runs under the names that they have in a shared one; there the rules are the same.
 */
import { createHash, randomUUID } from "node:crypto";
import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { checkForm } from "@gradalign/robustness";
import { makeFolder, onFile, readIfThere, readManifests, removeLeftovers, writeFileAtomic } from "@gradalign/robustness/node";
import { DataError, GradalignError } from "@gradalign/tensor";
import { z } from "zod";
import { type Attempt, attemptsFolder, claimRun, differingFolder, finishedFolder, namesIn, removeAttempts, resultDigest } from "../folder/node-attempts.ts";
import { isRunFolder, isRunLock } from "../folder/node-run.ts";
import { RUN_FILES } from "../folder/run-files.ts";
import type { ObjectStore } from "./object-store.ts";

/** What a machine does with the store. */
export interface Exchange {
  /** Brings here what the store knows of a run that is not finished: claims, failures, the furthest checkpoint. */
  fetch(id: string): Promise<void>;
  /** Claims a run here and in the store; undefined if it is finished. */
  claim(id: string): Promise<Attempt | undefined>;
  /** Sends what an attempt has reached, meanwhile; of several that are asked for, the last. */
  checkpointed(attempt: Attempt): void;
  /** Resolves when nothing of the attempt is being sent. */
  settled(attempt: Attempt): Promise<void>;
  /**
   * Sends what an attempt left: the finished run, or its checkpoint and its failure.
   *
   * @throws DataError when the store has another result of this run, with both kept.
   */
  leave(attempt: Attempt, finished: boolean): Promise<void>;
  /**
   * Makes folder and store have the same of a run: a finished one whole, else its claims and failures.
   *
   * @param models whether checkpoints' tensors are brought here too; reports need them for filters only.
   */
  synchronize(id: string, models: boolean): Promise<void>;
  /** Forgets a run's failures in the store. */
  forgive(id: string): Promise<void>;
}

const fileForm = z.object({
  // A path below the run's folder; the store may have been written to by anybody.
  name: z.string().regex(/^(?:[A-Za-z0-9_][\w.+-]*\/)*[A-Za-z0-9_][\w.+-]*$/),
  object: z.string().regex(/^files\/[\w.=+-]+\/[\w.=+-]+\/[0-9a-f]{64}$/),
  sha256: z.string(),
});
type SentFile = z.output<typeof fileForm>;
/** A run folder in the store. */
const listForm = z.object({ iteration: z.int().min(0), digest: z.string(), files: z.array(fileForm) });
type FileList = z.output<typeof listForm>;

/** Tensors of checkpoints, most of a run's bytes. */
const TENSORS = /\.safetensors$/;
/** How often a folder is looked at that somebody is writing in, before it is left for the next checkpoint. */
const MAX_LOOKS = 5;

/** Opens the exchange between a folder of runs and a store; `note` is told of trouble on the way. */
export function openExchange(store: ObjectStore, runs: string, note: (text: string) => void): Exchange {
  /** What attempts of this process have sent, by its name in the store. */
  const sent = new Map<string, Set<string>>();
  const sending = new Map<string, { again: boolean; readonly done: Promise<void> }>();
  const write = (name: string, value: object): Promise<void> => store.put(name, encode(value));
  const read = async (name: string): Promise<FileList | undefined> => {
    const bytes = await store.get(name);
    if (!bytes) return undefined;
    const where = `${store.shown}/${name}`;
    try {
      return checkForm(JSON.parse(new TextDecoder().decode(bytes)), where, listForm, "remove it, and submit the plan again");
    } catch (error) {
      throw error instanceof SyntaxError ? new DataError(`${where} is not JSON; remove it, and submit the plan again`, { cause: error }) : error;
    }
  };

  /** Sends the files of a folder; undefined if somebody wrote in it all the while. */
  const sendFiles = async (folder: string, to: string): Promise<SentFile[] | undefined> => {
    const known = sent.get(to) ?? new Set<string>();
    sent.set(to, known);
    for (let look = 0; look < MAX_LOOKS; look++) {
      const found = steadyFiles(folder);
      if (!found) continue;
      const files: SentFile[] = [];
      for (const { name, sha256, content } of found) {
        const object = `${to}/${sha256}`;
        if (!known.has(object)) {
          const bytes = content ?? readIfThere(join(folder, name));
          // Replaced by a newer one.
          if (!bytes || digestOf(bytes) !== sha256) break;
          await store.put(object, bytes);
          known.add(object);
        }
        files.push({ name, object, sha256 });
      }
      if (files.length === found.length) return files;
    }
    return undefined;
  };

  /** Brings claims and failures here; resolves to the names that the store has of the run's attempts. */
  const mirror = async (id: string): Promise<string[]> => {
    const [place, beginning] = [attemptsFolder(runs, id), `attempts/${id}/`];
    const names = (await store.list(beginning)).map((name) => name.slice(beginning.length));
    for (const name of names.filter((one) => /^\d+(?:(?:\.failed)?\.json|\.left)$/.test(one) && !existsSync(join(place, one)))) {
      const bytes = await store.get(beginning + name);
      if (!bytes) continue;
      makeFolder(place);
      writeFileAtomic(join(place, name), bytes);
    }
    // Forgiven elsewhere.
    for (const name of namesIn(place)) if (/\.failed\.json$/.test(name) && !names.includes(name)) rmSync(join(place, name), { force: true });
    return names;
  };

  /** Sends an attempt's folder, if it has a checkpoint. */
  const send = async (attempt: Attempt): Promise<void> => {
    const { id, number, folder } = attempt;
    // Its claim is gone where somebody has finished the run: whoever holds it here finds out as in a shared folder.
    if (!(await mirror(id)).includes(`${number}.json`)) removeAttempts(runs, id);
    attempt.assertHeld();
    const [newest] = readManifests(join(folder, RUN_FILES.checkpoints), ["last"]).manifests;
    if (!newest) return;
    const files = await sendFiles(folder, `files/${id}/${number}`);
    if (!files) return;
    await write(`attempts/${id}/${number}.files.json`, { iteration: newest.iteration, digest: "", files });
    await prune(`files/${id}/${number}`, files);
  };

  /** Takes away what this process had sent and no list names any more. */
  const prune = async (to: string, files: readonly SentFile[]): Promise<void> => {
    const kept = new Set(files.map(({ object }) => object));
    for (const object of sent.get(to) ?? []) {
      if (kept.has(object)) continue;
      sent.get(to)?.delete(object);
      await store.remove(object);
    }
  };

  const publish = async (id: string, owner: string): Promise<void> => {
    const folder = finishedFolder(runs, id);
    const files = await sendFiles(folder, `files/${id}/${owner}`);
    if (!files) throw new GradalignError("EngineError", `store ${store.shown}: ${folder} changes while it is sent; leave finished runs alone`);
    const list: FileList = { iteration: 0, digest: resultDigest(folder), files };
    if (await store.create(`finished/${id}.json`, encode(list))) {
      const kept = new Set(files.map(({ object }) => object));
      for (const name of [...(await store.list(`attempts/${id}/`)), ...(await store.list(`files/${id}/`))]) if (!kept.has(name)) await store.remove(name);
      return;
    }
    const theirs = (await read(`finished/${id}.json`))?.digest ?? "";
    if (theirs === list.digest) return prune(`files/${id}/${owner}`, []);
    await write(`differing/${id}/${owner}.json`, list);
    throw new DataError(
      `${id}: two computations of this run differ (sha256 ${theirs.slice(0, 12)}… in ${store.shown}/finished, ${list.digest.slice(0, 12)}… in ${folder}); ` +
        "both are kept: compare the machines, then remove one",
    );
  };

  /** Brings files of a list into a folder; throws DataError when the store lacks one. */
  const bring = async (files: readonly SentFile[], folder: string): Promise<void> => {
    // What makes it a run folder comes last.
    for (const { name, object, sha256 } of [...files].sort((a, b) => Number(a.name === "config.json") - Number(b.name === "config.json"))) {
      const file = join(folder, name);
      if (existsSync(file)) continue;
      const bytes = await store.get(object);
      if (!bytes || digestOf(bytes) !== sha256) {
        throw new DataError(
          `${store.shown}/${object} is ${bytes ? "altered" : "not there"}, it is ${name} of ${folder}; restore it, or remove the list that names it`,
        );
      }
      makeFolder(dirname(file));
      writeFileAtomic(file, bytes);
    }
  };

  /** Brings the furthest checkpoint of other machines here, if it is further than those that are. */
  const bringFurthest = async (id: string, names: readonly string[]): Promise<void> => {
    const place = attemptsFolder(runs, id);
    const numbers = names.flatMap((name) => /^(\d+)\.files\.json$/.exec(name)?.[1] ?? []);
    const lists: { readonly number: string; readonly list: FileList }[] = [];
    for (const number of numbers) {
      const list = await read(`attempts/${id}/${number}.files.json`);
      if (list) lists.push({ number, list });
    }
    const here = namesIn(place)
      .filter((name) => /^\d+$/.test(name))
      .map((name) => readManifests(join(place, name, RUN_FILES.checkpoints), ["last"]).manifests[0]?.iteration ?? -1);
    const further = lists.filter(({ list }) => list.iteration > Math.max(-1, ...here)).sort((a, b) => b.list.iteration - a.list.iteration);
    for (const { number, list } of further) {
      const [folder, temporary] = [join(place, number), join(place, `.${number}.${process.pid}.${randomUUID().slice(-12)}.tmp`)];
      try {
        removeLeftovers(place);
        await bring(list.files, temporary);
        rmSync(folder, { recursive: true, force: true });
        onFile("write", folder, () => renameSync(temporary, folder));
        return;
      } catch (error) {
        rmSync(temporary, { recursive: true, force: true });
        // Its files were replaced while they were read, or somebody was killed in the middle of it.
        if (!(error instanceof DataError)) throw error;
        note(`${id}: attempt ${number} is not gone on with: ${error.message}`);
      }
    }
  };

  const isFinished = async (id: string): Promise<boolean> => (await store.get(`finished/${id}.json`)) !== undefined;

  return {
    async fetch(id) {
      if (await isFinished(id)) return removeAttempts(runs, id);
      await bringFurthest(id, await mirror(id));
    },
    async claim(id) {
      for (;;) {
        if (await isFinished(id)) {
          removeAttempts(runs, id);
          return undefined;
        }
        const attempt = claimRun(runs, id);
        if (!attempt) {
          // Finished here, and then the store could not be reached.
          await publish(id, `again-${randomUUID()}`);
          return undefined;
        }
        const name = `attempts/${id}/${attempt.number}.json`;
        if (await store.create(name, new TextEncoder().encode(attempt.token))) {
          // Finished since it was looked at; whoever did it may not have seen this claim.
          if (!(await isFinished(id))) return attempt;
          await store.remove(name);
        } else {
          rmSync(join(attemptsFolder(runs, id), `${attempt.number}.json`), { force: true });
          await mirror(id);
        }
      }
    },
    checkpointed(attempt) {
      const under = sending.get(attempt.folder);
      if (under) {
        under.again = true;
        return;
      }
      const state = { again: true, done: Promise.resolve() };
      state.done = (async () => {
        while (state.again) {
          state.again = false;
          // The next checkpoint is sent instead; one that is over is told by its own writer.
          await send(attempt).catch((error: Error) => {
            if (!isOver(error)) note(`${attempt.id}: its checkpoint was not sent: ${error.message}`);
          });
        }
        sending.delete(attempt.folder);
      })();
      sending.set(attempt.folder, state);
    },
    async settled(attempt) {
      await sending.get(attempt.folder)?.done;
    },
    async leave(attempt, finished) {
      const { id, number } = attempt;
      try {
        if (finished) return await publish(id, String(number));
        // First: a failure that the store does not know of counts as forgiven elsewhere.
        for (const name of [`${number}.failed.json`, `${number}.left`]) {
          const note = readIfThere(join(attemptsFolder(runs, id), name));
          if (note) await store.put(`attempts/${id}/${name}`, note);
        }
        await send(attempt).catch((error: Error) => {
          if (!isOver(error)) throw error;
        });
      } finally {
        sent.delete(`files/${id}/${number}`);
      }
    },
    async synchronize(id, models) {
      const folder = finishedFolder(runs, id);
      const list = await read(`finished/${id}.json`);
      const wanted = (files: readonly SentFile[]) => files.filter(({ name }) => models || !TENSORS.test(name));
      if (list) await bring(wanted(list.files), folder);
      else if (isRunFolder(folder)) await publish(id, `again-${randomUUID()}`);
      else await mirror(id);
      for (const name of await store.list(`differing/${id}/`)) {
        const other = await read(name);
        if (other) await bring(wanted(other.files), differingFolder(runs, id, Number.parseInt(name.split("/").at(-1) ?? "", 10) || 0, other.digest));
      }
    },
    async forgive(id) {
      for (const name of await store.list(`attempts/${id}/`)) if (name.endsWith(".failed.json")) await store.remove(name);
    },
  };
}

/** Whether an attempt is not the newest any more. */
function isOver(error: Error): boolean {
  return error instanceof GradalignError && error.code === "BusyError";
}

function encode(value: object): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value)}\n`);
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

interface FoundFile {
  readonly name: string;
  readonly sha256: string;
  /** Tensors are not kept in memory. */
  readonly content: Uint8Array | undefined;
}

/** A run folder's files, as they are together; undefined if somebody wrote meanwhile. */
function steadyFiles(folder: string): FoundFile[] | undefined {
  const names = (): string[] =>
    onFile("read", folder, () =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && !entry.name.startsWith(".") && !isRunLock(entry.name))
        .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
        .sort(),
    );
  const found: FoundFile[] = [];
  for (const name of names()) {
    const content = readIfThere(join(folder, name));
    if (!content) return undefined;
    found.push({ name, sha256: digestOf(content), content: TENSORS.test(name) ? undefined : content });
  }
  // Manifests and the list of names tell of any save; tensors never change under their name.
  const same = names().join("\n") === found.map(({ name }) => name).join("\n");
  return same && found.every(({ name, content }) => !content || readIfThere(join(folder, name))?.equals(content)) ? found : undefined;
}
