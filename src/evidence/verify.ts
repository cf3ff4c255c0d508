/**
 * Judges an evidence bundle from nothing but Merkle roots that the judge trusts: what every object is, what hangs from
 * what, every signature, key and tag, the position, and the grade. A bundle may hold anything: nothing here throws
 * for it, and the work it can cause is bounded (bundle.ts, MAX_CHAIN_STEPS).
 */
import { readBundle, referencesOf, type ReadBundle, type ReadEntry } from "./bundle.js";
import {
  beginId,
  idOfText,
  type EvidenceObject,
  type FixObject,
  type ObjectId,
  type ObjectKind,
  type ObjectOf,
} from "./objects.js";
import { isObject } from "./schema.js";
import { Lines, type Subject, type TrustedStanding, type Verdict } from "./verdict.js";
import { judgeFix } from "./verify-fix.js";
import {
  nameOf,
  NavigationJudge,
  type GoodWords,
  type Objects,
  type TrustedRoot,
} from "./verify-navigation.js";

export type { TrustedRoot } from "./verify-navigation.js";
export type { Verdict, VerdictLine } from "./verdict.js";

export interface VerifyOptions {
  readonly roots: readonly TrustedRoot[];
  /** Minimum equivalent tag length, bits; 40 unless told otherwise (guidelines since January 2024). */
  readonly minimumTagBits?: number;
  /** Id that the fix object must have: that of the fix somebody was given, who wants evidence for no other. */
  readonly expectedRoot?: string | null;
  /** Whether the damaged bit of a damaged object is looked for, which takes a fraction of a second; true. */
  readonly locateDamage?: boolean;
}

const DEFAULT_MINIMUM_TAG_BITS = 40;
/** Where the damaged bit of an object is looked for by trying all: short objects, and few. */
const MAX_REPAIR_CHARACTERS = 4096;
export const MAX_REPAIRS = 4;

/** What a reference of an object must be, by the object's kind and the member. */
const REFERENCES: Readonly<Partial<Record<ObjectKind, Readonly<Record<string, ObjectKind>>>>> = {
  "root-key": { publicKey: "public-key" },
  "tesla-key": { rootKey: "root-key" },
  tag: { key: "tesla-key" },
  words: { tags: "tag" },
  fix: { words: "words", measurements: "measurements", inputs: "position-inputs", receiver: "receiver" },
};

/** A bundle judged, with what holds of it: for judges of what stands beside a bundle (src/proof). */
export interface JudgedBundle {
  readonly verdict: Verdict;
  /** The verdict's lines, still open for more. */
  readonly lines: Lines;
  /** Null where there is no fix to speak of. */
  readonly fix: FixObject | null;
  /** Data of the fix that holds, by SVID. */
  readonly words: ReadonlyMap<number, GoodWords>;
  /** Null where the input is no bundle. */
  readonly navigation: NavigationJudge | null;
}

/** @param input the bundle's bytes or text, or what JSON.parse made of it */
export function verifyBundle(input: unknown, options: VerifyOptions): Verdict {
  return judgeBundle(input, options).verdict;
}

