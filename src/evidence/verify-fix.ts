/**
 * The fix judged on words that hold: epoch, mode, health and age of the data, the position computed again by the same
 * solver, and the grades that the threat model allows (docs/threat-model.md). The solver gets the words' signed bits
 * only, and is the one behind both doors of src/position/solver.ts.
 */
import { decodeMessage, type MessageOf } from "gnss-ubx";
import { decodeEphemeris } from "../ephemeris/ephemeris.js";
import { e1Health } from "../ephemeris/health.js";
import { formatGst, GST_END, gstOf, GST_TO_UNIX, SUBFRAME_SECONDS, towOf, wnOf } from "../inav/gst.js";
import type { EvidenceRecord } from "../pipeline/records.js";
import { measurementEpoch } from "../position/measurements.js";
import { EPHEMERIS_VALIDITY_SECONDS, UnverifiedSatellite } from "../position/satellite.js";
import { solveUnverified, type Failure, type Solution } from "../position/solver.js";
import { corroborate, DIRECTION_TOLERANCE_DEG } from "../watch/corroboration.js";
import { ownAgainstReceiver } from "../watch/position.js";
import { receiverSolutionOf, type ReceiverSolution } from "../watch/solutions.js";
import { DEFAULT_THRESHOLDS } from "../watch/thresholds.js";
import { watchedSolution } from "../watch/watched-solution.js";
import { solverOptionsOf } from "./bundle.js";
import { bytesOf, decodeRecord, hexOf, type FixObject, type ObjectId, type ObjectOf } from "./objects.js";
import { ownPositionNumbers } from "./own-position.js";
import { isObject } from "./schema.js";
import type { Lines, Subject, TrustedStanding } from "./verdict.js";
import { nameOf, withTime, type GoodWords, type NavigationJudge, type Objects } from "./verify-navigation.js";

const SATELLITES_FOR_FIX = 4;
/** Between the record's epoch and the label of its measurements, or of NAV-PVT. */
const EPOCH_TOLERANCE_SECONDS = 1;
/**
 * Whether data is in force, the engine judges by its newest page, a little off the epoch: the solver, which judges by
 * the epoch itself, then leaves such a satellite out, and so it does when the position is computed again.
 */
const VALIDITY_TOLERANCE_SECONDS = 10;
/** More fields than this are not listed one by one. */
const MAX_DIFFERENCES = 5;

type Json = Record<string, unknown>;

export interface FixContext {
  readonly objects: Objects;
  readonly lines: Lines;
  readonly words: ReadonlyMap<ObjectId, GoodWords>;
  readonly navigation: NavigationJudge;
  readonly standing: TrustedStanding | null;
  /** The mode that the bundle's header names. */
  readonly mode: string;
}

export function judgeFix(subject: Subject, fix: FixObject, context: FixContext): void {
  new FixJudge(subject, fix, context).judge();
}

class FixJudge {
  readonly #subject: Subject;
  readonly #fix: FixObject;
  readonly #context: FixContext;
  readonly #lines: Lines;
  readonly #record: Json;

  constructor(subject: Subject, fix: FixObject, context: FixContext) {
    this.#subject = subject;
    this.#fix = fix;
    this.#context = context;
    this.#lines = context.lines;
    this.#record = decodeRecord(fix.record) as Json;
  }

  judge(): void {
    const epoch = this.#epoch();
    this.#mode();
    this.#words();
    if (epoch === null) return;
    const satellites = this.#satellites(epoch);
    if (satellites === null) return;
    const own = this.#record["own"];
    const used = isObject(own) ? this.#own(own, satellites, epoch) : null;
    if (!isObject(own) && own !== null) this.#fail("record", "own", "is neither a position nor null");
    this.#assurance(own, used, satellites);
    const messages = this.#receiver(epoch);
    this.#corroboration(epoch, messages, satellites, used);
  }

