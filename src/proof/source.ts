/** Where the maker of a proof finds what a station, or somebody whom it gave everything, has of its log. */
import type { Mode } from "../pipeline/records.js";
import { parseCheckpoint, type Checkpoint } from "../station/checkpoint.js";
import { stationIdOf } from "../station/history.js";
import { decodeLeaf } from "../station/leaf.js";
import { bytesEqual } from "../station/merkle.js";
import { formatNote, parseSignatureLine } from "../station/note.js";
import type { LeafOpenings } from "../station/openings.js";
import type { StationLog } from "../station/station-log.js";
import { MAX_SIGHTINGS } from "./package.js";

export interface ProofSource {
  readonly station: Uint8Array;
  readonly mode: Mode;
  /** Leaves that are in a signed checkpoint. */
  readonly size: number;
  leaf(index: number): Uint8Array;
  /** Null where there are none, or none any more. */
  openings(index: number): LeafOpenings | null;
  /** Index of the first leaf of a subframe or gap that is not before `gst`; the size where all are. */
  firstLeafSince(gst: number): number;
  inclusionProof(index: number, size: number): Uint8Array[];
  /** From the tree of `first` leaves to that of `second`. */
  consistencyProof(first: number, second: number): Uint8Array[];
  /** Signed checkpoints that have the leaf, from the smallest, with what witnesses signed on each. */
  checkpointsWith(index: number): readonly Checkpoint[];
  /** The leaf that names the first key, then all in which a key changed. */
  keyLeaves(): { readonly first: Uint8Array; readonly rotations: readonly Uint8Array[] };
}

/** Leaves read at once while looking for rotations. */
const CHUNK = 1024;
/** Kind in the bytes of a leaf: a map of 11, key 1 and version, key 2 and the kind (docs/station-log.md). */
const KIND_AT = 4;
const ROTATION = 3;

export function logSource(log: StationLog): ProofSource {
  const { station, mode } = log;
  const signed = log.checkpoint?.size ?? 0;
  return {
    station,
    mode,
    size: signed,
    leaf: (index) => log.leaves(index, index + 1)[0],
    openings: (index) => log.openings(index),
    firstLeafSince: (gst) => Math.min(log.firstLeafSince(gst), signed),
    inclusionProof: (index, size) => log.inclusionProof(index, size),
    consistencyProof: (first, second) => log.consistencyProof(first, second),
    checkpointsWith: (index) => {
      const found: Checkpoint[] = [];
      for (let from = index; found.length < MAX_SIGHTINGS;) {
        const bare = log.checkpointWith(from);
        if (bare === null) break;
        const lines = log
          .cosignatures(bare.size)
          .flatMap(({ line }) => parseSignatureLine(line.trimEnd()) ?? []);
        const note = formatNote({ ...bare.note, signatures: [...bare.note.signatures, ...lines] });
        found.push(parseCheckpoint(note) ?? bare);
        from = bare.size;
      }
      return found;
    },
    keyLeaves: () => {
      const rotations: Uint8Array[] = [];
      const first = log.leaves(0, 1)[0];
      // The first key is still in force: nothing to look for in a log of years.
      if (bytesEqual(stationIdOf(log.key.publicKey), station)) return { first, rotations };
      for (let from = 0; from < signed; from += CHUNK) {
        for (const bytes of log.leaves(from, Math.min(signed, from + CHUNK))) {
          if (bytes[KIND_AT] === ROTATION && decodeLeaf(bytes)?.kind === "rotation") rotations.push(bytes);
        }
      }
      return { first, rotations };
    },
  };
}
