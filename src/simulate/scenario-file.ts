/**
 * Reads a scenario (`<scenario>.toml`) and makes of it what can be run: a signed sky, a receiver in it, attacks, trust
 * files, and the verdict that is expected. Strict: an unknown key or a value out of range is refused with its path.
 */
import { parse, TomlDate, TomlError } from "smol-toml";
import { OsnmadError } from "../errors.js";
import { formatGst, gstOf, SECONDS_IN_WEEK, SUBFRAME_SECONDS, towOf, wnOf } from "../inav/gst.js";
import { type ActiveAttack, type AttackContext, Attacks } from "./attack.js";
import { attackKind, ATTACK_KINDS } from "./attacks/index.js";
import { toHex } from "./bit-writer.js";
import { type CaptureHeader, GENERATOR_VERSION, headerJson, WARNING } from "./capture-header.js";
import type { Constellation } from "./constellation.js";
import { WalkerConstellation } from "./constellation.js";
import { type DsmContent, encodeContent, nmaHeaderByte, NMAS, type Phase, phaseAt } from "./dsm.js";
import { schemaMistakes } from "./explain.js";
import { type AttackExpect, type AttackLine, attackSchema, SCENARIO, type ScenarioFile } from "./format.js";
import {
  DEFAULT_CLOCK,
  DEFAULT_OUTPUT,
  type EpochTruth,
  type OutputRates,
  receiverFrames,
  type ReceiverOptions,
} from "./frames.js";
import type { Place } from "./geometry.js";
import { damagedFrames, type DamageChances, type DamageReport, emptyReport } from "./link.js";
import { DEFAULT_CN0, DEFAULT_NOISE } from "./measurements.js";
import type { SatelliteEvent } from "./navigation.js";
import {
  alertPhase,
  chainEndFor,
  crevPhases,
  DEFAULT_PLACE,
  eocPhases,
  nmtPhases,
  nominalPhase,
  npkPhases,
  pkrevPhases,
  type Signer,
  Simulation,
  type SimulationOptions,
} from "./scenario.js";
import { gstOfUnix } from "./leap-seconds.js";
import { parameterMistake } from "./mack.js";
import { fitsReducedCed, RecordedConstellation } from "./recorded-constellation.js";
import { rootKeyText, TestAuthority } from "./test-authority.js";
import { OPERATIONAL_PARAMETERS, TeslaChain } from "./tesla-chain.js";
import type { TimedFrame } from "./timed-frame.js";
import { timesAtSpeed, Track, type Waypoint } from "./track.js";

/** What the files of GSC would say; a fixed date, so that files do not change. */
const ISSUE_DATE = "2026-01-01T00:00:00Z";
/** Trees that every scenario may name without listing them. */
const WELL_KNOWN_TREES: Readonly<Record<string, { seed: string; p521?: readonly number[] }>> = {
  A: { seed: "osnmad captures, tree A", p521: [9] },
  B: { seed: "osnmad captures, tree B" },
  attacker: { seed: "osnmad captures, attacker" },
};
/** Key that a tree's file proves, where the tree is a well-known one. */
const PROVEN_KEY: Readonly<Record<string, number>> = { A: 2, B: 1 };
const HOUR = 3600;
/** WN has 12 bits; an ephemeris may be of the week before, and what follows the end of the week after. */
const LAST_WEEK = 4095;
const MAX_MISTAKES = 12;

export interface ScenarioOptions {
  /** In place of the file's seed. */
  readonly seed?: string | undefined;
  /** In place of the file's duration, seconds; a multiple of 30. */
  readonly durationSeconds?: number | undefined;
  /** In place of the file's start: any moment of the first subframe, linear GST. */
  readonly startGst?: number | undefined;
  /** Reads a file named by the scenario, by the path that stands there. */
  readonly readFile?: ((path: string) => Uint8Array) | undefined;
  /** What the messages call the scenario. */
  readonly path?: string | undefined;
}

export interface FrameOptions {
  /** Other rates than the scenario's; `ALL_OUTPUT` for all messages at every epoch. */
  readonly output?: OutputRates;
  /** Told where the receiver truly is at every epoch. */
  readonly onEpoch?: (truth: EpochTruth) => void;
}