  #fail(check: Parameters<Lines["fail"]>[0], field: string | null, detail: string): void {
    this.#lines.fail(check, this.#subject, field === null ? null : `record.${field}`, detail);
  }

  /** GST of the epoch, where the record's ways of naming it agree. */
  #epoch(): number | null {
    const { type, gst, wn, tow, utc } = this.#record;
    if (type !== "fix") {
      this.#fail("record", "type", "is no fix");
      return null;
    }
    if (typeof gst !== "number" || !(gst >= 0 && gst < GST_END)) {
      this.#fail("record", "gst", "is no GST");
      return null;
    }
    if (wn !== wnOf(gst) || tow !== Math.floor(towOf(gst))) {
      this.#fail("record", wn === wnOf(gst) ? "tow" : "wn", "is not that of the record's gst");
      return null;
    }
    const unix = typeof utc === "string" ? unixSecondsOf(utc) : null;
    const leap = unix === null ? Number.NaN : gst + GST_TO_UNIX - unix;
    // Milliseconds are what both are written to.
    if (!(Math.abs(leap - Math.round(leap)) < 0.0015 && leap > -0.5 && leap < 127.5)) {
      this.#fail("record", "utc", "is not a whole number of leap seconds from the record's gst");
      return null;
    }
    this.#lines.pass("record", this.#subject, `epoch ${formatGst(gst)}, UTC ${String(utc)}`);
    return gst;
  }

  #mode(): void {
    const { mode, timeAssurance } = this.#record;
    if (mode !== "live" && mode !== "replay" && mode !== "simulated")
      return this.#fail("mode", "mode", "is none of live, replay, simulated");
    if (mode !== this.#context.mode)
      return this.#fail("mode", "mode", `is "${mode}", and the bundle says "${this.#context.mode}"`);
    if (this.#context.standing === "test" && mode !== "simulated")
      return this.#fail("mode", "mode", `is "${mode}" under a Merkle root that is no Galileo root`);
    if (timeAssurance !== "capture" && timeAssurance !== "independent" && timeAssurance !== "none")
      return this.#fail("mode", "timeAssurance", "is none of capture, independent, none");
    this.#lines.pass("mode", this.#subject, `${mode}, time assurance ${timeAssurance}`);
  }

  /** What is the station's word alone is text: whoever reads it further need not look for anything else. */
  #words(): void {
    const { own, receiver, reasons, signs, ownFailure, softwareVersion } = this.#record;
    const isText = (value: unknown): boolean => typeof value === "string";
    const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
    const said: [field: string, isOne: boolean][] = [
      ["reasons", isTexts(reasons)],
      ["signs", isTexts(signs)],
      ["ownFailure", ownFailure === null || isText(ownFailure)],
      ["softwareVersion", isText(softwareVersion)],
    ];
    for (const [name, place] of Object.entries({ own, receiver })) {
      if (!isObject(place)) continue;
      said.push([`${name}.reasons`, isTexts(place["reasons"])], [`${name}.notes`, isTexts(place["notes"])]);
    }
    for (const [field, isOne] of said) if (!isOne) this.#fail("record", field, "is not of text");
  }

  /** The words of the fix by SVID; null where one does not hold. */
  #satellites(epoch: number): Map<number, GoodWords> | null {
    const satellites = new Map<number, GoodWords>();
    let allHold = true;
    for (const id of this.#fix.words) {
      const words = this.#context.words.get(id);
      if (words === undefined) {
        allHold = false;
        const object = this.#context.objects.get("words", id);
        const name = object === null ? id : nameOf("words", object);
        this.#lines.fail("satellite-data", this.#subject, "words", `${name}: not proven`);
        continue;
      }
      const { svid } = words.object;
      const subject = { id, name: nameOf("words", words.object) };
      if (satellites.has(svid)) {
        allHold = false;
        this.#lines.fail("satellite-data", subject, null, `E${svid} has data twice`);
        continue;
      }
      satellites.set(svid, words);
      const age = Math.abs(epoch - words.ephemeris.toeGst);
      const opened = Math.max(...words.tags.map(({ keyGst }) => keyGst));
      if (!(age <= EPHEMERIS_VALIDITY_SECONDS + VALIDITY_TOLERANCE_SECONDS)) {
        allHold = false;
        this.#lines.fail("satellite-data", subject, "words.0", `toe is ${Math.round(age)} s from the epoch`);
      } else if (!(opened < epoch)) {
        allHold = false;
        this.#lines.fail(
          "satellite-data",
          subject,
          "tags",
          `opened at ${formatGst(opened)}, after the epoch`,
        );
      } else {
        const health = e1Health(words.ephemeris);
        const text = `${health}, toe ${Math.round(age)} s from the epoch, newest key ${Math.round(epoch - opened)} s before it`;
        this.#lines.pass("satellite-data", subject, text);
      }
    }
    if (!allHold) return null;
    const healthy = [...satellites]
      .filter(([, { ephemeris }]) => e1Health(ephemeris) === "healthy")
      .map(([svid]) => svid)
      .sort((a, b) => a - b);
    const named = this.#record["authenticatedSatellites"];
    if (!isAscendingAmong(named, healthy)) {
      const proven = healthy.map((svid) => `E${svid}`).join(" ") || "none";
      this.#fail("satellite-data", "authenticatedSatellites", `healthy and proven by this bundle: ${proven}`);
    }
    if (!isAscendingAmong(this.#record["agreeingSatellites"], healthy))
      this.#fail("satellite-data", "agreeingSatellites", "holds others than the authenticated ones");
    return satellites;
  }

  /** Computes the position again and compares; the solution where all agrees. */
  #own(own: Json, satellites: ReadonlyMap<number, GoodWords>, epoch: number): Solution | null {
    const { objects } = this.#context;
    const { measurements: rawxId, inputs: inputsId } = this.#fix;
    const rawx = rawxId === null ? null : objects.get("measurements", rawxId);
    const inputs = inputsId === null ? null : objects.get("position-inputs", inputsId);
    if (rawx === null || inputs === null) {
      this.#lines.fail(
        "position",
        this.#subject,
        rawx === null ? "measurements" : "inputs",
        "an own position is claimed without what it was computed from",
      );
      return null;
    }
    const subject = { id: rawxId, name: nameOf("measurements", rawx) };
    // Data that came between the measurements and the fix is proven, but took no part: the record says so.
    const late = new Set(
      (Array.isArray(own["excluded"]) ? (own["excluded"] as unknown[]) : [])
        .filter((entry) => isObject(entry) && entry["reason"] === "no-data")
        .map((entry) => (entry as Json)["svid"]),
    );
    const inForce = new Map([...satellites].filter(([svid]) => !late.has(svid)));
    const solution = this.#solve(subject, rawx, inputs, inForce, epoch);
    if (solution === null) return null;
    const computed = ownPositionNumbers(solution);
    const claimed = withoutGrade(own);
    const differences = differencesOf(claimed, computed, "own");
    if (differences.length > 0) {
      for (const [field, said, is] of differences.slice(0, MAX_DIFFERENCES)) {
        this.#fail("position", field, `the record says ${said}; computed again it is ${is}`);
      }
      return null;
    }
    for (const { svid } of solution.used) {
      const words = satellites.get(svid);
      if (words === undefined) return null;
      const place = solution.used.findIndex((used) => used.svid === svid);
      const claims = (own["satellites"] as Json[])[place]["authenticatedBy"];
      if (!this.#authenticatedBy(`own.satellites.${place}.authenticatedBy`, claims, words)) return null;
    }
    const place = `${decimals(computed.latitudeE7, 7)}°, ${decimals(computed.longitudeE7, 7)}°, ${decimals(computed.heightMm, 3)} m`;
    this.#lines.pass(
      "position",
      this.#subject,
      `computed again from ${solution.used.length} satellites (${solution.used.map(({ svid }) => `E${svid}`).join(" ")}), ${
        solution.signals
      }: ${place}; RAIM ${solution.raim.status}; every number of the record is the same`,
    );
    return solution;
  }

  #solve(
    subject: Subject,
    rawx: ObjectOf<"measurements">,
    inputs: ObjectOf<"position-inputs">,
    satellites: ReadonlyMap<number, GoodWords>,
    epoch: number,
  ): Solution | null {
    const message = decodeMessage(0x02, 0x15, bytesOf(rawx.payload));
    if (message.name !== "RXM-RAWX") {
      this.#lines.fail("measurements", subject, "payload", "is no RXM-RAWX");
      return null;
    }
    const measured = measurementEpoch(message, {
      minimumCnoDbHz: Number(inputs.minimumCnoDbHz),
      minimumLockMilliseconds: Number(inputs.minimumLockMilliseconds),
    });
    if ("refused" in measured) {
      this.#lines.fail("measurements", subject, "payload", `the epoch is of no use: ${measured.refused}`);
      return null;
    }
    const apart = Math.abs(gstOf(measured.wn, measured.towSeconds) - epoch);
    if (!(apart <= EPOCH_TOLERANCE_SECONDS)) {
      this.#lines.fail(
        "measurements",
        subject,
        "payload",
        `labelled ${apart.toFixed(3)} s from the fix's epoch`,
      );
      return null;
    }
    this.#lines.pass(
      "measurements",
      subject,
      `${measured.satellites.length} Galileo satellites of this epoch; not signed by anyone`,
    );
    // The newest word 5 gives the ionosphere; which one it was, the inputs say, for its time is not signed.
    const newest = Math.max(
      0,
      ...[...satellites.values()].flatMap(({ tags }) => tags.map(({ object }) => object.gst)),
    );
    const inSolver: UnverifiedSatellite[] = [];
    for (const [svid, { words }] of satellites) {
      const later = svid === inputs.ionosphereFrom ? withTime(words, newest + SUBFRAME_SECONDS) : words;
      const satellite = decodeEphemeris(later, svid) === null ? null : UnverifiedSatellite.of(svid, later);
      if (satellite !== null) inSolver.push(satellite);
    }
    const result: Solution | Failure = solveUnverified({
      epoch: measured,
      satellites: inSolver,
      options: solverOptionsOf(inputs),
    });
    if ("failed" in result) {
      this.#fail("position", "own", `computed again there is no position: ${result.failed}`);
      return null;
    }
    return result;
  }

  /** What the record says of the evidence for a satellite, against that evidence. */
  #authenticatedBy(field: string, claims: unknown, words: GoodWords): boolean {
    const fail = (member: string, detail: string): boolean => {
      this.#fail("assurance", `${field}.${member}`, detail);
      return false;
    };
    if (!isObject(claims)) return fail("tags", "is missing");
    const said = claims as Partial<EvidenceRecord>;
    const tags = words.tags.map(({ object }) => ({
      prnA: object.prnA,
      wn: wnOf(object.gst),
      tow: towOf(object.gst),
      ctr: object.ctr,
      adkd: object.adkd,
      cop: object.cop,
    }));
    if (!sameJson(said.tags, tags)) return fail("tags", "are not the tags of this bundle");
    if (!Number.isSafeInteger(said.tagBits) || (said.tagBits as number) < words.tagBits)
      return fail("tagBits", `less than the ${words.tagBits} bits of this bundle's tags`);
    if (said.rule !== words.object.rule)
      return fail("rule", `the words were taken by "${words.object.rule}"`);
    const { rootKey } = words.tags[words.tags.length - 1];
    const { kroot, parameters, publicKey } = rootKey;
    if (said.chain?.cid !== kroot.cid || said.chain.alpha !== hexOf(parameters.alpha))
      return fail("chain", "is not the chain of this bundle");
    const { root, pkid } = publicKey.object;
    if (said.publicKey?.root !== root || said.publicKey.pkid !== pkid)
      return fail("publicKey", "is not the public key of this bundle");
    const onChain = (gst: number, value: unknown): boolean =>
      typeof value === "string" &&
      /^(?:[0-9a-f]{2}){12,32}$/.test(value) &&
      gst >= 0 &&
      this.#context.navigation.isOnChain(rootKey, gst, bytesOf(value));
    const { key, rootKey: saidRoot } = said;
    if (!onChain(gstOf(numberOf(key?.wn), numberOf(key?.tow)), key?.value))
      return fail("key", "is no key of the chain at its time");
    if (
      !onChain(
        gstOf(numberOf(saidRoot?.wn), numberOf(saidRoot?.towh) * 3600) - SUBFRAME_SECONDS,
        saidRoot?.value,
      )
    )
      return fail("rootKey", "is no key of the chain at its time");
    if (said.nmaStatus !== "operational" && said.nmaStatus !== "test")
      return fail("nmaStatus", "authenticates nothing");
    if (said.timeAssurance !== this.#record["timeAssurance"])
      return fail("timeAssurance", "is not that of the fix");
    return true;
  }

  /** The grades, against what the threat model gives at most. */
  #assurance(own: unknown, solution: Solution | null, satellites: ReadonlyMap<number, GoodWords>): void {
    const { receiver, assurance, reasons, mode, timeAssurance } = this.#record;
    const before = this.#lines.lines.length;
    const ownGrade = isObject(own) ? this.#grade("own", own, "nav-authenticated") : "unverified";
    const receiverGrade = isObject(receiver)
      ? this.#grade("receiver", receiver, "corroborated")
      : "unverified";
    if (ownGrade === "nav-authenticated") {
      const field = "own.assurance";
      const deny = (why: string): void => {
        this.#fail("assurance", field, `cannot be nav-authenticated: ${why}`);
      };
      if (solution === null) deny("the position is not proven");
      else {
        const { used, raim } = solution;
        if (used.length < SATELLITES_FOR_FIX) deny(`${used.length} satellites`);
        if (raim.status === "detected") deny("RAIM detected a fault");
        if (raim.status === "unavailable" && used.length !== SATELLITES_FOR_FIX) deny("without RAIM");
        for (const { svid } of used) {
          const words = satellites.get(svid);
          if (words === undefined || e1Health(words.ephemeris) !== "healthy") deny(`E${svid} is not healthy`);
        }
      }
    }
    if (receiverGrade === "corroborated") {
      const agreeing = this.#record["agreeingSatellites"];
      if (!Array.isArray(agreeing) || agreeing.length < SATELLITES_FOR_FIX)
        this.#fail(
          "assurance",
          "receiver.assurance",
          "cannot be corroborated: fewer than 4 satellites agree",
        );
    }
    const best = ownGrade !== "unverified" ? ownGrade : receiverGrade;
    if (assurance !== best) this.#fail("assurance", "assurance", `the better of the two grades is "${best}"`);
    if (!Array.isArray(reasons) || (reasons.length === 0) !== (best !== "unverified"))
      this.#fail("assurance", "reasons", "do not fit the grade");
    if (best !== "unverified" && timeAssurance !== (mode === "live" ? "independent" : timeAssurance))
      this.#fail("assurance", "timeAssurance", "a live fix is graded by an independent clock only");
    if (best !== "unverified" && timeAssurance === "none")
      this.#fail("assurance", "timeAssurance", "nothing is graded without a trusted time");
    if (this.#lines.lines.length > before) return;
    const said = (name: string, grade: string): string => `${name} position ${grade}`;
    this.#lines.pass(
      "assurance",
      this.#subject,
      `${said("own", isObject(own) ? ownGrade : "none")}, ${said("receiver's", isObject(receiver) ? receiverGrade : "none")}; no better than the evidence allows`,
    );
  }

  /** A position's own grade; `unverified` where what it says of itself does not go together. */
  #grade(field: "own" | "receiver", position: Json, best: string): string {
    const { assurance, reasons } = position;
    if (assurance !== best && assurance !== "unverified") {
      this.#fail("assurance", `${field}.assurance`, `is neither ${best} nor unverified`);
      return "unverified";
    }
    if (!Array.isArray(reasons) || (reasons.length === 0) !== (assurance === best))
      this.#fail("assurance", `${field}.reasons`, "do not fit the grade");
    return assurance;
  }

  /** The receiver's part against the messages it was made from, where the bundle has them; those that hold. */
  #receiver(epoch: number): ReceiverMessages {
    const { receiver } = this.#record;
    const found: { pvt: MessageOf<"NAV-PVT"> | null; sat: MessageOf<"NAV-SAT"> | null } = {
      pvt: null,
      sat: null,
    };
    if (receiver !== null && !isObject(receiver)) {
      this.#fail("receiver", "receiver", "is neither a position nor null");
      return found;
    }
    for (const id of this.#fix.receiver) {
      const object = this.#context.objects.get("receiver", id);
      if (object === null) continue;
      const subject = { id, name: nameOf("receiver", object) };
      const message = decodeMessage(
        0x01,
        object.message === "NAV-PVT" ? 0x07 : 0x35,
        bytesOf(object.payload),
      );
      if (message.name !== "NAV-PVT" && message.name !== "NAV-SAT") {
        this.#lines.fail("receiver", subject, "payload", `is no ${object.message}`);
        continue;
      }
      const apart = Math.abs(message.iTOW / 1000 - towOf(epoch));
      if (!(Math.min(apart, 604_800 - apart) <= EPOCH_TOLERANCE_SECONDS)) {
        this.#lines.fail("receiver", subject, "payload", "is of another epoch");
        continue;
      }
      if (message.name === "NAV-PVT" && isObject(receiver)) {
        const said: readonly (readonly [string, number])[] = [
          ["latitudeE7", message.lat],
          ["longitudeE7", message.lon],
          ["heightMm", message.height],
          ["horizontalAccuracyMm", message.hAcc],
          ["verticalAccuracyMm", message.vAcc],
          ["velocityNorthMmS", message.velN],
          ["velocityEastMmS", message.velE],
          ["velocityDownMmS", message.velD],
          ["fixType", message.fixType],
          ["satellitesUsed", message.numSV],
        ];
        const wrong = said.filter(([name, value]) => receiver[name] !== value);
        for (const [name, value] of wrong) {
          this.#fail("receiver", `receiver.${name}`, `NAV-PVT says ${value}`);
        }
        if (wrong.length > 0) continue;
      }
      if (message.name === "NAV-PVT" ? found.pvt !== null : found.sat !== null) {
        this.#lines.fail("receiver", subject, null, "the bundle has two of them");
        continue;
      }
      if (message.name === "NAV-PVT") found.pvt = message;
      else found.sat = message;
      this.#lines.pass("receiver", subject, "as the receiver said it; not signed by anyone");
    }
    return found;
  }

  /**
   * What the fix stage holds the receiver's place against, again: the satellites where it says that it is, and the own
   * position within the uncertainty of both.
   */
  #corroboration(
    epoch: number,
    { pvt, sat }: ReceiverMessages,
    satellites: ReadonlyMap<number, GoodWords>,
    own: Solution | null,
  ): void {
    const { receiver, own: ownRecord } = this.#record;
    if (!isObject(receiver)) return;
    const isCorroborated = receiver["assurance"] === "corroborated";
    const fail = (detail: string): void => {
      this.#fail("corroboration", "receiver", detail);
    };
    const place = pvt === null ? null : receiverSolutionOf(pvt, epoch);
    if (isCorroborated) {
      // A graded place that nothing is shown for could be any.
      if (pvt === null) return fail("is corroborated, and the NAV-PVT that it comes from is not here");
      if (sat === null) return fail("is corroborated, and the NAV-SAT of directions is not here");
      if (sat.iTOW !== pvt.iTOW || pvt.iTOW !== Math.round(towOf(epoch) * 1000))
        return fail("is corroborated by messages of other epochs than the fix");
      if (place === null) return fail("is corroborated, and NAV-PVT claims no position");
      if (!pvt.valid.validDate || !pvt.valid.validTime)
        return fail("is corroborated, and NAV-PVT claims no valid time");
      if (!this.#directions(place, sat, satellites)) return;
    }
    const isOwnGraded = isObject(ownRecord) && ownRecord["assurance"] === "nav-authenticated";
    if (own === null || place === null || !(isCorroborated || isOwnGraded)) return;
    const apart = ownAgainstReceiver(watchedSolution(own), place, DEFAULT_THRESHOLDS).map(
      ({ value, threshold }) => ({ value, threshold, said: `${metres(value)} of ${metres(threshold)}` }),
    );
    if (apart.length === 0) return;
    // As signs.ts has it.
    const isTooFar = apart.some(({ value, threshold }) => !(value / threshold <= 1));
    const [across, up] = apart.map(({ said }) => said);
    const said = `own and receiver's place are apart, of what their uncertainties allow: ${across} across, ${up} in height`;
    if (isTooFar) {
      this.#fail("corroboration", isOwnGraded ? "own.assurance" : "receiver.assurance", said);
      return;
    }
    this.#lines.pass("corroboration", this.#subject, said);
  }

  /** Whether every satellite that the receiver used is where it was seen from where the receiver says that it is. */
  #directions(
    place: ReceiverSolution,
    sat: MessageOf<"NAV-SAT">,
    satellites: ReadonlyMap<number, GoodWords>,
  ): boolean {
    const healthy = [...satellites]
      .filter(([, { ephemeris }]) => e1Health(ephemeris) === "healthy")
      .map(([svid, { ephemeris }]) => ({ svid, ephemeris }))
      .sort((a, b) => a.svid - b.svid);
    const { agreeing, disagreements } = corroborate(place.position, place.gst, healthy, sat);
    const named = this.#record["authenticatedSatellites"] as readonly unknown[];
    const expected = agreeing.filter((svid) => Array.isArray(named) && named.includes(svid));
    if (agreeing.length < SATELLITES_FOR_FIX || disagreements.length > 0) {
      const why = disagreements.join(", ") || "fewer-than-4-satellites-agree";
      this.#fail("corroboration", "receiver.assurance", `held against the satellites again: ${why}`);
      return false;
    }
    if (!sameJson(this.#record["agreeingSatellites"], expected)) {
      const list = expected.map((svid) => `E${svid}`).join(" ");
      this.#fail("corroboration", "agreeingSatellites", `held against the satellites again: ${list}`);
      return false;
    }
    const list = agreeing.map((svid) => `E${svid}`).join(" ");
    this.#lines.pass(
      "corroboration",
      this.#subject,
      `from the receiver's place ${list} are where it saw them, within ${DIRECTION_TOLERANCE_DEG} degrees`,
    );
    return true;
  }
}

