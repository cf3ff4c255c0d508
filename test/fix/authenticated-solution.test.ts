/**
 * No satellite ever enters an authenticated solution on unauthenticated, expired or unhealthy data: whole streams
 * through the pipeline under random losses, missing keys, health and status changes, forged words and gaps of
 * hours, judged by what the simulator signed and by the `authenticated` records seen before each epoch. The judge
 * decodes health and reference time of the signed words by itself (Galileo OS SIS ICD 2.1 section 4.3.5).
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { fixesWith, FixStage } from "../../src/fix/fix-stage.js";
import { SUBFRAME_SECONDS } from "../../src/inav/gst.js";
import { OsnmaEngine } from "../../src/osnma/engine.js";
import { cedNavBits } from "../../src/osnma/tag-message.js";
import { Pipeline, type FixStageMaker, type PipelineRecord } from "../../src/pipeline/pipeline.js";
import type {
  AuthenticatedRecord,
  EventRecord,
  EvidenceRecord,
  FixRecord,
} from "../../src/pipeline/records.js";
import type { CaptureHeader } from "../../src/simulate/captures.js";
import { NMAS, type Phase } from "../../src/simulate/dsm.js";
import type { NavigationModel, SatelliteEvent } from "../../src/simulate/navigation.js";
import {
  alertPhase,
  chainEndFor,
  crevPhases,
  nominalPhase,
  pkrevPhases,
  Simulation,
  type SimulatedPage,
  type SimulationOptions,
} from "../../src/simulate/scenario.js";
import { TestAuthority } from "../../src/simulate/test-authority.js";
import { TeslaChain } from "../../src/simulate/tesla-chain.js";
import { ubxFrames } from "../../src/simulate/ubx-stream.js";
import { captureClock, inavPage, keyOfFile, rootKeyOfFile, rootOfTree, trustOf } from "../support/osnma.js";

const HOUR = 3600;
const VALIDITY_SECONDS = 4 * HOUR;
/** A full hour away from the PKR windows. */
const NOON = 1400 * 604_800 + 40 * HOUR;
const CONSTELLATION = Array.from({ length: 24 }, (_, i) => i + 1);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

/* ---- random numbers: the same on every machine ------------------------------------------------------ */

type Random = () => number;

/** Mulberry32: good enough to throw dice for a test. */
function randomOf(seed: number): Random {
  let state = (seed * 0x9e3779b1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const between = (random: Random, from: number, to: number): number =>
  from + Math.floor(random() * (to - from + 1));
const oneOf = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)];

/* ---- the world: what is sent, signed and lost ------------------------------------------------------- */

/** A simulation whose receiver loses some pages and hears those of one moment in any order. */
class LossySimulation extends Simulation {
  readonly keep: (page: SimulatedPage) => boolean;
  readonly random: Random;

  constructor(options: SimulationOptions, random: Random, keep: (page: SimulatedPage) => boolean) {
    super(options);
    this.random = random;
    this.keep = keep;
  }

  override *pages(): Generator<SimulatedPage> {
    let burst: SimulatedPage[] = [];
    for (const page of super.pages()) {
      if (burst.length > 0 && burst[0].gst !== page.gst) {
        yield* this.shuffled(burst);
        burst = [];
      }
      if (this.keep(page)) burst.push(page);
    }
    yield* this.shuffled(burst);
  }

  shuffled(pages: SimulatedPage[]): SimulatedPage[] {
    for (let i = pages.length - 1; i > 0; i--) {
      const k = between(this.random, 0, i);
      [pages[i], pages[k]] = [pages[k], pages[i]];
    }
    return pages;
  }
}

/** A simulation of measurements alone: the receiver ranges, and not one page is decoded. */
class SilentSimulation extends Simulation {
  override pages(): Generator<SimulatedPage> {
    const none = function* (): Generator<SimulatedPage> {
      yield* [];
    };
    return none();
  }
}

interface World {
  readonly name: string;
  /** One after another in time; gaps between them are outages. */
  readonly segments: readonly Simulation[];
  readonly phases: readonly Phase[];
  readonly authority: TestAuthority;
  readonly pkids: readonly number[];
  readonly rule: "guideline" | "aggressive";
  readonly minimumTagBits: number;
}

/** Pages of a MACK that hold a bit of the key: bits 336 to 463 of 480, 32 a page (MACLT 34, 40-bit tags). */
const FIRST_KEY_PAGE = 10;
const pageIndex = (gst: number): number => ((gst - 1) % SUBFRAME_SECONDS) >> 1;

