/**
 * Makes the proof package of a fix from a station's log and the fix's evidence. It knows nothing of a verifier's
 * witnesses, and so takes for each satellite what most witnesses saw soonest. Pure but for its source.
 */
import { bundleText } from "../evidence/bundle.js";
import { canonicalJson } from "../evidence/canonical-json.js";
import { canonicalRecord } from "../evidence/canonical-record.js";
import {
  bytesOf,
  hexOf,
  idOfText,
  objectText,
  signedPart,
  type EvidenceObject,
  type FixObject,
  type ObjectId,
  type TeslaKeyObject,
} from "../evidence/objects.js";
import { judgeBundle } from "../evidence/verify.js";
import type { GoodRootKey, GoodWords } from "../evidence/verify-navigation.js";
import { OsnmadError } from "../errors.js";
import { formatGst, SUBFRAME_SECONDS } from "../inav/gst.js";
import { cedNavBits } from "../osnma/tag-message.js";
import type { FixRecord, Mode } from "../pipeline/records.js";
import type { Checkpoint } from "../station/checkpoint.js";
import { CommittedTree, type Category } from "../station/commitment.js";
import { timestampOf } from "../station/cosignature.js";
import { commitsTo, fixSlot } from "../station/fix-item.js";
import { decodeFix, decodePages, decodeTags, pagesSlot, tagsSlot } from "../station/items.js";
import { decodeLeaf } from "../station/leaf.js";
import { bytesEqual } from "../station/merkle.js";
import { decodeItems, type Items } from "../station/openings.js";
import { disclosureGst, keyOffsetSeconds, seenGst } from "../station/timing.js";
import {
  MAX_SIGHTINGS,
  type ConsistencyJson,
  type LeafJson,
  type OpeningJson,
  type ProofParts,
} from "./package.js";
import { fixSatellites } from "./satellites.js";
import type { ProofSource } from "./source.js";
import { keyIn, keysBefore, leadsTo, tagsOver, type ChainKey, type FoundTag } from "./tag-search.js";
import { formatTlogProof } from "./tlog-proof.js";

/**
 * Leaves before and after that of the fix among which tags are looked for: a slow key comes 11 subframes later, and the
 * fix has to be seen before it.
 */
const LEAVES_BEFORE = 9;
const LEAVES_AFTER = 24;
/** Leaves before that of the fix among which words are looked for: data in force for 20 minutes. */
const PAGES_BEFORE = 40;
const BANDS = ["E1-B", "E5b"] as const;
/** GST minus UTC since 2017; only to prefer one leaf to another. */
const LEAP_SECONDS = 18;
/** What a verifier may take off beyond clocks: only to prefer one leaf to another. */
const LIKELY_MARGIN_SECONDS = 5;

/** A fix as it was made, with its evidence. */
export interface ProvableFix {
  readonly record: FixRecord;
  readonly evidence: {
    readonly mode: Mode;
    readonly root: ObjectId;
    readonly objects: Iterable<readonly [ObjectId, unknown]>;
  } | null;
}

/** A leaf of the log with what opens it. */
interface OpenedLeaf {
  readonly index: number;
  readonly gst: number;
  readonly items: Items;
  readonly secret: Uint8Array;
}

interface Candidate extends FoundTag {
  readonly svid: number;
  readonly rootKey: GoodRootKey;
  readonly leaf: OpenedLeaf;
}

/** Throws OSN_PROOF_IMPOSSIBLE with the reason: not in the log, not signed yet, openings pruned, no evidence. */
export function makeProof({ record, evidence }: ProvableFix, source: ProofSource): ProofParts {
  if (evidence === null) {
    throw impossible("the fix has no evidence: it is unverified, or was smoothed over epochs");
  }
  return new Maker(record, evidence, source).make();
}

class Maker {
  readonly #record: FixRecord;
  readonly #evidence: NonNullable<ProvableFix["evidence"]>;
  readonly #source: ProofSource;
  readonly #leaves = new Map<number, OpenedLeaf | null>();
  readonly #checkpoints = new Map<number, readonly Checkpoint[]>();
  /** What is opened of each leaf: `category slot`. */
  readonly #opened = new Map<number, Map<string, { category: Category; slot: number }>>();
  readonly #objects: Record<ObjectId, EvidenceObject> = {};
  /** Of the trees in which leaves are shown. */
  readonly #sizes = new Set<number>();

  constructor(record: FixRecord, evidence: NonNullable<ProvableFix["evidence"]>, source: ProofSource) {
    this.#record = record;
    this.#evidence = { ...evidence, objects: [...evidence.objects] };
    this.#source = source;
  }

