/** @file The public face of gradalign: fast adversarial training, in Node and in browsers. */

export { canonicalJson, decodeSafetensors, encodeSafetensors, type JsonObject, type JsonValue, type StoredTensor } from "@gradalign/formats";
export { type ApgdOptions, apgdCe, apgdDlr, apgdT } from "./attacks/apgd.ts";
export type { Attack, AttackOptions, AttackSite, AttackState, Differentiated, Moment, Oracle, Selection, Slope } from "./attacks/attack.ts";
export { type FabOptions, fab, fabT } from "./attacks/fab.ts";
export { fgsm } from "./attacks/fgsm.ts";
export { fgsmRs } from "./attacks/fgsm-rs.ts";
export { type FmnOptions, fmn } from "./attacks/fmn.ts";
export { attacks } from "./attacks/index.ts";
export { attackOptions, byTargets } from "./attacks/options.ts";
export { pgd } from "./attacks/pgd.ts";
export { pgdCorner, toCorner } from "./attacks/pgd-corner.ts";
export { type PgdTOptions, pgdT } from "./attacks/pgd-t.ts";
export { type AskedAttacks, ATTACK_NAMES, type AttackPlan, attackPlan, ensembles, type NamedAttack, nameForm, parseAttack } from "./attacks/plan.ts";
export { type PmaOptions, pma } from "./attacks/pma.ts";
export {
  type AscentAttack,
  type AscentOptions,
  ascend,
  ascentOptions,
  type Ball,
  projectedGradientAttack,
  type UnrolledAttack,
  unrollAttack,
} from "./attacks/projected-gradient.ts";
export { randomCorner, randomSigns } from "./attacks/random-corner.ts";
export { type SquareOptions, square } from "./attacks/square.ts";
export { type Classifier, functionVictim, modelClassifier, modelVictim, type Victim, type VictimOptions, type VictimTensors } from "./attacks/victim.ts";
export {
  type CheckpointManifest,
  decodeManifest,
  decodeTensors,
  encodeCheckpoint,
  type ModelIdentity,
  type SaveCheckpointOptions,
} from "./checkpoint/checkpoint.ts";
export { CheckpointError } from "./checkpoint/errors.ts";
export { type ImageDataset, type ImageDatasetOptions, imageDataset, type ResidentDataset, type SplitArrays, takeFirst } from "./data/dataset.ts";
export {
  type DatasetDefinition,
  type DatasetFile,
  type DatasetSource,
  datasetFingerprint,
  type FileChecksum,
  type OpenFile,
  readDataset,
  type SourceLayout,
  type SourcePart,
} from "./data/definition.ts";
export { type IdxArray, readIdx } from "./data/idx.ts";
export { type DatasetName, datasetNamed, datasets, imageSize, isDatasetName } from "./data/index.ts";
export { type MatVariable, matVariables } from "./data/mat.ts";
export {
  type Draw,
  type ImageDecoder,
  type ImageReader,
  type ImageSource,
  type ImageSplit,
  isResident,
  type Labels,
  labelsFor,
  openSource,
  readImages,
  residentSplit,
  type StreamedSplit,
  sharedBytes,
  sliceSource,
} from "./data/source.ts";
export { encodeTar, readTar, type TarEntry } from "./data/tar.ts";
export { alignment, gradientAlignment } from "./diagnostics/gradient-alignment.ts";
export { filterNorms, outgoingNorms } from "./diagnostics/norms.ts";
export { majorityShare, type Outcome, type OutcomePoint, runOutcome } from "./diagnostics/outcome.ts";
export { detectOverfitting, type Overfitting, type RobustnessPoint } from "./diagnostics/overfitting.ts";
export type { Draws } from "./draws.ts";
export { accuracyCurve, type RadiusBound } from "./eval/accuracy-curve.ts";
export { type AttackImagesOptions, type AttackReport, attack } from "./eval/attack.ts";
export type { AttackProgress, AttackRecord, AttackStage, ImageOutcome, ImageRecord } from "./eval/attack-course.ts";
export type { Warning } from "./eval/checks/check.ts";
export { checks, type RadiusAccuracy } from "./eval/checks/index.ts";
export { type EvaluateOptions, evaluateRobustness, type RobustnessReport } from "./eval/evaluate.ts";
export { type AlignmentOptions, type AlignmentReport, evaluateAlignment, measureAlignment } from "./eval/evaluate-alignment.ts";
export { evaluationBatch } from "./eval/examples.ts";
export type { Passes } from "./eval/oracle.ts";
export { type ClassifierPrograms, classifierPrograms, modelPrograms, type Scored, type Scores } from "./eval/programs.ts";
export { type AttackResult, type AttackRunner, type AttackTarget, attackRunner, type RunOptions } from "./eval/run-attack.ts";
export { checkAims, type TargetRule, type Targets } from "./eval/targets.ts";
export { wilsonInterval } from "./eval/wilson.ts";
export { checkForm, parseJsonForm, parseJsonLines } from "./files/json-form.ts";
export { decodeImage, IMAGE_ENDINGS, type ImageFormat, imageFormat } from "./images/decode.ts";
export { encodeJpeg } from "./images/jpeg/encode.ts";
export { type Pipeline, transformPipeline } from "./images/pipeline.ts";
export { type ResampleFilter, resample, resampleFilters } from "./images/resample.ts";
export type { RgbImage } from "./images/rgb-image.ts";
export { transforms } from "./images/transforms/index.ts";
export { defineTransform, type Transform } from "./images/transforms/transform.ts";
export { checkWeights, type LoadedWeights, loadWeights } from "./interop/load-weights.ts";
export { type DescribedModel, describedModel, describeModelFor, type Normalization } from "./interop/metadata.ts";
export { type Aliases, type ExportOptions, exportSafetensors, type ReadableTensor, storedTensors } from "./interop/pytorch-export.ts";
export { networkNamed, type Recognized, recognizeModels } from "./interop/recognize.ts";
export { keyFor } from "./keys.ts";
export { gradAlignPenalty } from "./methods/gradalign.ts";
export { type MethodConfig, type MethodName, methodNamed, methods, type PartialMethodConfig } from "./methods/index.ts";
export {
  type Carried,
  type CarrySizes,
  carried,
  type Displacement,
  defineMethod,
  type Method,
  type MethodContext,
  type MethodResult,
  type StepPasses,
} from "./methods/method.ts";
export { type Forward, type TrainingNetwork, trainingNetwork } from "./methods/network.ts";
export { type Architecture, architectureOf, parseArchitecture, writeArchitecture } from "./models/architecture.ts";
export { type CnnOptions, cnn } from "./models/cnn.ts";
export { type DmPreactResnetOptions, dmPreactResnet } from "./models/dm-preact-resnet.ts";
export { type DmWideResnetOptions, dmWideResnet } from "./models/dm-wide-resnet.ts";
export { createModel, type ModelConfig, type ModelName, models } from "./models/index.ts";
export { layeredModel } from "./models/layers.ts";
export type { Model, ModelData, ModelDefinition, ModelOutput, ModelTensors } from "./models/model.ts";
export type { ConvolutionLayer, Layers, Network } from "./models/network.ts";
export { type PreactResnet18Options, preactResnet18 } from "./models/preact-resnet18.ts";
export { type ResnetOptions, resnet } from "./models/resnet.ts";
export { type WideResnetOptions, wideResnet } from "./models/wide-resnet.ts";
export { type BatchNormOptions, type BatchNormResult, type BatchNormTensors, batchNorm } from "./nn/batch-norm.ts";
export { type Cosines, cosineSimilarity, meanCosine } from "./nn/cosine-similarity.ts";
export { ascentLossPerExample, countCorrect, crossEntropy, crossEntropyPerExample, isCorrect } from "./nn/cross-entropy.ts";
export { initConvolution, initLinear } from "./nn/initialization.ts";
export { convolution, globalAveragePool, linear, relu } from "./nn/layers.ts";
export { dlrPerExample, marginPerExample, targetedDlrPerExample, targetMarginPerExample } from "./nn/margins.ts";
export { countParameters, type Params, param } from "./nn/params.ts";
export { exportOnnx, type OnnxExportOptions } from "./onnx/export.ts";
export { type OnnxImport, type OnnxModelOptions, onnxFunction, onnxModel } from "./onnx/model.ts";
export { type AdamOptions, type AdamState, adam } from "./optim/adam.ts";
export { createOptimizer, createSchedule, type OptimizerConfig, optimizers, type ScheduleConfig, schedules } from "./optim/index.ts";
export type { Optimizer, OptimizerDefinition, OptimizerState } from "./optim/optimizer.ts";
export {
  cyclicSchedule,
  linearSchedule,
  piecewiseSchedule,
  type Schedule,
  type ScheduleDefinition,
  type ScheduleOptions,
  type SchedulePoint,
} from "./optim/schedule.ts";
export { type SgdOptions, sgd } from "./optim/sgd.ts";
export { closestName } from "./options/closest-name.ts";
export {
  accepts,
  type BooleanOption,
  boundsOf,
  type ChoiceOption,
  type Circumstances,
  choice,
  constant,
  externalName,
  flag,
  type Given,
  type IntegerOption,
  integer,
  integerOr,
  length,
  type NumberOption,
  number,
  numberOr,
  type Option,
  type OptionTable,
  type OptionValue,
  type Recipe,
  ruleOf,
  type TextOption,
  type TracedValues,
  text,
  type ValuesOf,
} from "./options/option.ts";
export { checkValue, defaultOf } from "./options/resolve.ts";
export { inputsOf, structureOf, tracedValues } from "./options/traced.ts";
export { readOptions, readWritten, type Written, writeOptions } from "./options/written.ts";
export { boxDelta, saturatingClamp } from "./threat/box.ts";
export { threats } from "./threat/index.ts";
export { l1 } from "./threat/l1.ts";
export { l2 } from "./threat/l2.ts";
export { linf } from "./threat/linf.ts";
export type { HyperplaneProjection, Threat } from "./threat/threat.ts";
export type { Augmentation } from "./train/batch.ts";
export { checkTrainConfig, chosenBy, type PartialTrainConfig, resolveTrainConfig, type TrainConfig } from "./train/config.ts";
export type { TrainOptions, TrainResult } from "./train/course.ts";
export { EVALUATION_PGD } from "./train/evaluator.ts";
export { type AlarmEvent, type BestCheckpoint, type Evaluation, selectionAccuracy, type TrainEvent } from "./train/events.ts";
export type { Alarm } from "./train/guard.ts";
export {
  augmentOptions,
  choiceOf,
  DEFAULTS,
  type Declared,
  datasetOption,
  declared,
  optionsOf,
  registries,
  SECTIONS,
  type Section,
  trainingOptions,
} from "./train/options.ts";
export { type Phase, phaseData, phaseOptions, phasesOf, readPhases, timetableOf } from "./train/phases.ts";
export { augmentationFor, circumstancesOf, type DatasetRecipe, datasetRecipe, lambdaSchedule, recipes } from "./train/recipes.ts";
export {
  type Arithmetic,
  arithmeticDifference,
  arithmeticOf,
  type DataIdentity,
  identityOf,
  type RunSeal,
  requireSameConfig,
  requireSameData,
} from "./train/seal.ts";
export { createSession, type Session, trainingSize } from "./train/session.ts";
export { lossOptions } from "./train/setup.ts";
export { type CheckpointSink, type RunRecord, restoreModel, type Snapshot } from "./train/snapshot.ts";
export { type StepProgram, type StepPrograms, stepPrograms } from "./train/step-programs.ts";
export { train } from "./train/train.ts";
export { TrainingError } from "./train/training-error.ts";
