/**
 * @file What an option is, declared once beside the code that uses it: its kind, bounds, default, unit and help.
 *
 * Validation and its errors, flags, keys of config files, help texts and the tables of docs/options.md are made of declarations alone.
 */
import type { Value } from "@gradalign/tensor";

/** A value of an option; null where it says that there is none. */
export type OptionValue = number | string | boolean | null;

/** What a run is trained with unless its settings say otherwise. */
export interface Recipe {
  /** Radius in pixel units. */
  readonly epsilon: number;
  readonly epochs: number;
  /** Largest learning rate. */
  readonly peak: number;
  /** Epochs over which the attack grows to its full size. */
  readonly warmupEpochs: number;
  readonly optimizer: string;
  /** Iterations between evaluations. */
  readonly evalEvery: number;
  readonly augment: { readonly crop: number; readonly flip: boolean };
}

/** What a default may depend on. */
export interface Circumstances {
  /** A known data set; of data sets of one's own the one whose recipe they follow. */
  readonly dataset: string;
  readonly model: string;
  readonly method: string;
  /** Radius in pixel units. */
  readonly epsilon: number;
  /** How many the training has: the recipe's, if no others are asked for. */
  readonly epochs: number;
  readonly recipe: Recipe;
}

/** Values by name: those of the options declared before, those that were given, or any others. */
export type Given = Readonly<Record<string, unknown>>;

/** A default, or how it follows from the circumstances and the options declared before; undefined leaves the option out. */
type Default<Value> = Value | ((at: Circumstances, before: Given) => Value);

interface Described<Value> {
  /** What it is, without a full stop. */
  readonly help: string;
  /** What to do about a value that is refused. */
  readonly remedy?: string;
  readonly default: Default<Value>;
}

/** Bounds of a number; without a lower or an upper one there is no end on that side. */
interface Bounds {
  /** The least value. */
  readonly least?: number;
  /** What a value must be above. */
  readonly above?: number;
  /** The largest value. */
  readonly most?: number;
  /** What a value must be below. */
  readonly below?: number;
  /** What it counts, e.g. `epochs`. */
  readonly unit?: string;
}

/**
 * How a number meets a compiled step: as an `input`, so that another value needs no other program; as a `length`, an input too, which is a
 * multiple of ε here and its product with ε, in pixel units, there; or as a `constant` of the program.
 */
export type Role = "input" | "length" | "constant";

/** A real number; undefined, where that is its default, stands for none. */
export interface NumberOption<R extends Role = Role, None extends undefined = never> extends Described<number | None>, Bounds {
  readonly kind: "number";
  readonly role: R;
}

/** A whole number, part of a compiled step's structure; null or undefined, where that is its default, stands for none. */
export interface IntegerOption<None extends null | undefined = never> extends Described<number | None>, Bounds {
  readonly kind: "integer";
}

/** One of several names, part of a compiled step's structure; undefined, where that is its default, stands for none. */
export interface ChoiceOption<Name extends string = string, None extends undefined = never> extends Described<Name | None> {
  readonly kind: "choice";
  readonly names: readonly Name[];
}

/** Yes or no, part of a compiled step's structure; undefined, where that is its default, is no. */
export interface BooleanOption<None extends undefined = never> extends Described<boolean | None> {
  readonly kind: "boolean";
}

/** A text of a form of its own; undefined, where that is its default, stands for none. */
export interface TextOption<None extends undefined = never> extends Described<string | None> {
  readonly kind: "text";
  /** Completes "must be …". */
  readonly rule: string;
  /** Placeholder in help texts. */
  readonly argument: string;
  accepts(value: string): boolean;
  /** What is wrong with a text and what to do about it, where that can be said more closely than by the rule. */
  problem?(value: string): string | undefined;
}

/** Any option. */
export type Option =
  | TextOption<undefined>
  | NumberOption<Role, undefined>
  | IntegerOption<null | undefined>
  | ChoiceOption<string, undefined>
  | BooleanOption<undefined>;

/** Options by name, in the order in which they are shown and resolved. */
export type OptionTable = Readonly<Record<string, Option>>;

/** The type of an option's values. */
export type ValueOf<Declared extends Option> =
  Declared extends ChoiceOption<infer Name, infer None>
    ? Name | None
    : Declared extends BooleanOption<infer None>
      ? boolean | None
      : Declared extends TextOption<infer None>
        ? string | None
        : Declared extends IntegerOption<infer None>
          ? number | None
          : Declared extends NumberOption<Role, infer None>
            ? number | None
            : number;

/** The type of an option inside a compiled step. */
type TracedOf<Declared extends Option> = Declared extends NumberOption<"input" | "length"> ? Value | number : ValueOf<Declared>;

