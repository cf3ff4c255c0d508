/**
 * The timing class of a fix: what a third party may conclude from when its tags were committed to. Pure; clocks,
 * bounds and margins are inputs. docs/timing-classes.md has the reasons.
 *
 * Whether a tag's MAC holds over the data that the fix used is the evidence's matter (docs/evidence.md); the tags
 * given here are those for which it does.
 */
import { GST_TO_UNIX, SUBFRAME_SECONDS } from "../inav/gst.js";
import { bitsEqual, readBits } from "../osnma/bits.js";
import { pageOfBit, TAG_INFO_BITS } from "../osnma/mack.js";
import type { Mode } from "../pipeline/records.js";
import type { Checkpoint } from "./checkpoint.js";
import { verifyOpening, type Opening } from "./commitment.js";
import { cosignaturesOf } from "./cosignature.js";
import { decodeFix, decodeTags, epochSlot, tagsSlot } from "./items.js";
import { decodeLeaf, rootIn, type SubframeLeaf } from "./leaf.js";
import { bytesEqual, leafHash, verifyInclusion } from "./merkle.js";
import type { VerifierKey } from "./note.js";

/** A: ADKD 12, B: ADKD 0 or 4, both witnessed before the key; C: worth nothing to who did not hear the signal. */
export type TimingClass = "A" | "B" | "C";

export interface TimedWitness {
  readonly key: VerifierKey;
  /** Bound on the error of its clock against UTC, seconds; never that of a clock which a station disciplines. */
  readonly boundSeconds: number;
}

export interface TimingPolicy {
  readonly station: Uint8Array;
  /** Checkpoints of other logs prove nothing. */
  readonly origin: string;
  readonly mode: Mode;
  readonly witnesses: readonly TimedWitness[];
  /** How many of them must have seen a leaf in time. */
  readonly needed: number;
  /** Beyond the clocks' bounds, seconds. */
  readonly marginSeconds: number;
  /** GST minus UTC, seconds. */
  readonly leapSeconds: number;
  /**
   * Seconds from the start of the disclosing subframe to the first bit of its key; 0 is always safe, and leaves no
   * room for class B. `keyOffsetSeconds` gives it for the chain in force.
   */
  readonly keyOffsetSeconds: number;
  /** A satellite needs tags of so many bits together, as its data did to be authentic; 40 unless told otherwise. */
  readonly minimumTagBits?: number;
}

/** That a leaf is in the tree of a checkpoint. */
export interface LeafSighting {
  readonly inclusion: readonly Uint8Array[];
  /** With the cosignatures among its signatures. */
  readonly checkpoint: Checkpoint;
}

/** A leaf with what shows that it is in a log and when it was seen. */
export interface ProvenLeaf {
  readonly bytes: Uint8Array;
  /** One or more: a witness that missed one size saw the leaf in a larger one. */
  readonly sightings: readonly LeafSighting[];
}

/** A tag over the data that the fix used, and where it was committed to. */
export interface CommittedTag {
  readonly prnA: number;
  readonly prnD: number;
  /** GST_SF of the subframe that carried it. */
  readonly gst: number;
  /** Slot from 1; 1 is Tag0. */
  readonly ctr: number;
  readonly adkd: 0 | 4 | 12;
  readonly cop: number;
  /** Left-aligned. */
  readonly tag: Uint8Array;
  readonly tagBits: number;
  readonly opening: Opening;
  readonly leaf: ProvenLeaf;
}

export interface FixTimingInput {
  /** The fix itself: its opening in the leaf of its epoch. */
  readonly fix: { readonly opening: Opening; readonly leaf: ProvenLeaf };
  /** Every satellite that the fix was computed from, each with the tags over the very data that was used. */
  readonly satellites: readonly { readonly svid: number; readonly tags: readonly CommittedTag[] }[];
}

