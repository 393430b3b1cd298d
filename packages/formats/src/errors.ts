/** @file The error of files that cannot be used, by what they are. */
import { GradalignError } from "@gradalign/tensor";

/**
 * What is the matter: the file is something else altogether (`html`, `json-text`, `git-lfs`, `torchscript`, `tar`, `archive`, `hdf5`, `unknown`),
 * it asks for code to be run (`foreign-globals`), it ends too early (`truncated`), it contradicts itself (`damaged`), it asks for more than
 * any honest file does (`too-large`), it holds something valid that is not read here (`unsupported`), or weights of another model than the one
 * they are to be loaded into (`other-model`).
 */
export type FormatProblem =
  | "html"
  | "json-text"
  | "git-lfs"
  | "torchscript"
  | "tar"
  | "archive"
  | "hdf5"
  | "unknown"
  | "foreign-globals"
  | "truncated"
  | "damaged"
  | "too-large"
  | "unsupported"
  | "other-model";

/** A file of weights or of a model cannot be read, or cannot be written as asked. */
export class FormatError extends GradalignError {
  readonly problem: FormatProblem;
  constructor(problem: FormatProblem, message: string, options?: ErrorOptions) {
    super("FormatError", message, options);
    this.problem = problem;
  }
}
