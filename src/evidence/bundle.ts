/**
 * Evidence of a fix, made and written: the objects that everything in the record follows from, and the bundle, one
 * JSON document that holds them. Reading bounds sizes and counts, and finds what does not have the form; whether
 * any of it is true is verify.ts's to say. Format: docs/evidence.md.
 */
import type { CedProof } from "../osnma/engine.js";
import type { FixRecord, Mode } from "../pipeline/records.js";
import { A_PRIORI_MODEL, type ErrorModel } from "../position/error-model.js";
import { MINIMUM_CNO_DBHZ, type MeasurementOptions } from "../position/measurements.js";
import { DEFAULT_EXCLUSION_MARGIN, DEFAULT_FALSE_ALARM, type RaimOptions } from "../position/raim.js";
import { DEFAULT_ELEVATION_MASK_DEG, type SolverOptions } from "../position/solver.js";
import { canonicalRecord } from "./canonical-record.js";
import {
  bytesOf,
  encodeRecord,
  hexOf,
  idOfText,
  isFault,
  objectText,
  readObject,
  signedPart,
  type EvidenceObject,
  type ObjectId,
  type ObjectKind,
  type PositionInputsObject,
  type ReceiverObject,
} from "./objects.js";
import { isObject, type Fault } from "./schema.js";

export const BUNDLE_FORMAT = "osnmad-evidence";
export const BUNDLE_VERSION = 1;
/** A fix of 12 satellites takes some 60 kB; these bound what reading a hostile bundle costs. */
export const MAX_BUNDLE_BYTES = 8 << 20;
export const MAX_BUNDLE_OBJECTS = 4096;
/**
 * Of kinds that cost most to judge, a signature or many tags each: a fix has one set of words a satellite, and chains and
 * keys are renewed in months. All that stands in a bundle is judged, named or not.
 */
export const MAX_OBJECTS_OF_KIND: Readonly<Partial<Record<ObjectKind, number>>> = {
  "public-key": 16,
  "root-key": 64,
  words: 36,
};

/** Everything that one fix follows from: what a bundle lists. */
export interface Evidence {
  /** Id of the fix object. */
  readonly root: ObjectId;
  readonly objects: ReadonlyMap<ObjectId, EvidenceObject>;
}

/**
 * What a fix object names, with the payloads that are this fix's alone as bytes. With the record it is all that
 * `ownObjects` makes the fix's own objects of again, so a store need not keep them twice.
 */
export interface FixParts {
  /** Ids of the satellites' words, by SVID. */
  readonly words: readonly ObjectId[];
  /** Id of the position inputs; null where no own position was computed. */
  readonly inputs: ObjectId | null;
  /** UBX payload of the RXM-RAWX; null where no own position was computed. */
  readonly measurements: Uint8Array | null;
  readonly receiver: readonly {
    readonly message: ReceiverObject["message"];
    readonly payload: Uint8Array;
  }[];
}

/** The evidence of a fix, apart into what other fixes share and what is its own. */
export interface FixEvidence extends FixParts {
  /** Id of the fix object. */
  readonly root: ObjectId;
  /** Objects that other fixes may name too: words, inputs, and all below them. */
  readonly shared: Iterable<readonly [ObjectId, EvidenceObject]>;
}

/** What an own position was computed from beside the satellites' words. */
export interface PositionParts {
  /** UBX payload of the epoch's RXM-RAWX. */
  readonly rawx: Uint8Array;
  readonly measurementOptions?: MeasurementOptions;
  /** Options as `solvePosition` had them, the error model of that epoch included. */
  readonly solverOptions?: SolverOptions;
  /** `Solution.ionosphereFrom`; null also where there was no solution. */
  readonly ionosphereFrom: number | null;
}

export interface EvidenceParts {
  /** `engine.cedProof(svid)` of every satellite with authenticated data in force at the epoch, used or not. */
  readonly proofs: readonly CedProof[];
  /** Null where no own position was computed. */
  readonly position: PositionParts | null;
  /** UBX payloads that the receiver's part of the record was made from. */
  readonly receiver?: readonly {
    readonly message: ReceiverObject["message"];
    readonly payload: Uint8Array;
  }[];
}