/** An attack of a scenario, as it is told to whoever judges the outcome. */
export interface ScenarioAttack {
  readonly kind: string;
  readonly fromGst: number;
  readonly toGst: number;
  readonly expect: AttackExpect | null;
}

/** A scenario, ready to run. Running it twice gives the same bytes. */
export class Scenario {
  readonly file: ScenarioFile;
  readonly seed: string;
  readonly simulation: Simulation;
  readonly receiver: ReceiverOptions;
  readonly attacks: readonly ScenarioAttack[];
  /** Trust files by path beside the capture. */
  readonly trustFiles: ReadonlyMap<string, string>;
  readonly #trust: CaptureHeader["trust"];
  readonly #damage: DamageChances | null;
  /** What the link did in the last run that came to its end. */
  #report: DamageReport | null = null;

  private constructor(parts: {
    file: ScenarioFile;
    seed: string;
    simulation: Simulation;
    receiver: ReceiverOptions;
    attacks: readonly ScenarioAttack[];
    trust: CaptureHeader["trust"];
    trustFiles: ReadonlyMap<string, string>;
    damage: DamageChances | null;
  }) {
    this.file = parts.file;
    this.seed = parts.seed;
    this.simulation = parts.simulation;
    this.receiver = parts.receiver;
    this.attacks = parts.attacks;
    this.trustFiles = parts.trustFiles;
    this.#trust = parts.trust;
    this.#damage = parts.damage;
  }

  /** @throws OsnmadError OSN_SCENARIO_INVALID, with one line per mistake. */
  static parse(text: string, options: ScenarioOptions = {}): Scenario {
    const where = options.path ?? "scenario";
    const mistakes: string[] = [];
    let document: unknown;
    try {
      document = parse(text);
    } catch (error) {
      if (!(error instanceof TomlError)) throw error;
      throw new OsnmadError("OSN_SCENARIO_INVALID", `${where}: ${error.message}`, { cause: error });
    }
    mistakes.push(...schemaMistakes(SCENARIO, document));
    if (mistakes.length === 0) {
      const builder = new Builder(document as ScenarioFile, options, mistakes);
      const parts = builder.build();
      if (parts !== null) return new Scenario(parts);
    }
    const shown = mistakes.slice(0, MAX_MISTAKES).map((line) => `  ${line}`);
    if (mistakes.length > MAX_MISTAKES) shown.push(`  and ${mistakes.length - MAX_MISTAKES} more`);
    throw new OsnmadError("OSN_SCENARIO_INVALID", `${where} is not a scenario:\n${shown.join("\n")}`);
  }

  get startGst(): number {
    return this.simulation.startGst;
  }

  get endGst(): number {
    return this.simulation.endGst;
  }

