/** Verdicts of `osnmad verify` for people and, as JSON lines, for programs. */
import type { TrustedRoot, Verdict } from "../evidence/verify.js";
import type { VerdictLine } from "../evidence/verdict.js";
import { GST_TO_UNIX } from "../inav/gst.js";
import type { ProofVerdict, ShownLeaf } from "../proof/verdict.js";
import { utcOf } from "../proof/verify-proof.js";
import type { FixTiming } from "../station/timing.js";
import type { WitnessPolicy } from "./witness-options.js";

const GREEN = 32;
const RED = 31;
const YELLOW = 33;
type Paint = (colour: number, text: string) => string;

const painter =
  (colours: boolean): Paint =>
  (colour, text) =>
    colours ? `\u001b[${colour}m${text}\u001b[0m` : text;

/** Text of a file may hold anything: nothing in it moves the cursor or sets a title. */
function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "?");
}

export function bundleJsonLines(verdict: Verdict): string {
  const { lines, genuine, root, mode, standing, warnings, notes } = verdict;
  return jsonLines(lines, { genuine, root, mode, standing, ...countsOf(lines), warnings, notes });
}

export function proofJsonLines(verdict: ProofVerdict, { leapSeconds }: WitnessPolicy): string {
  const { lines, timing, committed, leaves, ...said } = verdict;
  const timed = (leaf: ShownLeaf) => ({
    ...leaf,
    witnessedUtc: leaf.witnessedGst === null ? null : utcOf(unixOf(leaf.witnessedGst, leapSeconds)),
  });
  return jsonLines(lines, {
    ...said,
    ...countsOf(lines),
    class: timing?.class ?? null,
    reason: timing?.reason ?? null,
    satellites: timing?.satellites ?? [],
    committed: committed === null ? null : timed(committed),
    leaves: leaves.map(timed),
  });
}

function jsonLines(lines: readonly VerdictLine<string>[], verdict: Record<string, unknown>): string {
  return [...lines.map((line) => ({ type: "check", ...line })), { type: "verdict", ...verdict }]
    .map((record) => `${JSON.stringify(record)}\n`)
    .join("");
}

const countsOf = (lines: readonly VerdictLine<string>[]) => ({
  checks: lines.length,
  failed: lines.filter(({ ok }) => !ok).length,
});

export function bundleText(verdict: Verdict, roots: readonly TrustedRoot[], colours: boolean): string {
  const paint = painter(colours);
  const { lines, warnings, notes } = verdict;
  return textOf([
    trustedLine(roots),
    ...warnings.map((warning) => paint(YELLOW, `! ${warning}`)),
    "",
    ...lines.map((line) => lineOf(line, paint)),
    ...noteLines(notes, "Not proven by any bundle:"),
    "",
    conclusion(verdict, paint, ""),
  ]);
}

export function proofText(
  verdict: ProofVerdict,
  roots: readonly TrustedRoot[],
  policy: WitnessPolicy,
  colours: boolean,
): string {
  const paint = painter(colours);
  const { lines, warnings, notes, station, stationExpected, fix, committed, timing, unknownWitnesses } =
    verdict;
  const { witnesses, needed, marginSeconds, leapSeconds } = policy;
  const names = witnesses.map(({ key, boundSeconds }) => `${key.name} ±${boundSeconds} s`).join(", ");
  const out = [
    trustedLine(roots),
    witnesses.length === 0
      ? "Witnesses: none, so nothing is shown of when: class C (--witness)"
      : `Witnesses: ${needed} of ${names}; margin ${marginSeconds} s`,
    ...warnings.map((warning) => paint(YELLOW, `! ${warning}`)),
    ...(station !== null && !stationExpected
      ? [
          paint(
            YELLOW,
            "! NO STATION ASKED FOR: that a station of this id made it says nothing of whose it is (--station).",
          ),
        ]
      : []),
    "",
    ...lines.map((line) => lineOf(line, paint)),
    "",
  ];
  if (station !== null) out.push(`Station    ${station}`);
  if (fix !== null) out.push(`Fix        ${printable(fix.utc)}: ${gradesOf(fix)}`);
  if (committed !== null) {
    const { index, gst, challenges, seen } = committed;
    const ended = utcOf(unixOf(gst + 30, leapSeconds));
    out.push(
      `Committed  leaf ${index}, of the subframe that ended at ${ended}, ${challenges.length} challenges in it`,
    );
    for (const { witness, unixSeconds } of earliest(seen))
      out.push(`Witnessed  ${printable(witness)} at ${utcOf(unixSeconds)}`);
  }
  for (const name of unknownWitnesses)
    out.push(`           ${printable(name)} signed too, and is none of your witnesses`);
  if (timing !== null) out.push(...timingLines(timing));
  out.push(...noteLines(notes, "Not proven by any package:"));
  out.push("", conclusion(verdict, paint, timing === null ? "" : `, class ${timing.class}`));
  return textOf(out);
}

