/** @file What a run is and how it is shown, in Node and in browsers. */

export { crc32 } from "@gradalign/formats";
export { adversarialsFile, type BrokenImage, brokenImages } from "./evaluation/adversarials.ts";
export { evaluationCommand } from "./evaluation/command.ts";
export { epsilonOf, type Fraction, fractionOf, fractionText, readRadius } from "./evaluation/fraction.ts";
export { evaluationName, idOf } from "./evaluation/identity.ts";
export { type EvaluationSettings, evaluationPlan, identityOfSettings, recordOf, sealed, type UnsealedRecord } from "./evaluation/make-record.ts";
export {
  type EvaluationIdentity,
  type EvaluationRecord,
  identityOfRecord,
  type JudgedData,
  type JudgedModel,
} from "./evaluation/record.ts";
export type { EvaluationReport, ExampleImage } from "./evaluation/report-data.ts";
export { type RobustBenchEntry, robustBenchEntry } from "./evaluation/robustbench.ts";
export { aimText, chosenImages, classOutcomes, distanceText, type Share, shareOf, targetsText, waterfall } from "./evaluation/summary.ts";
export { CURVE_GROUPS, type CurveGroup, comparisonFigures, type Figure, runFigures, yScale } from "./figures/curves.ts";
export { drawFigure, type FigureOptions, figureMarkup } from "./figures/draw.ts";
export { grownFilter } from "./figures/filters.ts";
export { type AlarmMark, type Band, type Collapse, type Line, type PanelOptions, panelFigure } from "./figures/panel.ts";
export { ACCURACIES, LINEARITY, type LineStyle, needsLogScale, PGD, runStyle, type Series, type SeriesRow, seriesRows } from "./figures/series.ts";
export { type LossGrid, sliceFigure, surfaceFigure } from "./figures/surface.ts";
export { type ReadRun, type RunContent, type RunSession, readRunFiles, runFiles, type SavedSnapshot } from "./folder/run-files.ts";
export { type ExportingCode, type SavedCheckpoint, savedFolder, savedMetadata, savedOnnx, savedSafetensors } from "./models/model-export.ts";
export { type ModelBytes, type ModelOptions, type ModelVictim, modelOfSnapshot, requireFitting, victimOfFile, victimOfSnapshot } from "./models/open-model.ts";
export { type CsvRow, csv } from "./pages/csv.ts";
export { compareEvaluations, evaluationReport } from "./pages/evaluation-report.ts";
export { type HtmlPart, html, Markup, markup } from "./pages/html.ts";
export { htmlPage, type PageOptions } from "./pages/page.ts";
export { DARK_COLORS, FIGURE_LETTERS, LIGHT_COLORS, PAGE_STYLE } from "./pages/page-style.ts";
export { planReport, type SeedGroup, seedGroups, spread, spreadText } from "./pages/plan-report.ts";
export { compareReport, runReport } from "./pages/report.ts";
export type { FinalAttack as PlannedAttack, Plan, PlannedRun, PlanOrigin, PlanStatus, QueuedState, RunStatus } from "./plan/plan.ts";
export { type Combination, combinations, expand, isOf, type SettingLists, type Sweep, sizeOf, variedSettings } from "./plan/sweep.ts";
export type { LogLine, RunEvent, RunView } from "./run/events.ts";
export type { FilterSnapshot, OverfittingPoint, ReportRun, RobustnessRecord, RunMachine } from "./run/run-data.ts";
export {
  type EvaluationsAnswer,
  type PlanSummary,
  type QueueEntry,
  type RunState,
  type RunSummary,
  type RunsMessage,
  type RunsRequest,
  type ShownAlarm,
  type ShownCheckpoint,
  type ShownPlannedRun,
  type StartAnswer,
  TOKEN_HEADER,
} from "./serve/protocol.ts";
export { partialConfig, resolveSettings, type SourceOf, settingsOfConfig, written } from "./settings/convert.ts";
export { type DefaultTexts, defaultTexts, FIXED_DEFAULTS, textsOf } from "./settings/defaults.ts";
export { describeRun, describeSettings, reproduceCommand, shellWord } from "./settings/describe.ts";
export { levelsRemedy, readLevels, writeLevels } from "./settings/levels.ts";
export { type OptionRow, optionRows } from "./settings/option-rows.ts";
export { FINAL_DEFAULTS, RUN_OPTIONS, type RunSettings } from "./settings/run-options.ts";
export { readValues } from "./settings/setting-lists.ts";
export {
  allSettings,
  argumentOf,
  checkSetting,
  declarationOf,
  helpOf,
  type Place,
  parseFlag,
  type Setting,
  type Settings,
  settingNames,
  settingOf,
  type TrainingSettings,
} from "./settings/settings.ts";
export { describeAlarm } from "./words/alarms.ts";
export { attackName, bytes, count, decimals, duration, engineName, percent, radius } from "./words/format.ts";
export { VERDICTS } from "./words/verdicts.ts";