  /** The receiver's output in order of time. */
  *frames(options: FrameOptions = {}): Generator<TimedFrame> {
    const attacks = this.receiver.attacks;
    let frames: Iterable<TimedFrame> = receiverFrames(this.simulation, { ...this.receiver, ...options });
    if (attacks !== undefined) frames = attacks.frames(frames);
    if (this.#damage === null) {
      yield* frames;
      return;
    }
    const report = emptyReport();
    yield* damagedFrames(frames, this.seed, this.#damage, report);
    this.#report = report;
  }

  /** Provenance, trust and expected verdict, written beside a capture. */
  header(): CaptureHeader {
    const { simulation, file } = this;
    const { phases, startGst } = simulation.options;
    const { chain } = phaseAt(phases, startGst);
    const last = phases.at(-1)!;
    const lastKroot = last.onAir.find(({ kind }) => kind === "kroot");
    const never = file.expect?.never ?? [];
    const expect = file.expect;
    return {
      name: file.name,
      what: file.what,
      warning: WARNING,
      generator: GENERATOR_VERSION,
      seed: this.seed,
      start: { wn: wnOf(startGst), towSeconds: towOf(startGst) },
      end: { wn: wnOf(simulation.endGst), towSeconds: towOf(simulation.endGst) },
      place: simulation.place,
      satellites: simulation.satellites,
      chain: { ...chain.parameters, cid: chain.cid, alpha: toHex(chain.alpha) },
      trust: this.#trust,
      ...(this.#report === null ? {} : { damage: this.#report }),
      ...(this.attacks.length === 0
        ? {}
        : {
            attacks: this.attacks.map(({ kind, fromGst, toGst, expect: verdict }) => ({
              kind,
              from: fromGst - startGst,
              to: toGst - startGst,
              ...(verdict === null ? {} : { expect: verdict }),
            })),
          }),
      expected: {
        summary: expect?.summary ?? "Nothing is stated.",
        nmas: expect?.nmas ?? last.nmas,
        cpks: expect?.cpks ?? last.cpks,
        cid: expect?.cid ?? last.chain.cid,
        pkid: expect?.pkid ?? (lastKroot?.kind === "kroot" ? lastKroot.pkid : 0),
        alert: expect?.alert ?? false,
        authenticated:
          expect === undefined ? [] : simulation.satellites.filter((svid) => !never.includes(svid)),
        neverAuthenticated: never,
      },
    };
  }

  headerJson(): string {
    return headerJson(this.header());
  }
}

interface Parts {
  file: ScenarioFile;
  seed: string;
  simulation: Simulation;
  receiver: ReceiverOptions;
  attacks: readonly ScenarioAttack[];
  trust: CaptureHeader["trust"];
  trustFiles: ReadonlyMap<string, string>;
  damage: DamageChances | null;
}

/** Keys of `[[osnma.events]]` beside `at` and `kind`: needed ones, and others that may stand there. */
const EVENT_KEYS: Readonly<Record<string, readonly [needed: readonly string[], more: readonly string[]]>> = {
  eoc: [["chain"], []],
  crev: [["chain"], ["nominal_at"]],
  npk: [["pkid", "switch_at"], ["nominal_at"]],
  pkrev: [
    ["pkid", "chain"],
    ["nominal_at", "tree"],
  ],
  nmt: [["tree", "pkid", "switch_at"], ["nominal_at"]],
  oam: [[], []],
  phase: [["nmas", "cpks", "on_air"], ["chain"]],
};
/** After a change comes into force its CPKS stays for so long. */
const CPKS_HOLD_SECONDS = 240;

class Builder {
  readonly #file: ScenarioFile;
  readonly #options: ScenarioOptions;
  readonly #mistakes: string[];
  readonly #seed: string;
  readonly #trees = new Map<string, TestAuthority>();

  constructor(file: ScenarioFile, options: ScenarioOptions, mistakes: string[]) {
    this.#file = file;
    this.#options = options;
    this.#mistakes = mistakes;
    this.#seed = options.seed ?? file.seed ?? file.name;
  }

  #wrong(line: string): void {
    this.#mistakes.push(line);
  }

  build(): Parts | null {
    const file = this.#file;
    const startGst = this.#startGst();
    const duration = this.#options.durationSeconds ?? file.time.duration;
    if (duration % SUBFRAME_SECONDS !== 0 || duration <= 0)
      this.#wrong("time.duration: must be a multiple of 30 s");
    const subframes = duration / SUBFRAME_SECONDS;
    if (
      startGst !== null &&
      (startGst < SECONDS_IN_WEEK || startGst + duration > LAST_WEEK * SECONDS_IN_WEEK)
    )
      this.#wrong(`time: must be within weeks 1 to ${LAST_WEEK - 1}, the end too`);
    const lines = this.#attackLines();
    const track = this.#track();
    const output = this.#output();
    if (this.#mistakes.length > 0 || track === null || startGst === null) return null;

    const chains = this.#chains(startGst, subframes);
    const signer = this.#signer(file.osnma?.tree ?? "A", file.osnma?.pkid ?? 2, "osnma");
    if (signer === null || this.#mistakes.length > 0) return null;
    const phases = this.#phases(startGst, chains, signer);
    const constellation = this.#constellation(startGst, startGst + duration);
    if (this.#mistakes.length > 0) return null;

    const receiver = file.receiver ?? {};
    const options: SimulationOptions = {
      seed: this.#seed,
      startGst,
      subframes,
      phases,
      place: track.at(0).place,
      riseAndSet: true,
      e5b: receiver.e5b === true,
      events: [
        ...(constellation?.svids ?? [])
          .filter((svid) => !fitsReducedCed(constellation!.batch(svid, startGst)))
          .map((svid) => ({ svid, improved: false })),
        ...(file.satellite ?? []).map((event) => satelliteEvent(event, startGst)),
      ],
      ...(constellation === null ? {} : { constellation }),
      ...(receiver.elevation_mask === undefined ? {} : { elevationMaskDeg: receiver.elevation_mask }),
      ...(receiver.max_satellites === undefined ? {} : { maxSatellites: receiver.max_satellites }),
      ...(receiver.satellites === undefined ? {} : { satellites: receiver.satellites }),
      ...(file.link?.page_loss === undefined ? {} : { pageLoss: file.link.page_loss }),
    };
    const simulation = new Simulation(options);
    const attacks = lines.map((line) => this.#attack(line, simulation));
    const { noise } = file;
    const receiverOptions: ReceiverOptions = {
      track,
      rateHz: file.output?.rate ?? 1,
      output,
      bands: receiver.e5b === true ? ["E1", "E5b"] : ["E1"],
      noise: {
        codeMeters: noise?.code ?? DEFAULT_NOISE.codeMeters,
        carrierCycles: noise?.carrier ?? DEFAULT_NOISE.carrierCycles,
        dopplerHz: noise?.doppler ?? DEFAULT_NOISE.dopplerHz,
        cn0Db: noise?.cn0 ?? DEFAULT_NOISE.cn0Db,
        multipathMeters: noise?.multipath ?? DEFAULT_NOISE.multipathMeters,
      },
      cn0: {
        horizonDbHz: receiver.cn0_horizon ?? DEFAULT_CN0.horizonDbHz,
        zenithDbHz: receiver.cn0_zenith ?? DEFAULT_CN0.zenithDbHz,
      },
      clock: {
        biasSeconds: receiver.clock_bias ?? DEFAULT_CLOCK.biasSeconds,
        drift: receiver.clock_drift ?? DEFAULT_CLOCK.drift,
      },
      coldStart:
        file.cold_start === undefined
          ? undefined
          : { unknownSeconds: file.cold_start.unknown, wrongWeekSeconds: file.cold_start.wrong_week },
      osnmaAfterSeconds: receiver.osnma_after ?? null,
      ...(attacks.length === 0 ? {} : { attacks: new Attacks(attacks.map(({ active }) => active)) }),
    };
    return {
      file,
      seed: this.#seed,
      simulation,
      receiver: receiverOptions,
      attacks: attacks.map(({ active, line }) => ({
        kind: active.kind,
        fromGst: active.fromGst,
        toGst: active.toGst,
        expect: line.expect ?? null,
      })),
      ...this.#trust(simulation, signer),
      damage: damageChances(file),
    };
  }

  #startGst(): number | null {
    const { wn, tow, start } = this.#file.time;
    const given = this.#options.startGst;
    if (given !== undefined) return Math.floor(given / SUBFRAME_SECONDS) * SUBFRAME_SECONDS;
    if (wn !== undefined && tow !== undefined && start === undefined) return gstOf(wn, tow);
    // A date without a zone would mean another moment on each machine.
    const isZoned = start instanceof Date && !(start instanceof TomlDate && start.isLocal());
    if (isZoned && wn === undefined && tow === undefined) {
      const gst = gstOfUnix(start.getTime() / 1000);
      if (Number.isFinite(gst) && gst >= 0) return Math.floor(gst / SUBFRAME_SECONDS) * SUBFRAME_SECONDS;
    }
    this.#wrong("time: give wn and tow, or start as a date with time and zone (2026-06-30T12:00:00Z)");
    return null;
  }

  #track(): Track | null {
    const receiver = this.#file.receiver ?? {};
    const { place, waypoints, speed, wait } = receiver;
    if (place !== undefined && waypoints !== undefined) {
      this.#wrong("receiver: place or waypoints, not both");
      return null;
    }
    if (waypoints === undefined) {
      if (speed !== undefined || wait !== undefined)
        this.#wrong("receiver: speed and wait go with waypoints");
      return Track.at(place === undefined ? DEFAULT_PLACE : placeOf(place));
    }
    const places = waypoints.map(placeOf);
    const timed = waypoints.filter(({ at }) => at !== undefined).length;
    if (speed !== undefined && timed === 0) {
      const same = places.findIndex((place, i) => i > 0 && isSame(place, places[i - 1]!));
      if (same > 0) {
        this.#wrong(
          `receiver.waypoints[${same}]: the place of the waypoint before; give \`at\` to every waypoint to stay there`,
        );
        return null;
      }
      return new Track(timesAtSpeed(places, speed, wait ?? 0));
    }
    if (timed !== waypoints.length || speed !== undefined || wait !== undefined) {
      this.#wrong("receiver.waypoints: give `at` to every waypoint, or `receiver.speed` and `at` to none");
      return null;
    }
    const points: Waypoint[] = places.map((at, i) => ({ ...at, atSeconds: waypoints[i]!.at! }));
    const unordered = points.findIndex((point, i) => i > 0 && point.atSeconds <= points[i - 1]!.atSeconds);
    if (unordered > 0) {
      this.#wrong(`receiver.waypoints[${unordered}].at: must be later than the waypoint before`);
      return null;
    }
    return new Track(points);
  }

  #output(): OutputRates {
    const { rate, nmea, messages } = this.#file.output ?? {};
    if (rate !== undefined && 1000 % rate !== 0) this.#wrong("output.rate: must be 1, 2, 4, 5, 8 or 10");
    return { ...DEFAULT_OUTPUT, ...(nmea === true ? { "NMEA-RMC": 1, "NMEA-GGA": 1 } : {}), ...messages };
  }

  #constellation(startGst: number, endGst: number): Constellation | null {
    const { seed, ephemerides } = this.#file.constellation ?? {};
    if (ephemerides === undefined) return seed === undefined ? null : new WalkerConstellation(seed, startGst);
    const where = "constellation.ephemerides";
    if (seed !== undefined) this.#wrong("constellation: seed or ephemerides, not both");
    if (this.#options.readFile === undefined) {
      this.#wrong(`${where}: no file can be read here`);
      return null;
    }
    let recorded: RecordedConstellation;
    try {
      recorded = new RecordedConstellation(this.#options.readFile(ephemerides));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#wrong(`${where}: ${ephemerides} holds ${error.message}`);
      return null;
    }
    const stale = recorded.svids.filter((svid) => !recorded.holds(svid, startGst, endGst));
    if (stale.length > 0) {
      this.#wrong(
        `${where}: the ephemerides of ${stale.map((svid) => `E${svid}`).join(", ")} are more than four hours off; ` +
          `begin about ${formatGst(recorded.firstGst)}`,
      );
    }
    return recorded;
  }