export type TimingReason =
  | "in-time"
  | "leaf-unreadable"
  | "leaf-of-another-station"
  | "leaf-of-another-mode"
  | "leaf-of-another-subframe"
  | "leaf-not-in-checkpoint"
  | "opening-does-not-hold"
  | "tag-not-in-opening"
  | "fix-not-in-opening"
  | "too-few-witnesses"
  | "witnessed-before-it-was-sent"
  | "witnessed-after-disclosure"
  | "fix-witnessed-after-disclosure"
  | "history-not-shown"
  | "no-tag"
  | "too-few-tag-bits";

export interface TagTiming {
  readonly class: TimingClass;
  readonly reason: TimingReason;
  readonly prnA: number;
  readonly gst: number;
  readonly adkd: 0 | 4 | 12;
  /** GST from which anybody could have made the tag. */
  readonly disclosureGst: number;
  readonly witnessedGst: number | null;
  /** Seconds between the two; negative where the witnesses came too late. */
  readonly slackSeconds: number | null;
}

export interface FixTiming {
  readonly class: TimingClass;
  readonly reason: TimingReason;
  /** GST by which enough witnesses had seen the leaf of the fix itself; null where they are too few. */
  readonly witnessedGst: number | null;
  /** The worst of its satellites decides. */
  readonly satellites: readonly {
    readonly svid: number;
    readonly class: TimingClass;
    readonly reason: TimingReason;
    /** The tag that its class rests on. */
    readonly by: TagTiming | null;
  }[];
}

/** GST at which the key of a tag begins to be broadcast. */
export function disclosureGst(gst: number, adkd: 0 | 4 | 12, keyOffsetSeconds: number): number {
  return gst + (adkd === 12 ? 11 : 1) * SUBFRAME_SECONDS + keyOffsetSeconds;
}

/** Seconds into a subframe at which the first key bit is on the air: an E1-B page begins at odd seconds, OSNMA is in its second half. */
export function keyOffsetSeconds(keyStartBit: number): number {
  return 1 + 2 * pageOfBit(keyStartBit) + 1;
}

/** GST by which a witness had certainly seen what it stamped: a stamp of whole seconds may be up to a second old. */
export function seenGst(timestamp: number, boundSeconds: number, leapSeconds: number): number {
  return timestamp + 1 + boundSeconds - GST_TO_UNIX + leapSeconds;
}

/** When enough witnesses had seen a leaf for certain, by checkpoints that have it: of each witness its earliest. */
export function witnessedGst(checkpoints: readonly Checkpoint[], policy: TimingPolicy): number | null {
  const { witnesses, needed, leapSeconds } = policy;
  if (!(needed >= 1)) return null;
  const seen: number[] = [];
  const counted = new Set<string>();
  for (const { key, boundSeconds } of witnesses) {
    // One key is one witness, under however many names.
    const who = Buffer.from(key.publicKey).toString("hex");
    if (counted.has(who)) continue;
    counted.add(who);
    const stamps = checkpoints.flatMap(({ note }) => cosignaturesOf(note, [key]));
    if (stamps.length === 0) continue;
    seen.push(seenGst(Math.min(...stamps.map(({ timestamp }) => timestamp)), boundSeconds, leapSeconds));
  }
  return seen.sort((a, b) => a - b).at(needed - 1) ?? null;
}

/** What is known of leaves. Signatures and paths are what costs: each is verified once, however many tags rest on it. */
interface Leaves {
  readonly seenAt: (leaf: ProvenLeaf) => number | null;
  readonly isInTrees: (leaf: ProvenLeaf) => boolean;
}

function leavesOnce(policy: TimingPolicy): Leaves {
  return {
    seenAt: once((leaf) => witnessedGst(checkpointsOf(leaf), policy)),
    isInTrees: once(isInTrees),
  };
}

function once<Answer>(ask: (leaf: ProvenLeaf) => Answer): (leaf: ProvenLeaf) => Answer {
  const known = new Map<ProvenLeaf, Answer>();
  return (leaf) => {
    if (!known.has(leaf)) known.set(leaf, ask(leaf));
    return known.get(leaf)!;
  };
}

