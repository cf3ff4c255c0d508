/** `osnmad conformance`: GSC's official OSNMA test vectors through the engine, judged one by one. */
import { type Command, Option } from "commander";
import { dirname, sep } from "node:path";
import type { Writable } from "node:stream";
import { OsnmadError } from "../../errors.js";
import type { EventRecord, SummaryRecord, TagCounts } from "../../pipeline/records.js";
import { Pipeline } from "../../pipeline/pipeline.js";
import { forEachPage, readVectorCsv } from "../../source/vector-csv.js";
import { findVectors, type VectorFiles } from "../../source/vector-folder.js";
import { JsonLines } from "../json-lines.js";
import { officialProblems } from "../official-vectors.js";
import { newPipeline, saveEngineState } from "../replay-run.js";
import { Style } from "../replay-text.js";
import { addTrustOptions, startMaterial, type StartMaterial, type TrustFlags } from "../trust-options.js";
import { SOFTWARE_VERSION } from "../version.js";

const PAGE_SECONDS = 2;

/** Roots only; roots and public keys; those and a root key. */
export type Start = "cold" | "warm" | "hot";

export interface ConformanceOptions extends TrustFlags {
  /** Default: as warm or hot as each vector's material allows. */
  readonly start?: Start | undefined;
}

/** A vector's end summary with its name and the verdict. */
export interface ConformanceRecord extends SummaryRecord {
  readonly name: string;
  readonly start: Start;
  readonly pass: boolean;
  /** Why it does not pass. */
  readonly problems: readonly string[];
  /** What a reader should know beside the verdict. */
  readonly notes: readonly string[];
}

interface ConformanceFlags extends ConformanceOptions {
  readonly json?: boolean;
}

export function registerConformance(program: Command): void {
  const command = program
    .command("conformance")
    .summary("run GSC's official OSNMA test vectors")
    .description(
      "Runs official OSNMA test vectors (navigation-bits CSV and key material as " +
        "published by GSC) and judges each: it passes when no tag fails and, for a vector " +
        "known here, its events and final state are as they must be.",
    )
    .argument("<folder>", "one vector's folder, or a parent of many")
    .option("--json", "one summary line per vector")
    .addOption(
      new Option(
        "--start <start>",
        "cold: Merkle roots only, warm: and public keys, hot: and a root key; default: as hot as the folder's files allow",
      ).choices(["cold", "warm", "hot"]),
    );
  addTrustOptions(command)
    .addHelpText(
      "after",
      `
Key options replace what the folders hold. Where a folder's only key is inside its tree file, the start is cold;
--start warm uses that key. Exit code: 0 when every vector passes, 1 when one does not.
Examples:
  osnmad conformance vectors/
  osnmad conformance vectors/configuration_2 --start cold --json`,
    )
    .action(async (folder: string, flags: ConformanceFlags) => {
      let passed = true;
      if (flags.json === true) {
        const lines = new JsonLines(process.stdout);
        for (const record of conformance(folder, flags)) {
          lines.write(record);
          passed &&= record.pass;
        }
        await lines.end();
      } else {
        passed = printConformance(folder, flags, process.stdout, process.stderr);
      }
      if (!passed) process.exitCode = 1;
    });
}

/** Runs every vector in `folder`. Throws OSN_VECTORS_NOT_FOUND or OSN_VECTOR_INVALID where there is none. */
export function runConformance(folder: string, options: ConformanceOptions): ConformanceRecord[] {
  return [...conformance(folder, options)];
}

function* conformance(
  folder: string,
  options: ConformanceOptions,
  before?: (vector: VectorFiles, index: number, count: number) => void,
): Generator<ConformanceRecord> {
  if (!options.trust && isGiven(options)) {
    throw new OsnmadError(
      "OSN_USAGE",
      "--no-trust means no key material at all; drop it or the key options.",
    );
  }
  const vectors = findVectors(folder);
  // What one vector leaves in a state folder, the next in time starts from.
  if (options.state !== undefined) vectors.sort((a, b) => a.firstPageGst - b.firstPageGst);
  for (const [index, vector] of vectors.entries()) {
    before?.(vector, index, vectors.length);
    yield runVector(vector, options);
  }
}

function isGiven({ merkle, publicKey, rootKey }: ConformanceOptions): boolean {
  return merkle !== undefined || publicKey !== undefined || rootKey !== undefined;
}

