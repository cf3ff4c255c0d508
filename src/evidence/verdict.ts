/** What judging a bundle comes to: lines in order, from the Merkle root up to the position, and what stays unproven. */
import type { Mode } from "../pipeline/records.js";
import type { ObjectId } from "./objects.js";

/** What is checked; docs/evidence.md has a row for each. */
export const CHECKS = [
  "bundle",
  "object",
  "id",
  "reference",
  "public-key",
  "root-key",
  "tesla-key",
  "tag-rule",
  "macseq",
  "tag",
  "words",
  "minimum-tag-bits",
  "record",
  "mode",
  "satellite-data",
  "measurements",
  "position",
  "assurance",
  "receiver",
  "corroboration",
] as const;
export type CheckName = (typeof CHECKS)[number];

export interface VerdictLine<Check extends string = CheckName> {
  readonly check: Check;
  readonly ok: boolean;
  /** The object that the line is about; null for the bundle as a whole. */
  readonly object: ObjectId | null;
  /** The same for people: `words of E24`. */
  readonly name: string;
  /** Member of the object that is wrong, where it can be named. */
  readonly field: string | null;
  readonly detail: string;
}

/** What a Merkle root is to whoever judges. */
export type TrustedStanding = "operational" | "historic" | "test";

export interface Verdict {
  /** Every line holds. */
  readonly genuine: boolean;
  /** Id of the fix object, as the bundle names it; null where there is no bundle. */
  readonly root: ObjectId | null;
  readonly mode: Mode | null;
  /** Of the least of the Merkle roots that the fix hangs from; null where it hangs from none. */
  readonly standing: TrustedStanding | null;
  /** Said loudly: a replay, a simulation, test keys. */
  readonly warnings: readonly string[];
  readonly lines: readonly VerdictLine[];
  /** What no bundle can prove to somebody who did not hear the signal. */
  readonly notes: readonly string[];
}

/** The object that lines are about. */
export interface Subject {
  readonly id: ObjectId | null;
  readonly name: string;
}

/** Gathers lines. */
export class Lines<Check extends string = CheckName> {
  readonly lines: VerdictLine<Check>[] = [];

  pass(check: Check, { id, name }: Subject, detail: string): void {
    this.lines.push({ check, ok: true, object: id, name, field: null, detail });
  }

  fail(check: Check, { id, name }: Subject, field: string | null, detail: string): void {
    this.lines.push({ check, ok: false, object: id, name, field, detail });
  }

  get allHold(): boolean {
    return this.lines.length > 0 && this.lines.every(({ ok }) => ok);
  }
}
