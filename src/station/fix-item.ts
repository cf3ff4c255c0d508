/**
 * What a leaf's item says of a fix, and whether it is of a given record. The id of the fix's evidence is a hash over the
 * whole record (docs/evidence.md): to hash the record once more cost more than all the rest of a leaf. Pure.
 */
import { canonicalJson } from "../evidence/canonical-json.js";
import type { FixRecord, OwnPosition, ReceiverPosition } from "../pipeline/records.js";
import { hexOf } from "../trust/hex.js";
import { epochSlot, GRADES, type FixItem, type PlaceItem } from "./items.js";
import { bytesEqual, sha256 } from "./merkle.js";

export function fixItemOf(record: FixRecord): FixItem {
  const { evidence } = record;
  return {
    gstMs: gstMsOf(record),
    own: placeOf(record.own),
    receiver: placeOf(record.receiver),
    evidence: evidence === null ? null : Buffer.from(evidence, "hex"),
    record: evidence === null ? digestOf(record) : null,
  };
}

/** Whether the item commits to this record: by the id of its evidence, by its digest where it has one. Never throws. */
export function commitsTo(item: FixItem, record: FixRecord): boolean {
  const { evidence } = record;
  if (item.gstMs !== gstMsOf(record)) return false;
  if (item.evidence === null ? evidence !== null : hexOf(item.evidence) !== evidence) return false;
  return item.record === null ? item.evidence !== null : isDigestOf(item.record, record);
}

/** Slot of the fix in the leaf of the subframe `subframeGst`; null where it is of another one. */
export function fixSlot(record: Pick<FixRecord, "gst">, subframeGst: number): number | null {
  return epochSlot(gstMsOf(record), subframeGst);
}

export function gstMsOf({ gst }: Pick<FixRecord, "gst">): number {
  return Math.round(gst * 1000);
}

/** SHA-256 of the canonical JSON of a whole record. */
function digestOf(record: FixRecord): Uint8Array {
  return sha256(canonicalJson(record));
}

function isDigestOf(digest: Uint8Array, record: FixRecord): boolean {
  try {
    return bytesEqual(digest, digestOf(record));
  } catch {
    // A record out of a file may hold what canonical JSON cannot.
    return false;
  }
}

function placeOf(position: OwnPosition | ReceiverPosition | null): PlaceItem | null {
  if (position === null) return null;
  const { assurance, latitudeE7, longitudeE7, heightMm } = position;
  return { grade: GRADES.indexOf(assurance), latitudeE7, longitudeE7, heightMm };
}
