/**
 * @file A folder of images, one folder for each class, as torchvision's ImageFolder, ImageNet and Tiny-ImageNet have them.
 *
 * `train/CLASS/…` with `val/CLASS/…` or `test/CLASS/…`, or classes at the top, of which a fraction is kept for evaluation. Classes are
 * numbered in the order of their names, everything below a class's folder belongs to it. Links are followed as
 * far as they stay in the folder. Nothing is opened here but lists: images are read when they are needed.
 *
 * Images are numbered in an order that mixes the classes and depends on names alone, so that the first thousand are a sample of all.
 */
import { createHash } from "node:crypto";
import { type Dirent, existsSync, opendirSync, readdirSync, realpathSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { DataError, philox } from "@gradalign/tensor";
import { onFile } from "../files/node-file-error.ts";
import { readRegularFile } from "../files/node-read.ts";
import { IMAGE_ENDINGS } from "../images/decode.ts";
import { LIMITS } from "../limits.ts";
import { byCodePoint, collectNames, type ImageTable, keptAndHeld, type NameCollection, sharedLabels } from "./image-table.ts";

/** A listed folder of images. */
export interface ImageFolder {
  readonly root: string;
  readonly classNames: readonly string[];
  readonly train: ImageTable;
  readonly test: ImageTable;
  /** Files that are not images by their names, and links that lead out of the folder; neither is read. */
  readonly ignored: readonly string[];
  /** SHA-256 over the names, lengths and labels of all images in order. */
  readonly fingerprint: string;
}

/** How a folder is to be listed. */
export interface ImageFolderOptions {
  /** Share of each class that is kept for evaluation, where the folder has no val or test folder; 0 for none. */
  readonly valFraction?: number;
  /** Whether there need be no evaluation images: for those who only look the images through. */
  readonly trainingAlone?: boolean;
}

/** Images that are left out, one name a line, as `data check --leave-out` writes it. */
export const LEFT_OUT = "leave-out.txt";

/** Folders inside one another below a class. */
const MOST_DEPTH = 16;

/** Images that were found: names, the class of each, and a number that is as good as random. */
interface Listing {
  readonly names: NameCollection;
  readonly labels: number[];
  readonly ranks: number[];
}

/**
 * Lists a folder.
 *
 * @throws DataError when it has no classes, a split has none of the images, or classes differ between splits.
 */
export function listImageFolder(folder: string, { valFraction = 0, trainingAlone = false }: ImageFolderOptions = {}): ImageFolder {
  const root = onFile("read", folder, () => realpathSync(folder));
  const walk = walker(root);
  const held = ["val", "test"].find((name) => hasImages(walk, name));
  const separate = walk.folders("").includes("train");
  const trainFolder = separate ? "train" : "";
  const classNames = walk.folders(trainFolder);
  if (classNames.length === 0 || (!separate && held !== undefined)) {
    const [link] = walk.ignored;
    const remedy = held
      ? "put the training images into train"
      : link
        ? `${link} leads out of it or nowhere: name the folder it leads to`
        : "make a folder for each class";
    throw new DataError(`${folder} must have train/CLASS/image.jpg and val/CLASS/image.jpg, or CLASS/image.jpg; ${remedy}`);
  }
  const broken = classNames.find((name) => /[\r\n]/.test(name));
  if (broken !== undefined) throw new DataError(`${folder}: the class ${JSON.stringify(broken)} must have its name on one line; rename its folder`);
  const leftOut = new Set(readLeftOut(root));
  const classes = new Map(classNames.map((name, label) => [name, label]));
  const listing = (images: Iterable<readonly [name: string, label: number]>): Listing => {
    const found: Listing = { names: collectNames(), labels: [], ranks: [] };
    for (const [name, label] of images) {
      if (leftOut.has(name)) continue;
      found.names.add(name);
      found.labels.push(label);
      found.ranks.push(rankOf(name));
      if (found.labels.length > LIMITS.images) throw new DataError(`${root} has more than ${LIMITS.images} images; divide it`);
    }
    return found;
  };
  const inClasses = function* (top: string): Generator<readonly [string, number]> {
    for (const name of walk.folders(top)) {
      const label = classes.get(name);
      if (label === undefined)
        throw new DataError(
          `${folder}: ${join(top, name)} is no class of ${trainFolder}, which has ${classNames.length}; move it away, or add images of it to train`,
        );
      for (const image of walk.images(join(top, name))) yield [image, label];
    }
  };
  const trained = listing(inClasses(trainFolder));
  let [train, test]: [Images, Images] = [
    { of: trained, order: mixed(trained) },
    { of: trained, order: new Uint32Array() },
  ];
  if (separate && held !== undefined) {
    const found = listing(walk.has(join(held, "val_annotations.txt")) ? annotated(root, held, classes) : inClasses(held));
    test = { of: found, order: mixed(found) };
  } else if (valFraction > 0) [train, test] = divided(train, valFraction);
  else if (!trainingAlone) {
    throw new DataError(
      `${folder} has no val or test folder with a folder for each class; add one, or keep a share of the images for evaluation: val-fraction=0.1`,
    );
  }
  for (const [split, { order }] of [
    ["training", train],
    ["evaluation", test],
  ] as const) {
    if (order.length === 0 && !(trainingAlone && split === "evaluation"))
      throw new DataError(`${folder} has no ${split} images (${IMAGE_ENDINGS.join(", ")}); put some there`);
  }
  const present = new Set<number>();
  for (const i of train.order) present.add(train.of.labels[i] as number);
  const empty = classNames.filter((_, label) => !present.has(label));
  if (empty.length > 0) {
    const more = empty.length > 5 ? ` and ${empty.length - 5} more` : "";
    const [classes, folders] = empty.length === 1 ? ["class", "its folder"] : ["classes", "their folders"];
    throw new DataError(`${folder}: no training images of the ${classes} ${empty.slice(0, 5).join(", ")}${more}; add some, or remove ${folders}`);
  }
  const hash = createHash("sha256");
  for (const { of, order } of [train, test]) {
    for (const i of order) {
      const name = of.names.at(i);
      hash.update(`${name}\0${walk.size(name)}\0${of.labels[i]}\n`);
    }
  }
  const table = ({ of, order }: Images): ImageTable => ({
    root,
    files: of.names.taken(order),
    places: undefined,
    labels: sharedLabels(
      Int32Array.from(order, (i) => of.labels[i] as number),
      classNames.length,
    ),
    count: order.length,
  });
  return { root, classNames, train: table(train), test: table(test), ignored: [...walk.ignored].sort(byCodePoint), fingerprint: hash.digest("hex") };
}

/** Some of a listing's images, by their numbers. */
interface Images {
  readonly of: Listing;
  readonly order: Uint32Array;
}

/** Whether a folder can be read as a folder of images, or is one but for folders of classes. */
export function isImageFolder(folder: string): boolean {
  return readdirSync(folder, { withFileTypes: true }).some((entry) => entry.isDirectory() || entry.isSymbolicLink() || isImageName(entry.name));
}

function isImageName(name: string): boolean {
  return IMAGE_ENDINGS.some((ending) => name.toLowerCase().endsWith(ending));
}

/** Lists folders below the root without ever leaving it. */
interface Walker {
  /** Names of the folders in one, in order. */
  folders(folder: string): string[];
  /** Names below the root of all images in a folder and below it, as the file system has them. */
  images(folder: string): Iterable<string>;
  has(name: string): boolean;
  /** An image's length in bytes. */
  size(name: string): number;
  readonly ignored: Set<string>;
}

function walker(root: string): Walker {
  const ignored = new Set<string>();
  const inside = (path: string): boolean => path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
  /** What an entry is, links followed as long as they stay inside. */
  const kindOf = (entry: Dirent, name: string): "folder" | "file" | undefined => {
    if (entry.name.includes(NOT_UTF8) && !existsSync(join(root, name))) throw new DataError(`${join(root, name)}: the name is not UTF-8; rename it`);
    if (entry.isDirectory()) return "folder";
    if (entry.isFile()) return "file";
    if (!entry.isSymbolicLink()) return undefined;
    try {
      const real = realpathSync(join(root, name));
      if (!inside(real)) return undefined;
      const found = statSync(real);
      return found.isDirectory() ? "folder" : found.isFile() ? "file" : undefined;
    } catch {
      // A link to nothing, or in a circle.
      return undefined;
    }
  };
  /** One after the other: a folder may have more than anyone wants to hold. */
  const entries = function* (folder: string): Generator<readonly [name: string, entry: Dirent]> {
    const path = join(root, folder);
    const opened = onFile("read", path, () => opendirSync(path, { bufferSize: 256 }));
    try {
      for (let entry = opened.readSync(); entry !== null; entry = opened.readSync()) yield [folder === "" ? entry.name : `${folder}/${entry.name}`, entry];
    } finally {
      opened.closeSync();
    }
  };
  const imagesIn = function* (folder: string, depth: number): Generator<string> {
    if (depth > MOST_DEPTH) throw new DataError(`${join(root, folder)}: folders lie more than ${MOST_DEPTH} deep; move the images up`);
    const folders: string[] = [];
    for (const [name, entry] of entries(folder)) {
      const kind = kindOf(entry, name);
      // Hidden folders are other programs': thumbnails, versions.
      if (kind === undefined || entry.name.startsWith(".")) ignored.add(name);
      else if (kind === "folder") folders.push(name);
      else if (isImageName(entry.name)) yield name;
      else ignored.add(name);
    }
    for (const name of folders) yield* imagesIn(name, depth + 1);
  };
  return {
    folders(folder) {
      const found: string[] = [];
      for (const [name, entry] of entries(folder)) {
        const kind = kindOf(entry, name);
        if (kind === "folder" && !entry.name.startsWith(".")) found.push(entry.name);
        else if (kind === undefined) ignored.add(name);
      }
      return found.sort(byCodePoint);
    },
    images: (folder) => imagesIn(folder, 0),
    has: (name) => existsSync(join(root, name)),
    size: (name) => onFile("read", join(root, name), () => statSync(join(root, name)).size),
    ignored,
  };
}

/** What stands for bytes that are no UTF-8; a file cannot be opened by such a name. */
const NOT_UTF8 = "\ufffd";

/** Whether a split's folder is there and labelled: ImageNet's and Tiny-ImageNet's test images are not. */
function hasImages(walk: Walker, split: string): boolean {
  if (!walk.folders("").includes(split)) return false;
  if (walk.has(join(split, "val_annotations.txt"))) return true;
  const folders = walk.folders(split);
  return folders.length > 0 && !(folders.length === 1 && folders[0] === "images");
}

/** Tiny-ImageNet's validation images: their classes are in a table, a name and a class a line, then a box. */
function annotated(root: string, split: string, classes: ReadonlyMap<string, number>): (readonly [name: string, label: number])[] {
  const file = join(root, split, "val_annotations.txt");
  const lines = readRegularFile(file).toString("utf8").split(/\r?\n/);
  return lines
    .flatMap((line, i) => {
      if (line === "") return [];
      const [name = "", className = ""] = line.split("\t");
      const label = classes.get(className);
      if (label === undefined || !isPlainName(name))
        throw new DataError(`${file}, line ${i + 1} must be the name of a file, a tab and a class of train, got "${line.slice(0, 80)}"; get it again`);
      const path = `${split}/images/${name}`;
      const real = onFile("read", join(root, path), () => realpathSync(join(root, path)));
      if (relative(root, real).startsWith(".."))
        throw new DataError(`${file}, line ${i + 1}: ${name} is a link that leads out of the folder; copy the file there`);
      return [[path, label] as const];
    })
    .sort(([a], [b]) => byCodePoint(a, b));
}

function isPlainName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\\\0]/.test(name);
}

