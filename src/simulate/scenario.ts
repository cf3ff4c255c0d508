/**
 * A simulated Galileo: constellation, test authority, chains and a timeline of NMA headers, turned into I/NAV
 * pages with OSNMA in them. OSNMA SIS ICD 1.1; life-cycle steps as in the official vectors and the OSNMA Receiver
 * Guidelines 1.3 (EOC, CREV, NPK, PKREV, NMT, OAM).
 */
import { SUBFRAME_SECONDS } from "../inav/gst.js";
import { truncateBits } from "./bit-writer.js";
import type { Attacks } from "./attack.js";
import type { Constellation } from "./constellation.js";
import { CPKS, type DsmContent, DsmSchedule, NMAS, type Phase, phaseAt } from "./dsm.js";
import { lookAngles, type Place } from "./geometry.js";
import { buildMack, type CoveredData } from "./mack.js";
import {
  e1bWordTypes,
  e5bWordTypes,
  encodePage,
  NavigationModel,
  type SatelliteEvent,
  sspAt,
} from "./navigation.js";
import { seededBytes, seededFraction } from "./seeded.js";
import { TestAuthority } from "./test-authority.js";
import { type ChainParameters, OPERATIONAL_PARAMETERS, TeslaChain } from "./tesla-chain.js";

/** HKROOT and MACK of one satellite in one subframe. */
export interface OsnmaSubframe {
  readonly svid: number;
  readonly gst: number;
  /** 15 bytes. */
  readonly hkroot: Uint8Array;
  /** 60 bytes. */
  readonly mack: Uint8Array;
}

export interface SimulationOptions {
  readonly seed: string;
  /** Linear GST of the first subframe, a multiple of 30. */
  readonly startGst: number;
  readonly subframes: number;
  /** NMA headers, chains and DSMs over time; the first phase begins at or before `startGst`. */
  readonly phases: readonly Phase[];
  /** Where the receiver is; decides which satellites it hears. */
  readonly place?: Place;
  readonly elevationMaskDeg?: number;
  /** At most this many satellites, the highest ones. */
  readonly maxSatellites?: number;
  /** Exactly these satellites instead. */
  readonly satellites?: readonly number[];
  readonly events?: readonly SatelliteEvent[];
  /** Another one than the seed's Walker constellation. */
  readonly constellation?: Constellation;
  /**
   * Satellites come and go with their elevation, subframe by subframe; without it those of the middle of the scenario
   * are heard all the time. `satellites` and `maxSatellites` fix them in any case.
   */
  readonly riseAndSet?: boolean;
  /** Also the pages of E5b. */
  readonly e5b?: boolean;
  /** Chance of a page to be lost. */
  readonly pageLoss?: number;
  /** What an attacker makes of OSNMA data before it is put on air. */
  readonly tamperOsnma?: (subframe: OsnmaSubframe) => OsnmaSubframe;
  /** What an attacker makes of a word before it is put on air. */
  readonly tamperWord?: (word: Uint8Array, svid: number, type: number, pageGst: number) => Uint8Array;
}

/** One I/NAV page as a receiver decodes it. */
export interface SimulatedPage {
  /** Linear GST of the start of its even half. */
  readonly gst: number;
  readonly svid: number;
  readonly band: "E1-B" | "E5b";
  readonly wordType: number;
  /** 120 bits each. */
  readonly even: Uint8Array;
  readonly odd: Uint8Array;
}

/** Leuven, at 100 m. */
export const DEFAULT_PLACE: Place = { latitudeDeg: 50.85, longitudeDeg: 4.73, heightMeters: 100 };
const DEFAULT_ELEVATION_MASK_DEG = 8;
const PAGE_SECONDS = 2;
/** Longest look back of a COP (OSNMA SIS ICD 1.1, COP). */
const MAX_COP = 15;
/** Cross-authentication goes around this many neighbours in the sky of the transmitting satellite. */
const NEIGHBOURS = 6;

/** A scenario, ready to be asked. */
export class Simulation {
  readonly options: SimulationOptions;
  readonly navigation: NavigationModel;
  readonly schedule: DsmSchedule;
  readonly place: Place;
  /** Satellites heard at any time, ascending. */
  readonly satellites: readonly number[];
  readonly startGst: number;
  /** End of the last subframe. */
  readonly endGst: number;