/** The key flags for a vector: those given, or else the folder's files as far as the start uses them. */
function flagsFor(
  vector: VectorFiles,
  options: ConformanceOptions,
): { flags: TrustFlags; start: Start; notes: string[] } {
  const notes: string[] = [];
  const given = isGiven(options);
  const merkle = given ? (options.merkle ?? []) : vector.merkle;
  let publicKey = given ? (options.publicKey ?? []) : vector.publicKey;
  let rootKey = given ? options.rootKey : (vector.rootKey ?? undefined);
  // Only who asks for a warm start gets the key inside a tree file.
  if (publicKey.length === 0 && (options.start === "warm" || options.start === "hot") && options.trust) {
    publicKey = given ? merkle : vector.treesWithKey;
  }
  // A root key given without its public key is an error that loading it explains.
  const hot = rootKey !== undefined && (publicKey.length > 0 || given);
  const possible: Start = hot ? "hot" : publicKey.length > 0 ? "warm" : "cold";
  const order: Start[] = ["cold", "warm", "hot"];
  const asked = options.start ?? possible;
  const start = order[Math.min(order.indexOf(asked), order.indexOf(possible))];
  if (start !== asked) notes.push(`started ${start}: the material does not allow a ${asked} start`);
  if (start === "cold") publicKey = [];
  if (start !== "hot") rootKey = undefined;
  const flags = {
    trust: options.trust && (merkle.length > 0 || publicKey.length > 0 || rootKey !== undefined),
    merkle: [...merkle],
    publicKey: [...publicKey],
    ...(rootKey === undefined ? {} : { rootKey }),
    ...(options.state === undefined ? {} : { state: options.state }),
    rule: options.rule,
    minTagBits: options.minTagBits,
  };
  if (flags.trust) return { flags, start, notes };
  return { flags: { ...flags, merkle: [], publicKey: [] }, start: "cold", notes };
}

function runVector(vector: VectorFiles, options: ConformanceOptions): ConformanceRecord {
  const pipelineOptions = {
    mode: "replay",
    rule: options.rule,
    minimumTagBits: options.minTagBits,
    softwareVersion: SOFTWARE_VERSION,
  } as const;
  const events: EventRecord[] = [];
  const { flags, start, notes } = flagsFor(vector, options);
  try {
    const material = startMaterial(flags);
    notes.push(...warningsOf(material, vector));
    const csv = readVectorCsv(vector.csv);
    const pipeline = newPipeline(
      {
        material,
        pipeline: { ...pipelineOptions, mode: material.simulated ? "simulated" : "replay" },
      },
      (record) => {
        if (record.type === "event") events.push(record);
      },
    );
    forEachPage(csv, (page, gst) => {
      pipeline.vectorPage(page, gst);
    });
    const summary = pipeline.end();
    if (options.state !== undefined) saveEngineState(options.state, material, pipeline);
    const pages = Math.max(0, ...csv.satellites.map((satellite) => satellite.pages));
    const problems = tagProblems(summary);
    const nothing = verifiedNothing(summary) ? whyNothing(material, start, summary, events) : null;
    if (nothing !== null) (nothing.wrong ? problems : notes).push(nothing.text);
    // A start that could not even verify a root key has no state to compare.
    if (summary.rootKeysVerified > 0 || summary.alertVerified) {
      problems.push(
        ...officialProblems({
          firstPageGst: csv.firstPageGst,
          endGst: csv.firstPageGst + pages * PAGE_SECONDS,
          roots: material.roots.map(({ root }) => root),
          start,
          summary,
          events,
        }),
      );
    }
    return recordOf(vector, summary, start, problems, notes);
  } catch (error) {
    if (!(error instanceof OsnmadError)) throw error;
    // One vector that cannot be run does not keep the others from their verdict.
    const empty = new Pipeline({ ...pipelineOptions, roots: [], keys: [] }, () => undefined).end();
    return recordOf(vector, empty, start, [`${error.code}: ${error.message} ${error.remedy}`], notes);
  }
}

function recordOf(
  vector: VectorFiles,
  summary: SummaryRecord,
  start: Start,
  problems: readonly string[],
  notes: readonly string[],
): ConformanceRecord {
  return {
    ...{ type: "summary", name: vector.name, start, pass: problems.length === 0, problems, notes },
    ...summary,
  };
}

const sum = (tags: TagCounts): number => tags["0"] + tags["4"] + tags["12"];

function verifiedNothing(summary: SummaryRecord): boolean {
  return sum(summary.tags.verified) === 0 && !summary.alertVerified;
}

/** The failures that pitfall A2 explains (a word 5 that COP does not announce) are not among the failed. */
function tagProblems({ tags, macseq }: SummaryRecord): string[] {
  const problems: string[] = [];
  const failed = sum(tags.failed);
  if (failed > 0) problems.push(`${failed} tag(s) failed (ADKD 0/4/12: ${triple(tags.failed)})`);
  if (macseq.failed > 0) problems.push(`${macseq.failed} MACSEQ failed`);
  return problems;
}

/**
 * Why not one tag was verified. A cold start that no signing key came for proves nothing and breaks nothing, and
 * neither does a start that finds OSNMA suspended; any other empty result is wrong.
 */
