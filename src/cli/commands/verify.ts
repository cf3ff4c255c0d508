/**
 * `osnmad verify <bundle|->`: judges an evidence bundle, OSNMA and position, with no database, no network and no word
 * of the station that made it: only Merkle roots. Line by line for people; with `--json` one `{"type": "check"}` per
 * line and a `{"type": "verdict"}` at the end. Exit 0 only if every line holds.
 */
import { closeSync, openSync } from "node:fs";
import type { Command } from "commander";
import { OsnmadError } from "../../errors.js";
import { MAX_BUNDLE_BYTES } from "../../evidence/bundle.js";
import { verifyBundle, type TrustedRoot, type Verdict, type VerdictLine } from "../../evidence/verify.js";
import { rootFact } from "../../trust/facts.js";
import { loadTrust } from "../../trust/material.js";
import { readUpTo, reasonOf } from "../../trust/state-store.js";
import { wholeNumber } from "../trust-options.js";

/** The bundle does not prove what it claims. */
export const EXIT_NOT_GENUINE = 1;

/** The edges of the command, to be replaced in tests. */
export interface VerifyIo {
  readonly out: (text: string) => void;
  /** Colours for a person at a terminal. */
  readonly colours: boolean;
  readonly exit: (code: number) => void;
}

const PROCESS_IO: VerifyIo = {
  out: (text) => void process.stdout.write(text),
  colours: process.stdout.isTTY && !process.env["NO_COLOR"],
  exit: (code) => {
    process.exitCode = code;
  },
};

interface Flags {
  readonly merkle?: string[];
  readonly fix?: string;
  readonly minTagBits: number;
  readonly json?: boolean;
}

const collect = (value: string, previous: string[] = []): string[] => [...previous, value];

export function registerVerify(program: Command, io: VerifyIo = PROCESS_IO): void {
  program
    .command("verify")
    .description("judge an evidence bundle again from nothing but the Merkle root")
    .argument("<bundle>", "evidence bundle of a fix, or - for standard input")
    .option(
      "--merkle <file>",
      "Merkle tree file of GSC whose root is trusted instead of the built-in one (repeatable)",
      collect,
    )
    .option("--fix <id>", "the id that the fix's record names as its evidence: refuse a bundle for another")
    .option(
      "--min-tag-bits <n>",
      "minimum equivalent tag length, bits",
      wholeNumber("min-tag-bits", 20, 1024),
      40,
    )
    .option("--json", "one JSON object per line")
    .action((bundle: string, flags: Flags) => {
      const expectedRoot = flags.fix?.toLowerCase() ?? null;
      if (expectedRoot !== null && !/^[0-9a-f]{64}$/.test(expectedRoot))
        throw new OsnmadError("OSN_USAGE", "--fix takes 64 hexadecimal digits.");
      const roots = trustedRoots(flags.merkle);
      const verdict = verifyBundle(readBundleFile(bundle), {
        roots,
        minimumTagBits: flags.minTagBits,
        expectedRoot,
      });
      io.out(flags.json === true ? jsonOf(verdict) : textOf(verdict, roots, io.colours));
      io.exit(verdict.genuine ? 0 : EXIT_NOT_GENUINE);
    });
}

/** Without a tree file the built-in operational roots; a trust store of this machine has no say. */
function trustedRoots(merkle: string[] | undefined): TrustedRoot[] {
  const material = loadTrust({ merkle, stateDir: null });
  return material.roots.map(({ root, hex, standing }) => ({
    root,
    standing,
    label: `${rootFact(hex)?.label ?? "an unknown Merkle tree"} (${hex.slice(0, 8).toUpperCase()})`,
  }));
}

/** The file's bytes, one more than a bundle may have at most. */
function readBundleFile(path: string): Uint8Array {
  try {
    const descriptor = path === "-" ? 0 : openSync(path, "r");
    try {
      // What is longer is handed on longer than allowed, for the verdict to say so.
      return readUpTo(descriptor, MAX_BUNDLE_BYTES) ?? new Uint8Array(MAX_BUNDLE_BYTES + 1);
    } finally {
      if (descriptor !== 0) closeSync(descriptor);
    }
  } catch (cause) {
    throw new OsnmadError("OSN_EVIDENCE_UNREADABLE", `cannot read the bundle ${path}: ${reasonOf(cause)}`, {
      cause,
    });
  }
}

function jsonOf(verdict: Verdict): string {
  const { lines, genuine, root, mode, standing, warnings, notes } = verdict;
  const failed = lines.filter(({ ok }) => !ok).length;
  return [
    ...lines.map((line) => ({ type: "check", ...line })),
    { type: "verdict", genuine, root, mode, standing, checks: lines.length, failed, warnings, notes },
  ]
    .map((record) => `${JSON.stringify(record)}\n`)
    .join("");
}

const GREEN = 32;
const RED = 31;
const YELLOW = 33;

/** Text of a bundle may hold anything: nothing in it moves the cursor or sets a title. */
function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "?");
}

function textOf(verdict: Verdict, roots: readonly TrustedRoot[], colours: boolean): string {
  const paint = (colour: number, text: string): string =>
    colours ? `\u001b[${colour}m${text}\u001b[0m` : text;
  const { lines, genuine, warnings, notes, standing } = verdict;
  const out = [`Trusted: ${roots.map(({ label }) => label).join("; ") || "nothing"}`];
  for (const warning of warnings) out.push(paint(YELLOW, `! ${warning}`));
  out.push("");
  for (const line of lines) out.push(lineOf(line, paint));
  if (notes.length > 0) out.push("", "Not proven by any bundle:");
  for (const note of notes) out.push(`  - ${printable(note)}`);
  const failed = lines.filter(({ ok }) => !ok);
  const under = standing === null || standing === "operational" ? "" : `, under ${standing} keys`;
  out.push(
    "",
    genuine
      ? paint(GREEN, `GENUINE${under}: all ${lines.length} checks hold.`)
      : paint(RED, `NOT GENUINE: ${failed.length} of ${lines.length} checks fail; the first says where.`),
  );
  return `${out.join("\n")}\n`;
}

function lineOf(
  { ok, check, name, object, field, detail }: VerdictLine,
  paint: (colour: number, text: string) => string,
): string {
  const mark = ok ? paint(GREEN, "ok  ") : paint(RED, "FAIL");
  const about = object === null ? name : `${name} [${object.slice(0, 12)}]`;
  const where = field === null ? "" : `, field ${field}`;
  return `${mark} ${check.padEnd(16)} ${printable(`${about}${where}: ${detail}`)}`;
}