/** The type of all values of a table. */
export type ValuesOf<Table extends OptionTable> = { readonly [Name in keyof Table]: ValueOf<Table[Name]> };

/** The type of all values of a table inside a compiled step. */
export type TracedValues<Table extends OptionTable> = { readonly [Name in keyof Table]: TracedOf<Table[Name]> };

/** Declares a real number. */
export function number(declaration: Described<number> & Bounds): NumberOption<"input"> {
  return { kind: "number", role: "input", ...declaration };
}

/** Declares a length as a multiple of ε. */
export function length(declaration: Described<number> & Omit<Bounds, "unit">): NumberOption<"length"> {
  return { kind: "number", role: "length", unit: "ε", ...declaration };
}

/** Declares a real number that is a constant of compiled steps, or not in them. */
export function constant(declaration: Described<number> & Bounds): NumberOption<"constant"> {
  return { kind: "number", role: "constant", ...declaration };
}

/** Declares a real number that there need not be; it is left out unless it is given. */
export function numberOr(none: undefined, declaration: Omit<Described<number>, "default"> & Bounds): NumberOption<"constant", undefined> {
  return { kind: "number", role: "constant", ...declaration, default: none };
}

/** Declares a whole number. */
export function integer(declaration: Described<number> & Bounds): IntegerOption {
  return { kind: "integer", ...declaration };
}

/** Declares a whole number that there need not be: without one the value is null, or left out if `none` is undefined. */
export function integerOr<None extends null | undefined>(none: None, declaration: Omit<Described<number>, "default"> & Bounds): IntegerOption<None> {
  return { kind: "integer", ...declaration, default: none };
}

/** Declares a choice between names. */
export function choice<const Name extends string>(names: readonly Name[], declaration: Described<Name>): ChoiceOption<Name> {
  return { kind: "choice", names, remedy: "choose one of them", ...declaration };
}

/** Declares a choice between names that there need not be; it is left out unless it is given. */
export function choiceOr<const Name extends string>(
  none: undefined,
  names: readonly Name[],
  declaration: Omit<Described<Name>, "default">,
): ChoiceOption<Name, undefined> {
  return { kind: "choice", names, remedy: "choose one of them", ...declaration, default: none };
}

/** Declares a yes or no. */
export function flag(declaration: Described<boolean>): BooleanOption {
  return { kind: "boolean", ...declaration };
}

/** Declares a yes or no that is left out unless it is given, and is then no. */
export function flagOr(none: undefined, declaration: Omit<Described<boolean>, "default">): BooleanOption<undefined> {
  return { kind: "boolean", ...declaration, default: none };
}

/** Declares a text. */
export function text(declaration: Omit<TextOption, "kind">): TextOption {
  return { kind: "text", ...declaration };
}

/** Declares a text that there need not be; it is left out unless it is given. */
export function textOr(none: undefined, declaration: Omit<TextOption, "kind" | "default">): TextOption<undefined> {
  return { kind: "text", ...declaration, default: none };
}

/** An option's name outside the program: `batchSize` is `batch-size`. */
export function externalName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** An option's rule; completes "must be …". */
export function ruleOf(option: Option): string {
  switch (option.kind) {
    case "choice":
      return option.names.length === 2 ? option.names.join(" or ") : `one of ${option.names.join(", ")}`;
    case "boolean":
      return "true or false";
    case "text":
      return option.rule;
    default:
      return `${option.kind === "integer" ? "an integer" : "a number"}${boundsOf(option)}${option.default === null ? ", or null" : ""}`;
  }
}

/** Bounds in words, with a space before them; nothing where there are none. */
export function boundsOf({ least, above, most, below }: Bounds): string {
  const from = least !== undefined ? `from ${least}` : above !== undefined ? `above ${above}` : undefined;
  const to = most !== undefined ? `to ${most}` : below !== undefined ? `to below ${below}` : undefined;
  if (to === undefined) return least !== undefined ? ` of at least ${least}` : from === undefined ? "" : ` ${from}`;
  if (from === undefined) return ` of ${most !== undefined ? `at most ${most}` : `less than ${below}`}`;
  return least !== undefined ? ` ${from} ${to}` : ` ${from} and up ${to}`;
}

/** Whether a value is one of the option's. */
export function accepts(option: Option, value: unknown): boolean {
  switch (option.kind) {
    case "choice":
      return typeof value === "string" && option.names.includes(value);
    case "boolean":
      return typeof value === "boolean";
    case "text":
      return typeof value === "string" && option.accepts(value);
    default: {
      if (value === null) return option.default === null;
      if (typeof value !== "number" || !(option.kind === "integer" ? Number.isSafeInteger(value) : Number.isFinite(value))) return false;
      const { least = -Infinity, above = -Infinity, most = Infinity, below = Infinity } = option;
      return value >= least && value > above && value <= most && value < below;
    }
  }
}