function whyNothing(
  material: StartMaterial,
  start: Start,
  summary: SummaryRecord,
  events: readonly EventRecord[],
): { wrong: boolean; text: string } {
  const happened = (name: string): boolean => events.some((event) => event.name === name);
  const because = (wrong: boolean, reason: string) => ({ wrong, text: `no tag was verified: ${reason}` });
  if (material.roots.length === 0 && material.keys.length === 0) {
    return because(true, "there is no key material");
  }
  if (summary.nmaStatus === "dont-use") {
    // The final state says whether that is right; a revoked chain's tags are not even tried.
    return because(false, "the only NMA status that a root key proved is don't use");
  }
  if (summary.rootKeysVerified > 0) return because(true, "a root key verified, but nothing by its chain");
  if (happened("kroot-rejected")) return because(true, "no root key on air verifies with the keys given");
  const unproven = happened("public-key-rejected") && summary.publicKeysVerified.length === 0;
  if (start === "cold" && !unproven) {
    return because(
      false,
      "a cold start needs the DSM-PKR of the key that signs, and this vector does not broadcast it; give a public key or --start warm",
    );
  }
  if (unproven) return because(true, "the DSM-PKR on air does not prove itself under the Merkle roots given");
  return because(true, "the root keys on air name a public key that was not given");
}

/** The material's warnings, but for the one that is the point here: official vectors come with test roots. */
function warningsOf(material: StartMaterial, vector: VectorFiles): string[] {
  const folder = `${dirname(vector.csv)}${sep}`;
  return material.warnings
    .filter((warning) => !warning.includes("is no operational Galileo root"))
    .map((warning) => (warning.startsWith(folder) ? warning.slice(folder.length) : warning));
}

function triple(tags: TagCounts): string {
  return `${tags["0"]}/${tags["4"]}/${tags["12"]}`;
}

const COLUMNS = [
  { title: "vector", left: true },
  { title: "start", left: true },
  { title: "verified 0", left: false },
  { title: "4", left: false },
  { title: "12", left: false },
  { title: "failed", left: false },
  { title: "dummy", left: false },
  { title: "MACSEQ", left: false },
  { title: "keys", left: false },
  { title: "TTFAF", left: false },
  { title: "NMAS / CPKS / chain", left: true },
  { title: "verdict", left: true },
] as const;

/** A table for people, then what each vector lacks. Returns whether all pass. */
export function printConformance(
  folder: string,
  options: ConformanceOptions,
  out: Writable,
  err: Writable,
): boolean {
  const live = (err as { isTTY?: boolean }).isTTY === true;
  const { bold, dim, green, red, yellow } = new Style(out);
  const records: ConformanceRecord[] = [];
  for (const record of conformance(folder, options, (vector, index, count) => {
    if (live) err.write(`\r\u001b[K${index + 1} of ${count}  ${vector.name}`);
  })) {
    records.push(record);
  }
  if (live) err.write("\r\u001b[K");

  const rows = records.map((record) => cells(record));
  const widths = COLUMNS.map(({ title }, column) =>
    Math.max(title.length, ...rows.map((row) => row[column].length)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        COLUMNS[column].left ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
      )
      .join("  ")
      .trimEnd();
  out.write(`${bold(line(COLUMNS.map(({ title }) => title)))}\n`);
  for (const [index, row] of rows.entries()) {
    const record = records[index];
    const colour = !record.pass ? red : verifiedNothing(record) ? yellow : green;
    const verdict = row.at(-1)!;
    out.write(`${line(row).slice(0, -verdict.length)}${colour(verdict)}\n`);
  }
  for (const { name, problems, notes } of records) {
    if (problems.length + notes.length === 0) continue;
    out.write(`\n${bold(name)}\n`);
    for (const problem of problems) out.write(`  ${red("problem")}  ${problem}\n`);
    for (const note of notes) out.write(`  ${dim("note")}     ${note}\n`);
  }
  const passed = records.filter(({ pass }) => pass).length;
  out.write(`\n${passed} of ${records.length} passed.\n`);
  return passed === records.length;
}

function cells(record: ConformanceRecord): string[] {
  const { tags } = record;
  return [
    record.name,
    record.start,
    ...(["0", "4", "12"] as const).map((adkd) => String(tags.verified[adkd])),
    triple(tags.failed),
    triple(tags.dummy),
    record.macseq.failed === 0
      ? String(record.macseq.verified)
      : `${record.macseq.verified}, ${record.macseq.failed} failed`,
    String(record.keysVerified),
    record.ttfafSeconds === null ? "never" : `${record.ttfafSeconds} s`,
    `${record.nmaStatus ?? "unknown"} / ${record.cpks ?? "unknown"} / ${record.chainId ?? "unknown"}`,
    record.pass ? (verifiedNothing(record) ? "nothing verified" : "pass") : "FAIL",
  ];
}