/** An object that several fixes name, with all below it. */
interface SharedObject {
  readonly id: ObjectId;
  readonly objects: readonly (readonly [ObjectId, EvidenceObject])[];
}

interface Words extends SharedObject {
  readonly svid: number;
}

/** What proofs and inputs come to. */
interface Below {
  readonly proofs: readonly CedProof[];
  readonly inputs: SharedObject | null;
  /** Ids of the words, by SVID. */
  readonly words: readonly ObjectId[];
  readonly wordsText: string;
  readonly objects: FixEvidence["shared"];
}

/**
 * Makes evidence fix by fix. What hangs from a satellite's tags is made once for each proof the engine gives out, and
 * the inputs once for each set of options, so an epoch costs its measurements and its record.
 */
export class EvidenceBuilder {
  readonly #words = new WeakMap<CedProof, Words>();
  /** Most of a record is its satellites' evidence, the same objects for many epochs. */
  readonly #texts = new WeakMap<object, string>();
  #inputs: (SharedObject & { readonly of: PositionParts }) | null = null;
  #below: Below | null = null;

  /**
   * @param record the fix; its `evidence` is left out, being the id that results
   * @throws TypeError where the record holds what JSON cannot carry
   */
  build(record: Omit<FixRecord, "evidence">, parts: EvidenceParts): FixEvidence {
    for (const { authenticatedBy } of record.own?.satellites ?? []) {
      if (!this.#texts.has(authenticatedBy))
        this.#texts.set(authenticatedBy, canonicalRecord(authenticatedBy));
    }
    const { position } = parts;
    const inputs = position === null ? null : this.#inputsOf(position);
    const { words, wordsText, objects } = this.#belowOf(parts.proofs, inputs);
    const made: FixParts = {
      words,
      inputs: inputs?.id ?? null,
      measurements: position?.rawx ?? null,
      receiver: parts.receiver ?? [],
    };
    const measurements = made.measurements === null ? null : idOfText(measurementsText(made.measurements));
    const receiver = made.receiver.map(({ message, payload }) => idOfText(receiverText(message, payload)));
    // Canonical JSON: members in order.
    const root = idOfText(
      `{"inputs":${textOfId(made.inputs)},"kind":"fix","measurements":${textOfId(measurements)},` +
        `"receiver":${textOfIds(receiver)},"record":${canonicalRecord(record, "evidence", this.#texts)},` +
        `"words":${wordsText}}`,
    );
    return { ...made, root, shared: objects };
  }

  #wordsOf(proof: CedProof): Words {
    let words = this.#words.get(proof);
    if (words === undefined) this.#words.set(proof, (words = wordsOf(proof)));
    return words;
  }

  #inputsOf(position: PositionParts): SharedObject {
    const last = this.#inputs;
    if (
      last !== null &&
      last.of.solverOptions === position.solverOptions &&
      last.of.measurementOptions === position.measurementOptions &&
      last.of.ionosphereFrom === position.ionosphereFrom
    )
      return last;
    const object = inputsOf(position);
    const id = idOfText(objectText(object));
    this.#inputs = { of: position, id, objects: [[id, object]] };
    return this.#inputs;
  }

  /** The same lists for the same proofs and inputs, so that who has stored one knows it again. */
  #belowOf(proofs: readonly CedProof[], inputs: SharedObject | null): Below {
    const last = this.#below;
    if (last !== null && last.inputs === inputs && isSameList(last.proofs, proofs)) return last;
    const below: SharedObject[] = proofs.map((proof) => this.#wordsOf(proof)).sort((a, b) => a.svid - b.svid);
    const words = below.map(({ id }) => id);
    if (inputs !== null) below.push(inputs);
    const objects = new Map<ObjectId, EvidenceObject>();
    for (const each of below) for (const [id, object] of each.objects) objects.set(id, object);
    this.#below = { proofs: [...proofs], inputs, words, wordsText: textOfIds(words), objects };
    return this.#below;
  }
}