/** Messages of the receiver that hold. */
interface ReceiverMessages {
  readonly pvt: MessageOf<"NAV-PVT"> | null;
  readonly sat: MessageOf<"NAV-SAT"> | null;
}

const metres = (value: number): string => `${value.toFixed(1)} m`;

/** An own position without what `ownPositionNumbers` does not make. */
function withoutGrade(own: Json): Json {
  const { satellites } = own;
  const numbers = Object.fromEntries(
    Object.entries(own).filter(([name]) => !["assurance", "reasons", "notes"].includes(name)),
  );
  if (!Array.isArray(satellites)) return numbers;
  return {
    ...numbers,
    satellites: satellites.map((used: unknown) =>
      isObject(used)
        ? Object.fromEntries(Object.entries(used).filter(([name]) => name !== "authenticatedBy"))
        : used,
    ),
  };
}

/** Whether a value is a list of numbers, ascending, of those in `among`. */
function isAscendingAmong(value: unknown, among: readonly number[]): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      (svid, i) => among.includes(svid as number) && (i === 0 || (svid as number) > (value[i - 1] as number)),
    )
  );
}

/** Where two JSON values differ: field, what the first says, what the second says. */
function differencesOf(said: unknown, is: unknown, field: string): [string, string, string][] {
  if (isObject(said) && isObject(is)) {
    const names = new Set([...Object.keys(is), ...Object.keys(said)]);
    return [...names].flatMap((name) => differencesOf(said[name], is[name], `${field}.${name}`));
  }
  if (Array.isArray(said) && Array.isArray(is) && said.length === is.length)
    return is.flatMap((member, i) => differencesOf(said[i], member, `${field}.${i}`));
  return sameJson(said, is) ? [] : [[field, shown(said), shown(is)]];
}

