/**
 * Navigation data judged from the Merkle root up: public keys, root keys, TESLA keys, tags, words (OSNMA SIS ICD 1.1;
 * the order is that of docs/protocol-coverage.md). Only what holds is handed on: a key under a wrong root key opens
 * no tag. Nothing of the engine's state is used, only its primitives.
 */
import { decodeEphemeris, type Ephemeris, type EphemerisWords } from "../ephemeris/ephemeris.js";
import { formatGst, SUBFRAME_SECONDS, towOf, wnOf } from "../inav/gst.js";
import { bitsEqual, sameBytes } from "../osnma/bits.js";
import { parseDsmKroot, verifyDsmKroot, type ChainParameters, type DsmKroot } from "../osnma/dsm-kroot.js";
import { importPublicKey, type EcdsaPublicKey, type KeyType } from "../osnma/ecdsa.js";
import { createMac } from "../osnma/mac.js";
import { macLookup, messageIndexOf, type MacSlot } from "../osnma/mac-lookup-table.js";
import { MACSEQ_BITS, mackLayoutOf, type MackLayout } from "../osnma/mack.js";
import { merkleLeaf, merkleRootFromProof } from "../osnma/merkle-tree.js";
import {
  buildMacseqMessage,
  buildTagMessage,
  CED_BITS,
  cedNavBits,
  MAX_MACSEQ_MESSAGE_BYTES,
  MAX_TAG_MESSAGE_BYTES,
} from "../osnma/tag-message.js";
import { walkBack } from "../osnma/tesla.js";
import {
  bytesOf,
  hexOf,
  signedPart,
  type ObjectId,
  type ObjectKind,
  type ObjectOf,
  type PublicKeyObject,
  type RootKeyObject,
  type TagObject,
  type TeslaKeyObject,
  type WordsObject,
} from "./objects.js";
import type { Lines, Subject, TrustedStanding } from "./verdict.js";

/** NPKT in the leaf of a public key (OSNMA SIS ICD 1.1, DSM-PKR). */
const NPKT: Readonly<Record<KeyType, number>> = { "P-256": 1, "P-521": 3 };
/** From the tag to the disclosure of its key (ADKD 0, MACSEQ; ADKD 12 is slow MAC). */
const FAST_DELAY_SECONDS = 30;
const SLOW_DELAY_SECONDS = 330;
const SLOW_STEPS_TO_MACSEQ = (SLOW_DELAY_SECONDS - FAST_DELAY_SECONDS) / SUBFRAME_SECONDS;
/**
 * Chain steps that one bundle may cost, some 28 months of chain and a second of work: a bundle claims its times
 * itself, and must not buy more work with them.
 */
export const MAX_CHAIN_STEPS = 2_500_000;
/** NMA status: 1 test, 2 operational; 0 is reserved and 3 says "don't use". */
const NMAS_NAMES = ["reserved", "test", "operational", "don't use"] as const;
const CPKS_NAMES = ["reserved", "nominal", "EOC", "CREV", "NPK", "PKREV", "NMT", "alert"] as const;

export interface TrustedRoot {
  /** 32 bytes. */
  readonly root: Uint8Array;
  readonly standing: TrustedStanding;
  /** For people. */
  readonly label: string;
}

/** Objects of the bundle that have the form, by kind and by id. */
export interface Objects {
  of<K extends ObjectKind>(kind: K): readonly (readonly [ObjectId, ObjectOf<K>])[];
  get<K extends ObjectKind>(kind: K, id: ObjectId): ObjectOf<K> | null;
}

interface GoodPublicKey {
  readonly object: PublicKeyObject;
  readonly key: EcdsaPublicKey;
  readonly root: TrustedRoot;
}

/** A root key whose signature holds, with the chain keys known to hang from it. */
export interface GoodRootKey {
  readonly publicKey: GoodPublicKey;
  readonly kroot: DsmKroot;
  readonly parameters: ChainParameters;
  readonly layout: MackLayout;
  readonly nmaHeader: number;
  /** Verified keys by ascending GST, the root key itself among them. */
  readonly keys: { readonly gst: number; readonly key: Uint8Array }[];
}