export function fixTiming({ fix, satellites }: FixTimingInput, policy: TimingPolicy): FixTiming {
  const known = leavesOnce(policy);
  const fixSeen = known.seenAt(fix.leaf);
  const judged = satellites.map((satellite) => satelliteTiming(satellite, policy, known, fixSeen));
  const worst = [...judged].sort(byClass).at(-1);
  const own = fixLeaf(fix, policy, known);
  const told = { witnessedGst: fixSeen, satellites: judged };
  if (own !== "in-time") return { class: "C", reason: own, ...told };
  return { class: worst?.class ?? "C", reason: worst?.reason ?? "no-tag", ...told };
}

/** The best class for which tags of enough bits were in time. */
function satelliteTiming(
  { svid, tags }: FixTimingInput["satellites"][number],
  policy: TimingPolicy,
  known: Leaves,
  fixSeen: number | null,
): FixTiming["satellites"][number] {
  const distinct = new Map<string, CommittedTag>();
  for (const tag of tags) {
    if (tag.prnD === svid) distinct.set(`${tag.prnA} ${tag.gst} ${tag.ctr}`, tag);
  }
  const judged = [...distinct.values()]
    .map((tag) => ({
      bits: tag.tagBits,
      timing: overCommittedData(tagTiming(tag, policy, known), fixSeen, policy),
    }))
    .sort((a, b) => byClass(a.timing, b.timing));
  let bits = 0;
  for (const { bits: more, timing } of judged) {
    if (timing.class === "C") break;
    bits += more;
    if (bits >= (policy.minimumTagBits ?? DEFAULT_MINIMUM_TAG_BITS)) {
      return { svid, class: timing.class, reason: "in-time", by: timing };
    }
  }
  const best = judged.at(0)?.timing ?? null;
  const reason = best === null ? "no-tag" : best.class === "C" ? best.reason : "too-few-tag-bits";
  return { svid, class: "C", reason, by: best };
}

/**
 * A tag counts only over data that were committed to while its key was secret, as the fix with its evidence was: who knows
 * the key can search for data that go with the bits of a tag, and there are but 40 of them.
 */
function overCommittedData(
  timing: TagTiming,
  fixSeen: number | null,
  { marginSeconds }: TimingPolicy,
): TagTiming {
  if (timing.class === "C" || (fixSeen !== null && fixSeen + marginSeconds < timing.disclosureGst))
    return timing;
  return { ...timing, class: "C", reason: "fix-witnessed-after-disclosure" };
}

/** What a tag says of when it was received. */
export function tagTiming(
  tag: CommittedTag,
  policy: TimingPolicy,
  known: Leaves = leavesOnce(policy),
): TagTiming {
  const { prnA, gst, adkd } = tag;
  const disclosure = disclosureGst(gst, adkd, policy.keyOffsetSeconds);
  const verdict = (reason: TimingReason, seen: number | null): TagTiming => ({
    class: reason !== "in-time" ? "C" : adkd === 12 ? "A" : "B",
    reason,
    prnA,
    gst,
    adkd,
    disclosureGst: disclosure,
    witnessedGst: seen,
    slackSeconds: seen === null ? null : disclosure - seen,
  });
  const leaf = leafOf(tag.leaf, gst, policy, known);
  if (typeof leaf === "string") return verdict(leaf, null);
  const root = rootIn(leaf, "tags");
  if (root === null || tag.opening.category !== "tags" || !verifyOpening(tag.opening, root)) {
    return verdict("opening-does-not-hold", null);
  }
  if (!isInOpening(tag)) return verdict("tag-not-in-opening", null);
  const seen = known.seenAt(tag.leaf);
  return verdict(timeliness(leaf, seen, disclosure, policy), seen);
}

