/** @file A place to drop files on, and a field to choose them with. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { NamedFile } from "../files.ts";
import { chosenFiles, droppedFiles } from "./dropped.ts";

/** What is asked for, and who gets it. */
export interface DropZoneProps {
  readonly name: string;
  readonly label: string;
  readonly accept?: string;
  /** Whether one file is wanted, not several. */
  readonly single?: boolean;
  /** Whether folders can be chosen too, by a field of their own. */
  readonly folders?: boolean;
  /** Why nothing is taken now, and what to do about it; null where something is. */
  readonly refusal?: string | null;
  readonly onFiles: (files: readonly NamedFile[]) => void;
  readonly children?: ComponentChildren;
}

const NOTHING = "There is no file in what was dropped; drop a file, or a folder with files in it.";

/** Takes files and folders, and says why not. */
export function DropZone({ name, label, accept, single = false, folders = false, refusal = null, onFiles, children }: DropZoneProps) {
  const [over, setOver] = useState(false);
  const [dropped, setDropped] = useState<"taken" | "refused" | "empty">("taken");
  const take = (files: readonly NamedFile[]): void => {
    if (files.length > 0) onFiles(files);
  };
  const takeDropped = (files: readonly NamedFile[]): void => {
    setDropped(refusal !== null ? "refused" : files.length === 0 ? "empty" : "taken");
    if (refusal === null) take(files);
  };
  // Once there is no reason any more, nothing is said of what was refused.
  const wrong = dropped === "refused" ? refusal : dropped === "empty" ? NOTHING : null;
  return (
    <fieldset
      class={`drop${over && refusal === null ? " over" : ""}`}
      aria-label={label}
      disabled={refusal !== null}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        if (event.dataTransfer) void droppedFiles(event.dataTransfer).then(takeDropped);
      }}
    >
      <label class="file">
        {label} <input type="file" name={name} multiple={!single} accept={accept} onChange={({ currentTarget }) => take(chosenFiles(currentTarget.files))} />
      </label>
      {folders && (
        <label class="file">
          or a folder{" "}
          <input
            type="file"
            name={`${name}-folder`}
            ref={(field) => field?.setAttribute("webkitdirectory", "")}
            onChange={({ currentTarget }) => take(chosenFiles(currentTarget.files))}
          />
        </label>
      )}
      {children}
      {wrong !== null && (
        <p class="wrong" role="alert">
          {wrong}
        </p>
      )}
    </fieldset>
  );
}