  make(): ProofParts {
    const { station, mode } = this.#source;
    const { mode: ofFix, root, objects } = this.#evidence;
    if (ofFix !== mode) throw impossible(`the fix is of mode ${ofFix}, and the log of mode ${mode}`);
    this.#assertRecord();
    const own = this.#fixLeaf();
    const bundle = JSON.parse(bundleText(ofFix, root, objects)) as unknown;
    const words = this.#wordsOf(bundle);
    const tags = this.#chooseTags(own, words);
    for (const { leaf, tag } of tags) this.#open(leaf, "tags", tagsSlot(tag.prnA));
    for (const tag of tags) this.#addTag(tag);
    this.#openPages(own, words);
    const { first, rotations } = this.#source.keyLeaves();
    const start = decodeLeaf(first);
    if (start?.kind !== "start") throw impossible("the log does not begin with its key");
    const indices = [...this.#opened.keys()].sort((a, b) => a - b);
    return {
      mode,
      station: hexOf(station),
      key: hexOf(start.publicKey),
      rotations: rotations.map(hexOf),
      evidence: bundle,
      objects: this.#objects,
      leaves: indices.map((index) => this.#leafJson(index)),
      consistency: this.#consistency(),
    };
  }

  /** A leaf commits to a record by its evidence, so the record that came beside it has to be the one in there. */
  #assertRecord(): void {
    const { root, objects } = this.#evidence;
    const fix = Array.from(objects).find(([id]) => id === root)?.[1] as FixObject | undefined;
    if (fix === undefined || canonicalJson(fix.record) !== canonicalRecord(this.#record, "evidence"))
      throw impossible("its evidence is that of another record");
  }

  /** The leaf that commits to the fix, the fix opened. */
  #fixLeaf(): OpenedLeaf {
    const { gst } = this.#record;
    const subframe = Math.floor(gst / SUBFRAME_SECONDS) * SUBFRAME_SECONDS;
    const slot = fixSlot(this.#record, subframe)!;
    const index = this.#source.firstLeafSince(subframe);
    if (index >= this.#source.size)
      throw impossible(
        `the leaf of ${formatGst(subframe)} is not signed yet; it is some 35 s after its subframe began`,
      );
    const leaf = this.#leafAt(index);
    if (leaf?.gst !== subframe) {
      const decoded = decodeLeaf(this.#source.leaf(index));
      throw impossible(
        decoded?.kind === "subframe" && decoded.gst === subframe
          ? `what opens leaf ${index} is not kept any more`
          : `the log has no leaf of ${formatGst(subframe)}`,
      );
    }
    const item = leaf.items.fixes.get(slot);
    const fix = item === undefined ? null : decodeFix(item);
    if (fix === null || !commitsTo(fix, this.#record))
      throw impossible(`leaf ${index} does not commit to this fix: it came after the leaf was made`);
    this.#open(leaf, "fixes", slot);
    return leaf;
  }

  /** The data of the satellites that the fix rests on, judged under the root that its own evidence names. */
  #wordsOf(bundle: unknown): GoodWords[] {
    const roots = Array.from(this.#evidence.objects).flatMap(([, object]) => {
      const { kind, root } = object as { kind?: unknown; root?: unknown };
      return kind === "public-key" && typeof root === "string"
        ? [{ root: bytesOf(root), standing: "test" as const, label: "" }]
        : [];
    });
    const { words, lines } = judgeBundle(bundle, { roots, minimumTagBits: 1, locateDamage: false });
    return fixSatellites(this.#record).map((svid) => {
      const found = words.get(svid);
      if (found === undefined) {
        const why = lines.lines.find(({ ok }) => !ok)?.detail ?? "it is not in it";
        throw impossible(`its evidence does not prove the data of E${svid}: ${why}`);
      }
      return found;
    });
  }

  #chooseTags(own: OpenedLeaf, words: readonly GoodWords[]): Candidate[] {
    const navBits = new Map(
      words.map(({ object }) => {
        const [word1, word2, word3, word4, word5] = object.words.map(bytesOf);
        return [object.svid, cedNavBits(word1, word2, word3, word4, word5)] as const;
      }),
    );
    const around = this.#around(own.index, LEAVES_BEFORE, LEAVES_AFTER);
    const witnesses = new Set(around.flatMap(({ index }) => this.#witnessesOf(index)));
    const candidates: Candidate[] = [];
    for (const rootKey of new Set(words.flatMap(({ tags }) => tags.map((tag) => tag.rootKey)))) {
      const keyAt = keysBefore(rootKey, this.#newestKey(rootKey, around));
      for (const leaf of around) {
        for (const bytes of leaf.items.tags.values()) {
          const item = decodeTags(bytes);
          if (item === null) continue;
          for (const found of tagsOver(item, navBits, rootKey, keyAt))
            // The key of an earlier fast tag was out before the fix was committed to.
            if (found.tag.adkd === 12 || leaf.gst >= own.gst)
              candidates.push({ ...found, svid: found.tag.prnD, rootKey, leaf });
        }
        // The nearest leaves come first: what is as good as can be is not looked for further away.
        if (words.every((each) => this.#hasBest(each, candidates, witnesses.size))) break;
      }
    }
    const chosen: Candidate[] = [];
    for (const { object, tagBits } of words)
      chosen.push(...this.#best(object.svid, tagBits, candidates, own));
    return chosen;
  }

  #hasBest({ object, tagBits }: GoodWords, candidates: readonly Candidate[], witnesses: number): boolean {
    const bits = candidates
      .filter(
        (each) => each.svid === object.svid && each.tag.adkd === 12 && this.#seenInTime(each) === witnesses,
      )
      .reduce((sum, each) => sum + each.bits, 0);
    return bits >= tagBits;
  }

  #witnessesOf(index: number): string[] {
    return this.#checkpointsWith(index)
      .flatMap(({ note }) => note.signatures.filter((line) => timestampOf(line) !== null))
      .map(({ name }) => name);
  }

  /**
   * Tags of a satellite that are worth as many bits as its data rested on: seen in time by most witnesses, then slow
   * ones, then near the fix.
   */
  #best(svid: number, bits: number, candidates: readonly Candidate[], own: OpenedLeaf): Candidate[] {
    const ranked = candidates
      .filter((candidate) => candidate.svid === svid)
      .map((candidate) => ({
        candidate,
        inTime: this.#seenInTime(candidate),
        away: Math.abs(candidate.leaf.index - own.index),
        // Its own tag rather than another satellite's: one opening fewer.
        foreign: Number(candidate.tag.prnA !== svid),
      }))
      .sort(
        (a, b) =>
          b.inTime - a.inTime ||
          b.candidate.tag.adkd - a.candidate.tag.adkd ||
          a.away - b.away ||
          a.foreign - b.foreign,
      );
    const taken: Candidate[] = [];
    let sum = 0;
    for (const { candidate } of ranked) {
      if (sum >= bits) break;
      taken.push(candidate);
      sum += candidate.bits;
    }
    return taken;
  }

  /** Witnesses that saw the tag's leaf before its key, as far as anybody may say who does not know their bounds. */
  #seenInTime({ tag, leaf, rootKey }: Candidate): number {
    const key = disclosureGst(tag.gst, tag.adkd, keyOffsetSeconds(rootKey.layout.keyStartBit));
    const witnesses = new Set<string>();
    for (const { note } of this.#checkpointsWith(leaf.index)) {
      for (const line of note.signatures) {
        const stamp = timestampOf(line);
        if (stamp !== null && seenGst(stamp, 1, LEAP_SECONDS) + LIKELY_MARGIN_SECONDS < key)
          witnesses.add(line.name);
      }
    }
    return witnesses.size;
  }

  /** The newest key of the chain that evidence or log have. */
  #newestKey(rootKey: GoodRootKey, around: readonly OpenedLeaf[]): ChainKey {
    const known = rootKey.keys[rootKey.keys.length - 1];
    const newestFirst = [...around].sort((a, b) => b.gst - a.gst);
    for (const { gst, items } of newestFirst) {
      if (gst <= known.gst) break;
      for (const bytes of items.tags.values()) {
        const item = decodeTags(bytes);
        const key = item === null ? null : keyIn(item, rootKey);
        if (key !== null && leadsTo(rootKey, key, known)) return key;
      }
    }
    return known;
  }

  #addTag({ tag, key, rootKey }: Candidate): void {
    const teslaKey: TeslaKeyObject = {
      kind: "tesla-key",
      gst: key.gst,
      key: hexOf(key.key),
      rootKey: this.#rootKeyId(rootKey),
    };
    this.#put({ kind: "tag", ...tag, key: this.#put(teslaKey) });
  }

  #rootKeyId({ kroot }: GoodRootKey): ObjectId {
    const dsm = hexOf(kroot.bytes);
    const found = Array.from(this.#evidence.objects).find(([, object]) => {
      const { kind, dsmKroot } = object as { kind?: unknown; dsmKroot?: unknown };
      return kind === "root-key" && dsmKroot === dsm;
    });
    return found![0];
  }

  #put(object: EvidenceObject): ObjectId {
    const id = idOfText(objectText(object));
    this.#objects[id] = object;
    return id;
  }