/** The fix's own leaf: one that was not seen while slow keys were secret could have been computed at leisure. */
function fixLeaf(
  { opening, leaf: proven }: FixTimingInput["fix"],
  policy: TimingPolicy,
  known: Leaves,
): TimingReason {
  const item = opening.category === "fixes" ? decodeFix(opening.item) : null;
  if (item === null) return "fix-not-in-opening";
  const gst = Math.floor(item.gstMs / 1000 / SUBFRAME_SECONDS) * SUBFRAME_SECONDS;
  if (epochSlot(item.gstMs, gst) !== opening.slot) return "fix-not-in-opening";
  const leaf = leafOf(proven, gst, policy, known);
  if (typeof leaf === "string") return leaf;
  const root = rootIn(leaf, "fixes");
  if (root === null || !verifyOpening(opening, root)) return "opening-does-not-hold";
  const seen = known.seenAt(proven);
  return timeliness(leaf, seen, disclosureGst(gst, 12, policy.keyOffsetSeconds), policy);
}

function timeliness(
  leaf: SubframeLeaf,
  seen: number | null,
  disclosure: number,
  { marginSeconds }: TimingPolicy,
): TimingReason {
  if (seen === null) return "too-few-witnesses";
  // Seen before the subframe was over: it was made before there was anything to hear, or a clock is wrong.
  if (seen < leaf.gst + SUBFRAME_SECONDS) return "witnessed-before-it-was-sent";
  return seen + marginSeconds < disclosure ? "in-time" : "witnessed-after-disclosure";
}

function leafOf(
  proven: ProvenLeaf,
  gst: number,
  policy: TimingPolicy,
  known: Leaves,
): SubframeLeaf | TimingReason {
  const leaf = decodeLeaf(proven.bytes);
  if (leaf?.kind !== "subframe") return "leaf-unreadable";
  if (!bytesEqual(leaf.station, policy.station)) return "leaf-of-another-station";
  if (leaf.mode !== policy.mode) return "leaf-of-another-mode";
  if (leaf.gst !== gst) return "leaf-of-another-subframe";
  if (proven.sightings.some(({ checkpoint }) => checkpoint.origin !== policy.origin))
    return "leaf-of-another-station";
  return known.isInTrees(proven) ? leaf : "leaf-not-in-checkpoint";
}

function isInTrees({ bytes, sightings }: ProvenLeaf): boolean {
  const index = decodeLeaf(bytes)?.index ?? -1;
  const hash = leafHash(bytes);
  return (
    sightings.length > 0 &&
    sightings.every(({ checkpoint, inclusion }) =>
      verifyInclusion(index, checkpoint.size, hash, inclusion, checkpoint.root),
    )
  );
}

const checkpointsOf = ({ sightings }: ProvenLeaf): Checkpoint[] =>
  sightings.map(({ checkpoint }) => checkpoint);

/** Whether the opened MACK section has this tag in this slot, of this satellite, wholly received. */
function isInOpening({ opening, prnA, prnD, gst, ctr, adkd, cop, tag, tagBits }: CommittedTag): boolean {
  const item = decodeTags(opening.item);
  if (item === null || item.svid !== prnA || item.gst !== gst || opening.slot !== tagsSlot(prnA))
    return false;
  if (!Number.isInteger(ctr) || ctr < 1 || !(tagBits >= 20 && tagBits <= 40) || tag.length * 8 < tagBits) {
    return false;
  }
  const start = (ctr - 1) * (tagBits + TAG_INFO_BITS);
  const end = start + tagBits + TAG_INFO_BITS;
  if (end > item.mack.length * 8) return false;
  for (let page = pageOfBit(start); page <= pageOfBit(end - 1); page++) {
    if (((item.pages >>> page) & 1) === 0) return false;
  }
  if (!bitsEqual(item.mack, start, tag, 0, tagBits)) return false;
  const info = readBits(item.mack, start + tagBits, TAG_INFO_BITS);
  // Tag0 authenticates its own satellite by ADKD 0; its 16 bits are MACSEQ and COP.
  if (ctr === 1) return prnD === prnA && adkd === 0 && (info & 0xf) === cop;
  return info === ((prnD << 8) | (adkd << 4) | cop);
}

const DEFAULT_MINIMUM_TAG_BITS = 40;
const RANK: Readonly<Record<TimingClass, number>> = { A: 0, B: 1, C: 2 };

function byClass(a: { readonly class: TimingClass }, b: { readonly class: TimingClass }): number {
  return RANK[a.class] - RANK[b.class];
}
