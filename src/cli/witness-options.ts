/** Whom a verifier believes about time: the options that `verify` and `consume` share. */
import { InvalidArgumentError, type Command } from "commander";
import { OsnmadError } from "../errors.js";
import { COSIGNATURE_V1, parseVerifierKey } from "../station/note.js";
import type { TimedWitness } from "../station/timing.js";
import { wholeNumber } from "./trust-options.js";

export interface WitnessFlags {
  readonly witness?: readonly TimedWitness[];
  readonly needed: number;
  readonly margin: number;
  readonly leapSeconds: number;
}

export interface WitnessPolicy {
  readonly witnesses: readonly TimedWitness[];
  readonly needed: number;
  readonly marginSeconds: number;
  readonly leapSeconds: number;
}

export function addWitnessOptions(command: Command): Command {
  return command
    .option(
      "--witness <key>",
      "verifier key of a witness; with @seconds behind it the bound of its clock, else 1 s (repeatable)",
      witnessOf,
    )
    .option(
      "--needed <n>",
      "how many of the witnesses must have seen a leaf in time",
      wholeNumber("needed", 1, 64),
      1,
    )
    .option("--margin <seconds>", "beyond the clocks' bounds", wholeNumber("margin", 0, 300), 5)
    .option("--leap-seconds <n>", "GST minus UTC", wholeNumber("leap-seconds", 0, 60), 18);
}

/** Throws OSN_USAGE for witnesses that cannot be what is meant. */
export function witnessPolicy({ witness = [], needed, margin, leapSeconds }: WitnessFlags): WitnessPolicy {
  const keys = new Set(witness.map(({ key }) => Buffer.from(key.publicKey).toString("hex")));
  const names = new Set(witness.map(({ key }) => key.name));
  if (keys.size !== witness.length || names.size !== witness.length)
    throw new OsnmadError("OSN_USAGE", "--witness: two of them have the same key or name.");
  if (witness.length > 0 && needed > witness.length) {
    throw new OsnmadError(
      "OSN_USAGE",
      `--needed: of ${witness.length} witnesses ${needed} cannot be needed.`,
    );
  }
  return { witnesses: witness, needed, marginSeconds: margin, leapSeconds };
}

function witnessOf(text: string, previous: readonly TimedWitness[] = []): readonly TimedWitness[] {
  const match = /^(.*?)(?:@(\d+(?:\.\d+)?))?$/.exec(text.trim());
  const key = match === null ? null : parseVerifierKey(match[1]);
  if (match === null || key?.type !== COSIGNATURE_V1) {
    throw new InvalidArgumentError(
      "not a witness's verifier key: <name>+<id>+<base64>, with @seconds if wanted",
    );
  }
  const bound = match[2] as string | undefined;
  return [...previous, { key, boundSeconds: bound === undefined ? 1 : Number(bound) }];
}
