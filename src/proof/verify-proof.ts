/**
 * Judges a proof package from what the judge trusts: Merkle roots, witnesses with the bounds of their clocks, and, where
 * he expects one, a station. Evidence says what the fix follows from; the log says when it was committed to; and here
 * the two are held against each other. A package may hold anything: nothing here throws for it. Pure.
 */
import { readEntries } from "../evidence/bundle.js";
import { bytesOf, decodeRecord, hexOf, signedPart } from "../evidence/objects.js";
import { isObject } from "../evidence/schema.js";
import { Lines, type Subject } from "../evidence/verdict.js";
import {
  judgeBundle,
  judgeForm,
  MAX_REPAIRS,
  objectsOf,
  saidOf,
  type JudgedBundle,
  type VerifyOptions,
} from "../evidence/verify.js";
import type { GoodTag } from "../evidence/verify-navigation.js";
import { formatGst, SUBFRAME_SECONDS } from "../inav/gst.js";
import type { FixRecord } from "../pipeline/records.js";
import { signerOf } from "../station/checkpoint.js";
import { verifyOpening, type Opening } from "../station/commitment.js";
import { verifyCosignature } from "../station/cosignature.js";
import { commitsTo } from "../station/fix-item.js";
import { stationIdOf } from "../station/history.js";
import {
  decodeFix,
  decodeMeasurements,
  decodePages,
  decodeTags,
  epochSlot,
  GRADES,
  pagesSlot,
  tagsSlot,
  type PlaceItem,
} from "../station/items.js";
import {
  decodeLeaf,
  rootIn,
  rotationStatement,
  type RotationLeaf,
  type SubframeLeaf,
} from "../station/leaf.js";
import { bytesEqual, leafHash, verifyConsistency, verifyInclusion } from "../station/merkle.js";
import { ED25519, verifierKey, verifyEd25519, type Note, type VerifierKey } from "../station/note.js";
import { originOf } from "../station/origin.js";
import { isSmallOrder } from "../station/small-order.js";
import {
  fixTiming,
  keyOffsetSeconds,
  witnessedGst,
  type CommittedTag,
  type FixTiming,
  type LeafSighting,
  type TimedWitness,
  type TimingPolicy,
} from "../station/timing.js";
import {
  digestsOf,
  MAX_SIGNATURES_SHOWN,
  readProof,
  type LeafJson,
  type OpeningJson,
  type ReadProof,
} from "./package.js";
import { fixSatellites } from "./satellites.js";
import { parseTlogProof } from "./tlog-proof.js";
import type { ProofCheck, ProofVerdict, ShownLeaf } from "./verdict.js";

export interface VerifyProofOptions extends VerifyOptions {
  /** The station that the judge expects; null takes any, and says so. */
  readonly station: Uint8Array | null;
  readonly witnesses: readonly TimedWitness[];
  /** How many of them must have seen a leaf in time. */
  readonly needed: number;
  readonly marginSeconds: number;
  /** GST minus UTC. */
  readonly leapSeconds: number;
}

/** A leaf that holds, with what of its openings holds. */
interface GoodLeaf {
  readonly leaf: SubframeLeaf;
  readonly bytes: Uint8Array;
  readonly sightings: readonly LeafSighting[];
  readonly openings: readonly Opening[];
  readonly seen: ShownLeaf["seen"];
}

export function verifyProof(input: Uint8Array | string, options: VerifyProofOptions): ProofVerdict {
  const read = readProof(input);
  if ("why" in read) {
    const lines = new Lines<ProofCheck>();
    lines.fail("package", WHOLE, read.field === "" ? null : read.field, read.why);
    return { ...NOTHING, lines: lines.lines, stationExpected: options.station !== null };
  }
  return new ProofJudge(read, options).judge();
}

const WHOLE: Subject = { id: null, name: "package" };
const NOTHING: Omit<ProofVerdict, "lines" | "stationExpected"> = {
  genuine: false,
  root: null,
  mode: null,
  standing: null,
  warnings: [],
  notes: [],
  station: null,
  fix: null,
  committed: null,
  leaves: [],
  timing: null,
  unknownWitnesses: [],
};

