/**
 * A station under a simulated sky and its witnesses, driven by simulated time: what each leaf was, when it was seen,
 * and what a verifier would be shown of it.
 */
import { mackLayoutOf } from "../../src/osnma/mack.js";
import { readBits } from "../../src/osnma/bits.js";
import type { FixRecord } from "../../src/pipeline/records.js";
import { OPERATIONAL_PARAMETERS } from "../../src/simulate/tesla-chain.js";
import { parseCheckpoint, type Checkpoint } from "../../src/station/checkpoint.js";
import { decodeTags, epochSlot, tagsSlot } from "../../src/station/items.js";
import { decodeLeaf } from "../../src/station/leaf.js";
import { formatNote, parseSignatureLine } from "../../src/station/note.js";
import { openItem } from "../../src/station/openings.js";
import type { Station } from "../../src/station/station.js";
import {
  keyOffsetSeconds,
  type CommittedTag,
  type FixTimingInput,
  type ProvenLeaf,
  type TimingPolicy,
} from "../../src/station/timing.js";
import { PlayedSky } from "./played-sky.js";
import { LEAP_SECONDS, type TestWitness } from "./test-witness.js";

export { openStation } from "./played-sky.js";
export { LEAP_SECONDS, TestWitness, unixOf } from "./test-witness.js";

const layout = mackLayoutOf({ ...OPERATIONAL_PARAMETERS } as never);
export const KEY_OFFSET = keyOffsetSeconds(layout.keyStartBit);

const sky = new PlayedSky({ seed: "station", subframes: 8, maxSatellites: 8 });
export const START_GST = sky.startGst;
export const SATELLITES = sky.satellites;
export const TEST_TRUST = sky.trust;
export const TEST_ROOT = sky.authority.root;
/** As the receiver sends them. */
export const frames = (): readonly Uint8Array[] => sky.frames;

export interface Heard {
  readonly fixes: readonly FixRecord[];
}

/** Plays the whole sky, and gives its fixes. */
export async function play(station: Station, onLeaf: (gst: number) => Promise<void>): Promise<Heard> {
  await sky.play(station, onLeaf);
  return { fixes: sky.fixes.map(({ record }) => record) };
}

/** The leaf with all cosignatures that the log has on the first checkpoint with it. */
export function provenLeaf(station: Station, index: number): ProvenLeaf {
  const { log } = station;
  const bare = log.checkpointWith(index)!;
  const signatures = log.cosignatures(bare.size).map(({ line }) => parseSignatureLine(line.trimEnd())!);
  const note = { ...bare.note, signatures: [...bare.note.signatures, ...signatures] };
  const checkpoint: Checkpoint = parseCheckpoint(formatNote(note))!;
  return {
    bytes: log.leaves(index, index + 1)[0],
    sightings: [{ inclusion: log.inclusionProof(index, bare.size), checkpoint }],
  };
}

/** Index of the leaf of each subframe. */
export function subframeLeaves(station: Station): Map<number, number> {
  const found = new Map<number, number>();
  station.log.leaves(0, station.log.size).forEach((bytes, index) => {
    const leaf = decodeLeaf(bytes)!;
    if (leaf.kind === "subframe") found.set(leaf.gst, index);
  });
  return found;
}

/** All tags in the log over the ephemeris of a satellite, of one kind. */
export function tagsFor(station: Station, svid: number, adkds: readonly number[]): CommittedTag[] {
  const tags: CommittedTag[] = [];
  for (const [gst, index] of subframeLeaves(station)) {
    const openings = station.log.openings(index)!;
    for (const prnA of SATELLITES) {
      const opening = openItem(openings, "tags", tagsSlot(prnA));
      if (opening === null) continue;
      const { mack } = decodeTags(opening.item)!;
      for (let ctr = 1; ctr <= layout.slots; ctr++) {
        const start = (ctr - 1) * layout.slotBits;
        const info = readBits(mack, start + layout.tagBits, 16);
        const prnD = ctr === 1 ? prnA : info >>> 8;
        const adkd = ctr === 1 ? 0 : (info >>> 4) & 0xf;
        if (prnD !== svid || !adkds.includes(adkd)) continue;
        const tag = new Uint8Array(layout.tagBits / 8).map((_, at) => readBits(mack, start + 8 * at, 8));
        const { tagBits } = layout;
        const leaf = provenLeaf(station, index);
        tags.push({
          prnA,
          prnD,
          gst,
          ctr,
          adkd: adkd as 0 | 12,
          cop: info & 0xf,
          tag,
          tagBits,
          opening,
          leaf,
        });
      }
    }
  }
  return tags;
}

/** What a verifier is shown of a fix. */
export function timingInput(
  station: Station,
  fix: FixRecord,
  adkds: readonly number[] = [0, 12],
): FixTimingInput {
  const gst = Math.floor(fix.gst / 30) * 30;
  const index = subframeLeaves(station).get(gst)!;
  const opening = openItem(
    station.log.openings(index)!,
    "fixes",
    epochSlot(Math.round(fix.gst * 1000), gst)!,
  )!;
  return {
    fix: { opening, leaf: provenLeaf(station, index) },
    satellites: fix.own!.satellites.map(({ svid }) => ({ svid, tags: tagsFor(station, svid, adkds) })),
  };
}

export function policyFor(
  station: Station,
  witnesses: readonly Pick<TestWitness, "key">[],
  needed = 1,
): TimingPolicy {
  return {
    station: station.log.station,
    origin: station.log.origin,
    mode: "simulated",
    witnesses: witnesses.map(({ key }) => ({ key, boundSeconds: 1 })),
    needed,
    marginSeconds: 5,
    leapSeconds: LEAP_SECONDS,
    keyOffsetSeconds: KEY_OFFSET,
  };
}