  constructor(options: SimulationOptions) {
    const { startGst, subframes, phases } = options;
    if (!Number.isInteger(startGst) || startGst % SUBFRAME_SECONDS !== 0) {
      throw new RangeError("startGst must be the start of a subframe");
    }
    if (!Number.isInteger(subframes) || subframes < 1) throw new RangeError("subframes must be positive");
    if (phases[0] === undefined || phases[0].fromGst > startGst) {
      throw new RangeError("the first phase must begin at or before startGst");
    }
    this.options = options;
    this.place = options.place ?? DEFAULT_PLACE;
    this.startGst = startGst;
    this.endGst = startGst + subframes * SUBFRAME_SECONDS;
    this.navigation = new NavigationModel(options.seed, startGst, options.events, options.constellation);
    this.schedule = new DsmSchedule(phases, phases[0].fromGst, this.endGst);
    this.#fixed =
      options.satellites !== undefined || options.maxSatellites !== undefined || options.riseAndSet !== true;
    this.satellites = options.satellites ?? (this.#fixed ? this.#visible() : this.#everHeard());
  }

  /** Satellites heard in the subframe that holds `gst`, ascending. */
  heardAt(gst: number): readonly number[] {
    if (this.#fixed) return this.satellites;
    const subframe = Math.floor(gst / SUBFRAME_SECONDS) * SUBFRAME_SECONDS;
    if (this.#heard.gst !== subframe) this.#heard = { gst: subframe, svids: this.#above(subframe) };
    return this.#heard.svids;
  }
  readonly #fixed: boolean;
  #heard: { gst: number; svids: readonly number[] } = { gst: Number.NaN, svids: [] };

  #above(gst: number): number[] {
    const mask = this.options.elevationMaskDeg ?? DEFAULT_ELEVATION_MASK_DEG;
    return this.navigation.constellation.svids.filter(
      (svid) => this.lookAngles(svid, gst).elevationDeg >= mask,
    );
  }

  #everHeard(): number[] {
    const found = new Set<number>();
    for (let gst = this.startGst; gst < this.endGst; gst += SUBFRAME_SECONDS) {
      for (const svid of this.#above(gst)) found.add(svid);
    }
    return [...found].sort((a, b) => a - b);
  }

  /** Elevation and azimuth of a satellite, degrees. */
  lookAngles(svid: number, gst: number): { azimuthDeg: number; elevationDeg: number } {
    return lookAngles(this.place, this.navigation.position(svid, gst));
  }

  /** The chain in force in a subframe. */
  chainAt(gst: number): TeslaChain {
    return phaseAt(this.options.phases, gst).chain;
  }

  /** HKROOT and MACK of a satellite in a subframe, tampering included. */
  osnmaSubframe(svid: number, gst: number, attacks?: Attacks): OsnmaSubframe {
    const { phases, tamperOsnma } = this.options;
    const mack = buildMack(svid, gst, {
      nmas: phaseAt(phases, gst).nmas,
      chainAt: (at) => this.chainAt(at),
      data: (prnD, adkd, at) => this.coveredData(prnD, adkd, at),
      cross: (prnA, at, ctr) => this.#neighbour(prnA, at, ctr),
      flexible: (prnA, at, ctr) => this.#flexible(prnA, at, ctr),
    });
    const honest = { svid, gst, hkroot: this.schedule.hkroot(svid, gst), mack };
    const subframe = tamperOsnma === undefined ? honest : tamperOsnma(honest);
    return attacks === undefined ? subframe : attacks.osnma(subframe);
  }

  /** The data of `prnD` that a tag sent in subframe `gst` covers, with its COP. */
  coveredData(prnD: number, adkd: number, gst: number): CoveredData {
    const isDummy = (at: number): boolean => this.navigation.state(prnD, at).dummyTags;
    const now = this.navigation.covered(prnD, adkd, gst - SUBFRAME_SECONDS);
    if (isDummy(gst)) return { bits: new Uint8Array(now.bits.length), bitLength: now.bitLength, cop: 0 };
    // COP counts the subframes, back from the tag's own, that carried these very bits; dummies restart it.
    let cop = 1;
    while (cop < MAX_COP) {
      const at = gst - (cop + 1) * SUBFRAME_SECONDS;
      if (isDummy(at + SUBFRAME_SECONDS)) break;
      if (Buffer.compare(this.navigation.covered(prnD, adkd, at).bits, now.bits) !== 0) break;
      cop++;
    }
    return { ...now, cop };
  }

  /** All pages in the order a receiver would give them out: by time, E5b before E1-B of the next second, by SVID. */
  *pages(attacks?: Attacks): Generator<SimulatedPage> {
    for (let gst = this.startGst; gst < this.endGst; gst += SUBFRAME_SECONDS) {
      yield* this.subframePages(gst, attacks);
    }
  }

  /** The pages of one subframe, in the same order. */
  *subframePages(gst: number, attacks?: Attacks): Generator<SimulatedPage> {
    const satellites = this.heardAt(gst);
    const osnma = new Map<number, OsnmaSubframe>();
    for (const svid of satellites) {
      if (this.navigation.state(svid, gst).osnma) osnma.set(svid, this.osnmaSubframe(svid, gst, attacks));
    }
    for (let index = 0; index < 15; index++) {
      const bands = this.options.e5b === true ? (["E5b", "E1-B"] as const) : (["E1-B"] as const);
      for (const band of bands) {
        for (const svid of satellites) {
          const page = this.#page(svid, band, gst, index, osnma.get(svid), attacks);
          if (page !== null) yield page;
        }
      }
    }
  }

  /** One page of a satellite as it is on air, nothing lost and nothing tampered with; `pageGst` is its start. */
  honestPage(svid: number, band: "E1-B" | "E5b", pageGst: number): SimulatedPage {
    const offset = band === "E1-B" ? 1 : 0;
    const subframe = Math.floor((pageGst - offset) / SUBFRAME_SECONDS) * SUBFRAME_SECONDS;
    const index = (pageGst - offset - subframe) / PAGE_SECONDS;
    if (!Number.isInteger(index)) throw new RangeError("pageGst is not the start of a page");
    const key = `${svid} ${subframe}`;
    if (this.#honest.key !== key && this.navigation.state(svid, subframe).osnma) {
      this.#honest = { key, osnma: this.osnmaSubframe(svid, subframe) };
    }
    const osnma = this.#honest.key === key ? this.#honest.osnma : undefined;
    return this.#encoded(svid, band, subframe, index, osnma, undefined);
  }
  #honest: { key: string; osnma: OsnmaSubframe | undefined } = { key: "", osnma: undefined };

  #page(
    svid: number,
    band: "E1-B" | "E5b",
    subframeGst: number,
    index: number,
    osnma: OsnmaSubframe | undefined,
    attacks: Attacks | undefined,
  ): SimulatedPage | null {
    const { seed, pageLoss } = this.options;
    const page = this.#encoded(svid, band, subframeGst, index, osnma, attacks);
    if (pageLoss !== undefined && seededFraction(seed, `loss ${svid} ${band} ${page.gst}`) < pageLoss)
      return null;
    return attacks === undefined ? page : attacks.page(page);
  }

  #encoded(
    svid: number,
    band: "E1-B" | "E5b",
    subframeGst: number,
    index: number,
    osnma: OsnmaSubframe | undefined,
    attacks: Attacks | undefined,
  ): SimulatedPage {
    const { seed, tamperWord } = this.options;
    const state = this.navigation.state(svid, subframeGst);
    const isE1 = band === "E1-B";
    const gst = subframeGst + PAGE_SECONDS * index + (isE1 ? 1 : 0);
    const types = isE1 ? e1bWordTypes(subframeGst, state.improved) : e5bWordTypes(subframeGst);
    const wordType = state.dummyPages ? 63 : types[index]!;
    let word = this.navigation.word(svid, wordType, subframeGst, gst);
    if (tamperWord !== undefined) word = tamperWord(word, svid, wordType, gst);
    if (attacks !== undefined) {
      word = attacks.word(word, { svid, band, type: wordType, pageGst: gst, subframeGst });
    }
    if (!isE1) return { gst, svid, band, wordType, ...encodePage({ word, ssp: 0xaa }) };
    let field: Uint8Array;
    // In a dummy page the odd half is filler from the OSNMA field on.
    if (state.dummyPages) field = seededBytes(seed, `filler ${svid} ${gst}`, 5);
    else if (osnma === undefined) field = new Uint8Array(5);
    else {
      field = new Uint8Array(5);
      field[0] = osnma.hkroot[index]!;
      field.set(osnma.mack.subarray(4 * index, 4 * index + 4), 1);
    }
    return {
      gst,
      svid,
      band,
      wordType,
      ...encodePage({ word, osnma: field, ssp: sspAt(gst, state.improved) }),
    };
  }

