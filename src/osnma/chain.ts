/**
 * A TESLA chain that hangs from a verified DSM-KROOT: its parameters, the newest verified key, and the keys
 * of past subframes, which follow from any newer one (OSNMA SIS ICD 1.1, TESLA chain). Keys are addressed by
 * linear time, never by time of week.
 */
import { SUBFRAME_SECONDS } from "../inav/gst.js";
import { sameBytes } from "./bits.js";
import type { ChainParameters, DsmKroot } from "./dsm-kroot.js";
import { createMac, type Mac } from "./mac.js";
import { mackLayoutOf, type MackLayout } from "./mack.js";
import { previousKey, walkBack } from "./tesla.js";

/** Keys of this many past subframes can be asked for (cold start buffer and slow MAC). */
export const KEY_HISTORY_SUBFRAMES = 64;

/** Names a public key: by Merkle root and PKID, never by PKID alone. */
export interface PublicKeyName {
  readonly root: string;
  readonly pkid: number;
}

/** A chain is named by its pattern and parameters: CIDs are reused. */
export function chainIdentity(cid: number, parameters: ChainParameters): string {
  const { hash, mac, keyBits, tagBits, maclt, alpha } = parameters;
  return `${cid}/${Buffer.from(alpha).toString("hex")}/${hash}/${mac}/${keyBits}/${tagBits}/${maclt}`;
}

export class Chain {
  readonly identity: string;
  readonly cid: number;
  readonly parameters: ChainParameters;
  readonly layout: MackLayout;
  readonly alphaHex: string;
  /** The newest DSM-KROOT verified for this chain, and the key that signed it. */
  kroot: DsmKroot;
  nmaHeader: number;
  signedBy: PublicKeyName;
  /** When a DSM-KROOT of this chain was last verified on air; null for one that came from storage. */
  verifiedOnAirAt: number | null;
  /** First subframe in force, as far as known; the end is open while null. */
  from = Number.NEGATIVE_INFINITY;
  until: number | null = null;
  newestGst: number;
  #newestKey: Uint8Array;
  readonly #keys = new Map<number, Uint8Array>();
  readonly #macs = new Map<number, Mac>();

  constructor(
    kroot: DsmKroot,
    parameters: ChainParameters,
    nmaHeader: number,
    signedBy: PublicKeyName,
    onAirAt: number | null,
  ) {
    this.identity = chainIdentity(kroot.cid, parameters);
    this.cid = kroot.cid;
    this.parameters = parameters;
    this.layout = mackLayoutOf(parameters);
    this.alphaHex = Buffer.from(parameters.alpha).toString("hex");
    this.kroot = kroot;
    this.nmaHeader = nmaHeader;
    this.signedBy = signedBy;
    this.verifiedOnAirAt = onAirAt;
    this.newestGst = kroot.gst0 - SUBFRAME_SECONDS;
    this.#newestKey = kroot.kroot;
    this.#keys.set(this.newestGst, kroot.kroot);
  }

  get newestKey(): Uint8Array {
    return this.#newestKey;
  }

  /** Whether a key (KROOT or received) disclosed in subframe `gst` belongs to this chain. Bounded by `maxSteps`. */
  verifyKey(gst: number, key: Uint8Array, maxSteps: number): boolean {
    if (gst <= this.newestGst) {
      const derived = this.#derive(gst, maxSteps);
      return derived !== null && sameBytes(derived, key);
    }
    const root = walkBack(this.parameters, key, gst, this.newestGst, maxSteps);
    if (root === null || !sameBytes(root, this.#newestKey)) return false;
    this.newestGst = gst;
    this.#newestKey = key;
    this.#keys.set(gst, key);
    this.#prune();
    return true;
  }

  /** The key disclosed in subframe `gst`, derived from a newer one where need be; null when none is newer. */
  keyAt(gst: number): Uint8Array | null {
    if (gst > this.newestGst) return null;
    const known = this.#keys.get(gst);
    if (known !== undefined) return known;
    if (this.newestGst - gst > KEY_HISTORY_SUBFRAMES * SUBFRAME_SECONDS) return null;
    return this.#derive(gst, KEY_HISTORY_SUBFRAMES);
  }

  /** The MAC under the key disclosed in subframe `gst`. */
  macAt(gst: number): Mac | null {
    if (gst > this.newestGst) return null;
    let mac = this.#macs.get(gst);
    if (mac === undefined) {
      const key = this.keyAt(gst);
      if (key === null) return null;
      mac = createMac(this.parameters, key);
      this.#macs.set(gst, mac);
      if (this.#macs.size > KEY_HISTORY_SUBFRAMES)
        this.#macs.delete(this.#macs.keys().next().value as number);
    }
    return mac;
  }

  /** Hashes down from the oldest known key that is not older than `gst`, and keeps what lies between. */
  #derive(gst: number, maxSteps: number): Uint8Array | null {
    let from = gst;
    let steps = 0;
    while (!this.#keys.has(from)) {
      from += SUBFRAME_SECONDS;
      if (++steps > maxSteps || from > this.newestGst) return null;
    }
    let key = this.#keys.get(from)!;
    while (from > gst) {
      from -= SUBFRAME_SECONDS;
      key = previousKey(this.parameters, key, from);
      if (this.newestGst - from <= KEY_HISTORY_SUBFRAMES * SUBFRAME_SECONDS) this.#keys.set(from, key);
    }
    return key;
  }

  #prune(): void {
    if (this.#keys.size <= KEY_HISTORY_SUBFRAMES * 2) return;
    const oldest = this.newestGst - KEY_HISTORY_SUBFRAMES * SUBFRAME_SECONDS;
    for (const gst of this.#keys.keys()) if (gst < oldest) this.#keys.delete(gst);
  }
}