class ProofJudge {
  readonly #proof: ReadProof;
  readonly #options: VerifyProofOptions;
  readonly #lines = new Lines<ProofCheck>();
  readonly #origin: string;
  /** Root that the station signed for each size that is shown. */
  readonly #roots = new Map<number, Uint8Array>();
  /** Keys of the station, with the size of the tree from which each signs. */
  readonly #keys: { readonly from: number; readonly key: VerifierKey }[] = [];
  readonly #rotations: { readonly leaf: RotationLeaf; readonly bytes: Uint8Array }[] = [];
  readonly #strangers = new Set<string>();
  #signatures = 0;

  constructor(proof: ReadProof, options: VerifyProofOptions) {
    this.#proof = proof;
    this.#options = options;
    this.#origin = originOf(bytesOf(proof.station), proof.mode);
  }

  judge(): ProofVerdict {
    const { evidence, station, mode } = this.#proof;
    this.#parts();
    this.#station();
    const leaves = this.#proof.leaves.flatMap((leaf) => this.#leaf(leaf) ?? []);
    this.#history(leaves);
    const isOneHistory = this.#trees();

    const judged = judgeBundle(evidence, this.#options);
    const more = this.#more(judged);
    const record = recordOf(judged);
    const own = record === null ? null : this.#fix(record, judged, leaves);
    const satellites = record === null ? [] : fixSatellites(record);
    if (record !== null) this.#pages(satellites, judged, leaves);
    const lines = [...this.#lines.lines, ...judged.lines.lines];
    const genuine = lines.every(({ ok }) => ok) && own !== null;
    const policy = this.#policy(judged, more);
    const timed = genuine ? this.#timing(own, satellites, judged, more, leaves, policy) : null;
    const timing = timed === null || isOneHistory ? timed : withoutHistory(timed);
    const shown = (leaf: GoodLeaf): ShownLeaf => shownLeaf(leaf, policy);
    return {
      genuine,
      root: judged.verdict.root,
      mode,
      standing: judged.verdict.standing,
      warnings: isOneHistory ? judged.verdict.warnings : [...judged.verdict.warnings, VERSION_1],
      notes: this.#notes(judged, timing, record),
      lines,
      station,
      stationExpected: this.#options.station !== null,
      fix: record === null ? null : fixSaid(record),
      committed: own === null ? null : shown(own.leaf),
      leaves: leaves.map(shown),
      timing,
      unknownWitnesses: [...this.#strangers].sort(),
    };
  }

  /** Damage, by the digest of each part. A forger makes these anew; what follows is for him. */
  #parts(): void {
    const { digests } = this.#proof;
    const made = digestsOf(this.#proof);
    let inOrder = true;
    const compare = (name: string, said: string | undefined, is: string | undefined): void => {
      if (said === is && is !== undefined) return;
      inOrder = false;
      this.#lines.fail("part", { id: null, name }, null, "is not what its digest names: it was changed");
    };
    for (const name of ["station", "rotations", "evidence", "objects"] as const)
      compare(name, digests[name], made[name]);
    if (this.#proof.consistency !== null) compare("consistency", digests.consistency, made.consistency);
    for (let at = 0; at < Math.max(digests.leaves.length, made.leaves.length); at++)
      compare(`leaves.${at}`, digests.leaves[at], made.leaves[at]);
    if (inOrder) this.#lines.pass("part", WHOLE, "every part is the one that its digest names");
  }

  /** The station id is the hash of its first key; each later key was signed for by the one before. */
  #station(): void {
    const { station, key, rotations } = this.#proof;
    const subject: Subject = { id: null, name: `station ${station.slice(0, 12)}` };
    const fail = (field: string, detail: string): void => {
      this.#lines.fail("station", subject, field, detail);
    };
    const { station: expected } = this.#options;
    if (expected !== null && hexOf(expected) !== station)
      return fail("station", `another station than ${hexOf(expected)}, which is expected`);
    if (hexOf(stationIdOf(bytesOf(key))) !== station)
      return fail("key", "is not the key whose SHA-256 is the station's id");
    const add = (from: number, publicKey: Uint8Array): void => {
      this.#keys.push({ from, key: verifierKey(this.#origin, ED25519, publicKey) });
    };
    if (isSmallOrder(bytesOf(key))) return fail("key", "is a key under which anything is signed");
    add(0, bytesOf(key));
    for (const [at, hex] of rotations.entries()) {
      const field = `rotations.${at}`;
      const bytes = bytesOf(hex);
      const leaf = decodeLeaf(bytes);
      const before = this.#keys[this.#keys.length - 1];
      if (leaf?.kind !== "rotation") return fail(field, "is no leaf of a rotation");
      if (hexOf(leaf.station) !== station || leaf.mode !== this.#proof.mode)
        return fail(field, "is of another station or mode");
      if (leaf.index < before.from) return fail(field, "is not after the one before");
      const { index, previous, oldKey, newKey, oldSignature, newSignature } = leaf;
      if (!bytesEqual(oldKey, before.key.publicKey)) return fail(field, "hands over from another key");
      const statement = rotationStatement(leaf.station, index, previous, oldKey, newKey);
      if (!verifyEd25519(oldKey, statement, oldSignature) || !verifyEd25519(newKey, statement, newSignature))
        return fail(field, "a signature does not hold");
      add(index + 1, newKey);
      this.#rotations.push({ leaf, bytes });
    }
    const wanted =
      expected === null ? "no station was asked for: this is whoever made it" : "the one that is expected";
    this.#lines.pass("station", subject, `${rotations.length} rotations of its key; ${wanted}`);
  }

  #leaf(json: LeafJson): GoodLeaf | null {
    const bytes = bytesOf(json.leaf);
    const leaf = decodeLeaf(bytes);
    if (leaf?.kind !== "subframe") {
      this.#lines.fail(
        "leaf",
        { id: null, name: "leaf" },
        "leaf",
        "is no leaf of a subframe in its one form",
      );
      return null;
    }
    const subject: Subject = { id: null, name: `leaf ${leaf.index}` };
    if (hexOf(leaf.station) !== this.#proof.station) {
      this.#lines.fail("leaf", subject, "station", `is of station ${hexOf(leaf.station)}`);
      return null;
    }
    if (leaf.mode !== this.#proof.mode) {
      this.#lines.fail("leaf", subject, "mode", `is ${leaf.mode}, and the package says ${this.#proof.mode}`);
      return null;
    }
    if (leaf.mode === "live" && leaf.time.assurance !== "independent") {
      const detail = `is ${leaf.time.assurance}: live, only a clock independent of the signal tells what was in time`;
      this.#lines.fail("leaf", subject, "time", detail);
      return null;
    }
    this.#lines.pass(
      "leaf",
      subject,
      `subframe ${formatGst(leaf.gst)}, ${leaf.mode}, made by ${leaf.softwareVersion}`,
    );
    const seen: ShownLeaf["seen"][number][] = [];
    const sightings = json.proofs.flatMap(
      (text, at) => this.#sighting(text, leaf, bytes, subject, at, seen) ?? [],
    );
    const openings = this.#openings(json, leaf, subject);
    return { leaf, bytes, sightings, openings, seen };
  }

  #sighting(
    text: string,
    leaf: SubframeLeaf,
    bytes: Uint8Array,
    subject: Subject,
    at: number,
    seen: ShownLeaf["seen"][number][],
  ): LeafSighting | null {
    const field = `proofs.${at}`;
    const fail = (check: ProofCheck, detail: string): null => {
      this.#lines.fail(check, subject, field, detail);
      return null;
    };
    const proof = parseTlogProof(text);
    if (proof === null) return fail("inclusion", "is no c2sp.org/tlog-proof");
    const { index, inclusion, checkpoint } = proof;
    const { size, root, origin, note, extensions } = checkpoint;
    this.#signatures += note.signatures.length;
    if (this.#signatures > MAX_SIGNATURES_SHOWN)
      return fail("package", `holds more than ${MAX_SIGNATURES_SHOWN} signatures`);
    if (index !== leaf.index) return fail("inclusion", `is of leaf ${index}`);
    if (origin !== this.#origin || extensions.length > 0)
      return fail("checkpoint", `is of the log ${origin}, not ${this.#origin}`);
    if (!verifyInclusion(index, size, leafHash(bytes), inclusion, root))
      return fail("inclusion", `the leaf is not in the tree of ${size} leaves`);
    this.#lines.pass("inclusion", subject, `in the tree of ${size} leaves`);
    const inForce = this.#keys.filter(({ from }) => from <= size).at(-1);
    // Without a key the line of the station says why.
    if (inForce === undefined) return null;
    if (signerOf(checkpoint, [inForce.key]) === null)
      return fail("checkpoint", `of ${size} leaves is not signed by the station's key`);
    const other = this.#roots.get(size);
    if (other !== undefined && !bytesEqual(other, root))
      return fail("history", `of ${size} leaves the station signed two trees: a fork`);
    this.#roots.set(size, root);
    this.#lines.pass("checkpoint", subject, `of ${size} leaves, signed by the station`);
    const isGood = this.#cosignatures(note, size, subject, field, seen);
    return isGood ? { inclusion, checkpoint } : null;
  }

  #cosignatures(
    note: Note,
    size: number,
    subject: Subject,
    field: string,
    seen: ShownLeaf["seen"][number][],
  ): boolean {
    let isGood = true;
    for (const line of note.signatures) {
      if (this.#keys.some(({ key }) => key.name === line.name && key.keyId === line.keyId)) continue;
      const witness = this.#options.witnesses.find(
        ({ key }) => key.name === line.name && key.keyId === line.keyId,
      );
      if (witness === undefined) {
        const isNamesake = this.#options.witnesses.some(({ key }) => key.name === line.name);
        this.#strangers.add(isNamesake ? `${line.name} (by another key than yours)` : line.name);
        continue;
      }
      const stamp = verifyCosignature(note.text, line, witness.key);
      if (stamp === null) {
        isGood = false;
        this.#lines.fail("cosignature", subject, field, `${line.name} did not sign this`);
        continue;
      }
      seen.push({ witness: line.name, size, unixSeconds: stamp.timestamp });
      const at = `${line.name} saw ${size} leaves at ${utcOf(stamp.timestamp)}`;
      this.#lines.pass("cosignature", subject, `${at}, ±${witness.boundSeconds} s`);
    }
    return isGood;
  }

  /** What stands in a slot is opened once: twice says no more, and costs. */
  #openings({ openings }: LeafJson, leaf: SubframeLeaf, subject: Subject): readonly Opening[] {
    const opened = new Set<string>();
    return openings.flatMap((json) => {
      const { category, slot } = json;
      const name = `${category} ${slot}`;
      if (opened.has(name)) {
        const twice: Subject = { id: null, name: `${subject.name}, ${category} in slot ${slot}` };
        this.#lines.fail("opening", twice, null, "is opened twice");
        return [];
      }
      opened.add(name);
      return this.#opening(json, leaf, subject) ?? [];
    });
  }

