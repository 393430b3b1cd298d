/** @file Colours for terminals that want them. */
import { styleText } from "node:util";
import type { OutputStream } from "./streams.ts";

/** Puts text into a style, or leaves it alone. */
export type Paint = (style: "bold" | "dim" | "red" | "green" | "yellow" | "cyan", text: string) => string;

/** Styles for a stream: none on a pipe, none where `NO_COLOR` is set (https://no-color.org). */
export function paintFor(stream: OutputStream, env: Readonly<Record<string, string | undefined>> = process.env): Paint {
  // Validated here already, and against the stream that is written to.
  return stream.isTTY && !env.NO_COLOR ? (style, text) => styleText(style, text, { validateStream: false }) : (_, text) => text;
}