/** An integer of 10^-places, exactly. */
function decimals(value: number, places: number): string {
  const digits = String(Math.abs(value)).padStart(places + 1, "0");
  return `${value < 0 ? "-" : ""}${digits.slice(0, -places)}.${digits.slice(-places)}`;
}

/** NaN for what is no number: an object of a file may have a `toString` that is none, and throws where it is made one. */
const numberOf = (value: unknown): number => (typeof value === "number" ? value : Number.NaN);

const shown = (value: unknown): string => (JSON.stringify(value) ?? "nothing").slice(0, 60);

function sameJson(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((member, i) => sameJson(member, b[i]));
  if (isObject(a) && isObject(b)) {
    const names = Object.keys(a);
    return names.length === Object.keys(b).length && names.every((name) => sameJson(a[name], b[name]));
  }
  return a === b;
}

/** Unix seconds of an RFC 3339 time in UTC with milliseconds; null where it is none. A leap second is the next day. */
function unixSecondsOf(text: string): number | null {
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z$/.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minute, second, ms] = match.slice(1).map(Number);
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return null;
  // Days of the proleptic Gregorian calendar that begins in March (Hinnant, "chrono-compatible date algorithms").
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  const days = era * 146_097 + dayOfEra - 719_468;
  return days * 86_400 + hour * 3600 + minute * 60 + second + ms / 1000;
}