  #opening(json: OpeningJson, leaf: SubframeLeaf, of: Subject): Opening | null {
    const { category, slot } = json;
    const opening: Opening = {
      category,
      slot,
      item: bytesOf(json.item),
      salt: bytesOf(json.salt),
      path: json.path.map(bytesOf),
    };
    const subject: Subject = { id: null, name: `${of.name}, ${category} in slot ${slot}` };
    const root = rootIn(leaf, category);
    if (root === null || !verifyOpening(opening, root)) {
      this.#lines.fail("opening", subject, null, "does not lead to the root that the leaf commits to");
      return null;
    }
    const item = itemOf(opening, leaf.gst);
    if (item === null) {
      this.#lines.fail("opening", subject, "item", "is no item of this slot in its one form");
      return null;
    }
    this.#lines.pass("opening", subject, item);
    return opening;
  }

  /**
   * Leaves of one log stand in the order of their subframes, one for each; neighbours, the rotations among them, go on
   * from one another as a follower of the whole log has it (history.ts).
   */
  #history(leaves: readonly GoodLeaf[]): void {
    const fail = (index: number, detail: string): void => {
      this.#lines.fail("history", { id: null, name: `leaf ${index}` }, null, detail);
    };
    const placed = new Map<
      number,
      { readonly leaf: RotationLeaf | SubframeLeaf; readonly bytes: Uint8Array }
    >(this.#rotations.map((each) => [each.leaf.index, each]));
    for (const [at, shown] of leaves.entries()) {
      const { leaf } = shown;
      const before = at === 0 ? null : leaves[at - 1].leaf;
      if (before !== null && !(leaf.index > before.index && leaf.gst > before.gst))
        return fail(
          leaf.index,
          `comes after leaf ${before.index} of ${formatGst(before.gst)}: no log has both in this order`,
        );
      if (placed.has(leaf.index))
        return fail(leaf.index, "is a rotation of keys as well: they are of two histories");
      placed.set(leaf.index, shown);
    }
    for (const { leaf } of placed.values()) {
      const last = placed.get(leaf.index - 1);
      if (last === undefined) continue;
      const { index } = last.leaf;
      if (!bytesEqual(leaf.previous, leafHash(last.bytes)))
        return fail(leaf.index, `does not go on from leaf ${index}: they are of two histories`);
      if (!bytesEqual(leaf.receiver, last.leaf.receiver))
        return fail(leaf.index, `has another receiver than leaf ${index}, and no leaf between says so`);
      if (leaf.kind !== "subframe" || last.leaf.kind !== "subframe") continue;
      if (leaf.gst !== last.leaf.gst + SUBFRAME_SECONDS)
        return fail(leaf.index, `leaves out subframes after leaf ${index}, and no leaf between says so`);
    }
    if (leaves.length > 0)
      this.#lines.pass("history", WHOLE, `${leaves.length} leaves in the order of their time`);
  }

  /**
   * All trees in which leaves are shown are of one history: each goes on from the next smaller. False where a file of
   * version 1 leaves that open; what contradicts has its line.
   */
  #trees(): boolean {
    const { consistency } = this.#proof;
    const sizes = [...this.#roots.keys()].sort((a, b) => a - b);
    if (consistency === null) return sizes.length <= 1;
    const fail = (name: string, field: string, detail: string): true => {
      this.#lines.fail("history", { id: null, name }, field, detail);
      return true;
    };
    for (const [at, to] of sizes.slice(1).entries()) {
      const from = sizes[at];
      const name = `trees of ${from} and ${to} leaves`;
      const shown = consistency.at(at);
      if (shown?.from !== from || shown.to !== to)
        return fail(name, `consistency.${at}`, "nothing shows that they are of one history");
      const path = shown.path.map(bytesOf);
      if (!verifyConsistency(from, to, this.#roots.get(from)!, this.#roots.get(to)!, path))
        return fail(name, `consistency.${at}`, "they are not shown to be of one history: a fork");
    }
    if (consistency.length > Math.max(0, sizes.length - 1))
      return fail("package", `consistency.${sizes.length - 1}`, "is between trees that are not shown");
    if (sizes.length > 1) {
      const name = `${sizes.length} trees`;
      const detail = `of ${sizes[0]} to ${sizes.at(-1)} leaves, each of which goes on from the one before`;
      this.#lines.pass("history", { id: null, name }, detail);
    }
    return true;
  }

  /** Tags beside the bundle, by the satellite that they speak for. */
  #more({ lines, words, navigation }: JudgedBundle): Map<number, GoodTag[]> {
    const entries = readEntries(this.#proof.objects);
    if (typeof entries === "string") {
      this.#lines.fail("package", WHOLE, "objects", entries);
      return new Map();
    }
    const foreign = [...entries.values()].find(
      ({ object }) => object !== null && object.kind !== "tag" && object.kind !== "tesla-key",
    );
    if (foreign !== undefined) {
      const detail = `${foreign.object!.kind} ${foreign.id}: only tags and their keys stand beside the bundle`;
      this.#lines.fail("package", WHOLE, "objects", detail);
      return new Map();
    }
    const named = new Set(
      [...entries.values()].map(({ object }) => (object?.kind === "tag" ? object.key : null)),
    );
    const unnamed = [...entries.values()].find(
      ({ id, object }) => object?.kind === "tesla-key" && !named.has(id),
    );
    if (unnamed !== undefined)
      this.#lines.fail("package", WHOLE, "objects", `no tag names the TESLA key ${unnamed.id}`);
    judgeForm(
      entries.values(),
      lines,
      this.#options.locateDamage === false ? 0 : MAX_REPAIRS,
      "tags beside the bundle",
    );
    // What has not its own id may be anything; its line says so.
    return (
      navigation?.judgeMore(objectsOf(entries.values()), (svid) => words.get(svid)) ??
      new Map<number, GoodTag[]>()
    );
  }

  /** The fix that a leaf commits to is the very one whose evidence is judged. */
  #fix(record: FixRecord, { verdict }: JudgedBundle, leaves: readonly GoodLeaf[]) {
    const subject: Subject = { id: verdict.root, name: "fix" };
    const fail = (field: string | null, detail: string): null => {
      this.#lines.fail("fix", subject, field, detail);
      return null;
    };
    const found = leaves.flatMap((leaf) =>
      leaf.openings.filter(({ category }) => category === "fixes").map((opening) => ({ leaf, opening })),
    );
    if (found.length === 0) return fail(null, "no leaf of the package opens a commitment to a fix");
    if (found.length > 1) return fail(null, "more than one commitment to a fix is opened");
    const [{ leaf, opening }] = found;
    const item = decodeFix(opening.item)!;
    if (item.evidence === null || hexOf(item.evidence) !== verdict.root)
      return fail("evidence", `leaf ${leaf.leaf.index} commits to a fix with other evidence`);
    if (!commitsTo(item, record))
      return fail("record", `leaf ${leaf.leaf.index} commits to another record or epoch`);
    for (const which of ["own", "receiver"] as const) {
      if (!isPlaceOf(item[which], record[which]))
        return fail(which, "place or grade of the commitment is not that of the record");
    }
    if (record.mode !== leaf.leaf.mode)
      return fail("mode", `is ${record.mode}, and the leaf's is ${leaf.leaf.mode}`);
    this.#lines.pass(
      "fix",
      subject,
      `leaf ${leaf.leaf.index} commits to this fix, its evidence and both places`,
    );
    return { leaf, opening };
  }

  /** The words that the fix used stand in pages that the station committed to. */
  #pages(satellites: readonly number[], { words }: JudgedBundle, leaves: readonly GoodLeaf[]): void {
    const opened = leaves.flatMap(({ leaf, openings }) =>
      openings.flatMap(({ category, item }) => {
        const pages = category === "pages" ? decodePages(item) : null;
        return pages === null ? [] : { ...pages, index: leaf.index };
      }),
    );
    for (const svid of satellites) {
      const data = words.get(svid);
      // Where it is not proven, its line says so.
      if (data === undefined) continue;
      const subject: Subject = { id: data.id, name: `words of E${svid}` };
      const missing = new Map(data.object.words.map((word, i) => [i + 1, bytesOf(word)]));
      const from = new Set<number>();
      for (const { svid: of, pages, index } of opened) {
        if (of !== svid) continue;
        for (const { content } of pages) {
          const type = content[0] >> 2;
          const word = missing.get(type);
          if (word === undefined || !bytesEqual(signedPart(content.subarray(0, 16), type), word)) continue;
          missing.delete(type);
          from.add(index);
        }
      }
      if (missing.size > 0) {
        const types = [...missing.keys()];
        const detail = `word ${types.join(", ")} is in no page that is opened`;
        this.#lines.fail("pages", subject, `words.${types[0] - 1}`, detail);
      } else {
        const list = [...from].sort((a, b) => a - b).join(", ");
        this.#lines.pass("pages", subject, `in pages that leaf ${list} commits to`);
      }
    }
  }

  #policy({ words }: JudgedBundle, more: ReadonlyMap<number, readonly GoodTag[]>): TimingPolicy {
    const { witnesses, needed, marginSeconds, leapSeconds, minimumTagBits } = this.#options;
    const tags = [...[...words.values()].map((each) => each.tags), ...more.values()].flat();
    const offsets = tags.map(({ rootKey }) => keyOffsetSeconds(rootKey.layout.keyStartBit));
    return {
      station: bytesOf(this.#proof.station),
      origin: this.#origin,
      mode: this.#proof.mode,
      witnesses,
      needed,
      marginSeconds,
      leapSeconds,
      // The layout is signed by Galileo, so the key's place in its subframe is known.
      keyOffsetSeconds: offsets.length === 0 ? 0 : Math.min(...offsets),
      ...(minimumTagBits === undefined ? {} : { minimumTagBits }),
    };
  }

  #timing(
    own: { readonly leaf: GoodLeaf; readonly opening: Opening },
    satellites: readonly number[],
    { words }: JudgedBundle,
    more: ReadonlyMap<number, readonly GoodTag[]>,
    leaves: readonly GoodLeaf[],
    policy: TimingPolicy,
  ): FixTiming {
    const committed = ({ object, rootKey }: GoodTag): CommittedTag | null => {
      const slot = tagsSlot(object.prnA);
      const leaf = leaves.find(({ leaf: each }) => each.gst === object.gst);
      const opening = leaf?.openings.find((each) => each.category === "tags" && each.slot === slot);
      if (leaf === undefined || opening === undefined) return null;
      const { prnA, prnD, gst, ctr, adkd, cop } = object;
      const { tagBits } = rootKey.parameters;
      return { prnA, prnD, gst, ctr, adkd, cop, tag: bytesOf(object.tag), tagBits, opening, leaf };
    };
    return fixTiming(
      {
        fix: own,
        satellites: satellites.map((svid) => ({
          svid,
          tags: [...(words.get(svid)?.tags ?? []), ...(more.get(svid) ?? [])].flatMap(
            (tag) => committed(tag) ?? [],
          ),
        })),
      },
      policy,
    );
  }

  #notes({ verdict }: JudgedBundle, timing: FixTiming | null, record: FixRecord | null): string[] {
    const inTime = timing !== null && timing.class !== "C";
    const notes = verdict.notes.filter((note) => !(inTime && note.startsWith("The time condition")));
    return [
      ...notes,
      ...(inTime
        ? [
            "The times are those of your witnesses, with the bounds of their clocks that you gave: one that lies, or is wrong by more, is not seen here.",
          ]
        : []),
      ...(inTime && isClassOfOwn(record)
        ? [
            "The class is that of the satellites of the own position. The receiver's place may agree with others, which it does not speak of.",
          ]
        : []),
      "Whether the station has shown others another history is not in one file: who follows its whole log sees a fork, a gap and a rewriting.",
    ];
  }
}

