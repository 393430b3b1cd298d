/** @file Where the command writes: injected, so that tests can read it. */

/** An output stream; `process.stdout` is one. */
export interface OutputStream {
  write(text: string): unknown;
  /** As `write`, for text that moves the cursor on purpose. */
  raw?(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** The outside world of one invocation. */
export interface Streams {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
}