  #tree(name: string, where: string): TestAuthority | null {
    const known = this.#trees.get(name);
    if (known !== undefined) return known;
    const listed = this.#file.osnma?.trees?.find((tree) => tree.name === name);
    const wellKnown = WELL_KNOWN_TREES[name];
    if (listed !== undefined && wellKnown !== undefined) {
      this.#wrong(`osnma.trees: ${name} is always there, choose another name`);
      return null;
    }
    const found =
      listed === undefined
        ? wellKnown
        : { seed: listed.seed ?? `${this.#seed} tree ${name}`, p521: listed.p521 };
    if (found === undefined) {
      this.#wrong(
        `${where}.tree: no tree is named ${name}; A and B are always there, others stand in osnma.trees`,
      );
      return null;
    }
    const curves = Object.fromEntries((found.p521 ?? []).map((pkid) => [pkid, "P-521" as const]));
    const tree = new TestAuthority(found.seed, { curves });
    this.#trees.set(name, tree);
    return tree;
  }

  #signer(tree: string, pkid: number, where: string): Signer | null {
    const authority = this.#tree(tree, where);
    return authority === null ? null : { authority, pkid };
  }

  #chains(startGst: number, subframes: number): Map<string, TeslaChain> {
    const hour = Math.floor(startGst / HOUR) * HOUR;
    const listed = this.#file.osnma?.chains ?? [];
    const chains = new Map<string, TeslaChain>();
    const first = { name: "main", cid: 1 };
    (listed.length === 0 ? [first] : listed).forEach((chain: NonNullable<typeof listed>[number], index) => {
      const where = `osnma.chains[${index}]`;
      if (chains.has(chain.name)) this.#wrong(`${where}.name: there are two chains named ${chain.name}`);
      const parameters = {
        hash: chain.hash ?? OPERATIONAL_PARAMETERS.hash,
        mac: chain.mac ?? OPERATIONAL_PARAMETERS.mac,
        keyBits: chain.key_bits ?? OPERATIONAL_PARAMETERS.keyBits,
        tagBits: chain.tag_bits ?? OPERATIONAL_PARAMETERS.tagBits,
        maclt: chain.maclt ?? OPERATIONAL_PARAMETERS.maclt,
      };
      const mistake = parameterMistake(parameters);
      if (mistake !== null) {
        this.#wrong(`${where}: ${mistake}`);
        return;
      }
      const chainStart = hour + (chain.begins ?? 0) * HOUR;
      chains.set(
        chain.name,
        new TeslaChain({
          seed: chain.seed ?? `${this.#seed} chain ${chain.name}`,
          cid: chain.cid,
          startGst: chainStart,
          // A chain that is announced, and begins after the end, has a root all the same.
          endGst: Math.max(chainEndFor(startGst, subframes), chainStart),
          parameters,
        }),
      );
    });
    const [opening] = chains.values();
    if (this.#mistakes.length === 0 && opening !== undefined && opening.startGst > startGst) {
      this.#wrong("osnma.chains[0].begins: the first chain must be in force at the start (0, or negative)");
    }
    return chains;
  }

  #phases(startGst: number, chains: ReadonlyMap<string, TeslaChain>, first: Signer): Phase[] {
    const osnma = this.#file.osnma;
    const nmas = osnma?.nmas === "test" ? NMAS.test : NMAS.operational;
    let chain = [...chains.values()][0]!;
    let signer = first;
    const phases: Phase[] = [nominalPhase(chain.startGst, chain, signer, nmas)];
    const events = osnma?.events ?? [];
    events.forEach((event, index) => {
      const where = `osnma.events[${index}]`;
      if (!this.#eventKeysFit(event, where)) return;
      const at = startGst + event.at;
      const before = events[index - 1];
      if (before !== undefined && before.at >= event.at)
        this.#wrong(`${where}.at: must be later than the event before`);
      let next = chain;
      if (event.chain !== undefined) {
        const named = chains.get(event.chain);
        if (named === undefined) {
          this.#wrong(`${where}.chain: no chain is named ${event.chain} in osnma.chains`);
          return;
        }
        next = named;
        if (event.kind !== "phase" && next.startGst <= at) {
          this.#wrong(`${where}: chain ${event.chain} begins ${formatGst(next.startGst)}, before the event`);
          return;
        }
      }
      const switchAt = startGst + (event.switch_at ?? 0);
      const nominalAt = (inForce: number): number =>
        event.nominal_at === undefined ? inForce + CPKS_HOLD_SECONDS : startGst + event.nominal_at;
      const tree = event.tree === undefined ? signer.authority : this.#tree(event.tree, where);
      if (tree === null) return;
      const other: Signer = { authority: tree, pkid: event.pkid ?? signer.pkid };
      switch (event.kind) {
        case "eoc":
          phases.push(...eocPhases(at, chain, next, signer));
          break;
        case "crev":
          phases.push(...crevPhases(at, chain, next, nominalAt(next.startGst), signer));
          break;
        case "npk":
          phases.push(...npkPhases(at, switchAt, nominalAt(switchAt), chain, signer, other));
          signer = other;
          break;
        case "pkrev":
          phases.push(...pkrevPhases(at, chain, next, nominalAt(next.startGst), other));
          signer = other;
          break;
        case "nmt":
          phases.push(...nmtPhases(at, switchAt, nominalAt(switchAt), chain, signer, other));
          signer = other;
          break;
        case "oam":
          phases.push(alertPhase(at, chain, signer));
          break;
        default: {
          const onAir = (event.on_air ?? []).map((content, k) =>
            this.#content(content, chains, chain, signer, `${where}.on_air[${k}]`),
          );
          if (onAir.includes(null)) return;
          phases.push({
            fromGst: at,
            nmas: event.nmas ?? 0,
            cpks: event.cpks ?? 0,
            chain: next,
            onAir: onAir as DsmContent[],
          });
        }
      }
      chain = next;
    });
    const ordered = phases.every((phase, i) => i === 0 || phase.fromGst > phases[i - 1]!.fromGst);
    if (!ordered)
      this.#wrong("osnma.events: switch_at, nominal_at and the chains' beginnings are not in order of time");
    if (osnma?.pkr_windows !== false) return phases;
    return phases.map(({ fromGst, nmas: status, cpks, chain: inForce, onAir }) => ({
      fromGst, nmas: status, cpks, chain: inForce, onAir,
    })); // prettier-ignore
  }

  #content(
    content: { kind: "kroot" | "pkr" | "alert"; chain?: string; tree?: string; pkid?: number },
    chains: ReadonlyMap<string, TeslaChain>,
    chain: TeslaChain,
    signer: Signer,
    where: string,
  ): DsmContent | null {
    const authority = content.tree === undefined ? signer.authority : this.#tree(content.tree, where);
    if (authority === null) return null;
    if (content.kind === "alert") return { kind: "alert", authority };
    const pkid = content.pkid ?? signer.pkid;
    if (content.kind === "pkr") return { kind: "pkr", authority, pkid };
    const named = content.chain === undefined ? chain : chains.get(content.chain);
    if (named === undefined) {
      this.#wrong(`${where}.chain: no chain is named ${content.chain ?? ""} in osnma.chains`);
      return null;
    }
    return { kind: "kroot", chain: named, authority, pkid };
  }

  #eventKeysFit(event: Readonly<Record<string, unknown>>, where: string): boolean {
    const [needed, more] = EVENT_KEYS[event["kind"] as string]!;
    let fits = true;
    for (const key of needed) {
      if (event[key] !== undefined) continue;
      this.#wrong(`${where}.${key}: missing; ${String(event["kind"])} needs ${needed.join(", ")}`);
      fits = false;
    }
    for (const key of Object.keys(event)) {
      if (key === "at" || key === "kind" || needed.includes(key) || more.includes(key)) continue;
      this.#wrong(`${where}.${key}: means nothing to ${String(event["kind"])}`);
      fits = false;
    }
    return fits;
  }

  #attackLines(): AttackLine[] {
    const lines: AttackLine[] = [];
    (this.#file.attack ?? []).forEach((given, index) => {
      const where = `attack[${index}]`;
      const kind = (given as { kind?: unknown } | null)?.kind;
      const known = typeof kind === "string" ? attackKind(kind) : undefined;
      if (known === undefined) {
        const kinds = ATTACK_KINDS.map((one) => one.kind).join(", ");
        this.#wrong(
          `${where}.kind: ${kind === undefined ? "missing" : `no attack is named ${JSON.stringify(kind)}`}. There are: ${kinds}`,
        );
        return;
      }
      const mistakes = schemaMistakes(attackSchema(known.keys), given, where);
      if (mistakes.length > 0) {
        this.#mistakes.push(...mistakes);
        return;
      }
      const { from, to, expect, ...rest } = given as Record<string, unknown>;
      const parameters = Object.fromEntries(Object.entries(rest).filter(([key]) => key !== "kind"));
      lines.push({
        kind: known.kind,
        parameters,
        ...(from === undefined ? {} : { from: from as number }),
        ...(to === undefined ? {} : { to: to as number }),
        ...(expect === undefined ? {} : { expect: expect as AttackExpect }),
      });
      if (((from as number | undefined) ?? 0) >= ((to as number | undefined) ?? Infinity)) {
        this.#wrong(`${where}.to: must be later than from`);
      } else if (((from as number | undefined) ?? 0) >= this.#file.time.duration) {
        this.#wrong(
          `${where}.from: the scenario is over by then (time.duration ${this.#file.time.duration})`,
        );
      } else if (((to as number | undefined) ?? Infinity) <= 0) {
        this.#wrong(`${where}.to: is before the scenario begins`);
      }
    });
    return lines;
  }

  #attack(line: AttackLine, simulation: Simulation): { active: ActiveAttack; line: AttackLine } {
    const fromGst = simulation.startGst + (line.from ?? 0);
    const toGst =
      line.to === undefined ? simulation.endGst + SUBFRAME_SECONDS : simulation.startGst + line.to;
    const context: AttackContext = {
      seed: this.#seed,
      simulation,
      fromGst,
      toGst,
      authority: (name) => {
        const known =
          WELL_KNOWN_TREES[name] !== undefined ||
          this.#file.osnma?.trees?.some((tree) => tree.name === name) === true;
        return (
          (known ? this.#tree(name, "attack") : null) ?? new TestAuthority(`${this.#seed} attacker ${name}`)
        );
      },
    };
    const hooks = attackKind(line.kind)!.make(line.parameters, context);
    return { active: { kind: line.kind, fromGst, toGst, hooks }, line };
  }

  #trust(
    simulation: Simulation,
    first: Signer,
  ): { trust: CaptureHeader["trust"]; trustFiles: ReadonlyMap<string, string> } {
    const files = new Map<string, string>();
    const { phases, startGst } = simulation.options;
    const nameOf = (authority: TestAuthority): string =>
      [...this.#trees].find(([, tree]) => tree === authority)?.[0] ?? "A";
    // Trees whose keys sign at some time; the attacker's is not among them.
    const signing = new Set<TestAuthority>([first.authority]);
    for (const { onAir } of phases) for (const { authority } of onAir) signing.add(authority);
    const merkleTree = [...signing].map((authority) => {
      const name = nameOf(authority);
      const path = `trust/TEST_OSNMA_MerkleTree_${name}.xml`;
      files.set(path, authority.merkleTreeXml([PROVEN_KEY[name] ?? first.pkid], ISSUE_DATE));
      return path;
    });
    const start = this.#file.osnma?.start ?? "hot";
    const tree = nameOf(first.authority);
    const publicKeys: string[] = [];
    if (start !== "cold") {
      const path = `trust/TEST_OSNMA_PublicKey_${tree === "A" ? "" : `${tree}_`}${first.pkid}.xml`;
      files.set(path, first.authority.publicKeyXml(first.pkid, ISSUE_DATE));
      publicKeys.push(path);
    }
    let rootKey: string | null = null;
    if (start === "hot") {
      const { nmas, cpks, chain } = phaseAt(phases, startGst);
      const header = nmaHeaderByte({ nmas, cpks, cid: chain.cid });
      const content = { kind: "kroot", chain, ...first } as const;
      rootKey = `trust/TEST_root-key_${this.#file.name}.txt`;
      files.set(rootKey, rootKeyText(encodeContent(content, header, chain.rootHourAt(startGst)), header));
    }
    return { trust: { merkleTree, publicKeys, rootKey }, trustFiles: files };
  }
}