interface Stretch {
  readonly from: number;
  readonly until: number;
}
const stretch = (random: Random, start: number, end: number, longest: number): Stretch => {
  const from = between(random, start, end);
  return { from, until: from + between(random, 1, longest) };
};
const within = (list: readonly Stretch[], gst: number): boolean =>
  list.some(({ from, until }) => gst >= from && gst < until);

function randomEvents(random: Random, start: number, end: number): SatelliteEvent[] {
  const events: SatelliteEvent[] = [];
  for (const svid of CONSTELLATION) {
    if (random() < 0.45) continue;
    for (let count = between(random, 1, 3); count > 0; count--) {
      const fromGst = start + SUBFRAME_SECONDS * between(random, -2, (end - start) / SUBFRAME_SECONDS);
      const untilGst = random() < 0.3 ? undefined : fromGst + SUBFRAME_SECONDS * between(random, 1, 10);
      const change = oneOf<Partial<SatelliteEvent>>(random, [
        { e1bHs: 1 },
        { e1bHs: 1, dummyTags: true },
        { e1bHs: 2 },
        { e1bHs: 3 },
        { e1bDvs: 1 },
        { sisa: 255 },
        { dummyTags: true },
        { osnma: false },
        { dummyPages: true },
        { improved: false },
        { e5bHs: 1, e5bDvs: 1 },
      ]);
      events.push({ svid, fromGst, ...(untilGst === undefined ? {} : { untilGst }), ...change });
    }
  }
  return events;
}

type Forger = NonNullable<SimulationOptions["tamperWord"]>;

/** What an attacker makes of one satellite's words: never what it signed, now and then what it once signed. */
function forger(random: Random, start: number, end: number, model: NavigationModel): Forger {
  const victim = between(random, 1, 24);
  const { from, until } = stretch(random, start, end, 400);
  const flip = (word: Uint8Array, bit: number): Uint8Array => {
    const copy = word.slice();
    copy[bit >> 3] ^= 0x80 >> (bit & 7);
    return copy;
  };
  const kind = oneOf(random, ["bits", "healthy", "replay-health", "iod", "toe"] as const);
  const bit = between(random, 16, 119);
  return (word, svid, type, gst) => {
    if (svid !== victim || gst < from || gst >= until) return word;
    if (kind === "bits") return type >= 1 && type <= 4 ? flip(word, bit) : word;
    if (kind === "iod") return type >= 1 && type <= 4 ? flip(word, 15) : word;
    if (kind === "toe") return type === 1 ? flip(word, 20) : word;
    if (type !== 5) return word;
    if (kind === "replay-health") {
      // The health of the beginning, under the time of now.
      return model.word(svid, 5, start, gst);
    }
    const copy = word.slice();
    // HS and DVS of E1-B: bits 69, 70 and 72.
    copy[8] &= ~0x06;
    copy[9] &= 0x7f;
    return copy;
  };
}

function timeline(
  random: Random,
  kind: string,
  start: number,
  end: number,
  authority: TestAuthority,
): { phases: Phase[]; pkids: number[] } {
  const hour = Math.floor(start / HOUR) * HOUR;
  const signer = { authority, pkid: 1 };
  const subframes = (end - start) / SUBFRAME_SECONDS;
  const chain = new TeslaChain({
    seed: authority.root.join(),
    cid: 1,
    startGst: hour,
    endGst: chainEndFor(start, subframes),
  });
  const at = (from: number, to: number): number => start + SUBFRAME_SECONDS * between(random, from, to);
  if (kind === "dont-use") {
    const stop = at(4, 9);
    const again = stop + SUBFRAME_SECONDS * between(random, 2, 5);
    return {
      phases: [
        nominalPhase(hour, chain, signer, random() < 0.3 ? NMAS.test : NMAS.operational),
        nominalPhase(stop, chain, signer, NMAS.dontUse),
        nominalPhase(again, chain, signer),
      ],
      pkids: [1],
    };
  }
  if (kind === "alert") {
    return { phases: [nominalPhase(hour, chain, signer), alertPhase(at(5, 9), chain, signer)], pkids: [1] };
  }
  if (kind === "crev" || kind === "pkrev") {
    const next = new TeslaChain({
      seed: `next ${authority.root.join()}`,
      cid: 2,
      startGst: NOON,
      endGst: chainEndFor(start, subframes),
    });
    const revoked = at(5, 7);
    const nominal = NOON + 120;
    const after =
      kind === "crev"
        ? crevPhases(revoked, chain, next, nominal, signer)
        : pkrevPhases(revoked, chain, next, nominal, { authority, pkid: 2 });
    // Root key before public key, which the receiver has: thirteen subframes of it would outlast the status.
    const phases = after.map((phase) => ({ ...phase, onAir: [...phase.onAir].reverse() }));
    return {
      phases: [nominalPhase(hour, chain, signer), phases[0], ...after.slice(1)],
      pkids: kind === "crev" ? [1] : [1, 2],
    };
  }
  return { phases: [nominalPhase(hour, chain, signer)], pkids: [1] };
}