function readLeftOut(root: string): string[] {
  const file = join(root, LEFT_OUT);
  if (!existsSync(file)) return [];
  return readRegularFile(file)
    .toString("utf8")
    .split(/\r?\n/)
    .map((line) => {
      if (!line.startsWith('"')) return line;
      try {
        return String(JSON.parse(line));
      } catch {
        // A name that begins so and was written by hand.
        return line;
      }
    });
}

/** A name as a line of {@link LEFT_OUT}: as it is, or as JSON where it would not be a line. */
export function leftOutLine(name: string): string {
  return /^"|[\r\n]/.test(name) ? JSON.stringify(name) : name;
}

/** The images in an order that is as good as random. */
function mixed({ names, ranks }: Listing): Uint32Array {
  const order = Uint32Array.from(ranks, (_, i) => i);
  return order.sort((a, b) => (ranks[a] as number) - (ranks[b] as number) || names.compare(a, b));
}

/** Training and evaluation images: of each class the share that comes first in that order. */
function divided({ of, order }: Images, fraction: number): [Images, Images] {
  const labels = Int32Array.from(order, (i) => of.labels[i] as number);
  const [kept, held] = keptAndHeld(labels, fraction).map((places) => ({ of, order: places.map((place) => order[place] as number) }));
  return [kept as Images, held as Images];
}

/** A number that is as good as random, and the same for a name everywhere. */
function rankOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return philox([hash, 0, 0, 0x76616c], [0, 0])[0] >>> 0;
}