export interface GoodTag {
  readonly object: TagObject;
  readonly rootKey: GoodRootKey;
  readonly keyGst: number;
}

/** Words 1-5 that tags worth enough bits were computed over. */
export interface GoodWords {
  readonly id: ObjectId;
  readonly object: WordsObject;
  readonly words: EphemerisWords;
  readonly ephemeris: Ephemeris;
  readonly tags: readonly GoodTag[];
  readonly tagBits: number;
}

export function nameOf(kind: ObjectKind, object: unknown): string {
  switch (kind) {
    case "public-key": {
      const { pkid, root } = object as PublicKeyObject;
      return `public key ${pkid} under ${root.slice(0, 8).toUpperCase()}`;
    }
    case "root-key":
      return "root key (DSM-KROOT)";
    case "tesla-key":
      return `TESLA key of ${formatGst((object as TeslaKeyObject).gst)}`;
    case "tag": {
      const { prnA, prnD, gst, ctr, adkd } = object as TagObject;
      return `tag of E${prnA} over E${prnD}, ADKD ${adkd}, ${formatGst(gst)}, CTR ${ctr}`;
    }
    case "words":
      return `words of E${(object as WordsObject).svid}`;
    case "receiver":
      return (object as ObjectOf<"receiver">).message;
    case "measurements":
      return "measurements (RXM-RAWX)";
    case "position-inputs":
      return "position inputs";
    case "fix":
      return "fix";
  }
}

export class NavigationJudge {
  readonly #objects: Objects;
  readonly #lines: Lines;
  readonly #roots: readonly TrustedRoot[];
  readonly #minimumTagBits: number;
  #steps = MAX_CHAIN_STEPS;
  readonly #publicKeys = new Map<ObjectId, GoodPublicKey>();
  readonly #rootKeys = new Map<ObjectId, GoodRootKey>();
  readonly #teslaKeys = new Map<
    ObjectId,
    { readonly object: TeslaKeyObject; readonly rootKey: GoodRootKey }
  >();

  constructor(objects: Objects, lines: Lines, roots: readonly TrustedRoot[], minimumTagBits: number) {
    this.#objects = objects;
    this.#lines = lines;
    this.#roots = roots;
    this.#minimumTagBits = minimumTagBits;
  }

  /** Judges all navigation data of the bundle; the words that hold, by id. */
  judge(): Map<ObjectId, GoodWords> {
    for (const [id, object] of this.#objects.of("public-key")) {
      this.#publicKey({ id, name: nameOf("public-key", object) }, object);
    }
    for (const [id, object] of this.#objects.of("root-key")) {
      this.#rootKey({ id, name: nameOf("root-key", object) }, object);
    }
    this.#keysOfChains(this.#objects.of("tesla-key"));
    const good = new Map<ObjectId, GoodWords>();
    for (const [id, object] of this.#objects.of("words")) {
      const words = this.#words({ id, name: nameOf("words", object) }, object);
      if (words !== null) good.set(id, words);
    }
    return good;
  }