  #visible(): number[] {
    const middle = (this.startGst + this.endGst) / 2;
    const mask = this.options.elevationMaskDeg ?? DEFAULT_ELEVATION_MASK_DEG;
    return this.navigation.constellation.svids
      .map((svid) => ({ svid, elevation: this.lookAngles(svid, middle).elevationDeg }))
      .filter(({ elevation }) => elevation >= mask)
      .sort((a, b) => b.elevation - a.elevation)
      .slice(0, this.options.maxSatellites ?? this.navigation.constellation.svids.length)
      .map(({ svid }) => svid)
      .sort((a, b) => a - b);
  }

  /** The satellites nearest to one, nearest first: those that its receivers are likely to hear too. */
  #neighbours(svid: number): readonly number[] {
    let found = this.#neighbourCache.get(svid);
    if (found === undefined) {
      const [x, y, z] = this.navigation.position(svid, this.startGst);
      found = this.navigation.constellation.svids
        .filter((other) => other !== svid)
        .map((other) => {
          const [ox, oy, oz] = this.navigation.position(other, this.startGst);
          return { other, distance: Math.hypot(x - ox, y - oy, z - oz) };
        })
        .sort((a, b) => a.distance - b.distance)
        .slice(0, NEIGHBOURS)
        .map(({ other }) => other);
      this.#neighbourCache.set(svid, found);
    }
    return found;
  }
  readonly #neighbourCache = new Map<number, readonly number[]>();

  #neighbour(prnA: number, gst: number, ctr: number): number {
    const neighbours = this.#neighbours(prnA);
    return neighbours[(gst / SUBFRAME_SECONDS + ctr) % neighbours.length]!;
  }

  /** Mostly ADKD 0 of a neighbour; now and then a Slow MAC or its own timing, which a receiver must take too. */
  #flexible(prnA: number, gst: number, ctr: number): { prnD: number; adkd: number } {
    const turn = (gst / SUBFRAME_SECONDS + prnA + ctr) % 8;
    if (turn === 5) return { prnD: prnA, adkd: 4 };
    return { prnD: this.#neighbour(prnA, gst, ctr), adkd: turn === 2 ? 12 : 0 };
  }
}