function randomWorld(seed: number, kind: string): World {
  const random = randomOf(seed);
  const name = `${kind} ${seed}`;
  const authority = new TestAuthority(name);
  const lifeCycle = kind === "crev" || kind === "pkrev";
  const isGap = kind === "gap";
  const subframes = lifeCycle ? 22 : isGap ? 9 : between(random, 12, 18);
  const startGst = lifeCycle ? NOON - 13 * 30 : NOON + 30 * between(random, 1, 60);
  const end = startGst + subframes * SUBFRAME_SECONDS;
  const resume = end + SUBFRAME_SECONDS * between(random, 478, 500);
  const lastEnd = isGap ? resume + 8 * SUBFRAME_SECONDS : end;
  const { phases, pkids } = timeline(random, kind, startGst, lastEnd, authority);
  const events = kind === "calm" ? [] : randomEvents(random, startGst, end);
  const options: SimulationOptions = {
    seed: name,
    startGst,
    subframes,
    phases,
    events,
    maxSatellites: between(random, 8, 11),
    // Those that rise in the hours of the gap must be known from before it.
    ...(isGap ? { satellites: CONSTELLATION } : {}),
  };
  const loss = new Map(CONSTELLATION.map((svid) => [svid, oneOf(random, [0, 0, 0, 0.02, 0.1, 0.35])]));
  const keyLoss = random() < 0.5 ? [stretch(random, startGst, end, 240)] : [];
  const outages = new Map(
    CONSTELLATION.map((svid) => [svid, random() < 0.3 ? [stretch(random, startGst, end, 200)] : []]),
  );
  const keep = ({ svid, gst }: SimulatedPage): boolean =>
    random() >= loss.get(svid)! &&
    !within(outages.get(svid)!, gst) &&
    !(pageIndex(gst) >= FIRST_KEY_PAGE && within(keyLoss, gst));
  const model = new Simulation(options).navigation;
  const tampered = random() < 0.5 ? { tamperWord: forger(random, startGst, end, model) } : {};
  const first = new LossySimulation({ ...options, ...tampered }, random, keep);
  const segments: Simulation[] = [first];
  if (isGap) {
    // Measurements go on to be had without a page around the moment when all data expires; then pages come again.
    const { satellites } = first;
    const silent = Math.floor((end + VALIDITY_SECONDS - 900) / 30) * 30;
    segments.push(
      new SilentSimulation({
        ...options,
        startGst: silent,
        subframes: (resume - silent) / SUBFRAME_SECONDS,
        satellites,
      }),
      new LossySimulation({ ...options, startGst: resume, subframes: 8 }, random, keep),
    );
  }
  return {
    name,
    segments,
    phases,
    authority,
    pkids,
    rule: random() < 0.3 ? "aggressive" : "guideline",
    minimumTagBits: random() < 0.2 ? 80 : 40,
  };
}

/* ---- the judge -------------------------------------------------------------------------------------- */

/** Bits `start` to `start + count - 1` of a word. */
function field(word: Uint8Array, start: number, count: number): number {
  let value = 0;
  for (let i = start; i < start + count; i++) value = 2 * value + ((word[i >> 3] >> (7 - (i & 7))) & 1);
  return value;
}

function isHealthy(words: readonly Uint8Array[]): boolean {
  return field(words[4], 69, 2) === 0 && field(words[4], 72, 1) === 0 && field(words[2], 120, 8) !== 255;
}

/** Distance of t0e of word 1 from `gst`, in the week that is nearest. */
function ageOf(words: readonly Uint8Array[], gst: number): number {
  const difference = (((60 * field(words[0], 16, 14) - (gst % 604_800)) % 604_800) + 604_800) % 604_800;
  return Math.min(difference, 604_800 - difference);
}

const bitsOfWords = (words: readonly Uint8Array[]): string =>
  hex(cedNavBits(words[0], words[1], words[2], words[3], words[4]));

/** When each data set was covered by a genuine tag under a status that may be used: subframes, ascending. */
class Signed {
  readonly #covered = new Map<string, number[]>();

  constructor({ segments, phases }: World) {
    for (const { navigation, startGst, endGst } of segments) {
      for (const svid of CONSTELLATION) {
        // Tags reach back by COP: words of before the start may be the ones that the first tags cover.
        for (let gst = startGst - SUBFRAME_SECONDS; gst < endGst; gst += SUBFRAME_SECONDS) {
          const tagGst = gst + SUBFRAME_SECONDS;
          const phase = phases.findLast(({ fromGst }) => fromGst <= tagGst);
          if (phase === undefined || phase.nmas === NMAS.dontUse) continue;
          if (navigation.state(svid, tagGst).dummyTags) continue;
          const words = [1, 2, 3, 4, 5].map((type) => navigation.word(svid, type, gst, gst + 1));
          const name = `${svid} ${bitsOfWords(words)}`;
          const known = this.#covered.get(name);
          if (known === undefined) this.#covered.set(name, [gst]);
          else known.push(gst);
        }
      }
    }
  }