  /** Standings of the roots that something holds under. */
  get standings(): TrustedStanding[] {
    return [...this.#rootKeys.values()].map(({ publicKey }) => publicKey.root.standing);
  }

  get headers(): { readonly nmas: string; readonly cpks: string }[] {
    return [...this.#rootKeys.values()].map(({ nmaHeader }) => ({
      nmas: NMAS_NAMES[nmaHeader >> 6],
      cpks: CPKS_NAMES[(nmaHeader >> 1) & 7],
    }));
  }

  #publicKey(subject: Subject, object: PublicKeyObject): void {
    const fail = (field: string, detail: string): void => {
      this.#lines.fail("public-key", subject, field, detail);
    };
    const point = bytesOf(object.point);
    const key = importPublicKey(object.type, point);
    if (key === null) {
      fail("point", `is no point of ${object.type}`);
      return;
    }
    if (object.proof === null) {
      fail("proof", "no Merkle proof: the station trusts this key by itself, and nobody else has to");
      return;
    }
    const leaf = merkleLeaf(NPKT[object.type], object.pkid, point);
    const root = merkleRootFromProof(leaf, object.proof.leafIndex, object.proof.siblings.map(bytesOf));
    const trusted = this.#roots.find((known) => sameBytes(known.root, root));
    if (hexOf(root) !== object.root) {
      const known = trusted === undefined ? "" : ", though it does to a trusted one";
      fail(
        trusted === undefined ? "proof" : "root",
        `leaf and siblings do not lead to the root that is named${known}`,
      );
      return;
    }
    if (trusted === undefined) {
      fail("root", `the Merkle root ${object.root.toUpperCase()} is not among those trusted`);
      return;
    }
    this.#publicKeys.set(subject.id!, { object, key, root: trusted });
    this.#lines.pass(
      "public-key",
      subject,
      `PKID ${object.pkid} (${object.type}) is leaf ${object.proof.leafIndex} of ${trusted.label}`,
    );
  }

  #rootKey(subject: Subject, object: RootKeyObject): void {
    const fail = (field: string, detail: string): void => {
      this.#lines.fail("root-key", subject, field, detail);
    };
    const publicKey = this.#publicKeys.get(object.publicKey);
    if (publicKey === undefined) {
      fail("publicKey", "the public key it is signed with is not proven");
      return;
    }
    const kroot = parseDsmKroot(bytesOf(object.dsmKroot), publicKey.object.type);
    if (kroot === null) {
      fail("dsmKroot", "is no DSM-KROOT of this key type");
      return;
    }
    if (kroot.pkid !== publicKey.object.pkid) {
      fail("dsmKroot", `names PKID ${kroot.pkid}, and not the key's ${publicKey.object.pkid}`);
      return;
    }
    if (!verifyDsmKroot(kroot, object.nmaHeader, publicKey.key)) {
      fail("dsmKroot", "signature or padding does not verify over this message and NMA header");
      return;
    }
    const { parameters } = kroot;
    if (parameters === null) {
      fail("dsmKroot", `describes no usable chain: ${kroot.unusableReason}`);
      return;
    }
    const nmas = object.nmaHeader >> 6;
    if (nmas !== 1 && nmas !== 2) {
      fail("nmaHeader", `NMA status "${NMAS_NAMES[nmas]}": nothing may be authenticated`);
      return;
    }
    this.#rootKeys.set(subject.id!, {
      publicKey,
      kroot,
      parameters,
      layout: mackLayoutOf(parameters),
      nmaHeader: object.nmaHeader,
      keys: [{ gst: kroot.gst0 - SUBFRAME_SECONDS, key: kroot.kroot }],
    });
    this.#lines.pass(
      "root-key",
      subject,
      `chain ${kroot.cid}, KROOT of WN ${kroot.wn} TOWH ${kroot.towh}, signed with PKID ${kroot.pkid}; NMA status ${
        NMAS_NAMES[nmas]
      }, CPKS ${CPKS_NAMES[(object.nmaHeader >> 1) & 7]}`,
    );
  }

  /**
   * Judges tags that stand beside the bundle, over words of it that hold and under its root keys: what shows that the
   * words were authentic at another time as well. Call it after `judge`. The tags that hold, by satellite.
   */
  judgeMore(objects: Objects, wordsOf: (svid: number) => GoodWords | undefined): Map<number, GoodTag[]> {
    this.#keysOfChains(objects.of("tesla-key"));
    const good = new Map<number, GoodTag[]>();
    for (const [id, tag] of objects.of("tag")) {
      const subject = { id, name: nameOf("tag", tag) };
      const words = wordsOf(tag.prnD);
      if (words === undefined) {
        const detail = `it is over data of E${tag.prnD}, which the bundle does not prove`;
        this.#lines.fail("tag-rule", subject, "prnD", detail);
        continue;
      }
      const [word1, word2, word3, word4, word5] = words.object.words.map(bytesOf);
      const navBits = cedNavBits(word1, word2, word3, word4, word5);
      const found = this.#tag(subject, tag, words.object, navBits);
      if (found !== null) good.set(tag.prnD, [...(good.get(tag.prnD) ?? []), found]);
    }
    return good;
  }

  #keysOfChains(objects: readonly (readonly [ObjectId, TeslaKeyObject])[]): void {
    const all = objects.map(([id, object]) => {
      const rootKey = this.#rootKeys.get(object.rootKey) ?? null;
      return { subject: { id, name: nameOf("tesla-key", object) }, object, rootKey };
    });
    // Outwards from the root key both ways, so that each step is walked once.
    const distance = ({ object, rootKey }: (typeof all)[number]): number =>
      rootKey === null ? 0 : Math.abs(object.gst - rootKey.kroot.gst0);
    all.sort((a, b) => distance(a) - distance(b));
    for (const { subject, object, rootKey } of all) {
      if (rootKey === null) {
        this.#lines.fail("tesla-key", subject, "rootKey", "the root key it hangs from is not verified");
        continue;
      }
      const key = bytesOf(object.key);
      const wrong = this.#onChain(rootKey, object.gst, key);
      if (wrong !== null) {
        this.#lines.fail("tesla-key", subject, wrong.field, wrong.detail);
        continue;
      }
      this.#teslaKeys.set(subject.id, { object, rootKey });
      const steps = (object.gst - rootKey.kroot.gst0) / SUBFRAME_SECONDS + 1;
      this.#lines.pass(
        "tesla-key",
        subject,
        `${Math.abs(steps)} steps ${steps < 0 ? "before" : "from"} the KROOT`,
      );
    }
  }

  /** Whether `key`, disclosed at `gst`, is of the chain; null where it is, and then it is remembered. */
  #onChain(
    rootKey: GoodRootKey,
    gst: number,
    key: Uint8Array,
  ): { readonly field: string; readonly detail: string } | null {
    const { parameters, keys } = rootKey;
    if (key.length * 8 !== parameters.keyBits)
      return {
        field: "key",
        detail: `the chain's keys are ${parameters.keyBits} bits, not ${key.length * 8}`,
      };
    const { gst: anyGst } = keys[0];
    if ((gst - anyGst) % SUBFRAME_SECONDS !== 0)
      return { field: "gst", detail: "no subframe begins at this time" };
    let at = keys.length;
    while (at > 0 && keys[at - 1].gst > gst) at--;
    // The nearest older key; below the oldest, that one is walked down to this.
    const older = at > 0 ? keys[at - 1] : null;
    const [from, to] = older === null ? [keys[0], { gst, key }] : [{ gst, key }, older];
    const steps = (from.gst - to.gst) / SUBFRAME_SECONDS;
    if (steps > this.#steps)
      return {
        field: "gst",
        detail: `${steps} steps from a verified key: more than is walked for one bundle`,
      };
    this.#steps -= steps;
    const walked = walkBack(parameters, from.key, from.gst, to.gst, steps);
    if (walked === null || !sameBytes(walked, to.key))
      return { field: "key", detail: "does not hash into the chain of its root key" };
    if (older?.gst !== gst) keys.splice(at, 0, { gst, key });
    return null;
  }

  /** Whether a key that a record names is of a chain that words hang from. */
  isOnChain(rootKey: GoodRootKey, gst: number, key: Uint8Array): boolean {
    return Number.isInteger(gst) && this.#onChain(rootKey, gst, key) === null;
  }

  #words(subject: Subject, object: WordsObject): GoodWords | null {
    const fail = (field: string, detail: string): null => {
      this.#lines.fail("words", subject, field, detail);
      return null;
    };
    const words = object.words.map(bytesOf);
    for (let i = 0; i < words.length; i++) {
      if (words[i][0] >> 2 !== i + 1) return fail(`words.${i}`, `is no word of type ${i + 1}`);
      if (!sameBytes(signedPart(words[i], i + 1), words[i]))
        return fail(`words.${i}`, "has bits set that no tag signs; they are zero in evidence");
    }
    const iodNav = (i: number): number => ((words[i][0] & 3) << 8) | words[i][1];
    for (let i = 1; i < 4; i++) {
      if (iodNav(i) !== iodNav(0))
        return fail(`words.${i}`, `IODnav ${iodNav(i)}, and word 1 has ${iodNav(0)}`);
    }
    const named = words[3][2] >> 2;
    if (named !== object.svid)
      return fail("svid", `word 4 is of E${named}, the object claims E${object.svid}`);

    const navBits = cedNavBits(words[0], words[1], words[2], words[3], words[4]);
    const tags: GoodTag[] = [];
    const seen = new Set<string>();
    let newest = 0;
    let tagBits = 0;
    let allHold = true;
    for (const id of object.tags) {
      const tag = this.#objects.get("tag", id);
      // A missing object has its line already.
      const good = tag === null ? null : this.#tag({ id, name: nameOf("tag", tag) }, tag, object, navBits);
      if (good === null) {
        allHold = false;
        continue;
      }
      const name = `${good.object.prnA} ${good.object.gst} ${good.object.ctr}`;
      if (seen.has(name)) return fail("tags", "one tag counts once only");
      seen.add(name);
      tags.push(good);
      tagBits += good.rootKey.parameters.tagBits;
      newest = Math.max(newest, good.object.gst);
    }
    if (tagBits < this.#minimumTagBits) {
      const detail = `${tagBits} bits of tags hold over them; ${this.#minimumTagBits} are asked for`;
      this.#lines.fail("minimum-tag-bits", subject, "tags", detail);
      return null;
    }
    if (!allHold) return null;
    // No tag signs the time in word 5: that of the newest tag stands in, for the week and the age of the ionosphere.
    const timed = withTime(words, newest);
    const ephemeris = decodeEphemeris(timed, object.svid);
    if (ephemeris === null) return fail("words", "do not decode as an ephemeris");
    this.#lines.pass("words", subject, `IODnav ${iodNav(0)}: ${tags.length} tags, ${tagBits} bits`);
    return { id: subject.id!, object, words: timed, ephemeris, tags, tagBits };
  }

  #tag(subject: Subject, tag: TagObject, over: WordsObject, navBits: Uint8Array): GoodTag | null {
    const rule = (field: string, detail: string): null => {
      this.#lines.fail("tag-rule", subject, field, detail);
      return null;
    };
    const teslaKey = this.#teslaKeys.get(tag.key);
    if (teslaKey === undefined) return rule("key", "the TESLA key that opens it is not verified");
    const { rootKey, object: keyObject } = teslaKey;
    const { parameters, layout } = rootKey;
    if (tag.gst % SUBFRAME_SECONDS !== 0) return rule("gst", "no subframe begins at this time");
    const delay = tag.adkd === 12 ? SLOW_DELAY_SECONDS : FAST_DELAY_SECONDS;
    if (keyObject.gst - tag.gst !== delay)
      return rule("gst", `its key must be disclosed ${delay} s later, not ${keyObject.gst - tag.gst} s`);
    if (tag.prnD !== over.svid) return rule("prnD", `it speaks for E${tag.prnD}, not for E${over.svid}`);
    if (tag.nmas !== 1 && tag.nmas !== 2)
      return rule("nmas", `sent under NMA status "${NMAS_NAMES[tag.nmas]}"`);
    if (tag.cop === 0) return rule("cop", "COP 0: a dummy tag over zeros");
    const slots = macLookup(parameters.maclt, messageIndexOf(tag.gst));
    if (slots === null || !layout.usable)
      return rule("key", `MAC look-up table ${parameters.maclt} is unknown`);
    if (tag.ctr > slots.length) return rule("ctr", `a MACK of this chain has ${slots.length} slots`);
    const slot = slots[tag.ctr - 1];
    if (!slot.flexible && slot.adkd !== tag.adkd)
      return rule("adkd", `slot ${tag.ctr} holds ADKD ${slot.adkd} by look-up table ${parameters.maclt}`);
    if (slot.self && tag.prnA !== tag.prnD)
      return rule("prnD", `slot ${tag.ctr} speaks for the transmitting satellite only`);
    const bytes = bytesOf(tag.tag);
    const { tagBits } = parameters;
    const spare = bytes.length * 8 - tagBits;
    if (bytes.length !== Math.ceil(tagBits / 8) || (bytes[bytes.length - 1] & ((1 << spare) - 1)) !== 0)
      return rule("tag", `tags of this chain are ${tagBits} bits`);
    if (slot.flexible !== (tag.macseq !== null))
      return rule("macseq", slot.flexible ? "missing for a flexible slot" : "the slot is not flexible");
    const key = bytesOf(keyObject.key);
    if (tag.macseq !== null && !this.#macseq(subject, tag, tag.macseq, slots, rootKey, key)) return null;

    const message = new Uint8Array(MAX_TAG_MESSAGE_BYTES);
    const prnD = tag.ctr === 1 ? null : tag.prnD;
    const length = buildTagMessage(message, prnD, tag.prnA, tag.gst, tag.ctr, tag.nmas, navBits, CED_BITS);
    if (!bitsEqual(createMac(parameters, key).digest(message, length), 0, bytes, 0, tagBits)) {
      const detail = `is not the MAC of ${nameOf("words", over)} under its key, for these PRN, GST, CTR and NMAS`;
      this.#lines.fail("tag", subject, "tag", detail);
      return null;
    }
    this.#lines.pass("tag", subject, `${tagBits} bits, key of ${formatGst(keyObject.gst)}`);
    return { object: tag, rootKey, keyGst: keyObject.gst };
  }

  #macseq(
    subject: Subject,
    tag: TagObject,
    macseq: NonNullable<TagObject["macseq"]>,
    slots: readonly MacSlot[],
    { parameters }: GoodRootKey,
    key: Uint8Array,
  ): boolean {
    const fail = (field: string, detail: string): boolean => {
      this.#lines.fail("macseq", subject, field, detail);
      return false;
    };
    const flexible = slots.flatMap((slot, i) => (slot.flexible ? [i] : []));
    if (macseq.infos.length !== flexible.length)
      return fail("macseq.infos", `the message has ${flexible.length} flexible slots`);
    const place = flexible.indexOf(tag.ctr - 1);
    if (macseq.infos[place] !== ((tag.prnD << 8) | (tag.adkd << 4) | tag.cop))
      return fail(`macseq.infos.${place}`, "is not this tag's PRN_D, ADKD and COP");
    // MACSEQ goes with the fast key, whatever the tag's own.
    const fast =
      tag.adkd === 12
        ? walkBack(
            parameters,
            key,
            tag.gst + SLOW_DELAY_SECONDS,
            tag.gst + FAST_DELAY_SECONDS,
            SLOW_STEPS_TO_MACSEQ,
          )
        : key;
    const message = new Uint8Array(MAX_MACSEQ_MESSAGE_BYTES);
    const length = buildMacseqMessage(message, tag.prnA, tag.gst, macseq.infos);
    const digest = createMac(parameters, fast!).digest(message, length);
    if (((digest[0] << 4) | (digest[1] >> 4)) !== macseq.value)
      return fail("macseq", `the ${MACSEQ_BITS} bits are not the MAC of the flexible slots' Tag-Infos`);
    return true;
  }
}

/** Words 1-5 with WN and TOW of word 5 (bits 73-84 and 85-104) set to those of `gst`. */
export function withTime(words: readonly Uint8Array[], gst: number): EphemerisWords {
  const word5 = words[4].slice();
  const put = (first: number, count: number, value: number): void => {
    for (let i = 0; i < count; i++) {
      const bit = first + i;
      const mask = 0x80 >> (bit & 7);
      if (((value >> (count - 1 - i)) & 1) !== 0) word5[bit >> 3] |= mask;
      else word5[bit >> 3] &= ~mask;
    }
  };
  put(73, 12, wnOf(gst) & 0xfff);
  put(85, 20, towOf(gst));
  return [words[0], words[1], words[2], words[3], word5];
}
