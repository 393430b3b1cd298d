/** @file One setting as a field of a form, made from its declaration: what it may be, and what it is when it is left out. */
import { externalName, type Option } from "@gradalign/robustness";
import { declarationOf, helpOf, type Setting, type TrainingSettings, written } from "@gradalign/runs";
import { useEffect } from "preact/hooks";
import { messageOf } from "./address.ts";

const LABELS: Readonly<Record<string, string>> = { epsilon: "ε in 1/255", lambda: "λ", lr: "learning rate" };

/** What was written that a setting may not be, and why not. */
export interface Draft {
  readonly text: string;
  readonly wrong: string;
}

/** What is wrong in the fields of a form, by their ids. */
export type Drafts = Readonly<Record<string, Draft>>;

/** With another draft of a field, or without any. */
export function withDraft(drafts: Drafts, id: string, draft: Draft | null): Drafts {
  const { [id]: _, ...rest } = drafts;
  return draft ? { ...rest, [id]: draft } : rest;
}

/** Why nothing can be started; null when all fields are right. */
export function firstWrong(drafts: Drafts): string | null {
  return Object.values(drafts)[0]?.wrong ?? null;
}

/** What a field is made of. */
export interface SettingFieldProps {
  /** The setting's name in the program. */
  readonly name: string;
  /** Of its control: distinct on the page. */
  readonly id: string;
  readonly setting: Setting;
  /** As it is written; empty for none. */
  readonly text: string;
  /** What it is when it is left out. */
  readonly otherwise: TrainingSettings[string];
  /** How names are shown; as they are unless set. */
  readonly nameOf?: (name: string) => string;
  /** Without a default among its names. */
  readonly isRequired?: boolean;
  /** Whether several values may be written, with commas between. */
  readonly several?: boolean;
  /** Takes what was written; throws for what the setting may not be. */
  readonly onText: (text: string) => void;
  /** What is wrong in it now, which its form must know: nothing is started meanwhile. */
  readonly draft: Draft | undefined;
  readonly onDraft: (draft: Draft | null) => void;
}

/** The field. A text that the setting may not be stays in it with what is wrong, and is not taken. */
export function SettingField({
  name,
  id,
  setting,
  text,
  otherwise,
  nameOf = String,
  isRequired = false,
  several = false,
  onText,
  draft,
  onDraft,
}: SettingFieldProps) {
  // A field that goes takes along what was wrong in it.
  useEffect(() => () => onDraft(null), []);
  const option: Option = declarationOf(setting);
  const control = { id: `setting-${id}`, name: id, title: helpOf(name) };
  const take = (written: string): void => {
    try {
      onText(written);
      onDraft(null);
    } catch (error) {
      onDraft({ text: written, wrong: messageOf(error) });
    }
  };
  const names = option.kind === "choice" ? option.names : option.kind === "boolean" ? ["yes", "no"] : null;
  return (
    <div class="field" data-setting={name}>
      <label for={control.id}>{LABELS[name] ?? externalName(name).replaceAll("-", " ")}</label>
      {names && !several ? (
        <select {...control} value={text} onChange={({ currentTarget }) => take(currentTarget.value)}>
          {!isRequired && <option value="">{otherwise === undefined ? "default" : `${written(otherwise)} (default)`}</option>}
          {names.map((one) => (
            <option key={one} value={one}>
              {nameOf(one)}
            </option>
          ))}
        </select>
      ) : (
        <input
          {...control}
          autocomplete="off"
          list={names ? `${control.id}-names` : undefined}
          inputMode={several || option.kind === "text" ? "text" : "decimal"}
          placeholder={
            otherwise === undefined
              ? "none"
              : otherwise === null
                ? "all"
                : typeof otherwise === "number"
                  ? String(Number(otherwise.toPrecision(4)))
                  : written(otherwise)
          }
          value={draft ? draft.text : text}
          aria-invalid={draft !== undefined}
          aria-describedby={draft ? `${control.id}-wrong` : undefined}
          onInput={({ currentTarget }) => take(currentTarget.value)}
        />
      )}
      {names && several && (
        <datalist id={`${control.id}-names`}>
          {names.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
      )}
      {draft && (
        <p class="wrong" id={`${control.id}-wrong`}>
          {draft.wrong}
        </p>
      )}
    </div>
  );
}
