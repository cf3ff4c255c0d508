/** Mutated streams through the whole pipeline with fixes, and what must hold whatever was done to them. */
import { createHash } from "node:crypto";
import { Framer } from "gnss-ubx";
import { fixesWith } from "../fix/fix-stage.js";
import { Pipeline, type PipelineOptions, type PipelineRecord } from "../pipeline/pipeline.js";
import type { FixRecord, SummaryRecord } from "../pipeline/records.js";
import { mutate } from "./mutations.js";
import type { Random } from "./random.js";
import { SignedData } from "./signed-data.js";

const UBX_OVERHEAD = 8;
const MAX_MUTATIONS = 6;
/** A record for every few frames is what a receiver's epochs give; a flood would be more. */
const MAX_RECORDS_PER_FRAME = 1;
const MAX_RECORDS_BESIDE = 500;
const HOUR = 3600;

export interface BaseStream {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly trust: Pick<PipelineOptions, "roots" | "keys" | "rootKey">;
}

/** What was broken, for a person: first what, then what had been done. */
export class Broken extends Error {
  readonly input: Uint8Array;
  readonly steps: readonly string[];
  constructor(what: string, input: Uint8Array, steps: readonly string[], cause?: unknown) {
    super(`${what}; after: ${steps.join(" + ")}`, { cause });
    this.input = input;
    this.steps = steps;
  }
}

interface Outcome {
  readonly records: PipelineRecord[];
  readonly summary: SummaryRecord;
  readonly digest: string;
}

