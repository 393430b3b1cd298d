/** @file What the system says when a file cannot be read or written, as an error that names the file and the way out. */
import { GradalignError } from "@gradalign/tensor";

/** A file or folder cannot be read, written or made. */
export class FileError extends GradalignError {
  constructor(message: string, options?: ErrorOptions) {
    super("FileError", message, options);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "no permission; change its permissions, or name another place",
  EPERM: "not permitted; change its permissions, or name another place",
  EROFS: "the file system is read-only; name another place",
  ENOSPC: "the disk is full; free some space, then try again",
  EDQUOT: "the disk quota is used up; free some space, then try again",
  EFBIG: "the file would be larger than the limit (ulimit -f, or the file system's); raise it, or name another place",
  EISDIR: "it is a folder, not a file; name a file",
  ENOTDIR: "a part of this path is a file, not a folder; name another place",
  ENOENT: "it does not exist; check the path",
  EEXIST: "something else has this name; name another place",
  ELOOP: "its symbolic links go round in a circle; name another place",
  ENAMETOOLONG: "the name is too long; choose a shorter one",
  EMFILE: "too many files are open; raise the limit (ulimit -n)",
  EIO: "the disk or its connection failed; check it, then try again",
};

/** Whether an error is the system's own, such as EACCES. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).code === "string" && typeof (error as NodeJS.ErrnoException).syscall === "string";
}

/**
 * Performs file system calls on one path; what the system throws becomes a {@link FileError}.
 *
 * @param action what is tried, for the message: "write", "read", "make the folder".
 */
export function onFile<Result>(action: string, path: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw isSystemError(error) ? fileError(action, path, error) : error;
  }
}

/** The {@link FileError} for what the system threw. */
function fileError(action: string, path: string, cause: NodeJS.ErrnoException): FileError {
  const { code = "" } = cause;
  const reason = REASONS[code] ?? cause.message;
  return new FileError(`cannot ${action} ${path}: ${reason}${reason === cause.message ? "" : ` (${code})`}`, { cause });
}
