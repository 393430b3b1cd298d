/** @file A document to draw in where there is no browser. */
import { createRequire } from "node:module";

/** Loaded with the first figure: it is a fifth of the command's start. */
const require = createRequire(import.meta.url);
let document: Document | undefined;

/** An empty document whose elements can only be made and written as markup. */
export function nodeDocument(): Document {
  document ??= (require("linkedom") as typeof import("linkedom")).parseHTML("<!doctype html><html><body></body></html>").document;
  return document;
}
