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
  readonly disabled?: boolean;
  readonly onFiles: (files: readonly NamedFile[]) => void;
  readonly children?: ComponentChildren;
}

/** Takes files and folders. */
export function DropZone({ name, label, accept, single = false, folders = false, disabled = false, onFiles, children }: DropZoneProps) {
  const [over, setOver] = useState(false);
  const take = (files: readonly NamedFile[]): void => {
    if (files.length > 0 && !disabled) onFiles(files);
  };
  return (
    <fieldset
      class={`drop${over ? " over" : ""}`}
      aria-label={label}
      disabled={disabled}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        if (event.dataTransfer) void droppedFiles(event.dataTransfer).then(take);
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
    </fieldset>
  );
}