  /** The latest subframe of these data whose tags may have been opened by `gst`; null where there is none. */
  lastOpened(svid: number, bits: string, gst: number): number | null {
    // Tag in the subframe after the data, key in the one after that.
    return (
      this.#covered.get(`${svid} ${bits}`)?.findLast((covered) => covered + 2 * SUBFRAME_SECONDS < gst) ??
      null
    );
  }
}

/** Words of an `authenticated` record, with the subframe that its newest tag covers. */
interface Known {
  readonly svid: number;
  readonly iodNav: number;
  readonly words: readonly Uint8Array[];
  readonly bits: string;
  readonly coveredGst: number;
  readonly chain: string;
}

/** What the rules are; the tests below also put wrong ones in, which must be noticed. */
interface Rules {
  readonly validitySeconds: number;
  readonly neverAuthenticated: readonly number[];
  /** Also what is listed without being used must not have expired at the epoch. */
  readonly listedInForce: boolean;
}
const RULES: Rules = { validitySeconds: VALIDITY_SECONDS, neverAuthenticated: [], listedInForce: false };

class Judge {
  readonly #signed: Signed;
  readonly #rules: Rules;
  /** Records since the last wipe. */
  #known: Known[] = [];
  readonly #revoked = new Set<string>();
  #status: string | null = null;
  #alert = false;

  constructor(signed: Signed, rules: Rules = RULES) {
    this.#signed = signed;
    this.#rules = rules;
  }

  get blocked(): boolean {
    return this.#alert || this.#status === "dont-use";
  }