export class PipelineTarget {
  readonly #bases: readonly {
    readonly base: BaseStream;
    readonly frames: readonly Uint8Array[];
    readonly signed: SignedData;
  }[];

  /** Data that was authenticated out of mutated streams so far: harm that leaves nothing would test nothing. */
  authenticated = 0;

  constructor(bases: readonly BaseStream[]) {
    // Streams under one root are spliced into each other: what any of them signed is signed.
    const byRoot = new Map<string, SignedData>();
    this.#bases = bases.map((base) => {
      const roots = base.trust.roots.map(({ root }) => root).join(" ");
      let signed = byRoot.get(roots);
      if (signed === undefined) byRoot.set(roots, (signed = new SignedData()));
      signed.learn(base.bytes);
      for (const record of run(base.bytes, base.trust, [base.bytes.length]).records) {
        if (record.type === "authenticated") signed.learnAuthenticated(record);
      }
      return { base, frames: framesOf(base.bytes), signed };
    });
  }

  /** One mutated stream. Throws Broken. */
  once(random: Random): void {
    const { base, frames, signed } = random.pick(this.#bases);
    const { bytes, steps } = mutate(frames, random, random.pick(this.#bases).frames, MAX_MUTATIONS);
    this.authenticated += check(bytes, [base.name, ...steps], base.trust, signed, random);
  }
}

/** What must hold of any bytes; gives how much was authenticated. */
function check(
  bytes: Uint8Array,
  steps: readonly string[],
  trust: BaseStream["trust"],
  signed: SignedData,
  random: Random,
): number {
  const broken = (what: string): Broken => new Broken(what, bytes, steps);
  let outcome: Outcome;
  try {
    outcome = run(bytes, trust, cuts(bytes.length, random));
  } catch (error) {
    throw new Broken(
      error instanceof Error ? `threw ${error.stack ?? error.message}` : "threw",
      bytes,
      steps,
      error,
    );
  }
  const { records, summary } = outcome;
  let lastFix = -Infinity;
  for (const record of records) {
    const number = badNumber(record);
    if (number !== null) throw broken(`${record.type} has no number at ${number}`);
    if (record.type === "authenticated") {
      const forgery = signed.forgery(record);
      if (forgery !== null)
        throw broken(`authenticated data of E${record.svid} that was never signed: ${forgery}`);
    }
    if (record.type === "fix") {
      if (record.gst <= lastFix) throw broken("an epoch was given again, or time went back");
      lastFix = record.gst;
      const wrong = wrongFix(record);
      if (wrong !== null) throw broken(`fix at ${record.gst}: ${wrong}`);
    }
  }
  const miscount = miscounted(bytes, summary);
  if (miscount !== null) throw broken(miscount);
  const frames = summary["frames"] as { ubxFrames: number };
  if (records.length > MAX_RECORDS_PER_FRAME * frames.ubxFrames + MAX_RECORDS_BESIDE) {
    throw broken(`${records.length} records out of ${frames.ubxFrames} frames`);
  }
  if (random.chance(8) && run(bytes, trust, cuts(bytes.length, random)).digest !== outcome.digest) {
    throw broken("the same bytes cut into other chunks gave other records");
  }
  if (random.chance(8)) {
    // A clock independent of the signal that stands an hour ahead, or none at all.
    const gst = summary["lastPageGst"] as number | null;
    const late = gst === null || random.chance(2) ? null : gst + HOUR;
    const live = run(bytes, trust, [bytes.length], late);
    if (live.records.some(({ type }) => type === "authenticated")) {
      throw broken(`live, authenticated ${late === null ? "without a clock" : "by a clock an hour ahead"}`);
    }
  }
  return records.filter(({ type }) => type === "authenticated").length;
}

/** The frames of a stream as copies, all kinds. */
export function framesOf(bytes: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  const keep = (frame: Uint8Array): void => void frames.push(new Uint8Array(frame));
  const framer = new Framer();
  const sink = {
    ubx: (_class: number, _id: number, payload: Uint8Array, offset: number): void => {
      keep(bytes.subarray(offset, offset + payload.length + UBX_OVERHEAD));
    },
    nmea: keep,
    rtcm3: keep,
  };
  framer.push(bytes, sink);
  framer.end(sink);
  return frames;
}

/** Ends of chunks, cut anywhere. */
function cuts(length: number, random: Random): number[] {
  const ends: number[] = [];
  const most = random.pick([7, 100, 4096, 300_000]);
  for (let at = 0; at < length;) {
    at = Math.min(length, at + random.between(1, most));
    ends.push(at);
    // Tiny chunks all the way would take longest of all.
    if (ends.length > 20_000) at = length;
  }
  if (ends.at(-1) !== length) ends.push(length);
  return ends;
}

/** `clockGst`: mode live with that trusted time, or none; undefined: replay on the capture's own timeline. */
function run(
  bytes: Uint8Array,
  trust: BaseStream["trust"],
  ends: readonly number[],
  clockGst?: number | null,
): Outcome {
  const records: PipelineRecord[] = [];
  const digest = createHash("sha256");
  const live = clockGst !== undefined;
  const mode = live ? "live" : "simulated";
  const pipeline = new Pipeline(
    { ...trust, mode, softwareVersion: "fuzz", fixes: fixesWith({ mode, softwareVersion: "fuzz" }) },
    (record) => {
      records.push(record);
      digest.update(JSON.stringify(record));
    },
  );
  // Replay is handed nothing at all: the capture's own timeline stands in.
  const trusted =
    clockGst === undefined || clockGst === null
      ? clockGst
      : ({ gst: clockGst, boundSeconds: 1, assurance: "independent" } as const);
  let from = 0;
  for (const end of ends) {
    // A copy: what a stage keeps of a chunk is its own affair only if it copies.
    const chunk = new Uint8Array(bytes.subarray(from, end));
    pipeline.push(chunk, trusted);
    chunk.fill(0xa5);
    from = end;
  }
  const summary = pipeline.end();
  digest.update(JSON.stringify(summary));
  return { records, summary, digest: digest.digest("hex") };
}

/** Path of the first number that is none, or null. */
function badNumber(value: unknown, path = ""): string | null {
  if (typeof value === "number") return Number.isFinite(value) ? null : path;
  if (typeof value !== "object" || value === null) return null;
  for (const [key, member] of Object.entries(value)) {
    const bad = badNumber(member, `${path}.${key}`);
    if (bad !== null) return bad;
  }
  return null;
}

function wrongFix({ own, assurance, receiver, authenticatedSatellites, reasons }: FixRecord): string | null {
  const grades = [own?.assurance, receiver?.assurance];
  if (!grades.includes(assurance) && assurance !== "unverified") return "graded better than either position";
  if (assurance === "unverified" && reasons.length === 0) return "unverified without a reason";
  if (own?.assurance !== "nav-authenticated") return null;
  if (own.raim === "detected") return "authenticated although RAIM detected";
  if (own.satellites.length < 4) return "authenticated with fewer than four satellites";
  const stranger = own.satellites.find(({ svid }) => !authenticatedSatellites.includes(svid));
  return stranger === undefined ? null : `E${stranger.svid} used without authenticated data`;
}

function miscounted(bytes: Uint8Array, summary: SummaryRecord): string | null {
  const frames = summary["frames"] as Record<string, number>;
  let framed = 0;
  const framer = new Framer();
  const count = (frame: Uint8Array): void => {
    framed += frame.length;
  };
  const sink = {
    ubx: (_class: number, _id: number, payload: Uint8Array): void => {
      framed += payload.length + UBX_OVERHEAD;
    },
    nmea: count,
    rtcm3: count,
  };
  framer.push(bytes, sink);
  framer.end(sink);
  if (frames["totalBytes"] !== bytes.length) return "bytes were lost";
  if (framed + summary.badBytes !== bytes.length) return "bytes of frames and bad bytes do not add up";
  const defects = summary["pageDefects"] as Record<string, number>;
  const times = summary["pageTimes"] as Record<string, number>;
  const skipped = summary["skippedPages"] as number;
  const pages = summary.pages + skipped + (summary["pagesE5b"] as number) - defects["dummy-word"];
  const told =
    times["timed"] + times["contradicting"] + times["conflicting"] + times["untimed"] + times["repeated"];
  if (pages !== told) return `${pages} pages, but ${told} of them accounted for`;
  for (const adkd of ["0", "4", "12"] as const) {
    if (summary.tags.authenticated[adkd] > summary.tags.verified[adkd])
      return "more tags authenticated than verified";
  }
  return null;
}