  /** Opens pages that carried the words of each satellite. */
  #openPages(own: OpenedLeaf, words: readonly GoodWords[]): void {
    const near = this.#around(own.index, PAGES_BEFORE, LEAVES_AFTER);
    // Leaves that are shown anyway first.
    const leaves = [...near].sort(
      (a, b) => Number(this.#opened.has(b.index)) - Number(this.#opened.has(a.index)),
    );
    for (const { object } of words) {
      const missing = new Map(object.words.map((word, i) => [i + 1, bytesOf(word)]));
      for (const leaf of leaves) {
        if (missing.size === 0) break;
        for (const band of BANDS) {
          const slot = pagesSlot(object.svid, band);
          const item = leaf.items.pages.get(slot);
          const pages = item === undefined ? [] : (decodePages(item)?.pages ?? []);
          const before = missing.size;
          for (const { content } of pages) {
            const type = content[0] >> 2;
            const word = missing.get(type);
            if (word !== undefined && bytesEqual(signedPart(content.subarray(0, 16), type), word))
              missing.delete(type);
          }
          if (missing.size < before) this.#open(leaf, "pages", slot);
        }
      }
      if (missing.size > 0) {
        const types = [...missing.keys()].join(", ");
        throw impossible(`no leaf near that of the fix has pages with word ${types} of E${object.svid}`);
      }
    }
  }