/** The pages of a scenario. */
export function simulatePages(options: SimulationOptions): Iterable<SimulatedPage> {
  return new Simulation(options).pages();
}

/** Who signs what in a timeline. */
export interface Signer {
  readonly authority: TestAuthority;
  readonly pkid: number;
}

function kroot(chain: TeslaChain, signer: Signer): DsmContent {
  return { kind: "kroot", chain, authority: signer.authority, pkid: signer.pkid };
}

function pkr(signer: Signer): DsmContent {
  return { kind: "pkr", authority: signer.authority, pkid: signer.pkid };
}

/** Nominal operation, with the DSM-PKR in its windows. */
export function nominalPhase(
  fromGst: number,
  chain: TeslaChain,
  signer: Signer,
  nmas: number = NMAS.operational,
): Phase {
  return { fromGst, nmas, cpks: CPKS.nominal, chain, onAir: [kroot(chain, signer)], windowPkr: pkr(signer) };
}

/** End of chain: both roots alternate from `fromGst`; the new chain is in force from its start. */
export function eocPhases(
  fromGst: number,
  oldChain: TeslaChain,
  newChain: TeslaChain,
  signer: Signer,
): Phase[] {
  const onAir = [kroot(oldChain, signer), kroot(newChain, signer)];
  return [
    { fromGst, nmas: NMAS.operational, cpks: CPKS.eoc, chain: oldChain, onAir, windowPkr: pkr(signer) },
    nominalPhase(newChain.startGst, newChain, signer),
  ];
}

/** Chain revoked: Don't Use from `fromGst`, the new chain from its start under CREV, nominal from `nominalGst`. */
export function crevPhases(
  fromGst: number,
  revoked: TeslaChain,
  newChain: TeslaChain,
  nominalGst: number,
  signer: Signer,
): Phase[] {
  const onAir = [kroot(newChain, signer)];
  return [
    { fromGst, nmas: NMAS.dontUse, cpks: CPKS.crev, chain: revoked, onAir },
    {
      fromGst: newChain.startGst,
      nmas: NMAS.operational,
      cpks: CPKS.crev,
      chain: newChain,
      onAir,
      windowPkr: pkr(signer),
    },
    nominalPhase(nominalGst, newChain, signer),
  ];
}

