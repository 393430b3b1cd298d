/**
 * @file What an object store is: names and bytes, as little as S3 and a plain folder have in common.
 *
 * What runs are exchanged through needs no more than that a thing is there wholly or not at all, and that of several who make a name one alone
 * succeeds.
 */

/** A store. Names are parts of letters, digits and `._=+-` with slashes between. */
export interface ObjectStore {
  /** For people; without secrets. */
  readonly shown: string;
  /** The names that begin so; the beginning ends with a slash. */
  list(beginning: string): Promise<string[]>;
  /** Its bytes; undefined where there is none of that name. */
  get(name: string): Promise<Uint8Array | undefined>;
  /** Writes it, whole or not at all, in place of what was there. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** Writes it if there is none of that name; resolves to whether there was none. */
  create(name: string, bytes: Uint8Array): Promise<boolean>;
  /** Takes it away, if it is there. */
  remove(name: string): Promise<void>;
}