const VERSION_1 =
  "VERSION 1: nothing in this file shows that the trees in which its leaves were seen are of one history. Have the proof made anew by the station, or the class stays C.";

/** Stamps on trees that may be of two histories say nothing together. */
function withoutHistory(timing: FixTiming): FixTiming {
  const isOpen = { class: "C", reason: "history-not-shown" } as const;
  const satellites = timing.satellites.map((each) =>
    each.class === "C"
      ? each
      : { ...each, ...isOpen, by: each.by === null ? null : { ...each.by, ...isOpen } },
  );
  return timing.class === "C" ? { ...timing, satellites } : { ...timing, ...isOpen, satellites };
}

/** Whether the receiver's place is graded beside an own position, whose satellites alone have a class. */
function isClassOfOwn(record: FixRecord | null): boolean {
  return record?.own?.assurance === "nav-authenticated" && record.receiver?.assurance === "corroborated";
}

/** What an opened item says, or null where it is none of its slot and subframe. */
function itemOf({ category, slot, item }: Opening, gst: number): string | null {
  switch (category) {
    case "pages": {
      const pages = decodePages(item);
      if (pages === null || pagesSlot(pages.svid, pages.band) !== slot) return null;
      return `${pages.pages.length} pages of E${pages.svid} on ${pages.band}`;
    }
    case "tags": {
      const tags = decodeTags(item);
      return tags?.gst === gst && tagsSlot(tags.svid) === slot ? `tags of E${tags.svid}` : null;
    }
    case "measurements": {
      const epoch = decodeMeasurements(item);
      return epoch !== null && epochSlot(epoch.gstMs, gst) === slot ? "measurements of an epoch" : null;
    }
    case "fixes": {
      const fix = decodeFix(item);
      return fix !== null && epochSlot(fix.gstMs, gst) === slot
        ? `fix of ${formatGst(fix.gstMs / 1000)}`
        : null;
    }
  }
}