function isSame(a: Place, b: Place): boolean {
  return (
    a.latitudeDeg === b.latitudeDeg && a.longitudeDeg === b.longitudeDeg && a.heightMeters === b.heightMeters
  );
}

function placeOf(given: { latitude: number; longitude: number; height: number }): Place {
  return { latitudeDeg: given.latitude, longitudeDeg: given.longitude, heightMeters: given.height };
}

function satelliteEvent(
  event: NonNullable<ScenarioFile["satellite"]>[number],
  startGst: number,
): SatelliteEvent {
  const { svid, from, to, ...rest } = event;
  const names: Readonly<Record<keyof typeof rest, keyof SatelliteEvent>> = {
    e1b_hs: "e1bHs",
    e1b_dvs: "e1bDvs",
    e5b_hs: "e5bHs",
    e5b_dvs: "e5bDvs",
    sisa: "sisa",
    osnma: "osnma",
    dummy_tags: "dummyTags",
    dummy_pages: "dummyPages",
    improved: "improved",
  };
  const changes = Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [names[key as keyof typeof names], value]),
  ) as Partial<SatelliteEvent>;
  return {
    ...changes,
    svid,
    ...(from === undefined ? {} : { fromGst: startGst + from }),
    ...(to === undefined ? {} : { untilGst: startGst + to }),
  };
}

function damageChances({ link }: ScenarioFile): DamageChances | null {
  if (link === undefined) return null;
  const chances: DamageChances = {
    overflow: link.overflow ?? 0,
    badChecksum: link.bad_checksum ?? 0,
    garbage: link.garbage ?? 0,
    emptyFrame: link.empty_frame ?? 0,
    rtcm: link.rtcm ?? 0,
    repeat: link.repeat ?? 0,
    cutEnd: link.cut_end ?? false,
  };
  return Object.values(chances).some((value) => value !== 0 && value !== false) ? chances : null;
}
