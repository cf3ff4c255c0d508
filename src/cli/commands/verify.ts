/**
 * `osnmad verify <file|->`: judges an evidence bundle or a proof package, with no database, no network and no word of the
 * station that made it: only Merkle roots, and for the time of a package witnesses. Line by line for people; with
 * `--json` one `{"type": "check"}` per line and a `{"type": "verdict"}` at the end. Exit 0 only if every line holds.
 */
import { closeSync, openSync } from "node:fs";
import { InvalidArgumentError, Option, type Command } from "commander";
import { OsnmadError, reasonOf } from "../../errors.js";
import { verifyBundle } from "../../evidence/verify.js";
import { isProof, MAX_PROOF_BYTES } from "../../proof/package.js";
import { verifyProof } from "../../proof/verify-proof.js";
import { ED25519, parseVerifierKey } from "../../station/note.js";
import { parseOrigin } from "../../station/origin.js";
import type { TimingClass } from "../../station/timing.js";
import { readUpTo } from "../../trust/state-store.js";
import { wholeNumber } from "../trust-options.js";
import { trustedRoots } from "../trusted-roots.js";
import { bundleJsonLines, bundleText, proofJsonLines, proofText } from "../verify-text.js";
import { addWitnessOptions, witnessPolicy, type WitnessFlags } from "../witness-options.js";

/** The file does not prove what it claims. */
export const EXIT_NOT_GENUINE = 1;
/** It does, but was not committed to as soon as `--class` asks for. */
export const EXIT_LATE = 10;

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

interface Flags extends WitnessFlags {
  readonly merkle?: string[];
  readonly fix?: string;
  readonly minTagBits: number;
  readonly json?: boolean;
  readonly station?: Uint8Array;
  readonly class?: TimingClass;
}

const collect = (value: string, previous: string[] = []): string[] => [...previous, value];

export function registerVerify(program: Command, io: VerifyIo = PROCESS_IO): void {
  const verify = program
    .command("verify")
    .summary("judge a fix again, offline: an evidence bundle, or a proof package with its time")
    .description(
      "Judges a fix again from nothing but what you trust: of an evidence bundle, from the Merkle root, that it is genuine " +
        "and how it is graded; of a proof package also when it was committed to and which of your witnesses saw that.",
    )
    .argument("<file>", "evidence bundle or proof package of a fix, or - for standard input")
    .option(
      "--merkle <file>",
      "Merkle tree file of GSC whose root is trusted instead of the built-in one (repeatable)",
      collect,
    )
    .option("--fix <id>", "the id that the fix's record names as its evidence: refuse a file for another")
    .option(
      "--min-tag-bits <n>",
      "minimum equivalent tag length, bits",
      wholeNumber("min-tag-bits", 20, 1024),
      40,
    )
    .option("--json", "one JSON object per line")
    .optionsGroup("Of a proof package:")
    .option(
      "--station <id>",
      "the station that must have made it: its id, or its verifier key as `osnmad key export-public` prints it",
      stationIn,
    )
    .addOption(
      new Option("--class <class>", "exit with 10 unless the timing class is this one or better").choices([
        "A",
        "B",
        "C",
      ]),
    );
  addWitnessOptions(verify)
    .addHelpText(
      "after",
      `
Exit status: 0 genuine; 1 not, and the first line that fails says where; 10 genuine, but of a lesser class than --class.
Without --witness nothing is shown of when, and every fix is of class C: worth nothing to who did not hear the signal.
Examples:
  osnmad verify fix.json                                    # evidence: what the fix follows from
  osnmad verify fix.osnmad-proof.json --station "$STATION" --class A \\
    --witness "$W1@0.5" --witness "$W2@0.5" --needed 2      # and when, and who saw it
Formats: docs/evidence.md, docs/proof.md.`,
    )
    .action((path: string, flags: Flags) => {
      const expectedRoot = flags.fix?.toLowerCase() ?? null;
      if (expectedRoot !== null && !/^[0-9a-f]{64}$/.test(expectedRoot))
        throw new OsnmadError("OSN_USAGE", "--fix takes 64 hexadecimal digits.");
      const policy = witnessPolicy(flags);
      const roots = trustedRoots(flags.merkle);
      const options = { roots, minimumTagBits: flags.minTagBits, expectedRoot };
      const bytes = readWhole(path);
      const json = flags.json === true;
      if (!isProof(bytes)) {
        if (flags.station !== undefined || flags.class !== undefined || flags.witness !== undefined) {
          throw new OsnmadError(
            "OSN_USAGE",
            "--station, --class and --witness are for proof packages; this file is none, and an evidence bundle says nothing of when.",
          );
        }
        const verdict = verifyBundle(bytes, options);
        io.out(json ? bundleJsonLines(verdict) : bundleText(verdict, roots, io.colours));
        io.exit(verdict.genuine ? 0 : EXIT_NOT_GENUINE);
        return;
      }
      const verdict = verifyProof(bytes, { ...options, ...policy, station: flags.station ?? null });
      io.out(json ? proofJsonLines(verdict, policy) : proofText(verdict, roots, policy, io.colours));
      const isLate = flags.class !== undefined && (verdict.timing?.class ?? "C") > flags.class;
      io.exit(!verdict.genuine ? EXIT_NOT_GENUINE : isLate ? EXIT_LATE : 0);
    });
}

/** Station id of hexadecimal digits, an origin or a verifier key. */
function stationIn(text: string): Uint8Array {
  const key = parseVerifierKey(text.trim());
  const id = /^[0-9a-fA-F]{64}$/.test(text.trim()) ? Uint8Array.from(Buffer.from(text.trim(), "hex")) : null;
  const origin = key?.type === ED25519 ? parseOrigin(key.name) : parseOrigin(text.trim());
  const station = id ?? origin?.station;
  if (station === undefined) {
    throw new InvalidArgumentError("neither a station's id (64 hexadecimal digits) nor its verifier key");
  }
  return station;
}

/** The file's bytes; of a file that is too long more than a package may have. */
function readWhole(path: string): Uint8Array {
  try {
    const descriptor = path === "-" ? 0 : openSync(path, "r");
    try {
      // What is longer is handed on longer than allowed, for the verdict to say so.
      return readUpTo(descriptor, MAX_PROOF_BYTES) ?? new Uint8Array(MAX_PROOF_BYTES + 1);
    } finally {
      if (descriptor !== 0) closeSync(descriptor);
    }
  } catch (cause) {
    throw new OsnmadError("OSN_EVIDENCE_UNREADABLE", `cannot read ${path}: ${reasonOf(cause)}`, {
      cause,
    });
  }
}