/** As `verifyBundle`. */
export function judgeBundle(input: unknown, options: VerifyOptions): JudgedBundle {
  const { roots, minimumTagBits = DEFAULT_MINIMUM_TAG_BITS, expectedRoot = null } = options;
  if (!Array.isArray(roots)) throw new TypeError("roots must be a list");
  for (const { root } of options.roots) {
    if (!(root instanceof Uint8Array)) throw new TypeError("a Merkle root must be a Uint8Array");
    if (root.length !== 32) throw new RangeError("a Merkle root is 32 bytes");
  }
  if (!(Number.isInteger(minimumTagBits) && minimumTagBits >= 1 && minimumTagBits <= 1024))
    throw new RangeError(`minimumTagBits must be 1 to 1024, not ${minimumTagBits}`);
  const lines = new Lines();
  const bundle = readBundle(input);
  const whole: Subject = { id: null, name: "bundle" };
  if (typeof bundle === "string") {
    lines.fail("bundle", whole, null, bundle);
    const verdict: Verdict = {
      genuine: false,
      root: null,
      mode: null,
      standing: null,
      warnings: [],
      lines: lines.lines,
      notes: [],
    };
    return { verdict, lines, fix: null, words: new Map(), navigation: null };
  }
  const { mode, root } = bundle;
  const objects = objectsOf(bundle.entries.values());
  const fix = objects.get("fix", root);
  if (fix === null) lines.fail("bundle", whole, "root", "does not name a fix of this bundle");
  else if (expectedRoot !== null && expectedRoot !== root)
    lines.fail("bundle", whole, "root", `is evidence for another fix than ${expectedRoot}`);
  else lines.pass("bundle", whole, `${bundle.entries.size} objects, fix ${root}`);
  judgeForm(bundle.entries.values(), lines, options.locateDamage === false ? 0 : MAX_REPAIRS, "bundle");
  judgeReferences(bundle, lines);

  const navigation = new NavigationJudge(objects, lines, options.roots, minimumTagBits);
  const words = navigation.judge();
  const standing = leastOf(navigation.standings);
  if (fix !== null) {
    const context = { objects, lines, words, navigation, standing, mode };
    judgeFix({ id: root, name: "fix" }, fix, context);
  }
  const verdict: Verdict = {
    genuine: lines.allHold && fix !== null,
    root,
    mode,
    standing,
    warnings: warningsOf(bundle, standing, fix?.record["mode"]),
    lines: lines.lines,
    notes: notesOf(fix?.record, navigation),
  };
  const ofFix = (fix?.words ?? []).flatMap((id) => words.get(id) ?? []);
  return {
    verdict,
    lines,
    fix,
    words: new Map(ofFix.map((each) => [each.object.svid, each])),
    navigation,
  };
}