/** The record as the station made it; null where the bundle has none. */
function recordOf({ fix, verdict }: JudgedBundle): FixRecord | null {
  const record = fix === null ? null : decodeRecord(fix.record);
  if (!isObject(record) || typeof record["gst"] !== "number" || !Number.isFinite(record["gst"])) return null;
  const { own, agreeingSatellites } = record;
  // Of hostile records only what is read here has to have its form; the rest is judged with the evidence.
  const isPlace = (place: unknown): boolean => place === null || isObject(place);
  const isList = (list: unknown, of: (member: unknown) => boolean): boolean =>
    Array.isArray(list) && list.every(of);
  if (!isPlace(own) || !isPlace(record["receiver"])) return null;
  if (isObject(own) && !isList(own["satellites"], (each) => isObject(each) && Number.isInteger(each["svid"])))
    return null;
  if (!isList(agreeingSatellites, Number.isInteger)) return null;
  return { ...record, evidence: verdict.root } as unknown as FixRecord;
}

function isPlaceOf(item: PlaceItem | null, said: FixRecord["own"] | FixRecord["receiver"]): boolean {
  if (item === null || said === null) return item === null && said === null;
  return (
    GRADES[item.grade] === said.assurance &&
    item.latitudeE7 === said.latitudeE7 &&
    item.longitudeE7 === said.longitudeE7 &&
    item.heightMm === said.heightMm
  );
}

function shownLeaf({ leaf, seen, sightings }: GoodLeaf, policy: TimingPolicy): ShownLeaf {
  return {
    index: leaf.index,
    gst: leaf.gst,
    challenges: leaf.challenges.map(({ challenge }) => hexOf(challenge)),
    witnessedGst: witnessedGst(
      sightings.map(({ checkpoint }) => checkpoint),
      policy,
    ),
    seen,
  };
}

function fixSaid({ gst, utc, assurance, own, receiver }: FixRecord): NonNullable<ProofVerdict["fix"]> {
  const grade = (place: { assurance: unknown } | null): string | null =>
    place === null ? null : saidOf(place.assurance);
  return { gst, utc: saidOf(utc), assurance: saidOf(assurance), own: grade(own), receiver: grade(receiver) };
}

export function utcOf(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1000);
  return Number.isFinite(date.getTime()) ? date.toISOString().replace(".000Z", "Z") : `${unixSeconds} s`;
}
