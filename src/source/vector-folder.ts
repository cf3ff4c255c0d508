/**
 * Finds official OSNMA test vectors in folders as GSC publishes them: a navigation-bits CSV whose name gives its
 * time, and beside it the key material, Merkle trees and public keys as XML and perhaps a root key as text.
 * Edge: reads folders and files.
 */
import { readdirSync, statSync, type Dirent } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { OsnmadError } from "../errors.js";
import { readGscFile } from "../trust/material.js";
import { gstOfVectorName } from "./vector-csv.js";

/** A parent of vectors, or a parent of such parents; deeper nesting is something else. */
const MAX_DEPTH = 3;
/** GSC published 18; a bound against a folder that is something else. */
const MAX_VECTORS = 1000;

export interface VectorFiles {
  /** Folder name, with the CSV's name behind it where the folder holds several. */
  readonly name: string;
  readonly csv: string;
  /** By the CSV's name, linear GST seconds. */
  readonly firstPageGst: number;
  /** Merkle tree files, in order of name: a renewal has two. */
  readonly merkle: readonly string[];
  /** Those trees that list a public key themselves. */
  readonly treesWithKey: readonly string[];
  /** Public key files; keys inside tree files do not count. */
  readonly publicKey: readonly string[];
  /** DSM-KROOT and NMA header in hexadecimal, for a hot start. */
  readonly rootKey: string | null;
}

/**
 * All vectors in `folder` and below, in order of name. A path of one CSV gives that vector alone.
 *
 * @throws OsnmadError OSN_VECTORS_NOT_FOUND; OSN_VECTOR_INVALID where CSVs are there but none says its time
 */
export function findVectors(folder: string): VectorFiles[] {
  if (typeof folder !== "string") throw new TypeError("folder must be a path");
  const root = resolve(folder);
  let isFolder: boolean;
  try {
    isFolder = statSync(root).isDirectory();
  } catch (cause) {
    throw new OsnmadError(
      "OSN_VECTORS_NOT_FOUND",
      `${folder}: ${cause instanceof Error ? cause.message : String(cause)}.`,
      { cause },
    );
  }
  const untimed: string[] = [];
  const found: VectorFiles[] = [];
  if (isFolder) visit(root, root, 0, found, untimed);
  else if (gstOfVectorName(basename(root)) !== null) {
    found.push(...vectorsOf(dirname(root), dirname(root), [basename(root)]));
  } else if (/\.csv$/i.test(root)) untimed.push(root);
  if (found.length === 0 && untimed.length > 0) {
    throw new OsnmadError(
      "OSN_VECTOR_INVALID",
      `${untimed[0]}: the name does not give date and GST of the first page (06_OCT_2023_GST_16_45_01.csv).`,
    );
  }
  if (found.length === 0) {
    throw new OsnmadError(
      "OSN_VECTORS_NOT_FOUND",
      isFolder ? `${folder}: no test vector in it.` : `${folder}: is no folder and no test vector's CSV.`,
    );
  }
  return unambiguous(found, root);
}

function visit(root: string, folder: string, depth: number, found: VectorFiles[], untimed: string[]): void {
  const entries = entriesOf(folder);
  const csvs = entries.filter((entry) => !isFolder(folder, entry) && /\.csv$/i.test(entry.name));
  const timed = csvs.filter((entry) => gstOfVectorName(entry.name) !== null).map(({ name }) => name);
  for (const { name } of csvs) if (!timed.includes(name)) untimed.push(join(folder, name));
  if (timed.length > 0) found.push(...vectorsOf(root, folder, timed));
  if (found.length > MAX_VECTORS) {
    throw new OsnmadError(
      "OSN_VECTORS_NOT_FOUND",
      `${root}: more than ${MAX_VECTORS} CSVs; give a smaller folder.`,
    );
  }
  if (depth === MAX_DEPTH) return;
  for (const entry of entries) {
    if (isFolder(folder, entry) && !entry.name.startsWith(".") && entry.name !== "node_modules") {
      visit(root, join(folder, entry.name), depth + 1, found, untimed);
    }
  }
}

/** The vectors of one folder; they share its key material. */
function vectorsOf(root: string, folder: string, csvs: readonly string[]): VectorFiles[] {
  const merkle: string[] = [];
  const treesWithKey: string[] = [];
  const publicKey: string[] = [];
  const rootKeys: string[] = [];
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (isFolder(folder, entry)) continue;
    if (/\.txt$/i.test(entry.name) && /kroot|root.?key/i.test(entry.name)) rootKeys.push(path);
    if (!/\.xml$/i.test(entry.name)) continue;
    const kind = kindOf(path);
    if (kind === "public-key") publicKey.push(path);
    if (kind === "merkle-tree" || kind === "merkle-tree-with-key") merkle.push(path);
    if (kind === "merkle-tree-with-key") treesWithKey.push(path);
  }
  const name = folder === root ? basename(folder) : relative(root, folder).split(/[\\/]/).at(-1)!;
  return csvs.map((csv) => ({
    name: csvs.length === 1 ? name : `${name}/${csv.replace(/\.csv$/i, "")}`,
    csv: join(folder, csv),
    firstPageGst: gstOfVectorName(csv) ?? 0,
    merkle,
    treesWithKey,
    publicKey,
    rootKey: rootKeys[0] ?? null,
  }));
}

/**
 * What an XML file is, by its content. One that does not read keeps the kind its name claims, so that loading it
 * says what is wrong; one that claims nothing is left alone.
 */
function kindOf(path: string): "merkle-tree" | "merkle-tree-with-key" | "public-key" | null {
  try {
    const file = readGscFile(path);
    if (file.kind === "public-key") return "public-key";
    return file.publicKeys.length > 0 ? "merkle-tree-with-key" : "merkle-tree";
  } catch (error) {
    if (!(error instanceof OsnmadError)) throw error;
    if (/merkle.?tree/i.test(basename(path))) return "merkle-tree";
    return /public.?key/i.test(basename(path)) ? "public-key" : null;
  }
}

/** Equal folder names in different places get their path for a name. */
function unambiguous(found: readonly VectorFiles[], root: string): VectorFiles[] {
  const named = found.map((vector) => {
    const alone = found.filter((other) => other.name === vector.name).length === 1;
    return alone ? vector : { ...vector, name: relative(root, vector.csv).replace(/\.csv$/i, "") };
  });
  return named.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (cause) {
    throw new OsnmadError(
      "OSN_VECTORS_NOT_FOUND",
      `${folder}: ${cause instanceof Error ? cause.message : String(cause)}.`,
      { cause },
    );
  }
}

function isFolder(folder: string, entry: Dirent): boolean {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  return statSync(join(folder, entry.name), { throwIfNoEntry: false })?.isDirectory() === true;
}
