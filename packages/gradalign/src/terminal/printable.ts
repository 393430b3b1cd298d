/** @file What a terminal may be sent: names and texts from files must not move its cursor, change its title or hide what is written. */
import type { OutputStream } from "./streams.ts";

/** The colours of this program, then control characters (C0, DEL, C1) but for tab and line feed, then what turns the direction of writing. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: what must not pass.
const SPECIAL = /\x1b\[(?:1|2|22|31|32|33|36|39)m|[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

/** The text with control characters written out, e.g. `\u001b`. */
export function printable(text: string): string {
  return text.replace(SPECIAL, (found) => (found.length > 1 ? found : `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`));
}

/** The stream with everything that is written made {@link printable}. */
export function printableStream(stream: OutputStream): OutputStream {
  return {
    write: (text) => stream.write(printable(text)),
    raw: (text) => stream.write(text),
    get isTTY() {
      return stream.isTTY;
    },
    get columns() {
      return stream.columns;
    },
  };
}
