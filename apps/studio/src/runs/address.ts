/** @file What the page of runs shows, in its address: a link gives the same page again. */
import { CURVE_GROUPS, type CurveGroup, type Series } from "@gradalign/runs";
import type { Grouping } from "./aggregate.ts";

/** A quantity that can be drawn, with the group whose axis it has. */
export interface Quantity extends Series {
  readonly group: CurveGroup;
}

/** All quantities. */
export const QUANTITIES: readonly Quantity[] = CURVE_GROUPS.flatMap((group) => group.series.map((series) => ({ ...series, group })));

/** The column that the table is in order of. */
export interface Order {
  readonly column: string;
  readonly down: boolean;
}

/** Which matrix is shown. */
export interface MatrixChoice {
  /** A plan, by its folder and id; null for all runs. */
  readonly source: string | null;
  /** Settings down and across, the second empty for none; null for those that the page chooses. */
  readonly axes: readonly [string, string] | null;
  /** The quantity in the cells. */
  readonly measure: string;
}

/** What is chosen. */
export interface Choice {
  /** Keys of the runs that are compared; null for those that the page chooses. */
  readonly selected: readonly string[] | null;
  /** Lines that are not drawn, by name. */
  readonly hidden: readonly string[];
  readonly quantities: readonly string[];
  /** Weight of what was before, in [0, 1). */
  readonly smoothing: number;
  readonly grouping: Grouping;
  /** Epochs that are looked at; null for all. */
  readonly zoom: readonly [number, number] | null;
  /** The run whose details are shown. */
  readonly focus: string | null;
  readonly filter: string;
  /** Of the table. */
  readonly order: Order;
  readonly matrix: MatrixChoice;
}

/** Without anything in the address. */
export const START: Choice = {
  selected: null,
  hidden: [],
  quantities: ["test_clean_acc", "test_fgsm_acc", "test_pgd_acc", "gradient_alignment"],
  smoothing: 0,
  grouping: "run",
  zoom: null,
  focus: null,
  filter: "",
  order: { column: "name", down: false },
  matrix: { source: null, axes: null, measure: "test_pgd_acc" },
};

/** What an address may say. */
const NAMES: readonly string[] = ["run", "hide", "show", "smooth", "group", "epochs", "look", "filter", "sort", "plan", "axis", "cells"];

/** The address as the text after the question mark. */
export function writeChoice({ selected, hidden, quantities, smoothing, grouping, zoom, focus, filter, order, matrix }: Choice): string {
  const query = new URLSearchParams();
  if (selected) for (const key of selected.length > 0 ? selected : [""]) query.append("run", key);
  for (const name of hidden) query.append("hide", name);
  if (quantities.join() !== START.quantities.join()) for (const key of quantities.length > 0 ? quantities : [""]) query.append("show", key);
  if (smoothing > 0) query.set("smooth", String(smoothing));
  if (grouping !== START.grouping) query.set("group", grouping);
  if (zoom) query.set("epochs", zoom.map((epoch) => Number(epoch.toFixed(3))).join("-"));
  if (focus !== null) query.set("look", focus);
  if (filter !== "") query.set("filter", filter);
  if (order.column !== START.order.column || order.down) query.set("sort", `${order.down ? "-" : ""}${order.column}`);
  if (matrix.source !== null) query.set("plan", matrix.source);
  if (matrix.axes) for (const name of matrix.axes) query.append("axis", name);
  if (matrix.measure !== START.matrix.measure) query.set("cells", matrix.measure);
  return query.toString();
}

/** What an address says, and in words what of it could not be understood, which is left out. */
export function readChoice(search: string): { readonly choice: Choice; readonly problems: readonly string[] } {
  const query = new URLSearchParams(search);
  const problems: string[] = [];
  const require = (name: string, isRight: boolean, rule: string): void => {
    if (query.has(name) && !isRight) problems.push(`The address says ${name}=${query.getAll(name).join(", ")}, which must be ${rule}; it is left out.`);
  };
  const lists = (name: string): readonly string[] | null => (query.has(name) ? query.getAll(name).filter((value) => value !== "") : null);
  const smoothing = Number(query.get("smooth") ?? 0);
  const group = query.get("group") ?? "";
  const [, from, to] = /^([\d.]+)-([\d.]+)$/.exec(query.get("epochs") ?? "") ?? [];
  const zoom = [Number(from), Number(to)] as const;
  const [, down, column] = /^(-?)(\w*)$/.exec(query.get("sort") ?? "") ?? [];
  const [rows, columns] = query.getAll("axis");
  const isQuantity = (name: string): boolean => QUANTITIES.some(({ key }) => key === name);
  for (const name of new Set(query.keys())) {
    if (!NAMES.includes(name)) problems.push(`The address says ${name}=${query.get(name)}, which is no setting here; it is left out.`);
  }
  require("smooth", smoothing >= 0 && smoothing < 1, "a number from 0 to below 1");
  require("group", group === "run" || group === "seeds" || group.startsWith("by "), "run, seeds or “by” and a setting");
  require("epochs", zoom[1] > zoom[0], "two epochs such as 2-30");
  require("show", query.getAll("show").every((name) => name === "" || isQuantity(name)), `of ${QUANTITIES.map(({ key }) => key).join(", ")}`);
  require("cells", isQuantity(query.get("cells") ?? ""), `one of ${QUANTITIES.map(({ key }) => key).join(", ")}`);
  require("sort", column !== undefined, "a column, after a minus if it falls");
  require("axis", rows !== undefined && columns !== undefined, "there twice, for rows and columns");
  const choice: Choice = {
    selected: lists("run"),
    hidden: lists("hide") ?? START.hidden,
    quantities: lists("show")?.filter((key) => QUANTITIES.some((quantity) => quantity.key === key)) ?? START.quantities,
    smoothing: smoothing >= 0 && smoothing < 1 ? smoothing : START.smoothing,
    grouping: group === "seeds" || group.startsWith("by ") ? (group as Grouping) : START.grouping,
    zoom: zoom[1] > zoom[0] ? zoom : null,
    focus: query.get("look"),
    filter: query.get("filter") ?? START.filter,
    order: { column: column || START.order.column, down: down === "-" },
    matrix: {
      source: query.get("plan"),
      axes: rows !== undefined && columns !== undefined ? [rows, columns] : null,
      measure: QUANTITIES.find(({ key }) => key === query.get("cells"))?.key ?? START.matrix.measure,
    },
  };
  return { choice, problems };
}
