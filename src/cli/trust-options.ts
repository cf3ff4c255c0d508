/** The key material options that `replay`, `conformance` and `serve` share, and their way into the engine. */
import { type Command, Option } from "commander";
import { OsnmadError } from "../errors.js";
import type { OsnmaSnapshot } from "../osnma/engine.js";
import type { GivenKey, GivenRoot } from "../osnma/key-ring.js";
import type { DataRule } from "../pipeline/records.js";
import { standingOf } from "../trust/facts.js";
import { applicabilityGst, explicitKeyName, loadTrust, type TrustMaterial } from "../trust/material.js";
import { isRecord, loadState } from "../trust/state-store.js";

export interface TrustFlags {
  readonly merkle?: string[];
  readonly publicKey?: string[];
  readonly rootKey?: string;
  readonly trust: boolean;
  readonly state?: string;
  readonly rule: DataRule;
  readonly minTagBits: number;
}

const collect = (value: string, previous: string[] = []): string[] => [...previous, value];

export function wholeNumber(name: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new OsnmadError(
        "OSN_USAGE",
        `--${name} takes a whole number from ${min} to ${max}, not "${text}".`,
      );
    }
    return value;
  };
}

export function addTrustOptions(command: Command): Command {
  return command
    .option(
      "--merkle <file>",
      "Merkle tree file of GSC; its root is trusted (repeatable: a renewal needs two)",
      collect,
    )
    .option(
      "--public-key <file>",
      "public key file of GSC, or a tree file for its PublicKey (repeatable)",
      collect,
    )
    .option("--root-key <file>", "DSM-KROOT and NMA header in hexadecimal, for a hot start")
    .option(
      "--no-trust",
      "trust nothing at all; otherwise, without key options, the built-in Galileo material",
    )
    .option("--state <dir>", "keep trust state here and start from it; without it nothing is written")
    .addOption(
      new Option("--rule <rule>", "which words a tag may authenticate (docs/ttfaf.md)")
        .choices(["guideline", "aggressive"])
        .default("guideline"),
    )
    .option(
      "--min-tag-bits <n>",
      "minimum equivalent tag length, bits",
      wholeNumber("min-tag-bits", 20, 1024),
      40,
    );
}

/** How the receiver's own flags are weighed when a fix is graded. */
export function policyOption(): Option {
  return new Option(
    "--policy <policy>",
    "strict: the receiver's spoofing and jamming flags lower a fix's grade alone; default: only with another sign",
  )
    .choices(["default", "strict"])
    .default("default");
}

/** What the engine starts with, by the flags. */
export interface StartMaterial {
  readonly roots: GivenRoot[];
  readonly keys: GivenKey[];
  readonly rootKey: { readonly dsm: Uint8Array; readonly nmaHeader: number } | null;
  readonly snapshot: OsnmaSnapshot | null;
  readonly warnings: readonly string[];
  /** A root that is no Galileo root is among them: what it authenticates is a simulation, and says so. */
  readonly simulated: boolean;
}

export function startMaterial(flags: TrustFlags): StartMaterial {
  const material = loadTrust({
    merkle: flags.merkle,
    publicKey: flags.publicKey,
    rootKey: flags.rootKey,
    noTrust: !flags.trust,
    ...(flags.state === undefined ? {} : { stateDir: flags.state }),
  });
  const simulated = isSimulated(material);
  const snapshot = flags.state === undefined ? null : snapshotOf(loadState(flags.state), simulated);
  return { ...givenOf(material), snapshot, warnings: material.warnings, simulated };
}

/** A key that hangs from no Galileo root we know of makes a simulation as much as a test root does. */
export function isSimulated({ roots, publicKeys }: TrustMaterial): boolean {
  return (
    roots.some(({ standing }) => standing === "test") ||
    publicKeys.some(({ root }) => root === null || standingOf(root) === "test")
  );
}

export function givenOf(material: TrustMaterial): Omit<StartMaterial, "snapshot" | "warnings" | "simulated"> {
  return {
    roots: material.roots.map(({ hex }) => ({ root: hex })),
    keys: material.publicKeys.map((key) => {
      const applies = key.enforceApplicability
        ? applicabilityGst(key.applicability)
        : { begin: null, end: null };
      return {
        root: key.root ?? explicitKeyName(key.point),
        pkid: key.pkid,
        type: key.type,
        point: key.point,
        proof: key.proof,
        validFrom: applies.begin,
        validUntil: applies.end,
      };
    }),
    rootKey: material.rootKey,
  };
}

/** What is kept in a state folder: the engine's state, and whether a simulation made it. */
export interface StoredState {
  readonly simulated: boolean;
  readonly engine: OsnmaSnapshot;
}

/** A stored engine state, or null where none is stored yet. Its parts are checked again as they are restored. */
function snapshotOf(stored: unknown, simulated: boolean): OsnmaSnapshot | null {
  if (stored === null) return null;
  if (!isRecord(stored))
    throw new OsnmadError("OSN_STATE_CORRUPT", "The stored OSNMA state is not of a known form.");
  if (stored["simulated"] !== simulated) {
    throw new OsnmadError(
      "OSN_USAGE",
      `The state folder belongs to ${stored["simulated"] === true ? "simulated" : "real"} signals and this run does not; give it another --state.`,
    );
  }
  const snapshot = engineStateOf(stored["engine"]);
  if (snapshot.alert) {
    throw new OsnmadError(
      "OSN_ALERT_LATCHED",
      "The state folder holds an authenticated OSNMA alert; nothing is authenticated from it.",
    );
  }
  return snapshot;
}

function engineStateOf(stored: unknown): OsnmaSnapshot {
  if (
    isRecord(stored) &&
    stored["format"] === 1 &&
    Array.isArray(stored["chains"]) &&
    Array.isArray(stored["revokedChains"])
  ) {
    return stored as unknown as OsnmaSnapshot;
  }
  throw new OsnmadError("OSN_STATE_CORRUPT", "The stored OSNMA state is not of a known form.");
}