/** New public key: announced at `fromGst`, in use from `switchGst` (root first), nominal from `nominalGst`. */
export function npkPhases(
  fromGst: number,
  switchGst: number,
  nominalGst: number,
  chain: TeslaChain,
  oldKey: Signer,
  newKey: Signer,
): Phase[] {
  const step = (from: number, onAir: readonly DsmContent[]): Phase => ({
    fromGst: from,
    nmas: NMAS.operational,
    cpks: CPKS.npk,
    chain,
    onAir,
  });
  return [
    step(fromGst, [pkr(newKey), kroot(chain, oldKey)]),
    step(switchGst, [kroot(chain, newKey), pkr(newKey)]),
    nominalPhase(nominalGst, chain, newKey),
  ];
}

/** Public key revoked, and its chain with it: Don't Use until the new chain's start, nominal from `nominalGst`. */
export function pkrevPhases(
  fromGst: number,
  revoked: TeslaChain,
  newChain: TeslaChain,
  nominalGst: number,
  newKey: Signer,
): Phase[] {
  const onAir = [pkr(newKey), kroot(newChain, newKey)];
  return [
    { fromGst, nmas: NMAS.dontUse, cpks: CPKS.pkrev, chain: revoked, onAir },
    {
      fromGst: newChain.startGst,
      nmas: NMAS.operational,
      cpks: CPKS.pkrev,
      chain: newChain,
      onAir: [...onAir].reverse(),
    },
    nominalPhase(nominalGst, newChain, newKey),
  ];
}

/** New Merkle tree: its key is announced at `fromGst`, signs from `switchGst`, nominal from `nominalGst`. */
export function nmtPhases(
  fromGst: number,
  switchGst: number,
  nominalGst: number,
  chain: TeslaChain,
  oldKey: Signer,
  newKey: Signer,
): Phase[] {
  return npkPhases(fromGst, switchGst, nominalGst, chain, oldKey, newKey).map((phase) =>
    phase.cpks === CPKS.npk ? { ...phase, cpks: CPKS.nmt } : phase,
  );
}

/** Alert: Don't Use, the alert message alternating with the root. */
export function alertPhase(fromGst: number, chain: TeslaChain, signer: Signer): Phase {
  const onAir: DsmContent[] = [{ kind: "alert", authority: signer.authority }, kroot(chain, signer)];
  return { fromGst, nmas: NMAS.dontUse, cpks: CPKS.alert, chain, onAir };
}

/** What `parametrisedScenario` gives: the scenario and all a receiver needs to check it. */
export interface ParametrisedScenario {
  readonly options: SimulationOptions;
  readonly authority: TestAuthority;
  readonly pkid: number;
  readonly chain: TeslaChain;
}

/**
 * A short nominal scenario with chain parameters of choice, for tests over everything the ICD allows: no real
 * chain uses SHA3-256, CMAC-AES, or tags of 24 to 32 bits.
 */
export function parametrisedScenario(options: {
  seed: string;
  parameters?: ChainParameters;
  startGst?: number;
  subframes?: number;
  satellites?: readonly number[];
  curve?: "P-256" | "P-521";
}): ParametrisedScenario {
  const startGst = options.startGst ?? 1400 * 604_800 + 39 * 3600 + 300;
  const subframes = options.subframes ?? 16;
  const hour = Math.floor(startGst / 3600) * 3600;
  const authority = new TestAuthority(options.seed, { curves: { 1: options.curve ?? "P-256" } });
  const chain = new TeslaChain({
    seed: options.seed,
    cid: 1,
    parameters: options.parameters ?? OPERATIONAL_PARAMETERS,
    startGst: hour,
    endGst: chainEndFor(startGst, subframes),
  });
  const signer = { authority, pkid: 1 };
  return {
    authority,
    pkid: 1,
    chain,
    options: {
      seed: options.seed,
      startGst,
      subframes,
      satellites: options.satellites ?? [1, 4, 9, 12],
      phases: [nominalPhase(hour, chain, signer)],
    },
  };
}

/** The last key a chain needs so that Slow MAC tags of the last subframe still have one. */
export function chainEndFor(startGst: number, subframes: number): number {
  return startGst + (subframes + 12) * SUBFRAME_SECONDS;
}

/** Flips one bit of a copy. */
export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = truncateBits(bytes, bytes.length * 8);
  copy[bit >> 3]! ^= 0x80 >> (bit & 7);
  return copy;
}
