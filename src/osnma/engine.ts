/**
 * The OSNMA engine: pages and trusted time in, authenticated navigation data and events out. It keeps what
 * arrives until chain and key are known, releases tags when their key is verified, and follows the NMA status
 * and the chain and public key life cycle (OSNMA SIS ICD 1.1; docs/architecture.md has the order of work).
 * Pure and synchronous: same input, same output.
 */
import { subframeOfE1Page, SUBFRAME_SECONDS, towOf, wnOf } from "../inav/gst.js";
import type { InavPage } from "../inav/page.js";
import { e1bHealthOf, sisaIndexOf } from "../inav/word.js";
import type {
  AuthenticatedRecord,
  Cpks,
  DataRule,
  EventRecord,
  EvidenceRecord,
  NmaStatus,
  OsnmaState,
  OsnmaStatusRecord,
  TagName,
  TimeAssurance,
} from "../pipeline/records.js";
import { authenticate, type Authenticated } from "./authenticated.js";
import { bitsEqual, copyBits, readBits } from "./bits.js";
import { Chain, chainIdentity, type PublicKeyName } from "./chain.js";
import { completeDsmKroot, parseDsmKroot, verifyDsmKroot, type DsmKroot } from "./dsm-kroot.js";
import { parseDsmPkr, verifyDsmPkr } from "./dsm-pkr.js";
import { DsmStore, FIRST_PKR_ID, type DsmCandidate } from "./dsm-store.js";
import { searchKeyTail } from "./key-search.js";
import { KrootInference } from "./kroot-inference.js";
import { KeyRing, type GivenKey, type GivenRoot, type KeyRingSnapshot, type RingKey } from "./key-ring.js";
import type { Mac } from "./mac.js";
import { macLookup, messageIndexOf } from "./mac-lookup-table.js";
import {
  adkdOfInfo,
  cop0Of,
  copOfInfo,
  macseqOf,
  pageOfBit,
  prnDOfInfo,
  tagInfoOf,
  tagStartBit,
} from "./mack.js";
import {
  HISTORY_SECONDS,
  NavigationData,
  type Candidate,
  type CedSet,
  type TimingSet,
  type Window,
} from "./navigation-data.js";
import { soundSnapshot } from "./snapshot.js";
import { Subframe, type SatelliteSubframe } from "./subframe.js";
import { buildMacseqMessage, buildTagMessage, CED_BITS, TIMING_BITS } from "./tag-message.js";
import { timeGate, type TimeGateReason, type TrustedTime } from "./time-gate.js";

/** Tags wait this long for a chain (a cold start may need two PKR bursts and a KROOT burst). */
const PENDING_SUBFRAMES = 40;
/** Key disclosure delay of ADKD 0, 4 and MACSEQ, and of ADKD 12 (slow MAC). */
const FAST_DELAY_SECONDS = 30;
const SLOW_DELAY_SECONDS = 330;
/** Authenticated data is not used longer than this after its reference time or its last reception. */
export const DATA_VALIDITY_SECONDS = 4 * 3600;
/** Guidelines: the DSM-KROOT is to be verified again at least every hour. */
const KROOT_VALIDITY_SECONDS = 3600;
/** A DSM-KROOT names the hour it is broadcast in, or the one before; twice that and an hour of margin. */
const KROOT_AGE_SECONDS = 3 * 3600;
/** Pages may arrive out of order by this much; older ones are refused. */
const REORDER_SECONDS = 30;
/** Keys older than the newest one known are derived this far back: a day. */
const MAX_BACK_STEPS = 2880;
/** Where the newest known key is further back than this, a failing candidate costs much: few are tried then. */
const FAR_STEPS = 600;
const FAR_CANDIDATES = 4;
/** Margin on the number of chain steps that time allows. */
const STEP_MARGIN = 4;
/** Four satellites give a position. */
export const SATELLITES_FOR_FIX = 4;
const CONSTELLATION_PRN = 255;
const MAX_SVID = 36;
const MAX_UNVERIFIED_KROOTS = 4;
/** A stored key may be this many chain steps above its root, some 14 months: bounds what a spoiled state costs. */
const MAX_RESTORED_STEPS = 1_250_000;
/** Keys tried in one subframe: all of some thirty satellites that contradict each other, and mixtures. */
const MAX_KEYS_TRIED = 64;

const NMA_STATUS: readonly (NmaStatus | null)[] = [null, "test", "operational", "dont-use"];
const CPKS: readonly (Cpks | null)[] = [null, "nominal", "eoc", "crev", "npk", "pkrev", "nmt", "am"];
type Adkd = 0 | 4 | 12;

export interface OsnmaOptions {
  readonly roots: readonly GivenRoot[];
  readonly keys: readonly GivenKey[];
  /** A DSM-KROOT and the NMA header it was broadcast with, for a hot start. */
  readonly rootKey?: { readonly dsm: Uint8Array; readonly nmaHeader: number } | null;
  /** What an earlier engine's `snapshot()` returned. */
  readonly snapshot?: OsnmaSnapshot | null;
  readonly rule?: DataRule;
  /** Minimum equivalent tag length, bits (guidelines since January 2024: 40). */
  readonly minimumTagBits?: number;
  readonly timeAssurance: TimeAssurance;
  /** Called for every decided tag; off by default. */
  readonly onTag?: ((tag: TagRecord) => void) | null;
}

export interface TagRecord {
  readonly type: "tag";
  readonly prnD: number;
  readonly tag: TagName;
  readonly outcome: "verified" | "dummy" | "failed" | "no-data";
}

export interface OsnmaSink {
  event(event: EventRecord): void;
  authenticated(record: AuthenticatedRecord): void;
}

/** Words 1-5 of a satellite, authenticated together. */
export interface CedData {
  readonly svid: number;
  readonly iodNav: number;
  /** Words 1-5, 16 bytes each, copies. */
  readonly words: readonly Uint8Array[];
}

export type Health = "healthy" | "marginal" | "unhealthy";

/** What is kept of a running engine over restarts. Plain JSON. */
export interface OsnmaSnapshot {
  readonly format: 1;
  readonly alert: boolean;
  readonly keyRing: KeyRingSnapshot;
  readonly revokedChains: readonly string[];
  /** The signed header last in force, and since when its DSM-KROOT had a say: older ones bring nothing back. */
  readonly status: { readonly header: number; readonly effectiveGst: number } | null;
  readonly chains: readonly {
    readonly role: "current" | "next";
    readonly dsm: string;
    readonly nmaHeader: number;
    readonly signedBy: PublicKeyName;
    readonly newestGst: number;
    readonly newestKey: string;
  }[];
}

interface Counts {
  0: number;
  4: number;
  12: number;
}
const noCounts = (): Counts => ({ 0: 0, 4: 0, 12: 0 });

/** Accumulated verified tags over one exact data set. */
/** A verified tag with all that its MAC was computed from, beside the navigation data: to be checked again. */
export interface TagProof {
  readonly prnA: number;
  readonly prnD: number;
  /** GST_SF of the subframe that carried it, and of the one that disclosed its key; linear seconds. */
  readonly gst: number;
  readonly keyGst: number;
  /** Slot number from 1; 1 is Tag0, whose message has no PRN_D. */
  readonly ctr: number;
  readonly adkd: 0 | 4 | 12;
  readonly cop: number;
  readonly nmas: number;
  /** The tag, left-aligned, hexadecimal. */
  readonly tag: string;
  readonly tagBits: number;
  /** MACSEQ and the Tag-Infos of the flexible slots, for a tag in such a slot; else null. */
  readonly macseq: { readonly value: number; readonly infos: readonly number[] } | null;
  readonly key: string;
  /** Index into `CedProof.chains`. */
  readonly chain: number;
}

/** Everything that makes a satellite's words 1-5 authentic, down to the Merkle root. Hexadecimal throughout. */
export interface CedProof {
  readonly svid: number;
  readonly iodNav: number;
  readonly words: readonly string[];
  readonly tags: readonly TagProof[];
  readonly chains: readonly {
    readonly dsmKroot: string;
    readonly nmaHeader: number;
    readonly publicKey: {
      readonly root: string;
      readonly pkid: number;
      readonly type: "P-256" | "P-521";
      readonly point: string;
      readonly proof: { readonly leafIndex: number; readonly siblings: readonly string[] } | null;
    };
  }[];
  readonly rule: DataRule;
  readonly authenticatedAt: number;
}

type KeptProof = Omit<TagProof, "chain"> & { readonly chain: Chain };

interface Accumulation {
  readonly wipes: number;
  bits: number;
  tags: TagName[];
  proofs: KeptProof[];
  keyGst: number;
  chain: Chain;
  nmaStatus: NmaStatus;
  /** 0 or 4 once an ADKD 0 or 4 tag counted, and likewise 12. */
  fast: boolean;
  slow: boolean;
  authenticatedAt: number | null;
  verifiedAt: number;
  /** GST_SF of the latest subframe with a verified tag over it: what was signed later is the newer data. */
  taggedGst: number;
}

interface InForce {
  /** Made once for each set of tags: asked for at every epoch. */
  made: { readonly tags: number; readonly ced: Authenticated<CedData>; proof: CedProof | null } | null;
  readonly set: CedSet;
  readonly accumulation: Accumulation;
  readonly health: Health;
}

interface SlotTag {
  readonly slot: number;
  readonly prnD: number;
  readonly adkd: Adkd;
  readonly cop: number;
  readonly flexible: boolean;
}

/** Health for E1-B use (OS SDD classes; galileo-inav section 4). */
function healthOf(set: CedSet): Health {
  const { hs, dvs } = e1bHealthOf(set.words[4]);
  if (hs === 1 || hs === 3) return "unhealthy";
  if (hs === 2 || dvs === 1 || sisaIndexOf(set.words[2]) === 255) return "marginal";
  return "healthy";
}

