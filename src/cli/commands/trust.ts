/**
 * `osnmad trust list | show | import`: what is trusted, why, and bringing in GSC files.
 *
 * `list` and `show` print aligned columns for people, with `--json` one JSON object per line for programs.
 * Keys are always shown as (root, PKID).
 */
import type { Command } from "commander";
import { OsnmadError } from "../../errors.js";
import { ROOT_FACTS, rootFact } from "../../trust/facts.js";
import type { Applicability, RootStanding } from "../../trust/facts.js";
import { hexOf } from "../../trust/hex.js";
import { loadTrust, readGscFile } from "../../trust/material.js";
import { defaultStateDir } from "../../trust/state-store.js";
import { importFiles, loadTrustStore, saveTrustStore } from "../../trust/trust-store.js";

/** The edges of these commands, to be replaced in tests. */
export interface TrustCommandIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly now: () => Date;
}

const PROCESS_IO: TrustCommandIo = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  now: () => new Date(),
};

const GSC_NOTE =
  "Compare the operational root with the one GSC publishes (https://www.gsc-europa.eu, GSC products, OSNMA)\n" +
  "before you rely on it.\n";

interface RootRow {
  readonly kind: "root";
  readonly root: string;
  readonly standing: RootStanding;
  readonly trusted: boolean;
  readonly label: string;
  readonly applicability: Applicability;
  readonly state: string | null;
  readonly issueDate: string | null;
  readonly importedAt: string | null;
  readonly source: string;
}

interface KeyRow {
  readonly kind: "key";
  readonly name: string;
  readonly root: string;
  readonly pkid: number;
  readonly leaf: number;
  readonly type: string;
  readonly point: string;
  readonly standing: RootStanding;
  readonly trusted: boolean;
  readonly applicability: Applicability;
  readonly state: string | null;
  readonly issueDate: string | null;
  readonly importedAt: string | null;
  readonly source: string;
}

type Row = RootRow | KeyRow;

interface SharedOptions {
  readonly state?: string;
  readonly json?: boolean;
}

/** Adds `trust` and its subcommands to the program. */
export function registerTrust(program: Command, io: TrustCommandIo = PROCESS_IO): void {
  const trust = program
    .command("trust")
    .description("show and extend the Merkle roots and public keys that are trusted");

  trust
    .command("list")
    .description("list every known root and public key, and whether it is trusted without further options")
    .option("--json", "one JSON object per line")
    .option("--state <dir>", `folder of the trust store (default: ${homeless(defaultStateDir())})`)
    .action((options: SharedOptions) => {
      const { rows, warnings } = gather(options.state);
      io.out(options.json === true ? jsonLines(rows) : listText(rows));
      tell(io, warnings);
    });

  trust
    .command("show")
    .description(
      "show a root, a PKID (under every root), or one key as <root>/<PKID>, with all that is known",
    )
    .argument(
      "<root-or-pkid>",
      "the first 6 or more hex digits of a root, a PKID (0 to 15), or both joined by /",
    )
    .option("--json", "one JSON object per line")
    .option("--state <dir>", "folder of the trust store")
    .action((which: string, options: SharedOptions) => {
      const { rows } = gather(options.state);
      const found = select(rows, which);
      io.out(options.json === true ? jsonLines(found) : found.map(showText).join("\n"));
    });

  trust
    .command("import")
    .description("import GSC Merkle tree and public key files into the trust store")
    .argument(
      "<file...>",
      "OSNMA_MerkleTree_*.xml and OSNMA_PublicKey_*.xml; a key needs a known tree that proves it",
    )
    .option("--state <dir>", "folder of the trust store")
    .option(
      "--test",
      "admit trees other than the operational Galileo one; they are used only when --merkle gives them",
    )
    .action((paths: string[], options: SharedOptions & { readonly test?: boolean }) => {
      importPaths(paths, options, io);
    });
}

function importPaths(
  paths: readonly string[],
  options: SharedOptions & { readonly test?: boolean },
  io: TrustCommandIo,
): void {
  const dir = options.state ?? defaultStateDir();
  const files = paths.map((name) => ({ name, file: readGscFile(name) }));
  const savedAt = io.now().toISOString();
  const former = loadTrustStore(dir);
  const { store, notes } = importFiles(former, files, { test: options.test === true, importedAt: savedAt });
  const changed = notes.some((note) => note.outcome === "added" || note.outcome === "updated");
  if (changed) saveTrustStore(dir, store, savedAt);
  tell(
    io,
    files.flatMap(({ name, file }) => file.warnings.map((warning) => `${name}: ${warning}`)),
  );
  io.out(columns(notes.map((note) => [note.kind, nameText(note.name), note.standing, note.outcome])));
  if (notes.some((note) => note.standing !== "operational")) {
    io.out(
      "A root marked test or historic is listed, but never trusted by itself: " +
        "give its file with --merkle to the run that needs it.\n",
    );
  }
  if (!changed) io.out("Nothing was changed.\n");
}