function gradesOf({ assurance, own, receiver }: NonNullable<ProofVerdict["fix"]>): string {
  const parts = [
    own === null ? "" : `own position ${own}`,
    receiver === null ? "" : `receiver's ${receiver}`,
  ];
  return printable(`${assurance} (${parts.filter((part) => part !== "").join(", ")})`);
}

/** Of each witness its earliest stamp. */
function earliest(seen: ShownLeaf["seen"]): ShownLeaf["seen"] {
  const first = new Map<string, ShownLeaf["seen"][number]>();
  for (const each of seen) {
    const known = first.get(each.witness);
    if (known === undefined || each.unixSeconds < known.unixSeconds) first.set(each.witness, each);
  }
  return [...first.values()];
}

const CLASSES = {
  A: "committed to before witnesses while the keys of slow tags (ADKD 12) were secret",
  B: "committed to before witnesses while the keys of fast tags (ADKD 0) were secret",
  C: "not shown to be committed to in time: anybody could have made it, so it is worth nothing to who did not hear the signal",
} as const;

function timingLines({ class: worst, reason, satellites }: FixTiming): string[] {
  return [
    `Class      ${worst}${reason === "in-time" ? "" : ` (${reason})`}: ${CLASSES[worst]}`,
    ...satellites.map(({ svid, class: its, reason: why, by }) => {
      const name = `  E${String(svid).padStart(2, "0")}      ${its}`;
      if (by === null) return `${name} ${why}`;
      const { adkd, prnA, slackSeconds } = by;
      const slack =
        slackSeconds === null
          ? "its leaf seen by too few"
          : `seen ${Math.abs(slackSeconds).toFixed(1)} s ${slackSeconds >= 0 ? "before" : "after"} its key`;
      return `${name} ${why}: tag of E${prnA}, ADKD ${adkd}, ${slack}`;
    }),
  ];
}

const unixOf = (gst: number, leapSeconds: number): number => gst + GST_TO_UNIX - leapSeconds;

function trustedLine(roots: readonly TrustedRoot[]): string {
  return `Trusted: ${roots.map(({ label }) => label).join("; ") || "nothing"}`;
}

function noteLines(notes: readonly string[], title: string): string[] {
  return notes.length === 0 ? [] : ["", title, ...notes.map((note) => `  - ${printable(note)}`)];
}

function conclusion(
  {
    lines,
    genuine,
    standing,
  }: Pick<Verdict, "genuine" | "standing"> & { lines: readonly VerdictLine<string>[] },
  paint: Paint,
  timing: string,
): string {
  const { checks, failed } = countsOf(lines);
  const under = standing === null || standing === "operational" ? "" : `, under ${standing} keys`;
  if (genuine) return paint(GREEN, `GENUINE${under}${timing}: all ${checks} checks hold.`);
  const refused = paint(RED, `NOT GENUINE: ${failed} of ${checks} checks fail; the first says where.`);
  const isForeign = lines.some(({ ok, check, field }) => !ok && check === "public-key" && field === "root");
  return isForeign
    ? `${refused}\nThe Merkle root that all hangs from is not trusted here. If you trust it, give its tree with --merkle FILE.`
    : refused;
}

function lineOf({ ok, check, name, object, field, detail }: VerdictLine<string>, paint: Paint): string {
  const mark = ok ? paint(GREEN, "ok  ") : paint(RED, "FAIL");
  const about = object === null ? name : `${name} [${object.slice(0, 12)}]`;
  const where = field === null ? "" : `, field ${field}`;
  return `${mark} ${check.padEnd(16)} ${printable(`${about}${where}: ${detail}`)}`;
}

const textOf = (lines: readonly string[]): string => `${lines.join("\n")}\n`;