/** t0e of word 1 as the linear time nearest to `near`. */
function toeNear(word1: Uint8Array, near: number): number {
  const toe = ((((word1[2] << 8) | word1[3]) >> 2) & 0x3fff) * 60;
  const difference = (((toe - towOf(near) + 302_400) % 604_800) + 604_800) % 604_800;
  return near + difference - 302_400;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

export class OsnmaEngine {
  readonly rule: DataRule;
  readonly #sink: OsnmaSink;
  readonly #timeAssurance: TimeAssurance;
  readonly #minimumTagBits: number;
  readonly #onTag: ((tag: TagRecord) => void) | null;

  readonly #ring: KeyRing;
  readonly #data = new NavigationData();
  readonly #dsm = new DsmStore();
  /** Pages that fail the time condition are collected apart: only an alert may act from there. */
  readonly #untimelyDsm = new DsmStore();
  /** While no chain was known yet. */
  #inference: KrootInference | null = new KrootInference();
  #subframes: Subframe[] = [];
  #untimely: Subframe | null = null;

  #current: Chain | null = null;
  #next: Chain | null = null;
  #previous: Chain | null = null;
  readonly #revokedChains = new Set<string>();
  /** Whole DSM-KROOTs that no key verifies yet, and the subframe that completed each. */
  #unverifiedKroots: { message: Uint8Array; nmaHeader: number; gst: number }[] = [];

  #alert = false;
  /** The newest authenticated NMA status and the subframe it was heard in. */
  #nmas: number | null = null;
  #nmasGst = Number.NEGATIVE_INFINITY;
  #cpks: number | null = null;
  #cid: number | null = null;
  #header: number | null = null;
  /** Since when the newest DSM-KROOT accepted has had a say: older ones cannot bring anything back. */
  #effectiveGst = Number.NEGATIVE_INFINITY;
  #headerHint: number | null = null;
  #startGst: number | null = null;
  #krootVerifiedAt: number | null = null;

  readonly #accumulations = new WeakMap<CedSet | TimingSet, Accumulation>();
  #ced: (InForce | undefined)[] = [];
  #timing: ({ readonly set: TimingSet; readonly accumulation: Accumulation } | undefined)[] = [];
  /** How often everything was dropped: what was gathered before counts for nothing after. */
  #wipes = 0;
  readonly #slowTags = new WeakMap<SatelliteSubframe, SlotTag[]>();
  readonly #keptCandidates: (
    | {
        readonly gst: number;
        readonly cop: number;
        readonly by: number;
        readonly now: number;
        readonly found: Candidate<CedSet>[];
      }
    | undefined
  )[] = [];

  #now = Number.NEGATIVE_INFINITY;
  /** Whether any page passed the time condition; before that, the signal alone tells the time. */
  #timely = false;
  #subframeNow = 0;
  #trusted: TrustedTime | null = null;
  #gateReason: TimeGateReason | null = null;
  readonly #message = new Uint8Array(80);

  /** Linear GST of the end of the page that gave the fourth healthy authenticated satellite; null before. */
  firstFixAt: number | null = null;
  readonly verified = noCounts();
  readonly failed = noCounts();
  readonly dummy = noCounts();
  readonly authenticatedTags = noCounts();
  macseqVerified = 0;
  macseqFailed = 0;
  keysVerified = 0;
  rootKeysVerified = 0;
  readonly publicKeysVerified: PublicKeyName[] = [];
  stalePages = 0;
  gatedPages = 0;
  word5Anomalies = 0;

  constructor(options: OsnmaOptions, sink: OsnmaSink) {
    this.rule = options.rule ?? "guideline";
    this.#sink = sink;
    this.#timeAssurance = options.timeAssurance;
    this.#minimumTagBits = options.minimumTagBits ?? 40;
    if (!(this.#minimumTagBits >= 1 && this.#minimumTagBits <= 1024)) {
      throw new RangeError(`minimumTagBits must be 1 to 1024, not ${this.#minimumTagBits}`);
    }
    this.#onTag = options.onTag ?? null;
    const snapshot = options.snapshot == null ? null : soundSnapshot(options.snapshot);
    this.#ring = new KeyRing(options.roots, options.keys, snapshot?.keyRing ?? null);
    if (snapshot !== null) this.#restore(snapshot);
    const rootKey = options.rootKey ?? null;
    if (rootKey !== null && !this.#alert) this.#installGivenRootKey(rootKey.dsm, rootKey.nmaHeader);
  }

  /** Whether the root key given for a hot start was verified by a given public key. */
  rootKeyAccepted: boolean | null = null;

  #installGivenRootKey(dsm: Uint8Array, nmaHeader: number): void {
    this.rootKeyAccepted = false;
    const gst0 = (((dsm[4] & 0x0f) << 8) | dsm[5]) * 604_800 + dsm[6] * 3600;
    for (const key of this.#ring.candidates(dsm[0] & 0x0f, gst0, false)) {
      const kroot = parseDsmKroot(dsm, key.key.type);
      if (kroot?.parameters == null || !verifyDsmKroot(kroot, nmaHeader, key.key)) continue;
      const chain = new Chain(kroot, kroot.parameters, nmaHeader, key.name, null);
      if (this.#revokedChains.has(chain.identity)) return;
      this.rootKeyAccepted = true;
      // Its key is in force from the start: what takes over from it spends it, and its tree.
      if (this.#ring.inForce === null) this.#ring.putInForce(key);
      if (chain.cid === ((nmaHeader >> 4) & 3)) this.#current ??= chain;
      else this.#next ??= chain;
      return;
    }
  }

  /* ---- input ---------------------------------------------------------------------------------------- */

  /**
   * Takes in a CRC-valid page whose even half started at `pageGst` (linear GST seconds). `trusted` is what a
   * clock independent of the signal says of the moment the page ended, or null: then nothing is authenticated.
   */
  push(page: InavPage, pageGst: number, trusted: TrustedTime | null): void {
    if (this.#timely && pageGst < this.#now - 2 - REORDER_SECONDS) {
      this.stalePages++;
      return;
    }
    const end = pageGst + 2;
    this.#trusted = trusted;
    const { gate, reason } = timeGate(end, trusted);
    const subframeGst = page.band === "E1-B" ? subframeOfE1Page(pageGst) : Math.floor(pageGst / 30) * 30;
    // What contradicts the clock does not move the time: a forged future would make every genuine page stale.
    if (gate !== "none" || !this.#timely) {
      if (gate !== "none" && !this.#timely) {
        this.#timely = true;
        this.#now = Number.NEGATIVE_INFINITY;
        this.#subframeNow = 0;
        this.#startGst = null;
      }
      if (end > this.#now) this.#now = end;
      this.#startGst ??= pageGst;
      this.#subframeNow = Math.max(this.#subframeNow, subframeGst);
    }
    if (reason !== this.#gateReason) this.#gateChanged(reason);
    if (gate === "none") {
      this.gatedPages++;
      if (page.hasOsnma) this.#pushUntimely(page, pageGst, subframeGst);
      return;
    }
    // When it was there at the latest is kept with the word: by then no key of its tag may have been out.
    const there = trusted!.gst + trusted!.boundSeconds;
    this.#data.push(page.svid, page.band, page.wordType, page.word, end, there);
    if (!page.hasOsnma || this.#alert) return;

    const index = (pageGst - 1 - subframeGst) >> 1;
    const subframe = this.#subframeAt(subframeGst);
    if (subframe === null) return;
    const satellite = subframe.satellite(page.svid);
    if (!satellite.put(index, page.hkroot, page.mack, gate)) return;
    subframe.received |= 1 << index;
    if (index === 0) this.#noteHeaderHint(page.hkroot);
    // Keys before DSM: what the last page of a subframe opens still belongs to the status it was sent under.
    if (!subframe.keyVerified) this.#tryKey(subframe, index);
    this.#pushHkroot(subframe, satellite, index, end);
  }

  #subframeAt(gst: number): Subframe | null {
    const subframes = this.#subframes;
    for (let i = subframes.length - 1; i >= 0; i--) {
      if (subframes[i].gst === gst) return subframes[i];
      if (subframes[i].gst < gst) break;
    }
    const newest = subframes[subframes.length - 1] as Subframe | undefined;
    if (newest !== undefined && newest.gst > gst) return null;
    const subframe = new Subframe(gst);
    subframes.push(subframe);
    const oldest = gst - PENDING_SUBFRAMES * SUBFRAME_SECONDS;
    if (subframes[0].gst < oldest) this.#subframes = subframes.filter((kept) => kept.gst >= oldest);
    return subframe;
  }

  #pushUntimely(page: InavPage, pageGst: number, subframeGst: number): void {
    if (this.#alert) return;
    if (this.#untimely?.gst !== subframeGst) this.#untimely = new Subframe(subframeGst);
    const index = (pageGst - 1 - subframeGst) >> 1;
    const satellite = this.#untimely.satellite(page.svid);
    if (!satellite.put(index, page.hkroot, page.mack, "none")) return;
    for (const candidate of this.#untimelyDsm.push(satellite.hkroot, page.svid, index, null, pageGst + 2)) {
      if (candidate.before !== null) continue;
      const proven = this.#acceptPkr(candidate, true);
      if (this.alertVerified) return;
      this.#untimelyDsm.decided(candidate, proven ? "verified" : "rejected");
    }
  }

  #gateChanged(reason: TimeGateReason | null): void {
    this.#gateReason = reason;
    if (reason === null) {
      this.#event(
        "time-condition-met",
        "info",
        "The trusted clock satisfies the time condition for every tag.",
      );
    } else {
      this.#event(
        "time-condition",
        "warning",
        `The time condition limits or forbids authentication: ${reason}.`,
        { reason },
      );
    }
  }

  #noteHeaderHint(header: number): void {
    if (header === this.#headerHint) return;
    this.#headerHint = header;
    if (header === this.#header) return;
    this.#event(
      "nma-header-seen",
      "info",
      "A new NMA header is on air; nothing acts on it before a DSM-KROOT verifies with it.",
      {
        header: header.toString(16).padStart(2, "0"),
        nmaStatus: NMA_STATUS[header >> 6],
        cpks: CPKS[(header >> 1) & 7],
        chainId: (header >> 4) & 3,
        authenticated: false,
      },
    );
  }

  /* ---- DSM ------------------------------------------------------------------------------------------ */

  #pushHkroot(subframe: Subframe, satellite: SatelliteSubframe, index: number, end: number): void {
    const header = subframe.headerFor(satellite);
    if (header === null) {
      // Without a header nothing of a DSM-KROOT can be placed. The one of the next subframe is most likely it.
      subframe.headerless = true;
    } else if (index === 0) {
      this.#placeHeaderless(subframe.gst - SUBFRAME_SECONDS, header, end);
    }
    this.#takeHkroot(satellite, index, header, end);
    if (this.#inference !== null) this.#inferKroot(this.#inference, subframe, satellite, index);
  }

  /** Before the first chain: a DSM-KROOT of which only what no signature needs is missing is tried. */
  #inferKroot(
    inference: KrootInference,
    subframe: Subframe,
    satellite: SatelliteSubframe,
    index: number,
  ): void {
    if (this.#alert || this.#chains().length > 0) {
      this.#inference = null;
      return;
    }
    inference.push(satellite.svid, subframe.gst, satellite.hkroot, index);
    const nmaHeader = subframe.nmaHeader;
    const found = nmaHeader === null ? null : inference.message();
    if (nmaHeader === null || found === null) return;
    const types = new Set(this.#candidates(found.bytes[0] & 0x0f).map(({ key }) => key.type));
    for (const type of types) {
      const message = completeDsmKroot(found.bytes, found.known, nmaHeader, type);
      if (message === null || !inference.mayTry(subframe.gst, message)) continue;
      if (!this.#tryKroot(message, nmaHeader)) continue;
      const { dsmId } = found;
      this.#dsm.decided({ dsmId, nmaHeader, message, before: null, leading: true }, "verified");
      return;
    }
  }

  /** Places the blocks of a subframe whose page 0 nobody delivered under the header that came next. */
  #placeHeaderless(gst: number, header: number, end: number): void {
    const subframe = this.#subframes.find((kept) => kept.gst === gst);
    if (subframe === undefined || !subframe.headerless || subframe.nmaHeader !== null) return;
    subframe.headerless = false;
    for (const satellite of subframe.satellites) {
      if (!this.#alert && (satellite.hkroot.pages & 2) !== 0) this.#takeHkroot(satellite, 14, header, end);
    }
  }

  #takeHkroot(satellite: SatelliteSubframe, index: number, header: number | null, end: number): void {
    const candidates = this.#dsm.push(satellite.hkroot, satellite.svid, index, header, end);
    if (candidates.length === 0) return;
    for (const candidate of candidates) {
      const isPkr = candidate.dsmId >= FIRST_PKR_ID;
      if (isPkr && candidate.before !== null) continue;
      const verified = isPkr ? this.#acceptPkr(candidate, false) : this.#completeKroot(candidate);
      if (this.#alert) return;
      this.#dsm.decided(candidate, verified ? "verified" : "rejected");
    }
  }

  /** Whether the message is verified; where satellites contradict each other, one of several that are possible. */
  #completeKroot({ message, before, leading, ...candidate }: DsmCandidate): boolean {
    const nmaHeader = candidate.nmaHeader ?? 0;
    if (before === "verified") {
      // The very message was decided before: on air again, it renews what it proved.
      const chain = this.#chains().find(
        (known) => known.nmaHeader === nmaHeader && sameMessage(known.kroot.bytes, message),
      );
      if (chain !== undefined) {
        if (this.#isRecent(chain.kroot)) this.#krootVerifiedAt = this.#now;
        chain.verifiedOnAirAt = this.#now;
        this.#afterTrustChange();
        return true;
      }
      // What it proved has been dropped since: it is judged anew.
    }
    if (this.#tryKroot(message, nmaHeader)) return true;
    // Rivals of what most satellites sent are not worth a word; a new key has the store hand them out again.
    if (!leading) return false;
    const known = this.#unverifiedKroots.find(
      (kept) => kept.nmaHeader === nmaHeader && sameMessage(kept.message, message),
    );
    if (known !== undefined) return false;
    const missing = this.#candidates(message[0] & 0x0f).length === 0;
    this.#unverifiedKroots.push({ message, nmaHeader, gst: this.#subframeNow });
    if (this.#unverifiedKroots.length > MAX_UNVERIFIED_KROOTS) this.#unverifiedKroots.shift();
    const pkid = message[0] & 0x0f;
    if (missing) {
      this.#event(
        "public-key-missing",
        "notice",
        `A DSM-KROOT names public key ${pkid}, which is not known or no longer valid.`,
        { pkid },
      );
    } else {
      this.#event(
        "kroot-rejected",
        "warning",
        `A DSM-KROOT does not verify with any public key ${pkid} known here.`,
        { pkid },
      );
    }
    return false;
  }

  #candidates(pkid: number): RingKey[] {
    return this.#ring.candidates(pkid, this.#now, this.#announcesNewTree());
  }

  /** Verifies a DSM-KROOT that was heard in subframe `gst` with every usable key of its PKID, and acts on it. */
  #tryKroot(message: Uint8Array, nmaHeader: number, gst = this.#subframeNow): boolean {
    for (const key of this.#candidates(message[0] & 0x0f)) {
      const kroot = parseDsmKroot(message, key.key.type);
      if (kroot !== null && verifyDsmKroot(kroot, nmaHeader, key.key)) {
        this.#acceptKroot(kroot, nmaHeader, key, gst);
        return true;
      }
    }
    return false;
  }

  /** NMT in the signed header, or, before one verified, in the one on air: the proof decides anyway. */
  #announcesNewTree(): boolean {
    const header = this.#header ?? this.#headerHint;
    return header !== null && CPKS[(header >> 1) & 7] === "nmt";
  }

  /** Whether the message proves itself, and acts on it. */
  #acceptPkr({ message, leading }: DsmCandidate, alertOnly: boolean): boolean {
    const pkr = parseDsmPkr(message);
    const root =
      pkr === null
        ? undefined
        : this.#ring.roots.find(({ name, bytes }) => !this.#ring.isRenewed(name) && verifyDsmPkr(pkr, bytes));
    if (pkr === null || root === undefined) {
      if (!alertOnly && leading) {
        this.#event(
          "public-key-rejected",
          "notice",
          "A DSM-PKR does not prove itself under any Merkle root given.",
          {
            npkt: pkr?.npkt ?? null,
            pkid: pkr?.npkid ?? null,
          },
        );
      }
      return false;
    }
    if (pkr.kind === "alert") {
      this.#latchAlert(root.name);
      return true;
    }
    if (alertOnly) return true;
    const name = { root: root.name, pkid: pkr.npkid };
    if (this.#ring.isRefused(name.root, name.pkid)) {
      this.#event(
        "public-key-refused",
        "warning",
        `Public key ${name.pkid} was superseded or revoked and does not come back.`,
        { publicKey: name },
      );
      return true;
    }
    const proof = { leafIndex: pkr.mid, siblings: pkr.itn };
    const key = this.#ring.addProven(root.name, pkr.npkid, pkr.kind, pkr.npk, proof);
    if (key === null) {
      this.#event("public-key-rejected", "warning", "A proven public key is no point of its curve.", {
        publicKey: name,
      });
      return true;
    }
    if (!this.publicKeysVerified.some((known) => known.root === name.root && known.pkid === name.pkid)) {
      this.publicKeysVerified.push(name);
      this.#event(
        "public-key-verified",
        "notice",
        `Public key ${name.pkid} is proven under Merkle root ${name.root.slice(0, 8)}.`,
        {
          publicKey: name,
          keyType: pkr.kind,
          merkleLeaf: pkr.mid,
        },
      );
    }
    const waiting = this.#unverifiedKroots;
    this.#unverifiedKroots = [];
    for (const kept of waiting) {
      // What was on air longer ago than a root key is good for says nothing of now.
      if (this.#alert || kept.gst < this.#subframeNow - KROOT_VALIDITY_SECONDS) continue;
      if (!this.#tryKroot(kept.message, kept.nmaHeader, kept.gst)) this.#unverifiedKroots.push(kept);
    }
    this.#dsm.reconsider();
    return true;
  }

  /* ---- life cycle ----------------------------------------------------------------------------------- */

  /** Chains that may be in force at one time or another. */
  #chains(): Chain[] {
    return [this.#current, this.#next, this.#previous].filter((chain) => chain !== null);
  }

  /**
   * Whether a DSM-KROOT is of these hours. They change every hour; a genuine one of long ago proves what was in
   * force then, and repeating it must not keep a revocation from being missed.
   */
  #isRecent(kroot: DsmKroot): boolean {
    return kroot.gst0 > this.#now - KROOT_AGE_SECONDS;
  }

  /** Since when a DSM-KROOT has had a say: a chain of the future is announced from now on. */
  #effectiveOf(kroot: DsmKroot): number {
    return Math.min(kroot.gst0, this.#subframeNow);
  }

  /**
   * How a genuine DSM-KROOT stands to the newest one accepted. `newer`: it decides. `older`: the same status, as
   * the root of the ending chain beside the next one's; it may fill an empty place. `stale`: an old one, repeated
   * by whoever: nothing of it counts, neither status nor key nor chain nor revocation.
   *
   * Status changes keep the hour of the root key as a rule, so between two of one time the satellites decide: more
   * than half of those heard now must carry the header. Where that is undecided, only "don't use" is believed.
   */
  #orderOf(kroot: DsmKroot, nmaHeader: number, key: RingKey): "newer" | "older" | "stale" {
    if (!this.#isRecent(kroot)) return "stale";
    const effective = this.#effectiveOf(kroot);
    if (effective > this.#effectiveGst) return "newer";
    const inForce = this.#ring.inForce;
    const sameKey = inForce === null || inForce === key;
    if (nmaHeader === this.#header) {
      if (effective < this.#effectiveGst) return sameKey ? "older" : "stale";
      // A new key takes over within the hour: of the same tree a later one, of another only while it is introduced.
      const sameTree =
        inForce?.name.root === key.name.root || inForce?.name.root.startsWith("explicit:") === true;
      const takesOver = sameTree || CPKS[(nmaHeader >> 1) & 7] === "nmt";
      return sameKey || takesOver ? "newer" : "stale";
    }
    if (effective < this.#effectiveGst && !this.#isHourOf(kroot)) return "stale";
    const support = this.#headerSupport(nmaHeader);
    return support > 0.5 || (support === 0.5 && nmaHeader >> 6 === 3) ? "newer" : "stale";
  }

  /** Whether a root key is of the hour of the newest one accepted, or of a later hour. */
  #isHourOf(kroot: DsmKroot): boolean {
    return kroot.gst0 >= this.#effectiveGst - KROOT_VALIDITY_SECONDS;
  }

  /** Share of the satellites heard in the newest subframe with a header whose header is this one. */
  #headerSupport(nmaHeader: number): number {
    for (let i = this.#subframes.length - 1; i >= 0; i--) {
      const share = this.#subframes[i].headerShare(nmaHeader);
      if (share !== null) return share;
    }
    return 0;
  }

  /** Acts on a DSM-KROOT whose signature covers `nmaHeader` (spec: NMA status, CPKS and the life cycle). */
  #acceptKroot(kroot: DsmKroot, nmaHeader: number, key: RingKey, gst: number): void {
    const nmas = nmaHeader >> 6;
    const cid = (nmaHeader >> 4) & 3;
    const cpks = (nmaHeader >> 1) & 7;
    this.rootKeysVerified++;
    const order = this.#orderOf(kroot, nmaHeader, key);
    if (order === "stale") {
      this.#event(
        "kroot-stale",
        "warning",
        "A genuine but older DSM-KROOT was broadcast again; it changes nothing.",
        { header: nmaHeader.toString(16).padStart(2, "0"), wnK: kroot.wn, towhK: kroot.towh },
      );
      return;
    }
    const identity = kroot.parameters === null ? null : chainIdentity(kroot.cid, kroot.parameters);
    if (identity !== null && this.#revokedChains.has(identity)) {
      this.#event("kroot-refused", "warning", "A DSM-KROOT belongs to a chain that was revoked.", {
        chainId: kroot.cid,
      });
      return;
    }
    if (order === "newer") this.#krootVerifiedAt = this.#now;
    const taken = order === "older" ? null : this.#ring.putInForce(key);
    this.#event(
      "kroot-verified",
      "info",
      `Root key of chain ${kroot.cid} verified with public key ${key.name.pkid}.`,
      {
        chainId: kroot.cid,
        publicKey: key.name,
        wnK: kroot.wn,
        towhK: kroot.towh,
        header: nmaHeader.toString(16).padStart(2, "0"),
        chain: kroot.parameters === null ? null : hex(kroot.parameters.alpha),
      },
    );
    if (taken !== null) {
      const { former } = taken;
      this.#event(
        "public-key-in-force",
        "notice",
        `Public key ${key.name.pkid} takes over from ${former.name.pkid}.`,
        {
          publicKey: key.name,
          formerPublicKey: former.name,
        },
      );
      if (taken.renewal) {
        this.#event(
          "merkle-tree-in-force",
          "notice",
          "Keys of the new Merkle tree are in force; the former tree is spent.",
          {
            root: key.name.root,
            formerRoot: former.name.root,
          },
        );
      }
    }

    let chain: Chain | null = null;
    if (kroot.parameters === null) {
      this.#event(
        "chain-unusable",
        "warning",
        `The chain's parameters are reserved: ${kroot.unusableReason}.`,
        { chainId: kroot.cid },
      );
    } else {
      chain = this.#chainOf(kroot, nmaHeader, key.name);
    }

    if (order === "older") {
      // Not the newest word on the status, but of the same: it may give its chain the place that is empty.
      if (chain !== null && this.#current === null && chain.cid === cid) this.#place(chain, cid);
      // An ended chain's root renews nothing.
      if (chain !== null && this.#chains().includes(chain)) this.#krootVerifiedAt = this.#now;
      this.#afterTrustChange();
      return;
    }
    if (CPKS[cpks] === "crev")
      this.#revokeChains(
        (other) =>
          other.kroot.gst0 <= kroot.gst0 &&
          (nmas === 3 ? other.cid === cid && other !== chain : other !== chain && other !== this.#next),
        "crev",
      );
    if (CPKS[cpks] === "pkrev") {
      for (const revoked of this.#ring.revokeBelow(key)) {
        this.#event("public-key-revoked", "warning", `Public key ${revoked.name.pkid} is revoked.`, {
          publicKey: revoked.name,
        });
      }
      this.#revokeChains(
        (other) =>
          other !== chain &&
          (this.#ring.find(other.signedBy)?.status === "revoked" || (nmas === 3 && other.cid === cid)),
        "pkrev",
      );
    }
    if (chain !== null) this.#place(chain, cid);

    this.#header = nmaHeader;
    this.#effectiveGst = Math.max(this.#effectiveGst, this.#effectiveOf(kroot));
    if (cpks !== this.#cpks) {
      this.#cpks = cpks;
      this.#event(
        "cpks",
        cpks === 1 ? "info" : "notice",
        `Chain and public key status: ${CPKS[cpks] ?? "reserved"}.`,
        { cpks: CPKS[cpks] },
      );
      if (CPKS[cpks] === "nmt") {
        this.#event(
          "merkle-tree-renewal",
          "notice",
          "A new Merkle tree is being introduced; its root must come from GSC.",
          {
            root: key.name.root,
          },
        );
      }
    }
    this.#cid = cid;
    this.#noteNmas(nmas, gst, "kroot");
    this.#afterTrustChange();
  }

  /** The chain of a verified DSM-KROOT: a known one, checked to be consistent with it, or a new one. */
  #chainOf(kroot: DsmKroot, nmaHeader: number, signedBy: PublicKeyName): Chain {
    const parameters = kroot.parameters!;
    const identity = chainIdentity(kroot.cid, parameters);
    const known = this.#chains().find((chain) => chain.identity === identity);
    if (known !== undefined) {
      const newest = known.newestGst;
      const steps = Math.abs(kroot.gst0 - SUBFRAME_SECONDS - newest) / SUBFRAME_SECONDS;
      const isPast = kroot.gst0 - SUBFRAME_SECONDS <= newest;
      const bound = isPast ? MAX_BACK_STEPS : this.#maxSteps(newest);
      if (steps > bound) {
        // Too far to be checked now is no contradiction: what is known stays as it is.
        return known;
      }
      if (known.verifyKey(kroot.gst0 - SUBFRAME_SECONDS, kroot.kroot, steps)) {
        known.kroot = kroot;
        known.nmaHeader = nmaHeader;
        known.signedBy = signedBy;
        known.verifiedOnAirAt = this.#now;
        return known;
      }
      this.#event(
        "chain-inconsistent",
        "alarm",
        "Two signed root keys of one chain do not hash into each other; the older is dropped.",
        {
          chainId: kroot.cid,
        },
      );
      this.#dropChain(known);
    }
    return new Chain(kroot, parameters, nmaHeader, signedBy, this.#now);
  }

  /** Gives a verified chain its role: `cid` is the chain in force by the signed header. */
  #place(chain: Chain, cid: number): void {
    const inForce = chain.cid === cid && chain.kroot.gst0 <= this.#subframeNow + KROOT_VALIDITY_SECONDS;
    if (inForce) {
      if (chain === this.#current) return;
      if (chain === this.#previous) return;
      if (chain === this.#next) {
        this.#switchToNext();
        return;
      }
      if (this.#current !== null) {
        this.#event(
          "chain-replaced",
          "notice",
          `Chain ${chain.cid} is in force; the chain known before it has ended.`,
          {
            chainId: chain.cid,
            formerChainId: this.#current.cid,
          },
        );
      } else {
        this.#event("chain-installed", "info", `Chain ${chain.cid} is in force.`, {
          chainId: chain.cid,
          chain: chain.alphaHex,
        });
      }
      // Still the status before this root key: where it announced the end of the chain, what waits is decided yet.
      const former = CPKS[this.#cpks ?? 0] === "eoc" ? this.#current : null;
      const from = former === null ? null : this.#startOf(chain);
      this.#current = chain;
      this.#previous = null;
      if (former !== null && from !== null) {
        former.until = chain.from = from;
        this.#previous = former;
      }
      return;
    }
    if (chain === this.#next || chain === this.#current || chain === this.#previous) return;
    this.#next = chain;
    chain.from = chain.kroot.gst0;
    this.#event("next-chain-stored", "notice", `Chain ${chain.cid} is announced and stored.`, {
      chainId: chain.cid,
      chain: chain.alphaHex,
      inForceWn: wnOf(chain.kroot.gst0),
      inForceTow: towOf(chain.kroot.gst0),
    });
  }

  /**
   * First subframe of a chain that came into force unannounced, by the headers on air; null where they do not say. The
   * root key of its first hour has the very time, which counts where subframes were lost.
   */
  #startOf(chain: Chain): number | null {
    let first: number | null = null;
    for (let i = this.#subframes.length - 1; i >= 0; i--) {
      const { gst, nmaHeader } = this.#subframes[i];
      if (nmaHeader === null) continue;
      if (((nmaHeader >> 4) & 3) === chain.cid) first = gst;
      else return first === null ? null : Math.min(first, Math.max(gst + SUBFRAME_SECONDS, chain.kroot.gst0));
    }
    return first;
  }

  #switchToNext(): void {
    const next = this.#next!;
    const former = this.#current;
    if (former !== null) former.until = next.from;
    this.#previous = former;
    this.#current = next;
    this.#next = null;
    this.#event("chain-switched", "notice", `Chain ${next.cid} is in force.`, {
      chainId: next.cid,
      formerChainId: former?.cid ?? null,
      chain: next.alphaHex,
    });
  }

  #revokeChains(which: (chain: Chain) => boolean, by: "crev" | "pkrev"): void {
    for (const chain of this.#chains()) {
      if (!which(chain)) continue;
      this.#revokedChains.add(chain.identity);
      this.#dropChain(chain);
      this.#wipe();
      this.#event("chain-revoked", "warning", `Chain ${chain.cid} is revoked and dropped.`, {
        chainId: chain.cid,
        by,
        chain: chain.alphaHex,
      });
    }
  }

  #dropChain(chain: Chain): void {
    if (this.#current === chain) this.#current = null;
    if (this.#next === chain) this.#next = null;
    if (this.#previous === chain) this.#previous = null;
  }

  #latchAlert(root: string): void {
    if (this.#alert) return;
    this.#alert = true;
    this.#current = this.#next = this.#previous = null;
    this.#unverifiedKroots = [];
    this.#subframes = [];
    this.#dsm.clear();
    this.#untimelyDsm.clear();
    this.#wipe();
    this.#cpks = 7;
    this.#nmas = 3;
    this.#nmasGst = this.#subframeNow;
    if (this.#headerHint !== null) this.#cid = (this.#headerHint >> 4) & 3;
    this.#event(
      "alert",
      "alarm",
      "An authenticated OSNMA alert message: OSNMA is not to be used until new trusted material is installed.",
      { root },
    );
  }

  /** Takes note of an authenticated NMA status heard in subframe `gst`. */
  #noteNmas(nmas: number, gst: number, by: "kroot" | "tag"): void {
    if (gst < this.#nmasGst || (gst === this.#nmasGst && by === "tag" && nmas !== 3)) return;
    this.#nmasGst = gst;
    if (nmas === this.#nmas) return;
    this.#nmas = nmas;
    const usable = nmas === 1 || nmas === 2;
    this.#event("nma-status", usable ? "info" : "warning", `NMA status: ${NMA_STATUS[nmas] ?? "reserved"}.`, {
      nmaStatus: NMA_STATUS[nmas],
      by,
    });
    if (!usable) this.#wipe();
  }

  /** Drops everything authenticated so far: what had been signed under a status that has ended is not used on. */
  #wipe(): void {
    this.#ced = [];
    this.#timing = [];
    this.#wipes++;
  }

  /** New chain, key or status: keys that were received before may verify now. */
  #afterTrustChange(): void {
    for (let i = this.#subframes.length - 1; i >= 0; i--) {
      const subframe = this.#subframes[i];
      if (!subframe.keyVerified) this.#tryKey(subframe, -1);
    }
    this.#release();
  }

  /* ---- keys ----------------------------------------------------------------------------------------- */

  /** Chain steps that the trusted clock allows from `gst` until now. */
  #maxSteps(gst: number): number {
    const now = this.#trusted === null ? this.#now : this.#trusted.gst + this.#trusted.boundSeconds;
    return Math.max(0, Math.ceil((now - gst) / SUBFRAME_SECONDS)) + STEP_MARGIN;
  }

  /** The verified chain that `cid` names in subframe `gst`. */
  #chainNamed(cid: number, gst: number): Chain | null {
    if (isNamed(this.#current, cid, gst)) return this.#current;
    if (isNamed(this.#next, cid, gst)) return this.#next;
    return isNamed(this.#previous, cid, gst) ? this.#previous : null;
  }

  /** The chain whose keys are disclosed in subframe `gst`. */
  #chainDisclosing(gst: number): Chain | null {
    const current = this.#current;
    if (current !== null && gst >= current.from) return current;
    const previous = this.#previous;
    return previous !== null && previous.until !== null && gst < previous.until && gst >= previous.from
      ? previous
      : null;
  }

  /**
   * Whether a chain may be used now: one from storage only while no header hints at a revocation, and any only
   * within an hour of a verified DSM-KROOT.
   */
  #mayUse(chain: Chain, header: number): boolean {
    if (chain.verifiedOnAirAt === null) {
      const cpks = (header >> 1) & 7;
      if (header >> 6 === 3 || CPKS[cpks] === "crev" || CPKS[cpks] === "pkrev" || CPKS[cpks] === "am")
        return false;
    }
    const since = this.#krootVerifiedAt ?? this.#startGst ?? this.#now;
    return this.#now - since <= KROOT_VALIDITY_SECONDS;
  }

  #holdsKey(index: number): boolean {
    const bit = 1 << index;
    return (
      (this.#current !== null && (this.#current.layout.keyPages & bit) !== 0) ||
      (this.#next !== null && (this.#next.layout.keyPages & bit) !== 0)
    );
  }

  /** Tries the key of a subframe once its pages are there. `index` is the page that just came, -1 for none. */
  #tryKey(subframe: Subframe, index: number): void {
    // Runs for every page: most hold no key bits of any chain known, and end here.
    if (index >= 0 && !this.#holdsKey(index)) return;
    const header = subframe.nmaHeader;
    const named = header === null ? null : this.#chainNamed((header >> 4) & 3, subframe.gst);
    if (named !== null && this.#tryKeyOf(subframe, named, index, header, true)) return;
    // One satellite's header must not decide for all: the chain that is signed to be in force is tried as well.
    const current = this.#current;
    if (current !== null && current !== named && isNamed(current, current.cid, subframe.gst)) {
      this.#tryKeyOf(subframe, current, index, header, header === null);
    }
  }

  /** Tries the key of a subframe with one chain, which the header on air names or not. Returns whether it verified. */
  #tryKeyOf(subframe: Subframe, chain: Chain, index: number, header: number | null, named: boolean): boolean {
    const { keyStartBit, keyBits, keyPages } = chain.layout;
    if (index >= 0 && (keyPages & (1 << index)) === 0) return false;
    const missing = keyPages & ~subframe.received;
    if (missing !== 0) {
      if (index >= 0 && this.firstFixAt === null) this.#searchKey(subframe, chain, missing, header);
      return subframe.keyVerified;
    }
    if (!this.#mayUse(chain, header ?? 0)) return false;
    const candidates = subframe.keyCandidates(keyStartBit, keyBits, keyPages);
    if (candidates === null) return false;
    const { keysTried } = subframe;
    const before = keysTried.size;
    const isFar = Math.abs(subframe.gst - chain.newestGst) > FAR_STEPS * SUBFRAME_SECONDS;
    const bound = subframe.gst <= chain.newestGst ? MAX_BACK_STEPS : this.#maxSteps(chain.newestGst);
    for (const key of candidates) {
      const name = `${chain.identity} ${hex(key)}`;
      if (keysTried.has(name) || keysTried.size >= (isFar ? FAR_CANDIDATES : MAX_KEYS_TRIED)) continue;
      if (chain.verifyKey(subframe.gst, key, bound)) {
        this.#keyVerified(subframe, chain);
        return true;
      }
      keysTried.add(name);
    }
    if (!named || before > 0 || keysTried.size === 0) return false;
    this.#event(
      "key-failed",
      "warning",
      "A TESLA key does not belong to the chain in force; it is discarded.",
      {
        chainId: chain.cid,
        keyWn: wnOf(subframe.gst),
        keyTow: towOf(subframe.gst),
      },
    );
    return false;
  }

  /**
   * The last page of a subframe holds few key bits (16 today): they are found by hashing every possibility
   * back to the previous key, two seconds early. Done only while a first fix is still due, and only when
   * what waits for this key could complete it.
   */
  #searchKey(subframe: Subframe, chain: Chain, missing: number, header: number | null): void {
    const { keyStartBit, keyBits, keyPages } = chain.layout;
    const lastPage = pageOfBit(keyStartBit + keyBits - 1);
    const unknownBits = keyStartBit + keyBits - lastPage * 32;
    if (missing !== 1 << lastPage || unknownBits > 16 || subframe.keySearched) return;
    const expected = chain.keyAt(subframe.gst - SUBFRAME_SECONDS);
    if (expected === null || chain.newestGst !== subframe.gst - SUBFRAME_SECONDS) return;
    if (!this.#mayUse(chain, header ?? 0) || !this.#couldCompleteFix(subframe.gst)) return;
    const prefixes = subframe.keyCandidates(keyStartBit, keyBits, keyPages, missing);
    if (prefixes?.length !== 1) return;
    subframe.keySearched = true;
    const key = searchKeyTail(chain.parameters, prefixes[0], unknownBits, subframe.gst, expected);
    if (key !== null && chain.verifyKey(subframe.gst, key, 1)) this.#keyVerified(subframe, chain);
  }

  #keyVerified(subframe: Subframe, chain: Chain): void {
    subframe.keyVerified = true;
    this.keysVerified++;
    if (chain === this.#next) this.#switchToNext();
    this.#release();
  }

  /** Whether the tags that wait for the key of subframe `keyGst` could bring a fourth satellite. */
  #couldCompleteFix(keyGst: number): boolean {
    let count = 0;
    const hopeful = new Set<number>();
    for (let svid = 1; svid <= MAX_SVID; svid++) {
      if (this.#healthyInForce(svid)) {
        hopeful.add(svid);
        count++;
      }
    }
    for (const subframe of this.#subframes) {
      const fast = subframe.gst === keyGst - FAST_DELAY_SECONDS;
      const slow = subframe.gst === keyGst - SLOW_DELAY_SECONDS;
      if (!fast && !slow) continue;
      for (const satellite of subframe.satellites) {
        const header = satellite.nmaHeader ?? this.#assumedHeader(subframe);
        const chain = header === null ? null : this.#chainNamed((header >> 4) & 3, subframe.gst);
        if (chain === null || !chain.layout.usable) continue;
        for (const tag of this.#tagsOf(satellite, chain)) {
          if (tag.adkd === 4 || (tag.adkd === 12) !== slow || tag.cop === 0 || hopeful.has(tag.prnD))
            continue;
          const candidates = this.#cedCandidates(satellite.gst, tag, chain);
          if (candidates.some(({ set }) => healthOf(set) === "healthy")) {
            hopeful.add(tag.prnD);
            count++;
          }
        }
      }
    }
    return count >= SATELLITES_FOR_FIX;
  }

  /* ---- tags ----------------------------------------------------------------------------------------- */

  /** Decides every tag whose key is known now. */
  #release(): void {
    if (this.#alert) return;
    for (const subframe of this.#subframes) {
      if (subframe.decided) continue;
      // Asked once for all satellites: most subframes wait for nothing but their slow key.
      const fastGst = subframe.gst + FAST_DELAY_SECONDS;
      const slowGst = subframe.gst + SLOW_DELAY_SECONDS;
      const fastChain = subframe.fastDecided ? null : this.#chainDisclosing(fastGst);
      const slowChain = this.#chainDisclosing(slowGst);
      const fast = fastChain?.macAt(fastGst) ?? null;
      const slow = slowChain?.macAt(slowGst) ?? null;
      if (fast === null && slow === null) continue;
      let fastLeft = 0;
      let slowLeft = 0;
      for (const satellite of subframe.satellites) {
        if (satellite.slowDone) continue;
        if (!satellite.fastDone && fast !== null) {
          satellite.fastDone = this.#decide(subframe, satellite, fast, fastChain!, false);
        }
        if (satellite.fastDone && slow !== null) {
          satellite.slowDone = this.#decide(subframe, satellite, slow, slowChain!, true);
        }
        if (!satellite.fastDone) fastLeft++;
        if (!satellite.slowDone) slowLeft++;
        if (this.#alert) return;
      }
      subframe.fastDecided = fastLeft === 0;
      subframe.decided = slowLeft === 0;
    }
    if (this.firstFixAt === null) {
      let count = 0;
      for (let svid = 1; svid <= MAX_SVID; svid++) if (this.#healthyInForce(svid)) count++;
      if (count >= SATELLITES_FOR_FIX) {
        this.firstFixAt = this.#now;
        this.#event(
          "first-authenticated-fix",
          "notice",
          "Four healthy satellites have authenticated ephemeris and clock data.",
          {
            satellites: count,
            rule: this.rule,
          },
        );
      }
    }
  }

  /** Tags of a MACK that are wholly there and fit the look-up table. */
  #tagsOf(satellite: SatelliteSubframe, chain: Chain): SlotTag[] {
    const { layout } = chain;
    const slots = macLookup(chain.parameters.maclt, messageIndexOf(satellite.gst));
    const tags: SlotTag[] = [];
    if (slots === null) return tags;
    for (let slot = 0; slot < layout.slots; slot++) {
      const pages = layout.slotPages[slot];
      if ((satellite.pages & pages) !== pages) continue;
      if (slot === 0) {
        tags.push({
          slot,
          prnD: satellite.svid,
          adkd: 0,
          cop: cop0Of(satellite.mack, layout),
          flexible: false,
        });
        continue;
      }
      const info = tagInfoOf(satellite.mack, layout, slot);
      const adkd = adkdOfInfo(info);
      const expected = slots[slot];
      if (adkd !== 0 && adkd !== 4 && adkd !== 12) continue;
      if (!expected.flexible && adkd !== expected.adkd) continue;
      let prnD = prnDOfInfo(info);
      if (prnD === CONSTELLATION_PRN && adkd === 4) prnD = satellite.svid;
      if (!(prnD >= 1 && prnD <= MAX_SVID)) continue;
      if (expected.self && prnD !== satellite.svid) continue;
      tags.push({ slot, prnD, adkd, cop: copOfInfo(info), flexible: expected.flexible });
    }
    return tags;
  }

  /** Decides one MACK's tags, fast or slow ones. Returns false while the chain of its subframe is unknown. */
  #decide(
    subframe: Subframe,
    satellite: SatelliteSubframe,
    mac: Mac,
    disclosing: Chain,
    slow: boolean,
  ): boolean {
    const heard = satellite.nmaHeader;
    const header = heard ?? this.#assumedHeader(subframe);
    if (header === null) return true;
    const chain = this.#chainNamed((header >> 4) & 3, subframe.gst);
    if (chain === null) return false;
    if (!chain.layout.usable) return true;
    // Which of two functions makes a tag over a change of chain is said nowhere: such tags are left undecided.
    if (chain.parameters.mac !== disclosing.parameters.mac) return true;
    const assumed = heard === null;
    if (!slow && satellite.gate === "all") this.#decideMacseq(satellite, chain, mac, assumed);
    if (!slow && satellite.gate !== "all") return true;
    // Slow tags wait 300 s more, most of them alone: what is read for the fast ones is kept for them.
    const tags = slow
      ? (this.#slowTags.get(satellite) ?? this.#tagsOf(satellite, chain))
      : this.#tagsOf(satellite, chain);
    if (slow) this.#slowTags.delete(satellite);
    else
      this.#slowTags.set(
        satellite,
        tags.filter(({ adkd }) => adkd === 12),
      );
    for (const tag of tags) {
      if ((tag.adkd === 12) !== slow) continue;
      if (tag.flexible && satellite.macseq !== "verified") continue;
      this.#decideTag(satellite, tag, chain, disclosing, mac, header >> 6, assumed);
      if (this.#alert) return true;
    }
    return true;
  }

  /**
   * The header for a satellite whose page 0 is missing: what at least two others send, else the one that is
   * signed. It is part of what a tag is computed over, so a wrong assumption authenticates nothing, and must not
   * count as a failure either.
   */
  #assumedHeader(subframe: Subframe): number | null {
    return subframe.agreedHeader ?? this.#header ?? this.#current?.nmaHeader ?? subframe.nmaHeader;
  }

  #decideMacseq(satellite: SatelliteSubframe, chain: Chain, mac: Mac, assumed: boolean): void {
    const { layout } = chain;
    const slots = macLookup(chain.parameters.maclt, messageIndexOf(satellite.gst));
    if (slots === null) return;
    let pages = layout.infoPages[0];
    const infos: number[] = [];
    for (let slot = 1; slot < layout.slots; slot++) if (slots[slot].flexible) pages |= layout.infoPages[slot];
    if ((satellite.pages & pages) !== pages) {
      satellite.macseq = "unusable";
      return;
    }
    for (let slot = 1; slot < layout.slots; slot++) {
      if (slots[slot].flexible) infos.push(tagInfoOf(satellite.mack, layout, slot));
    }
    const length = buildMacseqMessage(this.#message, satellite.svid, satellite.gst, infos);
    const digest = mac.digest(this.#message, length);
    const macseq = (digest[0] << 4) | (digest[1] >> 4);
    if (macseq === macseqOf(satellite.mack, layout)) {
      satellite.macseq = "verified";
      this.macseqVerified++;
    } else if (assumed) {
      satellite.macseq = "unusable";
    } else {
      satellite.macseq = "failed";
      this.macseqFailed++;
      this.#event(
        "macseq-failed",
        "alarm",
        `MACSEQ of E${satellite.svid} does not verify; its flexible tags are not used.`,
        {
          prnA: satellite.svid,
          subframeWn: wnOf(satellite.gst),
          subframeTow: towOf(satellite.gst),
        },
      );
    }
  }

  /**
   * When words for a tag of subframe `gst` must have come: from where COP reaches to; at the latest by the rule; and
   * there, whatever the clock's error then, before the page half with the first bit of the key that opens the tag.
   */
  #windowOf(gst: number, { adkd, cop }: Pick<SlotTag, "adkd" | "cop">, chain: Chain): Window {
    const delay = adkd === 12 ? SLOW_DELAY_SECONDS : FAST_DELAY_SECONDS;
    const disclosing = this.#chainDisclosing(gst + delay) ?? chain;
    const firstKeyPage = pageOfBit(disclosing.layout.keyStartBit);
    const by = gst + delay + 1 + 2 * firstKeyPage + 1;
    // Guideline: before the end of the last Tag-Info field; the word of that page precedes it in the page.
    const lastInfoPage = pageOfBit(chain.layout.keyStartBit - 1);
    const to = this.rule === "guideline" ? gst + 1 + 2 * lastInfoPage + 2 : by;
    return { from: gst - SUBFRAME_SECONDS * cop + 2, to, by };
  }

  /** Several satellites of a subframe send tags over the same data: the last answers are kept. */
  #cedCandidates(gst: number, tag: SlotTag, chain: Chain): Candidate<CedSet>[] {
    const window = this.#windowOf(gst, tag, chain);
    const { by } = window;
    const kept = this.#keptCandidates[tag.prnD];
    if (kept?.gst === gst && kept.cop === tag.cop && kept.by === by && kept.now === this.#now)
      return kept.found;
    const found = this.#data.cedCandidates(tag.prnD, window, gst + 1);
    this.#keptCandidates[tag.prnD] = { gst, cop: tag.cop, by, now: this.#now, found };
    return found;
  }

  #timingCandidates(gst: number, tag: SlotTag, chain: Chain): Candidate<TimingSet>[] {
    const window = this.#windowOf(gst, tag, chain);
    const from10 = Math.min(window.from, gst - 2 * SUBFRAME_SECONDS + 2);
    return this.#data.timingCandidates(tag.prnD, window, from10, gst + 1);
  }

  #decideTag(
    satellite: SatelliteSubframe,
    tag: SlotTag,
    chain: Chain,
    disclosing: Chain,
    mac: Mac,
    nmas: number,
    assumed: boolean,
  ): void {
    const { layout } = chain;
    const { gst } = satellite;
    const bits = tag.adkd === 4 ? TIMING_BITS : CED_BITS;
    const prnD = tag.slot === 0 ? null : tag.prnD;
    const at = tagStartBit(layout, tag.slot);
    const matches = (navBits: Uint8Array | null): boolean => {
      const length = buildTagMessage(
        this.#message,
        prnD,
        satellite.svid,
        gst,
        tag.slot + 1,
        nmas,
        navBits,
        bits,
      );
      return sameTag(mac.digest(this.#message, length), satellite.mack, at, layout.tagBits);
    };
    if (tag.cop === 0) {
      if (matches(null)) {
        this.dummy[tag.adkd]++;
        this.#report(satellite, tag, "dummy");
        this.#noteNmas(nmas, gst, "tag");
      } else if (assumed) {
        this.#report(satellite, tag, "no-data");
      } else {
        this.#fail(satellite, tag, "a dummy tag does not verify over zeros");
      }
      return;
    }
    const candidates: readonly Candidate<CedSet | TimingSet>[] =
      tag.adkd === 4 ? this.#timingCandidates(gst, tag, chain) : this.#cedCandidates(gst, tag, chain);
    /** The first of the sets that the tag should cover and does not. */
    let failed: CedSet | TimingSet | null = null;
    for (const { set, proper } of candidates) {
      if (!matches(set.navBits)) {
        if (proper) failed ??= set;
        continue;
      }
      this.verified[tag.adkd]++;
      this.#report(satellite, tag, "verified");
      this.#noteNmas(nmas, gst, "tag");
      if (failed?.kind === "ced" && set.kind === "ced" && failed.batch === set.batch) {
        this.word5Anomalies++;
        this.#event(
          "word5-anomaly",
          "notice",
          `A tag of E${satellite.svid} still covers the former word 5 of E${tag.prnD}; the newer one is not authenticated.`,
          {
            prnA: satellite.svid,
            prnD: tag.prnD,
          },
        );
      }
      this.#credit(set, satellite, tag, chain, disclosing, nmas);
      return;
    }
    if (failed !== null && !assumed) {
      this.#fail(satellite, tag, "the words received in its window do not give this tag");
      return;
    }
    // COP stops counting at 15, so words older than the window may still be the ones signed. The MAC says so
    // or not; such a tag is verified, but data from outside its window is never authenticated by it.
    const from = gst - HISTORY_SECONDS;
    const before = { from, to: gst, by: Number.POSITIVE_INFINITY };
    const older: readonly Candidate<CedSet | TimingSet>[] =
      tag.adkd === 4
        ? this.#data.timingCandidates(tag.prnD, before, from, from)
        : this.#data.cedCandidates(tag.prnD, before, from);
    if (older.some(({ set }) => matches(set.navBits))) {
      this.verified[tag.adkd]++;
      this.#report(satellite, tag, "verified");
      this.#noteNmas(nmas, gst, "tag");
      return;
    }
    this.#report(satellite, tag, "no-data");
  }

  #report(satellite: SatelliteSubframe, tag: SlotTag, outcome: TagRecord["outcome"]): void {
    this.#onTag?.({ type: "tag", prnD: tag.prnD, tag: tagName(satellite, tag), outcome });
  }

  #fail(satellite: SatelliteSubframe, tag: SlotTag, reason: string): void {
    this.failed[tag.adkd]++;
    this.#report(satellite, tag, "failed");
    this.#event("tag-failed", "alarm", `A tag of E${satellite.svid} over E${tag.prnD} fails: ${reason}.`, {
      tag: tagName(satellite, tag),
      prnD: tag.prnD,
    });
    // A failing tag spoils what has not reached the minimum length yet: accumulation starts again.
    for (const { set } of tag.adkd === 4
      ? this.#timingCandidatesOf(tag.prnD)
      : this.#cedCandidatesOf(tag.prnD)) {
      const accumulation = this.#accumulations.get(set);
      if (accumulation?.authenticatedAt === null) this.#accumulations.delete(set);
    }
  }

  #cedCandidatesOf(svid: number): Candidate<CedSet>[] {
    return this.#data.cedCandidates(svid, this.#everything, this.#now);
  }

  #timingCandidatesOf(svid: number): Candidate<TimingSet>[] {
    return this.#data.timingCandidates(svid, this.#everything, this.#everything.from, this.#now);
  }

  get #everything(): Window {
    return { from: this.#now - HISTORY_SECONDS, to: this.#now, by: Number.POSITIVE_INFINITY };
  }

  /** Credits a verified tag to the data set it verified. */
  #credit(
    set: CedSet | TimingSet,
    satellite: SatelliteSubframe,
    tag: SlotTag,
    chain: Chain,
    disclosing: Chain,
    nmas: number,
  ): void {
    const nmaStatus = NMA_STATUS[nmas];
    // Neither a tag sent under "don't use" or a reserved status nor one opened after such a status counts.
    if (nmaStatus === null || nmaStatus === "dont-use" || this.#nmas === 3 || this.#nmas === 0) return;
    let accumulation = this.#accumulations.get(set);
    if (accumulation === undefined || accumulation.wipes !== this.#wipes) {
      accumulation = {
        wipes: this.#wipes,
        bits: 0,
        tags: [],
        proofs: [],
        keyGst: 0,
        chain: disclosing,
        nmaStatus,
        fast: false,
        slow: false,
        authenticatedAt: null,
        verifiedAt: this.#now,
        taggedGst: satellite.gst,
      };
      this.#accumulations.set(set, accumulation);
    }
    const gained = tag.adkd === 12 ? !accumulation.slow : !accumulation.fast;
    if (tag.adkd === 12) accumulation.slow = true;
    else accumulation.fast = true;
    accumulation.bits += chain.layout.tagBits;
    accumulation.keyGst = satellite.gst + (tag.adkd === 12 ? SLOW_DELAY_SECONDS : FAST_DELAY_SECONDS);
    accumulation.chain = disclosing;
    accumulation.nmaStatus = nmaStatus;
    accumulation.verifiedAt = this.#now;
    accumulation.taggedGst = Math.max(accumulation.taggedGst, satellite.gst);
    if (accumulation.authenticatedAt === null || gained) {
      accumulation.tags.push(tagName(satellite, tag));
      accumulation.proofs.push(this.#proofOf(satellite, tag, chain, disclosing, nmas, accumulation.keyGst));
    }
    if (accumulation.bits < this.#minimumTagBits) return;
    this.authenticatedTags[tag.adkd]++;
    const first = accumulation.authenticatedAt === null;
    accumulation.authenticatedAt ??= this.#now;
    if (set.kind === "ced") {
      const known = this.#ced[set.svid];
      if (known?.set !== set && (known === undefined || isSignedLater(set, accumulation, known))) {
        this.#ced[set.svid] = { made: null, set, accumulation, health: healthOf(set) };
      }
    } else {
      const known = this.#timing[set.svid];
      if (known === undefined || set.word6.lastSeen >= known.set.word6.lastSeen)
        this.#timing[set.svid] = { set, accumulation };
    }
    if (first || gained) this.#sink.authenticated(this.#recordOf(set, accumulation, tag.adkd));
  }

  #proofOf(
    satellite: SatelliteSubframe,
    tag: SlotTag,
    chain: Chain,
    disclosing: Chain,
    nmas: number,
    keyGst: number,
  ): KeptProof {
    const { layout, parameters } = chain;
    const bytes = new Uint8Array(Math.ceil(layout.tagBits / 8));
    copyBits(satellite.mack, tagStartBit(layout, tag.slot), bytes, 0, layout.tagBits);
    const slots = tag.flexible ? macLookup(parameters.maclt, messageIndexOf(satellite.gst)) : null;
    const infos: number[] = [];
    slots?.forEach((slot, i) => {
      if (slot.flexible) infos.push(tagInfoOf(satellite.mack, layout, i));
    });
    return {
      prnA: satellite.svid,
      prnD: tag.prnD,
      gst: satellite.gst,
      keyGst,
      ctr: tag.slot + 1,
      adkd: tag.adkd,
      cop: tag.cop,
      nmas,
      tag: hex(bytes),
      tagBits: layout.tagBits,
      macseq: slots === null ? null : { value: macseqOf(satellite.mack, layout), infos },
      key: hex(disclosing.keyAt(keyGst) ?? new Uint8Array()),
      chain: disclosing,
    };
  }

  #recordOf(set: CedSet | TimingSet, accumulation: Accumulation, byAdkd: Adkd): AuthenticatedRecord {
    const words: Record<string, string> = {};
    if (set.kind === "ced") set.words.forEach((word, i) => (words[String(i + 1)] = hex(word)));
    else {
      words["6"] = hex(set.word6.word);
      words["10"] = hex(set.word10.word);
    }
    return {
      type: "authenticated",
      wn: wnOf(this.#subframeNow),
      tow: towOf(this.#subframeNow),
      at: this.#now,
      data: set.kind,
      svid: set.svid,
      iodNav: set.kind === "ced" ? set.iodNav : null,
      byAdkd,
      health: set.kind === "ced" ? healthOf(set) : null,
      words,
      rebuilt: set.kind === "ced" ? set.rebuilt : [],
      evidence: this.#evidenceOf(accumulation),
    };
  }

  #evidenceOf(accumulation: Accumulation): EvidenceRecord {
    const { chain } = accumulation;
    const { key, keyGst } = accumulation.proofs[accumulation.proofs.length - 1];
    return {
      tags: accumulation.tags.slice(),
      tagBits: accumulation.bits,
      key: { wn: wnOf(keyGst), tow: towOf(keyGst), value: key },
      chain: { cid: chain.cid, alpha: chain.alphaHex },
      rootKey: { wn: chain.kroot.wn, towh: chain.kroot.towh, value: hex(chain.kroot.kroot) },
      publicKey: chain.signedBy,
      nmaStatus: accumulation.nmaStatus,
      rule: this.rule,
      timeAssurance: this.#timeAssurance,
    };
  }

  /* ---- what is in force ----------------------------------------------------------------------------- */

  #isInForce(entry: InForce): boolean {
    const age = this.#now - Math.max(entry.set.word5.lastSeen, entry.set.batch.lastSeen);
    const toeAge = Math.abs(this.#now - toeNear(entry.set.words[0], this.#now));
    return age <= DATA_VALIDITY_SECONDS && toeAge <= DATA_VALIDITY_SECONDS;
  }

  #healthyInForce(svid: number): boolean {
    const entry = this.#ced[svid];
    return entry !== undefined && entry.health === "healthy" && this.#isInForce(entry);
  }

  /** The authenticated clock and ephemeris data of a satellite in force now, healthy or not; else null. */
  ced(svid: number): Authenticated<CedData> | null {
    const entry = this.#ced[svid];
    if (entry === undefined || this.#alert || !this.#isInForce(entry)) return null;
    return this.#made(entry).ced;
  }

  #made(entry: InForce): NonNullable<InForce["made"]> {
    const { set, accumulation, made } = entry;
    if (made?.tags === accumulation.tags.length) return made;
    const words = set.words.map((word, i) => signedBits(word, i + 1));
    const data = { svid: set.svid, iodNav: set.iodNav, words };
    entry.made = {
      tags: accumulation.tags.length,
      ced: authenticate(data, this.#evidenceOf(accumulation)),
      proof: null,
    };
    return entry.made;
  }

  /** The same, of healthy satellites only. */
  healthyCed(svid: number): Authenticated<CedData> | null {
    return this.#healthyInForce(svid) ? this.ced(svid) : null;
  }

  /** GST minus UTC by an authenticated word 6, whole seconds, while no change of it is due; else null. */
  get leapSeconds(): number | null {
    if (this.#alert) return null;
    for (const entry of this.#timing) {
      if (entry === undefined || this.#now - entry.set.word6.lastSeen > DATA_VALIDITY_SECONDS) continue;
      const { word } = entry.set.word6;
      const leap = readBits(word, 62, 8);
      if (leap === readBits(word, 97, 8)) return (leap << 24) >> 24;
    }
    return null;
  }

  /** Evidence for `ced(svid)`, to be judged again from the Merkle root alone; null where there is no such data. */
  cedProof(svid: number): CedProof | null {
    const entry = this.#ced[svid];
    if (entry === undefined || this.#alert || !this.#isInForce(entry)) return null;
    const made = this.#made(entry);
    made.proof ??= this.#buildProof(entry);
    return made.proof;
  }

  #buildProof(entry: InForce): CedProof {
    const { set, accumulation } = entry;
    const chains: Chain[] = [];
    const tags: TagProof[] = [];
    for (const { chain, ...kept } of accumulation.proofs) {
      if (!chains.includes(chain)) chains.push(chain);
      tags.push({ ...kept, chain: chains.indexOf(chain) });
    }
    return {
      svid: set.svid,
      iodNav: set.iodNav,
      words: set.words.map(hex),
      tags,
      chains: chains.map(({ kroot, nmaHeader, signedBy }) => {
        const signer = this.#ring.find(signedBy);
        return {
          dsmKroot: hex(kroot.bytes),
          nmaHeader,
          publicKey: {
            root: signedBy.root,
            pkid: signedBy.pkid,
            type: signer?.key.type ?? "P-256",
            point: signer === null ? "" : hex(signer.key.point),
            proof:
              signer?.proof == null
                ? null
                : { leafIndex: signer.proof.leafIndex, siblings: signer.proof.siblings.map(hex) },
          },
        };
      }),
      rule: this.rule,
      authenticatedAt: accumulation.authenticatedAt ?? accumulation.verifiedAt,
    };
  }

  /** The authenticated words 6 and 10 (GGTO part) of a satellite, newest; else null. */
  timing(svid: number): Authenticated<{ svid: number; word6: Uint8Array; word10: Uint8Array }> | null {
    const entry = this.#timing[svid];
    if (entry === undefined || this.#alert || this.#now - entry.set.word6.lastSeen > DATA_VALIDITY_SECONDS)
      return null;
    const { word6, word10 } = entry.set;
    return authenticate(
      { svid, word6: signedBits(word6.word, 6), word10: signedBits(word10.word, 10) },
      this.#evidenceOf(entry.accumulation),
    );
  }

  /** Summary of a satellite's authenticated data for status displays. */
  satelliteStatus(svid: number): {
    readonly iodNav: number;
    readonly health: Health;
    readonly byAdkd: readonly number[];
    readonly tagBits: number;
    readonly verifiedAt: number;
    readonly rule: DataRule;
  } | null {
    const entry = this.#ced[svid];
    if (entry === undefined || !this.#isInForce(entry)) return null;
    const { accumulation, set, health } = entry;
    const byAdkd = [...(accumulation.fast ? [0] : []), ...(accumulation.slow ? [12] : [])];
    return {
      iodNav: set.iodNav,
      health,
      byAdkd,
      tagBits: accumulation.bits,
      verifiedAt: accumulation.verifiedAt,
      rule: this.rule,
    };
  }

  timingVerifiedAt(svid: number): number | null {
    return this.#timing[svid]?.accumulation.verifiedAt ?? null;
  }

  get state(): OsnmaState {
    if (this.#alert) return "alert";
    if (this.#nmas === 3) return "suspended";
    if (this.#ced.some((entry) => entry !== undefined && this.#isInForce(entry))) return "authenticating";
    if (this.#current !== null) return "hot";
    return this.#ring.hasUsableKey ? "warm" : "cold";
  }

  /** Whether the chain in force was verified by a DSM-KROOT within the time that is good for. */
  get chainVerified(): boolean {
    const since = this.#krootVerifiedAt ?? this.#startGst;
    return this.#current !== null && since !== null && this.#now - since <= KROOT_VALIDITY_SECONDS;
  }

  /** What the time condition said of the newest page: null when every tag is allowed. */
  get timeGateReason(): TimeGateReason | null {
    return this.#gateReason;
  }

  get alertVerified(): boolean {
    return this.#alert;
  }

  get nmaStatus(): NmaStatus | null {
    return this.#nmas === null ? null : NMA_STATUS[this.#nmas];
  }

  get cpks(): Cpks | null {
    return this.#cpks === null ? null : CPKS[this.#cpks];
  }

  get chainId(): number | null {
    return this.#cid ?? this.#current?.cid ?? null;
  }

  /** GST of the newest page, linear seconds; -Infinity before the first. */
  get now(): number {
    return this.#now;
  }

  status(): OsnmaStatusRecord {
    const current = this.#current;
    const next = this.#next;
    return {
      state: this.state,
      nmaStatus: this.nmaStatus,
      cpks: this.cpks,
      alert: this.#alert,
      chain:
        current === null
          ? null
          : {
              cid: current.cid,
              alpha: current.alphaHex,
              hash: current.parameters.hash,
              mac: current.parameters.mac,
              keyBits: current.parameters.keyBits,
              tagBits: current.parameters.tagBits,
              maclt: current.parameters.maclt,
              newestKeyAt: current.newestGst,
            },
      nextChain: next === null ? null : { cid: next.cid, alpha: next.alphaHex, inForceAt: next.kroot.gst0 },
      rootKeyVerifiedAt: this.#krootVerifiedAt,
      publicKeyInForce: this.#ring.inForce?.name ?? null,
      publicKeys: [...this.#ring.all].map(({ name, key, status }) => ({
        root: name.root,
        pkid: name.pkid,
        type: key.type,
        status,
      })),
      roots: this.#ring.roots.map(({ name }) => name),
    };
  }

  /* ---- persistence ---------------------------------------------------------------------------------- */

  snapshot(): OsnmaSnapshot {
    const keep = (role: "current" | "next", chain: Chain | null) =>
      chain === null
        ? []
        : [
            {
              role,
              dsm: hex(chain.kroot.bytes),
              nmaHeader: chain.nmaHeader,
              signedBy: chain.signedBy,
              newestGst: chain.newestGst,
              newestKey: hex(chain.newestKey),
            },
          ];
    return {
      format: 1,
      alert: this.#alert,
      keyRing: this.#ring.snapshot(),
      revokedChains: [...this.#revokedChains],
      status:
        this.#header === null || !Number.isFinite(this.#effectiveGst)
          ? null
          : { header: this.#header, effectiveGst: this.#effectiveGst },
      chains: [...keep("current", this.#current), ...keep("next", this.#next)],
    };
  }

  #restore(snapshot: OsnmaSnapshot): void {
    for (const identity of snapshot.revokedChains) this.#revokedChains.add(identity);
    this.#alert = snapshot.alert;
    if (this.#alert) {
      this.#nmas = 3;
      this.#cpks = 7;
      return;
    }
    if (snapshot.status !== null) {
      this.#header = snapshot.status.header;
      this.#effectiveGst = snapshot.status.effectiveGst;
    }
    for (const kept of snapshot.chains) {
      // A stored chain is worth what its signature is worth under the keys trusted now.
      const key = this.#ring.find(kept.signedBy);
      if (key === null || !this.#ring.isUsable(key)) continue;
      const kroot = parseDsmKroot(Uint8Array.from(Buffer.from(kept.dsm, "hex")), key.key.type);
      if (kroot?.parameters == null || !verifyDsmKroot(kroot, kept.nmaHeader, key.key)) continue;
      const chain = new Chain(kroot, kroot.parameters, kept.nmaHeader, key.name, null);
      if (this.#revokedChains.has(chain.identity)) continue;
      const newestKey = Uint8Array.from(Buffer.from(kept.newestKey, "hex"));
      const steps = (kept.newestGst - chain.newestGst) / SUBFRAME_SECONDS;
      if (steps > 0) {
        const fits = newestKey.length * 8 === kroot.parameters.keyBits && steps <= MAX_RESTORED_STEPS;
        if (!fits || !chain.verifyKey(kept.newestGst, newestKey, steps)) continue;
      }
      if (kept.role === "current") this.#current = chain;
      else {
        this.#next = chain;
        chain.from = kroot.gst0;
      }
    }
  }

  /* ---- events --------------------------------------------------------------------------------------- */

  #event(
    name: string,
    severity: EventRecord["severity"],
    message: string,
    detail: Record<string, unknown> = {},
  ): void {
    const gst = this.#subframeNow;
    const at = Number.isFinite(this.#now) ? this.#now : null;
    this.#sink.event({
      type: "event",
      name,
      wn: at === null ? null : wnOf(gst),
      tow: at === null ? null : towOf(gst),
      at,
      severity,
      message,
      ...detail,
    });
  }
}

function tagName(satellite: SatelliteSubframe, tag: SlotTag): TagName {
  return {
    prnA: satellite.svid,
    wn: wnOf(satellite.gst),
    tow: towOf(satellite.gst),
    ctr: tag.slot + 1,
    adkd: tag.adkd,
    cop: tag.cop,
  };
}

/**
 * A copy of a word with what no tag covers set to zero: spare bits, the time of week of word 6 and the almanac of
 * word 10. Of word 5 week and time of week stay: they are the page's time, against which they were checked.
 */
function signedBits(word: Uint8Array, type: number): Uint8Array {
  const copy = word.slice();
  if (type === 1 || type === 2 || type === 4) copy[15] &= 0xfc;
  else if (type === 5) copy.fill(0, 14);
  else if (type === 6) {
    copy[13] &= 0x80;
    copy.fill(0, 14);
  } else if (type === 10) {
    copy[0] &= 0xfc;
    copy.fill(0, 1, 10);
    copy[10] &= 0x03;
  }
  return copy;
}

/** Whether a MAC begins with the tag at `at`; tags of whole bytes on byte borders, which are on air, byte by byte. */
function sameTag(digest: Uint8Array, mack: Uint8Array, at: number, tagBits: number): boolean {
  if (((at | tagBits) & 7) !== 0) return bitsEqual(digest, 0, mack, at, tagBits);
  const start = at >> 3;
  for (let i = (tagBits >> 3) - 1; i >= 0; i--) if (digest[i] !== mack[start + i]) return false;
  return true;
}

function isNamed(chain: Chain | null, cid: number, gst: number): boolean {
  return (
    chain !== null && chain.cid === cid && gst >= chain.from && (chain.until === null || gst < chain.until)
  );
}

/**
 * Whether a set is to replace the one in force. When it was signed decides, not when it was heard last: anyone can
 * send old words again, and a slow tag of before must not bring back what newer data has ended.
 */
function isSignedLater(set: CedSet, { taggedGst }: Accumulation, known: InForce): boolean {
  const difference = taggedGst - known.accumulation.taggedGst;
  return difference === 0 ? isNewer(set, known.set) : difference > 0;
}

/** Whether `a` is more recent data than `b`: a later batch, or a later word 5 in the same batch. */
function isNewer(a: CedSet, b: CedSet): boolean {
  if (a.batch !== b.batch) return a.batch.lastSeen >= b.batch.lastSeen;
  return a.word5.lastSeen >= b.word5.lastSeen;
}

function sameMessage(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