  /** A record of the pipeline; returns what is wrong with it. */
  see(record: AuthenticatedRecord | EventRecord): string[] {
    if (record.type === "event") {
      if (record.name === "nma-status") this.#status = String(record["nmaStatus"]);
      if (record.name === "alert") this.#alert = true;
      if (record.name === "chain-revoked") this.#revoked.add(String(record["chain"]));
      if (record.name === "chain-revoked" || this.blocked) this.#known = [];
      return [];
    }
    if (record.data !== "ced") return [];
    const words = [1, 2, 3, 4, 5].map((type) => fromHex(record.words[String(type)]));
    const bits = bitsOfWords(words);
    const { tags, chain } = record.evidence;
    this.#known.push({
      svid: record.svid,
      iodNav: field(words[0], 6, 10),
      words,
      bits,
      coveredGst: Math.max(...tags.map(({ wn, tow }) => wn * 604_800 + tow - SUBFRAME_SECONDS)),
      chain: chain.alpha,
    });
    const wrong: string[] = [];
    if (this.blocked) wrong.push("authenticated under an alert or a status that forbids it");
    if (this.#revoked.has(chain.alpha)) wrong.push("authenticated by a revoked chain");
    if (this.#signed.lastOpened(record.svid, bits, record.at) === null)
      wrong.push("words that were never signed");
    return wrong.map((what) => `${record.at}: E${record.svid}: ${what}`);
  }

  /** What is wrong with using the data `bits` (or any of this IODnav) of a satellite at `gst`. */
  use(svid: number, iodNav: number, bits: string | null, gst: number, evidence: EvidenceRecord): string[] {
    const wrong: string[] = [];
    if (this.blocked) wrong.push("used under an alert or a status that forbids it");
    if (this.#revoked.has(evidence.chain.alpha)) wrong.push("used on the word of a revoked chain");
    if (this.#rules.neverAuthenticated.includes(svid)) wrong.push("this satellite is never authenticated");
    const of = this.#known.filter((known) => known.svid === svid);
    const same = of.filter((known) => known.iodNav === iodNav && (bits === null || known.bits === bits));
    if (same.length === 0) wrong.push("not authenticated since the last wipe");
    const fresh = same.filter(({ words }) => ageOf(words, gst) <= this.#rules.validitySeconds);
    if (same.length > 0 && fresh.length === 0) wrong.push("expired");
    const healthy = fresh.filter(({ words }) => isHealthy(words));
    if (fresh.length > 0 && healthy.length === 0) wrong.push("not healthy");
    // Signed later, and not healthy: what was signed before it has no say any more.
    const good = healthy.filter((known) => {
      const last = this.#signed.lastOpened(svid, known.bits, gst);
      return (
        last !== null &&
        !of.some(
          ({ words, coveredGst }) => !isHealthy(words) && coveredGst > Math.max(last, known.coveredGst),
        )
      );
    });
    if (healthy.length > 0 && good.length === 0) wrong.push("unhealthy by newer authenticated data");
    return wrong.map((what) => `${gst}: E${svid} IODnav ${iodNav}: ${what}`);
  }

  /** What is wrong with a fix. */
  fix({ gst, own, receiver, authenticatedSatellites }: FixRecord): string[] {
    const wrong: string[] = [];
    if (receiver?.assurance === "nav-authenticated")
      wrong.push(`${gst}: the receiver's word is authenticated`);
    // Asked for by IODnav alone, since the list of them does not tell.
    for (const svid of authenticatedSatellites) {
      const of = this.#known.filter((known) => known.svid === svid && isHealthy(known.words));
      const limit = this.#rules.listedInForce ? this.#rules.validitySeconds : Infinity;
      if (!of.some(({ words }) => ageOf(words, gst) <= limit))
        wrong.push(`${gst}: E${svid} is listed without healthy authenticated data in force`);
    }
    if (own === null) return wrong;
    for (const { svid, iodNav, authenticatedBy } of own.satellites)
      wrong.push(...this.use(svid, iodNav, null, gst, authenticatedBy));
    if (own.assurance === "nav-authenticated") {
      if (own.satellites.length < 4) wrong.push(`${gst}: fewer than four satellites`);
      if (own.raim === "detected") wrong.push(`${gst}: RAIM detected`);
      if (this.blocked) wrong.push(`${gst}: a fix under an alert or a status that forbids it`);
    }
    return wrong;
  }
}

/* ---- runs ------------------------------------------------------------------------------------------- */

interface Outcome {
  readonly wrong: string[];
  readonly fixes: FixRecord[];
  readonly authenticated: readonly AuthenticatedRecord[];
  readonly polls: number;
  readonly events: ReadonlySet<string>;
  readonly roots: readonly number[];
}

interface Tools {
  readonly rules?: Rules;
  readonly fixes?: FixStageMaker;
  /** Seconds between epochs: the rest of RXM-RAWX and NAV-PVT is left out. */
  readonly everySeconds?: number;
}

function runWorld(world: World, tools: Tools = {}): Outcome {
  const judge = new Judge(new Signed(world), tools.rules);
  const random = randomOf(world.name.length + 77);
  const wrong: string[] = [];
  const fixes: FixRecord[] = [];
  const events = new Set<string>();
  const authenticated: AuthenticatedRecord[] = [];
  /** When a root was verified. */
  const roots: number[] = [];
  let polls = 0;
  const pipeline = new Pipeline(
    {
      ...trustOf(world.authority, world.pkids),
      rule: world.rule,
      minimumTagBits: world.minimumTagBits,
      mode: "simulated",
      fixes: tools.fixes ?? fixesWith({ mode: "simulated", softwareVersion: "test" }),
      softwareVersion: "test",
    },
    (record: PipelineRecord) => {
      if (record.type === "fix") {
        fixes.push(record);
        const { state } = pipeline.engine;
        if (record.own !== null && (state === "alert" || state === "suspended"))
          wrong.push(`${record.gst}: a position while ${state}`);
        wrong.push(...judge.fix(record));
      } else if (record.type === "event" || record.type === "authenticated") {
        if (record.type === "event") {
          events.add(record.name);
          if (record.name === "kroot-verified") roots.push(Number(record.wn) * 604_800 + Number(record.tow));
        } else authenticated.push(record);
        wrong.push(...judge.see(record));
      }
    },
  );
  const { engine } = pipeline;
  const every = tools.everySeconds ?? 5;
  for (const segment of world.segments) {
    let epoch = 0;
    for (const frame of ubxFrames(segment, { rawx: true, positionEverySeconds: every })) {
      const isRawx = frame[2] === 0x02 && frame[3] === 0x15;
      if (isRawx && ++epoch % every !== 0) continue;
      pipeline.push(frame);
      if (random() < 0.03) {
        polls++;
        wrong.push(...poll(judge, engine, between(random, 1, 24)));
      }
    }
  }
  pipeline.end();
  return { wrong, fixes, authenticated, polls, events, roots };
}

/** What is wrong with what the engine says of a satellite now. */
function poll(judge: Judge, engine: OsnmaEngine, svid: number): string[] {
  const healthy = engine.healthyCed(svid);
  const ced = engine.ced(svid);
  if (judge.blocked && ced !== null)
    return [`${engine.now}: E${svid} has data while OSNMA is not to be used`];
  if (healthy === null) return [];
  const { words } = healthy.value;
  return judge.use(svid, field(words[0], 6, 10), bitsOfWords(words), engine.now, healthy.evidence);
}

const KINDS = ["calm", "health", "health", "dont-use", "alert", "crev", "pkrev", "gap"] as const;
const WORLDS: readonly (readonly [seed: number, kind: string])[] = Array.from({ length: 16 }, (_, i) => [
  i + 1,
  KINDS[i % KINDS.length],
]);

describe("no satellite enters an authenticated solution on data that may not be used", () => {
  const outcomes = new Map<string, Outcome>();

  it.each(WORLDS)("random stream %d (%s)", (seed, kind) => {
    const outcome = runWorld(randomWorld(seed, kind));
    outcomes.set(`${kind} ${seed}`, outcome);
    expect(outcome.wrong.slice(0, 10)).toEqual([]);
    expect(outcome.authenticated.length).toBeGreaterThan(0);
    expect(outcome.polls).toBeGreaterThan(20);
  });

  it("and the streams were worth it: positions in a good share of epochs, and everything happened", () => {
    const all = [...outcomes.values()];
    const epochs = all.flatMap(({ fixes }) => fixes);
    const graded = epochs.filter(({ own }) => own?.assurance === "nav-authenticated");
    expect(epochs.length).toBeGreaterThan(1500);
    expect(graded.length).toBeGreaterThan(0.3 * epochs.length);
    // Also hours after the last page, while the data were still good, and none when they no longer were. Such a
    // position has no root key of the hour any more, and is not graded before one was heard again and a key hangs
    // from it, which takes a subframe.
    const isOld = ({ own, gst }: FixRecord, roots: readonly number[]): boolean =>
      own?.satellites.some(({ authenticatedBy: { key } }) => gst - key.wn * 604_800 - key.tow > 3 * HOUR) ===
        true && !roots.some((at) => at <= gst - SUBFRAME_SECONDS && gst - at < HOUR);
    const old = [...outcomes].flatMap(([name, { fixes, roots }]) => {
      const found = fixes.filter((fix) => isOld(fix, roots));
      if (name.startsWith("gap")) expect(found.length).toBeGreaterThan(3);
      return found;
    });
    for (const { own } of old) expect(own!.assurance).toBe("unverified");
    const happened = new Set(all.flatMap(({ events }) => [...events]));
    for (const name of ["alert", "chain-revoked", "public-key-revoked", "chain-installed", "tag-failed"])
      expect(happened).toContain(name);
    const reasons = new Set(epochs.flatMap(({ own }) => own?.excluded.map(({ reason }) => reason) ?? []));
    expect(reasons).toContain("no-data");
    expect([...reasons].some((reason) => reason === "unhealthy" || reason === "marginal")).toBe(true);
  });
});

/** A new IODnav is just on air, and no other comes for ten minutes. */
const START = NOON + 660;

describe("directed streams", () => {
  const plain = (name: string, change: Partial<SimulationOptions>): World => {
    const authority = new TestAuthority(name);
    const startGst = START;
    const subframes = change.subframes ?? 18;
    const { phases } = timeline(randomOf(1), "calm", startGst, startGst + subframes * 30, authority);
    const options = { seed: name, startGst, subframes, phases, maxSatellites: 8, ...change };
    return {
      name,
      segments: [new Simulation(options)],
      phases,
      authority,
      pkids: [1],
      rule: "guideline",
      minimumTagBits: 40,
    };
  };
  const SUBJECT = new Simulation({ ...plainOptions(), maxSatellites: 8 }).satellites[2];
  const usedAt = ({ fixes }: Outcome, svid: number): number[] =>
    fixes
      .filter(({ own }) => own?.satellites.some((satellite) => satellite.svid === svid) === true)
      .map(({ gst }) => gst);

  it("a satellite that goes out of service is out within two minutes, and nothing brings it back", () => {
    const startGst = START;
    const outOfService = startGst + 5 * SUBFRAME_SECONDS;
    const outcome = runWorld(
      plain("out of service", { events: [{ svid: SUBJECT, fromGst: outOfService, e1bHs: 1 }] }),
    );
    expect(outcome.wrong).toEqual([]);
    const used = usedAt(outcome, SUBJECT);
    expect(used.length).toBeGreaterThan(5);
    expect(Math.max(...used)).toBeLessThan(outOfService + 120);
  });

  it("the old health of that satellite, sent again by an attacker, does not bring it back", () => {
    const startGst = START;
    const outOfService = startGst + 5 * SUBFRAME_SECONDS;
    const world = plain("old health", { events: [{ svid: SUBJECT, fromGst: outOfService, e1bHs: 1 }] });
    const [{ options, navigation }] = world.segments;
    const attacked = new Simulation({
      ...options,
      tamperWord: (word, svid, type, gst) =>
        svid === SUBJECT && type === 5 && gst >= outOfService + 3 * SUBFRAME_SECONDS
          ? navigation.word(svid, 5, startGst, gst)
          : word,
    });
    const outcome = runWorld({ ...world, segments: [attacked] });
    expect(outcome.wrong).toEqual([]);
    expect(usedAt(outcome, SUBJECT).length).toBeGreaterThan(5);
  });

  it("no key for four minutes: what came in between is used when it is opened, not before", () => {
    const startGst = START;
    const [from, until] = [startGst + 90, startGst + 330];
    const world = plain("no keys", { subframes: 16 });
    const deaf = new LossySimulation(world.segments[0].options, randomOf(5), ({ gst }) => {
      return !(pageIndex(gst) >= FIRST_KEY_PAGE && gst >= from && gst < until);
    });
    const outcome = runWorld({ ...world, segments: [deaf] });
    expect(outcome.wrong).toEqual([]);
    expect(outcome.fixes.some(({ own, gst }) => own !== null && gst > until + 60)).toBe(true);
  });
});

function plainOptions(): SimulationOptions {
  const authority = new TestAuthority("look");
  const startGst = START;
  const { phases } = timeline(randomOf(1), "calm", startGst, startGst + 540, authority);
  return { seed: "look", startGst, subframes: 18, phases };
}

describe("what the records say of it", () => {
  it("IODnav of a record is that of its words, rebuilt ones too", () => {
    const { authenticated } = runWorld(randomWorld(1, "calm"));
    const sets = authenticated.filter(({ data }) => data === "ced");
    expect(sets.map(({ iodNav }) => iodNav)).toEqual(
      sets.map(({ words }) => field(fromHex(words["1"]), 6, 10)),
    );
  });

  // Known defect: the list asks the engine, whose time stands still while no page comes, and not the epoch's time.
  it("no satellite is listed as authenticated at an epoch at which its data have expired", () => {
    const rules = { ...RULES, listedInForce: true };
    expect(runWorld(randomWorld(8, "gap"), { rules }).wrong).toEqual([]);
  });
});

describe("the judge can fail", () => {
  /** The engine with a memory it must not have: what it once handed out it hands out for ever. */
  const forgetful: FixStageMaker = (engine, emit) => {
    const kept = new Map<number, ReturnType<OsnmaEngine["ced"]>>();
    const stuck = new Proxy(engine, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (name === "ced")
          return (svid: number) => {
            const known = kept.get(svid) ?? target.ced(svid);
            if (known !== null) kept.set(svid, known);
            return known;
          };
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
    return new FixStage(stuck, { mode: "simulated", softwareVersion: "test" }, emit);
  };

  it.each([
    [4, "dont-use", /not authenticated since the last wipe|forbids/],
    [6, "crev", /revoked chain|not authenticated since the last wipe/],
    [5, "alert", /forbids|while alert/],
  ] as const)("stream %d (%s): a stage that keeps what was dropped is caught", (seed, kind, what) => {
    const { wrong } = runWorld(randomWorld(seed, kind), { fixes: forgetful });
    expect(wrong.join("\n")).toMatch(what);
  });

  it("and so is one that keeps a satellite gone out of service", () => {
    const wrong = [2, 3, 10, 11].flatMap(
      (seed) => runWorld(randomWorld(seed, "health"), { fixes: forgetful }).wrong,
    );
    expect(wrong.join("\n")).toMatch(/unhealthy by newer authenticated data/);
  });

  it("a satellite that is used is missed where the rules say it never may be", () => {
    const rules = { ...RULES, neverAuthenticated: CONSTELLATION };
    expect(runWorld(randomWorld(1, "calm"), { rules }).wrong.join()).toMatch(/never authenticated/);
  });

  it("data of this hour are expired where they are good for a minute", () => {
    const rules = { ...RULES, validitySeconds: 60 };
    expect(runWorld(randomWorld(1, "calm"), { rules }).wrong.join()).toMatch(/expired/);
  });
});

describe("the engine alone, asked at random moments while pages come late and in any order", () => {
  let usable = 0;

  it.each([101, 102, 103, 104, 105, 106])("random arrival %d", (seed) => {
    const random = randomOf(seed);
    const world = randomWorld(seed, oneOf(random, ["calm", "health", "dont-use", "alert"]));
    const judge = new Judge(new Signed(world));
    const wrong: string[] = [];
    const engine = new OsnmaEngine(
      {
        ...trustOf(world.authority, world.pkids),
        rule: world.rule,
        minimumTagBits: world.minimumTagBits,
        timeAssurance: "capture",
      },
      {
        event: (event) => wrong.push(...judge.see(event)),
        authenticated: (record) => wrong.push(...judge.see(record)),
      },
    );
    // Every satellite has a delay of its own, that jumps now and then: the engine bears 30 s.
    const delays = CONSTELLATION.map(() => between(random, 0, 8));
    const arrivals = [...world.segments[0].pages()].map((page) => {
      if (random() < 0.003) delays[page.svid - 1] = between(random, 0, 20);
      return { page, at: page.gst + delays[page.svid - 1] + random() };
    });
    arrivals.sort((a, b) => a.at - b.at);
    for (const { page: simulated } of arrivals) {
      const page = inavPage(simulated);
      if (page === null) continue;
      engine.push(
        page,
        simulated.gst,
        captureClock(engine.now > simulated.gst ? engine.now : simulated.gst + 2),
      );
      if (random() > 0.2) continue;
      const svid = between(random, 1, 24);
      if (engine.healthyCed(svid) !== null) usable++;
      wrong.push(...poll(judge, engine, svid));
    }
    expect(wrong.slice(0, 10)).toEqual([]);
  });

  it("and it had an answer often enough", () => {
    expect(usable).toBeGreaterThan(100);
  });
});

describe("the fixes of the nominal capture", () => {
  let fixes: FixRecord[] = [];
  let place: CaptureHeader["place"];

  beforeAll(() => {
    const file = (path: string): string => fileURLToPath(new URL(`../../captures/${path}`, import.meta.url));
    const header = JSON.parse(readFileSync(file("nominal.json"), "utf8")) as CaptureHeader;
    place = header.place;
    const roots = header.trust.merkleTree.map((path) => rootOfTree(file(path)));
    const records: PipelineRecord[] = [];
    const pipeline = new Pipeline(
      {
        roots: roots.map((root) => ({ root })),
        keys: header.trust.publicKeys.map((path) => keyOfFile(file(path), roots[0])),
        rootKey: header.trust.rootKey === null ? null : rootKeyOfFile(file(header.trust.rootKey)),
        mode: "simulated",
        fixes: fixesWith({ mode: "simulated", softwareVersion: "test" }),
        softwareVersion: "test",
      },
      (record) => records.push(record),
    );
    pipeline.push(readFileSync(file("nominal.ubx")));
    pipeline.end();
    fixes = records.filter((record) => record.type === "fix");
  });

  it("are where the simulator's receiver is, within three sigma of their own covariance", () => {
    const own = fixes.flatMap((fix) => (fix.own?.assurance === "nav-authenticated" ? [fix.own] : []));
    expect(own.length).toBeGreaterThan(200);
    expect(place).toEqual({ latitudeDeg: 50.85, longitudeDeg: 4.73, heightMeters: 100 });
    // Metres of a degree at this latitude, from the WGS 84 radii of curvature.
    const latitude = (place.latitudeDeg * Math.PI) / 180;
    const w = Math.sqrt(1 - 0.00669437999014 * Math.sin(latitude) ** 2);
    const meridian = (6_378_137 * (1 - 0.00669437999014)) / w ** 3;
    const inside = own.filter(({ latitudeE7, longitudeE7, heightMm, covarianceMm2: { ee, nn, uu } }) => {
      const radians = (degreesE7: number, degrees: number): number =>
        ((degreesE7 * 1e-7 - degrees) * Math.PI) / 180;
      const north = radians(latitudeE7, place.latitudeDeg) * meridian * 1000;
      const east = radians(longitudeE7, place.longitudeDeg) * (6_378_137 / w) * Math.cos(latitude) * 1000;
      const up = heightMm - place.heightMeters * 1000;
      return (
        Math.abs(east) <= 3 * Math.sqrt(ee) &&
        Math.abs(north) <= 3 * Math.sqrt(nn) &&
        Math.abs(up) <= 3 * Math.sqrt(uu)
      );
    });
    expect(inside.length).toBeGreaterThan(0.9 * own.length);
    // And the covariance is one that says something.
    for (const { covarianceMm2 } of own) {
      expect(Math.min(covarianceMm2.ee, covarianceMm2.nn, covarianceMm2.uu)).toBeGreaterThan(0);
      expect(Math.max(covarianceMm2.ee, covarianceMm2.nn, covarianceMm2.uu)).toBeLessThan(20_000 ** 2);
    }
  });

  it("never use E5, whose tags are dummies, and say so", () => {
    const excluded = fixes.flatMap(({ own }) => (own === null ? [] : [own]));
    for (const own of excluded) expect(own.satellites.map(({ svid }) => svid)).not.toContain(5);
    expect(excluded.some((own) => own.excluded.some(({ svid }) => svid === 5))).toBe(true);
  });
});