function isSameList<Item>(a: readonly Item[], b: readonly Item[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** `EvidenceBuilder.build` for one fix alone, with its objects. */
export function buildEvidence(
  record: Omit<FixRecord, "evidence">,
  parts: EvidenceParts,
): Evidence & FixEvidence {
  const made = new EvidenceBuilder().build(record, parts);
  return { ...made, objects: new Map([...ownObjects(record, made), ...made.shared]) };
}

/** The objects that are one fix's own, the fix object first. */
export function ownObjects(
  record: Omit<FixRecord, "evidence">,
  { words, inputs, measurements, receiver }: FixParts,
): (readonly [ObjectId, EvidenceObject])[] {
  const own: (readonly [ObjectId, EvidenceObject])[] = [];
  const put = (object: EvidenceObject): ObjectId => {
    const id = idOfText(objectText(object));
    own.push([id, object]);
    return id;
  };
  const said = Object.entries(record).filter(([name]) => name !== "evidence");
  const fix: EvidenceObject = {
    kind: "fix",
    record: encodeRecord(Object.fromEntries(said)) as Record<string, unknown>,
    words,
    measurements:
      measurements === null
        ? null
        : put({ kind: "measurements", message: "RXM-RAWX", payload: hexOf(measurements) }),
    inputs,
    receiver: receiver.map(({ message, payload }) =>
      put({ kind: "receiver", message, payload: hexOf(payload) }),
    ),
  };
  return [[idOfText(objectText(fix)), fix], ...own];
}

/** Canonical texts of the objects that every fix has; `objectText` gives the same, slower. */
function measurementsText(payload: Uint8Array): string {
  return `{"kind":"measurements","message":"RXM-RAWX","payload":"${hexOf(payload)}"}`;
}

function receiverText(message: ReceiverObject["message"], payload: Uint8Array): string {
  return `{"kind":"receiver","message":"${message}","payload":"${hexOf(payload)}"}`;
}

function textOfId(id: ObjectId | null): string {
  return id === null ? "null" : `"${id}"`;
}

function textOfIds(ids: readonly ObjectId[]): string {
  return ids.length === 0 ? "[]" : `["${ids.join('","')}"]`;
}

function putInto(objects: Map<ObjectId, EvidenceObject>, object: EvidenceObject): ObjectId {
  const id = idOfText(objectText(object));
  objects.set(id, object);
  return id;
}

function wordsOf(proof: CedProof): Words {
  const objects = new Map<ObjectId, EvidenceObject>();
  const put = (object: EvidenceObject): ObjectId => putInto(objects, object);
  const rootKeys = proof.chains.map(({ dsmKroot, nmaHeader, publicKey }) => {
    const { root, pkid, type, point, proof: merkle } = publicKey;
    const rooted = /^[0-9a-f]{64}$/.test(root);
    return put({
      kind: "root-key",
      dsmKroot,
      nmaHeader,
      publicKey: put({
        kind: "public-key",
        // A key that was given without a tree has no root to name: it proves nothing to anyone else.
        root: rooted ? root : "00".repeat(32),
        pkid,
        type,
        point,
        proof: merkle === null ? null : { leafIndex: merkle.leafIndex, siblings: [...merkle.siblings] },
      }),
    });
  });
  const tags = proof.tags.map((tag) => {
    if (tag.adkd === 4) throw new RangeError("an ADKD 4 tag does not authenticate words 1-5");
    return put({
      kind: "tag",
      prnA: tag.prnA,
      prnD: tag.prnD,
      gst: tag.gst,
      ctr: tag.ctr,
      adkd: tag.adkd,
      cop: tag.cop,
      nmas: tag.nmas,
      tag: tag.tag,
      macseq: tag.macseq === null ? null : { value: tag.macseq.value, infos: [...tag.macseq.infos] },
      key: put({ kind: "tesla-key", gst: tag.keyGst, key: tag.key, rootKey: rootKeys[tag.chain] }),
    });
  });
  const id = put({
    kind: "words",
    svid: proof.svid,
    words: proof.words.map((word, i) => hexOf(signedPart(bytesOf(word), i + 1))),
    tags,
    rule: proof.rule,
  });
  return { id, svid: proof.svid, objects: [...objects] };
}

/** From this mask up the solver's default mapping of the troposphere is the simple one. */
const SIMPLE_MAPPING_DEG = 10;
const DEFAULT_LEAP_SECONDS = 18;

/**
 * No option of measurements, solver, RAIM or error model is without its place in `position-inputs`: this does not
 * compile when one is added.
 */
export const UNSAID_OPTIONS: Record<
  | Exclude<keyof SolverOptions, Exclude<keyof PositionInputsObject, "kind" | "ionosphereFrom">>
  | Exclude<keyof MeasurementOptions, keyof PositionInputsObject>
  | Exclude<keyof RaimOptions, keyof NonNullable<PositionInputsObject["raim"]>>
  | Exclude<keyof ErrorModel, keyof PositionInputsObject["errorModel"]>,
  never
> = {};

/** The solver's options with its defaults written out: another version's defaults must not change what was done. */
function inputsOf({
  measurementOptions,
  solverOptions,
  ionosphereFrom,
}: PositionParts): PositionInputsObject {
  const options = solverOptions ?? {};
  const maskDeg = options.elevationMaskDeg ?? DEFAULT_ELEVATION_MASK_DEG;
  const model = options.errorModel ?? A_PRIORI_MODEL;
  const raim = options.raim ?? {};
  return {
    kind: "position-inputs",
    elevationMaskDeg: String(maskDeg),
    minimumCnoDbHz: String(measurementOptions?.minimumCnoDbHz ?? MINIMUM_CNO_DBHZ),
    minimumLockMilliseconds: String(measurementOptions?.minimumLockMilliseconds ?? 0),
    allowMarginal: options.allowMarginal ?? false,
    ionosphere: options.ionosphere ?? "ntcm-g",
    ionosphereFrom,
    troposphere: options.troposphere ?? (maskDeg >= SIMPLE_MAPPING_DEG ? "simple" : "niell"),
    combination: options.combination ?? "auto",
    leapSeconds: options.leapSeconds ?? DEFAULT_LEAP_SECONDS,
    raim:
      raim === "off"
        ? null
        : {
            falseAlarm: String(raim.falseAlarm ?? DEFAULT_FALSE_ALARM),
            exclusionMargin: String(raim.exclusionMargin ?? DEFAULT_EXCLUSION_MARGIN),
            varianceInflation: String(raim.varianceInflation ?? 1),
          },
    errorModel: {
      aPriori: String(model.aPriori),
      whiteMeters2: String(model.whiteMeters2),
      lowElevationMeters2: String(model.lowElevationMeters2),
    },
  };
}

/** The options that `inputs` stand for. */
export function solverOptionsOf(inputs: PositionInputsObject): SolverOptions {
  const { raim, errorModel } = inputs;
  return {
    elevationMaskDeg: Number(inputs.elevationMaskDeg),
    allowMarginal: inputs.allowMarginal,
    ionosphere: inputs.ionosphere,
    troposphere: inputs.troposphere,
    combination: inputs.combination,
    leapSeconds: inputs.leapSeconds,
    raim:
      raim === null
        ? "off"
        : {
            falseAlarm: Number(raim.falseAlarm) as typeof DEFAULT_FALSE_ALARM,
            exclusionMargin: Number(raim.exclusionMargin),
            varianceInflation: Number(raim.varianceInflation),
          },
    errorModel: {
      aPriori: Number(errorModel.aPriori),
      whiteMeters2: Number(errorModel.whiteMeters2),
      lowElevationMeters2: Number(errorModel.lowElevationMeters2),
    },
  };
}

/** A bundle as text: one JSON document, an object a line. */
export function bundleText(
  mode: Mode,
  root: ObjectId,
  objects: Iterable<readonly [id: ObjectId, object: unknown]>,
): string {
  const head = JSON.stringify({ format: BUNDLE_FORMAT, version: BUNDLE_VERSION, mode, root });
  const lines = Array.from(objects, ([id, object]) => `"${id}":${JSON.stringify(object)}`);
  return `${head.slice(0, -1)},"objects":{\n${lines.join(",\n")}\n}}\n`;
}

/** Ids of the objects that `object` names: for whoever gathers a bundle from stored objects. */
export function referencesOf(object: EvidenceObject): ObjectId[] {
  switch (object.kind) {
    case "root-key":
      return [object.publicKey];
    case "tesla-key":
      return [object.rootKey];
    case "tag":
      return [object.key];
    case "words":
      return [...object.tags];
    case "fix":
      return [
        ...object.words,
        ...(object.measurements === null ? [] : [object.measurements]),
        ...(object.inputs === null ? [] : [object.inputs]),
        ...object.receiver,
      ];
    default:
      return [];
  }
}

/** An object of a bundle as it was read. */
export interface ReadEntry {
  readonly id: ObjectId;
  /** Null where it has not the form; `fault` says where. */
  readonly object: EvidenceObject | null;
  readonly fault: Fault | null;
  /** Canonical text; null where there is none (nested too deep). */
  readonly text: string | null;
}

export interface ReadBundle {
  readonly mode: Mode;
  readonly root: ObjectId;
  readonly entries: ReadonlyMap<ObjectId, ReadEntry>;
}

const HEADER = ["format", "version", "mode", "root", "objects"];
const MODES: readonly unknown[] = ["live", "replay", "simulated"];

/**
 * Reads a bundle, as bytes or as what JSON.parse made of them. A text says why it is none. Never throws for what
 * a bundle may hold.
 */
export function readBundle(input: unknown): ReadBundle | string {
  let document = input;
  if (input instanceof Uint8Array || typeof input === "string") {
    if (input.length > MAX_BUNDLE_BYTES) return `larger than ${MAX_BUNDLE_BYTES} bytes`;
    try {
      const text =
        typeof input === "string" ? input : new TextDecoder("utf-8", { fatal: true }).decode(input);
      document = JSON.parse(text);
    } catch {
      return "not JSON in UTF-8";
    }
  }
  if (!isObject(document)) return "not a JSON object";
  const { format, version, mode, root, objects } = document;
  if (format !== BUNDLE_FORMAT) return `its format is not "${BUNDLE_FORMAT}"`;
  if (version !== BUNDLE_VERSION)
    return `its version is not ${BUNDLE_VERSION}, which is all this program reads`;
  if (!MODES.includes(mode)) return "its mode is none of live, replay, simulated";
  if (typeof root !== "string" || !/^[0-9a-f]{64}$/.test(root)) return "its root is no id";
  if (!isObject(objects)) return "it holds no objects";
  const foreign = Object.keys(document).find((name) => !HEADER.includes(name));
  if (foreign !== undefined)
    return `it has a member ${JSON.stringify(foreign.slice(0, 40))}, which is unknown`;
  const entries = readEntries(objects);
  return typeof entries === "string" ? entries : { mode: mode as Mode, root, entries };
}

/** Objects by their ids as they stand in a document; a text says why they are none. */
export function readEntries(objects: Readonly<Record<string, unknown>>): Map<ObjectId, ReadEntry> | string {
  const ids = Object.keys(objects);
  if (ids.length > MAX_BUNDLE_OBJECTS) return `more than ${MAX_BUNDLE_OBJECTS} objects`;
  const entries = new Map<ObjectId, ReadEntry>();
  const counts = new Map<ObjectKind, number>();
  for (const id of ids) {
    if (!/^[0-9a-f]{64}$/.test(id)) return `${JSON.stringify(id.slice(0, 80))} is no id of an object`;
    const read = readObject(objects[id]);
    const fault = isFault(read) ? read : null;
    if (!isFault(read)) {
      const { kind } = read;
      const count = (counts.get(kind) ?? 0) + 1;
      counts.set(kind, count);
      const most = MAX_OBJECTS_OF_KIND[kind] ?? MAX_BUNDLE_OBJECTS;
      if (count > most) return `more than ${most} objects "${kind}"`;
    }
    entries.set(id, { id, object: isFault(read) ? null : read, fault, text: textOf(objects[id]) });
  }
  return entries;
}

function textOf(value: unknown): string | null {
  try {
    return objectText(value as EvidenceObject);
  } catch {
    // Nested deeper than canonical JSON goes.
    return null;
  }
}