  #open({ index }: OpenedLeaf, category: Category, slot: number): void {
    let opened = this.#opened.get(index);
    if (opened === undefined) this.#opened.set(index, (opened = new Map()));
    opened.set(`${category} ${slot}`, { category, slot });
  }

  #leafJson(index: number): LeafJson {
    const { items, secret } = this.#leafAt(index)!;
    const trees = new Map<Category, CommittedTree>();
    const openings = [...this.#opened.get(index)!.values()].map(({ category, slot }): OpeningJson => {
      let tree = trees.get(category);
      if (tree === undefined)
        trees.set(category, (tree = new CommittedTree(category, items[category], secret)));
      const { item, salt, path } = tree.open(slot)!;
      return { category, slot, item: hexOf(item), salt: hexOf(salt), path: path.map(hexOf) };
    });
    return { leaf: hexOf(this.#source.leaf(index)), proofs: this.#proofsOf(index), openings };
  }

  /** Checkpoints by which each witness is shown at its earliest; the first alone where nobody signed. */
  #proofsOf(index: number): string[] {
    const checkpoints = this.#checkpointsWith(index);
    const seen = new Set<string>();
    const shown = checkpoints.filter(({ note }) => {
      const fresh = note.signatures.filter((line) => timestampOf(line) !== null && !seen.has(line.name));
      for (const { name } of fresh) seen.add(name);
      return fresh.length > 0;
    });
    return (shown.length > 0 ? shown : checkpoints.slice(0, 1)).map((checkpoint) => {
      this.#sizes.add(checkpoint.size);
      const inclusion = this.#source.inclusionProof(index, checkpoint.size);
      return formatTlogProof({ index, inclusion, checkpoint });
    });
  }

  /** After the leaves: that all trees in which they are shown are of one history. */
  #consistency(): ConsistencyJson[] {
    const sizes = [...this.#sizes].sort((a, b) => a - b);
    return sizes.slice(1).map((to, at) => {
      const from = sizes[at];
      return { from, to, path: this.#source.consistencyProof(from, to).map(hexOf) };
    });
  }

  /** Opened leaves of subframes around one, the nearest first. */
  #around(index: number, before: number, after: number): OpenedLeaf[] {
    const found: OpenedLeaf[] = [];
    for (let away = 0; away <= Math.max(before, after); away++) {
      for (const at of away === 0 ? [index] : [index - away, index + away]) {
        if (at < 0 || at >= this.#source.size || at < index - before || at > index + after) continue;
        const leaf = this.#leafAt(at);
        if (leaf !== null) found.push(leaf);
      }
    }
    return found;
  }

  #checkpointsWith(index: number): readonly Checkpoint[] {
    let found = this.#checkpoints.get(index);
    if (found === undefined) {
      found = this.#source.checkpointsWith(index).slice(0, MAX_SIGHTINGS);
      this.#checkpoints.set(index, found);
    }
    return found;
  }

  #leafAt(index: number): OpenedLeaf | null {
    const known = this.#leaves.get(index);
    if (known !== undefined) return known;
    const leaf = decodeLeaf(this.#source.leaf(index));
    const openings = leaf?.kind === "subframe" ? this.#source.openings(index) : null;
    const items = openings === null ? null : decodeItems(openings.items);
    const made =
      leaf?.kind === "subframe" && openings !== null && items !== null
        ? { index, gst: leaf.gst, items, secret: openings.secret }
        : null;
    this.#leaves.set(index, made);
    return made;
  }
}

function impossible(why: string): OsnmadError {
  return new OsnmadError("OSN_PROOF_IMPOSSIBLE", `No proof of this fix can be made: ${why}.`);
}