/** Objects of the right form, by kind; in the order of their ids, so that the verdict does not hang on the file's. */
export function objectsOf(read: Iterable<ReadEntry>): Objects {
  const byKind = new Map<ObjectKind, [ObjectId, EvidenceObject][]>();
  const entries = new Map(Array.from(read, (entry) => [entry.id, entry]));
  const sorted = [...entries.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  for (const { id, object } of sorted) {
    if (object === null) continue;
    const list = byKind.get(object.kind);
    if (list === undefined) byKind.set(object.kind, [[id, object]]);
    else list.push([id, object]);
  }
  return {
    of: <K extends ObjectKind>(kind: K) => (byKind.get(kind) ?? []) as [ObjectId, ObjectOf<K>][],
    get: <K extends ObjectKind>(kind: K, id: ObjectId) => {
      const object = entries.get(id)?.object ?? null;
      return object?.kind === kind ? (object as ObjectOf<K>) : null;
    },
  };
}

function subjectOf({ id, object }: ReadEntry): Subject {
  return { id, name: object === null ? "object" : nameOf(object.kind, object) };
}

/** Form and id of every object. One line for all that are in order; the others have one each. */
export function judgeForm(read: Iterable<ReadEntry>, lines: Lines, maxRepairs: number, name: string): void {
  const entries = [...read];
  let inOrder = 0;
  let repairs = maxRepairs;
  for (const entry of entries) {
    const subject = subjectOf(entry);
    if (entry.fault !== null) lines.fail("object", subject, entry.fault.field, entry.fault.why);
    if (entry.text !== null && idOfText(entry.text) === entry.id) {
      if (entry.fault === null) inOrder++;
      continue;
    }
    const damage =
      entry.text !== null && entry.text.length <= MAX_REPAIR_CHARACTERS && repairs-- > 0
        ? damagedField(entry.id, entry.text)
        : null;
    lines.fail(
      "id",
      subject,
      damage,
      `is not the object that was named so${damage === null ? "" : ": one bit was changed in it"}`,
    );
  }
  if (inOrder === entries.length)
    lines.pass("id", { id: null, name }, `every object is the one its SHA-256 names`);
}

/** Every object that is named is there and of its kind, and none is there that nothing names. */
function judgeReferences({ entries, root }: ReadBundle, lines: Lines): void {
  const reached = new Set<ObjectId>([root]);
  let inOrder = true;
  for (const id of reached) {
    const entry = entries.get(id);
    if (entry?.object == null) continue;
    const { object } = entry;
    for (const [field, kind] of Object.entries(REFERENCES[object.kind] ?? {})) {
      const value = (object as unknown as Record<string, unknown>)[field];
      for (const name of Array.isArray(value) ? (value as unknown[]) : [value]) {
        if (typeof name !== "string") continue;
        const named = entries.get(name);
        if (named?.object?.kind === kind) continue;
        inOrder = false;
        const why = named === undefined ? "is not in the bundle" : `is no ${kind}`;
        lines.fail("reference", subjectOf(entry), field, `${name} ${why}`);
      }
    }
    for (const name of referencesOf(object)) reached.add(name);
  }
  for (const entry of entries.values()) {
    if (reached.has(entry.id)) continue;
    inOrder = false;
    lines.fail("reference", subjectOf(entry), null, "nothing in the bundle names it");
  }
  if (inOrder) lines.pass("reference", { id: null, name: "bundle" }, "complete, and nothing beside it");
}

/** The member whose text differs by one bit from what the id names, where it does; by trying every bit. */
function damagedField(id: ObjectId, text: string): string | null {
  const bytes = Buffer.from(text);
  const prefix = beginId();
  for (let i = 0; i < bytes.length; i++) {
    for (let bit = 0; bit < 8; bit++) {
      bytes[i] ^= 1 << bit;
      const isIt = prefix.copy().update(bytes.subarray(i)).digest("hex") === id;
      if (isIt) return changedField(text, bytes.toString());
      bytes[i] ^= 1 << bit;
    }
    prefix.update(bytes.subarray(i, i + 1));
  }
  return null;
}

function changedField(now: string, once: string): string | null {
  try {
    return differingMember(JSON.parse(now), JSON.parse(once));
  } catch {
    return null;
  }
}

function differingMember(a: unknown, b: unknown): string | null {
  const members = (value: unknown): readonly (readonly [string, unknown])[] | null =>
    typeof value === "object" && value !== null ? Object.entries(value) : null;
  const of = members(a);
  const other = isObject(b) || Array.isArray(b) ? (b as Record<string, unknown>) : null;
  if (of === null || other === null) return null;
  for (const [name, member] of of) {
    const was = other[name];
    if (JSON.stringify(member) === JSON.stringify(was)) continue;
    const below = differingMember(member, was);
    return below === null ? name : `${name}.${below}`;
  }
  return null;
}

const STANDINGS: readonly TrustedStanding[] = ["test", "historic", "operational"];

function leastOf(standings: readonly TrustedStanding[]): TrustedStanding | null {
  return STANDINGS.find((standing) => standings.includes(standing)) ?? null;
}

function warningsOf({ mode }: ReadBundle, standing: TrustedStanding | null, said: unknown): string[] {
  const warnings: string[] = [];
  if (mode === "simulated" || said === "simulated")
    warnings.push("SIMULATED: this fix was made from a simulation. It says nothing about any real place.");
  if (mode === "replay" || said === "replay")
    warnings.push(
      "REPLAY: this fix was made from a recording, when all keys were public. It is no live fix.",
    );
  if (standing === "test")
    warnings.push("TEST KEYS: the Merkle root is no Galileo root; it was trusted because you gave it.");
  if (standing === "historic")
    warnings.push("HISTORIC KEYS: Galileo signed under this Merkle root once, and no longer does.");
  return warnings;
}

/** A text of a record; what should be one and is not could throw where it is made one. */
export const saidOf = (value: unknown): string => (typeof value === "string" ? value : "none");

function notesOf(
  record: Readonly<Record<string, unknown>> | undefined,
  navigation: NavigationJudge,
): string[] {
  if (record === undefined) return [];
  const notes = [
    `The time condition is the station's word (time assurance: ${saidOf(record["timeAssurance"])}): whoever has the keys after they were broadcast can make tags, and a bundle does not show when they were received.`,
    "COP and the rule by which words were taken are the station's word; a tag's MAC does not cover its COP.",
    "Whether a chain or key was revoked by the time of the fix, or since, is not in a bundle; the root key's header above is what Galileo said when it was broadcast.",
  ];
  for (const { cpks } of navigation.headers) {
    if (cpks !== "nominal")
      notes.push(`The root key was broadcast with chain and public key status ${cpks}.`);
  }
  if (record["own"] !== null) {
    notes.push(
      "Ranges are not signed by anyone: that they were measured at this place, with a receiver, is the station's word. A relayed signal passes.",
      "Which satellites were left out before the epoch, the error model of the covariance and of RAIM, leap seconds and masks are the station's word; the position follows from them as they stand in the bundle.",
    );
  }
  notes.push("Signs, notes, software version and the reasons that lowered a grade are the station's word.");
  if (record["receiver"] !== null)
    notes.push(
      "The receiver's own position, how well it knew it, and the directions in which it saw satellites are the receiver's word. They go together, as far as a line above says so: directions in whole degrees bound a place to some 100 to 250 km, and an own position to what both uncertainties allow.",
    );
  return notes;
}