/** Facts and trust store together, roots before their keys. */
function gather(stateDir: string | undefined): { rows: Row[]; warnings: readonly string[] } {
  const dir = stateDir ?? defaultStateDir();
  const store = loadTrustStore(dir);
  const material = loadTrust({ stateDir: dir });
  const rows: Row[] = [];
  const hexes = new Set([...ROOT_FACTS.map((fact) => fact.hex), ...store.roots.map((root) => root.hex)]);
  for (const hex of hexes) {
    const fact = rootFact(hex);
    const stored = store.roots.find((root) => root.hex === hex);
    const standing = fact?.standing ?? "test";
    rows.push({
      kind: "root",
      root: hex,
      standing,
      trusted: material.roots.some((root) => root.hex === hex),
      label: fact?.label ?? "imported test tree",
      applicability: fact?.applicability ?? stored?.applicability ?? { begin: null, end: null },
      state: stored?.state ?? null,
      issueDate: stored?.issueDate ?? null,
      importedAt: stored?.importedAt ?? null,
      source: sourceOf(fact?.source, stored !== undefined),
    });
    const pkids = new Set([
      ...(fact?.keys ?? []).map((key) => key.pkid),
      ...store.keys.filter((key) => key.rootHex === hex).map((key) => key.pkid),
    ]);
    for (const pkid of [...pkids].sort((a, b) => a - b)) {
      const name = `${hex}/${pkid}`;
      const builtIn = fact?.keys.find((key) => key.pkid === pkid);
      const own = store.keys.find((key) => key.rootHex === hex && key.pkid === pkid);
      const key = own ?? builtIn;
      if (key === undefined) continue;
      const trusted = material.publicKeys.find((candidate) => candidate.name === name);
      rows.push({
        kind: "key",
        name,
        root: hex,
        pkid,
        leaf: key.i,
        type: key.type,
        point: hexOf(key.point),
        standing,
        trusted: trusted !== undefined,
        applicability: trusted?.applicability ?? key.applicability,
        state: key.state,
        issueDate: key.issueDate,
        importedAt: own?.importedAt ?? null,
        source: sourceOf(builtIn?.source, own !== undefined),
      });
    }
  }
  return { rows, warnings: material.warnings };
}

function sourceOf(fact: string | undefined, stored: boolean): string {
  if (fact === undefined) return "trust store";
  return stored ? `trust store; built-in: ${fact}` : `built-in: ${fact}`;
}

function select(rows: readonly Row[], which: string): Row[] {
  const match = /^(?:([0-9a-f]{6,64})(?:\/(\d{1,2}))?|(\d{1,2}))$/.exec(which.toLowerCase());
  if (match === null) {
    throw new OsnmadError(
      "OSN_USAGE",
      `${JSON.stringify(which)} is neither 6 or more hex digits of a root, nor a PKID from 0 to 15, nor <root>/<PKID>`,
    );
  }
  const [, prefix, pkidOfRoot, pkidAlone] = match;
  const pkidText = pkidOfRoot ?? pkidAlone;
  const pkid = pkidText === undefined ? null : Number(pkidText);
  const found = rows.filter(
    (row) =>
      (prefix === undefined || row.root.startsWith(prefix)) &&
      (pkid === null || (row.kind === "key" && row.pkid === pkid)),
  );
  if (found.length === 0)
    throw new OsnmadError(
      "OSN_USAGE",
      `There is no root or key ${which}; osnmad trust list has all that are known.`,
    );
  return found;
}

function listText(rows: readonly Row[]): string {
  const roots = rows.filter((row) => row.kind === "root");
  const keys = rows.filter((row) => row.kind === "key");
  return (
    columns([
      ["ROOT", "STANDING", "TRUSTED", "FROM", "UNTIL"],
      ...roots.map((row) => [row.root.toUpperCase(), row.standing, yesNo(row.trusted), ...span(row)]),
    ]) +
    "\n" +
    columns([
      ["KEY", "TYPE", "STATE", "TRUSTED", "FROM", "UNTIL", "POINT"],
      ...keys.map((row) => [
        nameText(row.name),
        row.type,
        row.state ?? "-",
        yesNo(row.trusted),
        ...span(row),
        `${row.point.slice(0, 16).toUpperCase()}...`,
      ]),
    ]) +
    "\n" +
    GSC_NOTE
  );
}

function showText(row: Row): string {
  const [begin, end] = span(row);
  const lines: [string, string][] =
    row.kind === "root"
      ? [
          ["root", row.root.toUpperCase()],
          ["name", row.label],
        ]
      : [
          ["key", `PKID ${row.pkid} of root ${row.root.toUpperCase()}`],
          ["type", row.type],
          ["point", row.point.toUpperCase()],
          ["leaf", String(row.leaf)],
        ];
  lines.push(
    ["standing", row.standing],
    ["trusted", row.trusted ? "yes" : "no, only where an option gives it explicitly"],
    ["from", begin],
    ["until", end],
    ["state", row.state ?? "-"],
    ["issued", row.issueDate ?? "-"],
    ["imported", row.importedAt ?? "-"],
    ["source", row.source],
  );
  return columns(lines);
}

/** `832E15ED/2`: enough of the root for people; JSON and `show` have all of it. */
function nameText(name: string): string {
  const [root, pkid] = name.split("/");
  return pkid === undefined ? root.toUpperCase() : `${root.slice(0, 8).toUpperCase()}/${pkid}`;
}

function span(row: Row): [string, string] {
  return [row.applicability.begin ?? "-", row.applicability.end ?? "-"];
}

function yesNo(value: boolean): string {
  return value ? "yes" : "no";
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, cell.length)));
  }
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, index) => cell.padEnd(widths[index]))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

function jsonLines(rows: readonly Row[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

function tell(io: TrustCommandIo, warnings: readonly string[]): void {
  for (const warning of warnings) io.err(`warning: ${warning}\n`);
}

/** The default folder without this user's name in it, for the help text. */
function homeless(path: string): string {
  const home = process.env["HOME"];
  return home !== undefined && home !== "" && path.startsWith(`${home}/`)
    ? `~${path.slice(home.length)}`
    : path;
}
