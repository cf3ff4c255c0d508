/**
 * The captures of this repository: which scenarios they come from and what a receiver must find in each. All are
 * simulated, with test keys and a test Merkle tree; the same source gives the same bytes everywhere.
 */
import { formatGst, gstOf, SUBFRAME_SECONDS, towOf, wnOf } from "../inav/gst.js";
import { encodeParity } from "../inav/reed-solomon.js";
import { toHex } from "./bit-writer.js";
import { encodeContent, encodeHkroot, nmaHeaderByte, phaseAt } from "./dsm.js";
import {
  alertPhase,
  chainEndFor,
  crevPhases,
  eocPhases,
  flipBit,
  nmtPhases,
  nominalPhase,
  npkPhases,
  pkrevPhases,
  Simulation,
  type SimulationOptions,
} from "./scenario.js";
import { rootKeyText, TestAuthority } from "./test-authority.js";
import { type ChainParameters, OPERATIONAL_PARAMETERS, TeslaChain } from "./tesla-chain.js";
import { damaged, type DamageReport, ubxFrames, ubxStream, type UbxStreamOptions } from "./ubx-stream.js";

/** Raised when captures of the same definition come out with other bytes. */
export const GENERATOR_VERSION = "osnmad-simulate 1";

/** What must come out of a capture; the words are for people, the fields for tests. */
export interface ExpectedVerdict {
  readonly summary: string;
  /** NMAS, CPKS and CID of the last verified NMA header. */
  readonly nmas: number;
  readonly cpks: number;
  readonly cid: number;
  /** PKID of the key in force at the end. */
  readonly pkid: number;
  /** An alert message was authenticated. */
  readonly alert: boolean;
  /** Satellites that must have authenticated ephemeris and clock (ADKD 0 or 12) at some time. */
  readonly authenticated: readonly number[];
  /** Satellites heard that never may. */
  readonly neverAuthenticated: readonly number[];
}

/** Header of a capture, written beside it as JSON. */
export interface CaptureHeader {
  readonly name: string;
  readonly what: string;
  readonly warning: string;
  readonly generator: string;
  readonly seed: string;
  readonly start: { readonly wn: number; readonly towSeconds: number };
  readonly end: { readonly wn: number; readonly towSeconds: number };
  readonly place: {
    readonly latitudeDeg: number;
    readonly longitudeDeg: number;
    readonly heightMeters: number;
  };
  readonly satellites: readonly number[];
  /** Of the chain in force at the start. */
  readonly chain: ChainParameters & { readonly cid: number; readonly alpha: string };
  /** Files of `captures/` to start with. */
  readonly trust: {
    readonly merkleTree: readonly string[];
    readonly publicKeys: readonly string[];
    readonly rootKey: string | null;
  };
  readonly stream: UbxStreamOptions;
  readonly damage?: DamageReport;
  readonly expected: ExpectedVerdict;
}

/** One capture, built. */
export interface Capture {
  readonly header: CaptureHeader;
  readonly ubx: Uint8Array;
  /** Trust files by path under `captures/`. */
  readonly trustFiles: Readonly<Record<string, string>>;
}

const WARNING =
  "Simulated. Test keys and a test Merkle tree of osnmad; nothing in here is signed by Galileo.";
const WEEK = 1400;
/** What the files of GSC would say; a fixed date before every capture. */
const ISSUE_DATE = "2026-01-01T00:00:00Z";

interface Definition {
  readonly name: string;
  readonly what: string;
  readonly simulation: SimulationOptions;
  readonly trust: {
    readonly authorities: readonly TestAuthority[];
    readonly pkids: readonly number[];
    /** true: the root key in force at the start is given too (hot start). */
    readonly hot: boolean;
  };
  readonly stream: UbxStreamOptions;
  readonly isDamaged?: boolean;
  readonly expected: (satellites: readonly number[]) => ExpectedVerdict;
}

let cachedAuthority: TestAuthority | undefined;

/** The test authority behind all captures. PKID 9 is P-521, as in the official vectors. */
export function captureAuthority(): TestAuthority {
  cachedAuthority ??= new TestAuthority("osnmad captures, tree A", { curves: { 9: "P-521" } });
  return cachedAuthority;
}

/** Names of all captures. */
export function captureNames(): string[] {
  return definitions().map(({ name }) => name);
}

/** Builds one capture in memory. RangeError for an unknown name. */
export function buildCapture(name: string): Capture {
  const definition = definitions().find((one) => one.name === name);
  if (definition === undefined) throw new RangeError(`no capture ${name}`);
  return build(definition);
}

/** The files of a capture by path under `captures/`. */
export function captureFiles(capture: Capture): Map<string, Uint8Array> {
  const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value, "utf8"));
  const files = new Map<string, Uint8Array>();
  files.set(`${capture.header.name}.ubx`, capture.ubx);
  files.set(`${capture.header.name}.json`, text(headerJson(capture.header)));
  for (const [path, content] of Object.entries(capture.trustFiles)) files.set(path, text(content));
  return files;
}

/** JSON with short arrays on one line, as the formatter of this repository wants it. */
function headerJson(header: CaptureHeader): string {
  const text = JSON.stringify(header, null, 2);
  return `${text.replace(/\[\s+([^[\]{}]*?)\s+\]/g, (_, items: string) => `[${items.replace(/\s*\n\s*/g, " ")}]`)}\n`;
}

function build(definition: Definition): Capture {
  const simulation = new Simulation(definition.simulation);
  const { trust, simulation: options } = definition;
  const trustFiles: Record<string, string> = {};
  const merkleTree: string[] = [];
  const publicKeys: string[] = [];
  trust.authorities.forEach((authority, index) => {
    const path = `trust/TEST_OSNMA_MerkleTree_${index === 0 ? "A" : "B"}.xml`;
    trustFiles[path] = authority.merkleTreeXml([index === 0 ? 2 : 1], ISSUE_DATE);
    merkleTree.push(path);
  });
  const [authority] = trust.authorities;
  if (authority === undefined) throw new RangeError("a capture needs an authority");
  for (const pkid of trust.pkids) {
    const path = `trust/TEST_OSNMA_PublicKey_${pkid}.xml`;
    trustFiles[path] = authority.publicKeyXml(pkid, ISSUE_DATE);
    publicKeys.push(path);
  }
  const phase = phaseAt(options.phases, options.startGst);
  const chain = phase.chain;
  let rootKey: string | null = null;
  if (trust.hot) {
    const pkid = trust.pkids[0];
    if (pkid === undefined) throw new RangeError("a hot start needs its public key");
    const header = nmaHeaderByte({ nmas: phase.nmas, cpks: phase.cpks, cid: chain.cid });
    const content = { kind: "kroot", chain, authority, pkid } as const;
    rootKey = `trust/TEST_root-key_${definition.name}.txt`;
    trustFiles[rootKey] = rootKeyText(
      encodeContent(content, header, chain.rootHourAt(options.startGst)),
      header,
    );
  }
  const harmed =
    definition.isDamaged === true ? damaged(ubxFrames(simulation, definition.stream), options.seed) : null;
  const header: CaptureHeader = {
    name: definition.name,
    what: definition.what,
    warning: WARNING,
    generator: GENERATOR_VERSION,
    seed: options.seed,
    start: { wn: wnOf(simulation.startGst), towSeconds: towOf(simulation.startGst) },
    end: { wn: wnOf(simulation.endGst), towSeconds: towOf(simulation.endGst) },
    place: simulation.place,
    satellites: simulation.satellites,
    chain: { ...chain.parameters, cid: chain.cid, alpha: toHex(chain.alpha) },
    trust: { merkleTree, publicKeys, rootKey },
    stream: definition.stream,
    ...(harmed === null ? {} : { damage: harmed.report }),
    expected: definition.expected(simulation.satellites),
  };
  return { header, ubx: harmed?.bytes ?? ubxStream(simulation, definition.stream), trustFiles };
}

/** A position now and then keeps the captures small. */
const LEAN: UbxStreamOptions = { positionEverySeconds: 10 };

function definitions(): Definition[] {
  const authority = captureAuthority();
  const signer = { authority, pkid: 2 };
  const trustHot = { authorities: [authority], pkids: [2], hot: true };

  const chainFrom = (
    name: string,
    cid: number,
    startGst: number,
    endGst: number,
    parameters: ChainParameters = OPERATIONAL_PARAMETERS,
  ): TeslaChain => new TeslaChain({ seed: `capture ${name}`, cid, startGst, endGst, parameters });
  const hourOf = (gst: number): number => Math.floor(gst / 3600) * 3600;

  /** A hot-started capture in nominal operation under PKID 2. */
  const nominal = (
    name: string,
    startGst: number,
    subframes: number,
    more: Partial<SimulationOptions> = {},
    parameters?: ChainParameters,
  ): SimulationOptions => {
    const chain = chainFrom(name, 1, hourOf(startGst), chainEndFor(startGst, subframes), parameters);
    return {
      seed: `capture ${name}`,
      startGst,
      subframes,
      phases: [nominalPhase(hourOf(startGst), chain, signer)],
      maxSatellites: 9,
      ...more,
    };
  };
  /** In force at the end: operational, nominal, CID 1, PKID 2, unless said otherwise. */
  const verdict = (
    summary: string,
    authenticated: readonly number[],
    more: Partial<ExpectedVerdict> = {},
  ): ExpectedVerdict => ({
    summary,
    nmas: 2,
    cpks: 1,
    cid: 1,
    pkid: 2,
    alert: false,
    authenticated,
    neverAuthenticated: [],
    ...more,
  });

  /** An hour somewhere in the middle of the week. */
  const hour39 = gstOf(WEEK, 39 * 3600);
  return [
    nominalDefinition(),
    coldStartDefinition(),
    alertDefinition(),
    forgedAlertDefinition(),
    forgedTagsDefinition(),
    eocDefinition(),
    crevDefinition(),
    npkDefinition(),
    pkrevDefinition(),
    nmtDefinition(),
    ...cmacDefinitions(),
    weekRolloverDefinition(),
    damagedDefinition(),
  ];

  function heard(options: SimulationOptions): readonly number[] {
    return new Simulation(options).satellites;
  }

  function nominalDefinition(): Definition {
    const start = hour39 + 480;
    const base = nominal("nominal", start, 14, { maxSatellites: 10 });
    const [unhealthy, silent, old] = heard(base) as [number, number, number];
    return {
      name: "nominal",
      what:
        `Nominal operation, hot start, IODnav changes after three minutes. E${unhealthy} is out of service with ` +
        `dummy tags, E${silent} sends no OSNMA and is authenticated by others, E${old} sends no FEC2 and no SSP.`,
      simulation: {
        ...base,
        events: [
          { svid: unhealthy, e1bHs: 1, e1bDvs: 1, e5bHs: 1, e5bDvs: 1, sisa: 255, dummyTags: true },
          { svid: silent, osnma: false },
          { svid: old, improved: false },
        ],
      },
      trust: trustHot,
      stream: { rawx: true },
      expected: (satellites) =>
        verdict(
          `All tags verify; E${unhealthy} gets dummy tags only and is never authenticated.`,
          satellites.filter((svid) => svid !== unhealthy),
          { neverAuthenticated: [unhealthy] },
        ),
    };
  }

  function coldStartDefinition(): Definition {
    // 06:04 GST: the DSM-PKR burst of the six-hour window lasts until 06:06:30, a root follows.
    return {
      name: "cold-start",
      what:
        "Power-up with the Merkle root only, inside the 06 h DSM-PKR window. At first no time, then a wrong week; " +
        "RXM-RAWX week 0 until the time is known; NMEA in between.",
      simulation: nominal("cold-start", gstOf(WEEK, 30 * 3600 + 240), 13, { maxSatellites: 8 }),
      trust: { authorities: [authority], pkids: [], hot: false },
      stream: { ...LEAN, rawx: true, nmea: true, coldStart: { unknownSeconds: 20, wrongWeekSeconds: 10 } },
      expected: (satellites) =>
        verdict("PKID 2 arrives by DSM-PKR, then the root verifies, then tags.", satellites),
    };
  }

  function alertDefinition(): Definition {
    const start = hour39 + 1200;
    const base = nominal("alert", start, 12);
    return {
      name: "alert",
      what: "Three minutes of nominal operation, then a genuine OSNMA alert message (OAM) under Don't Use.",
      simulation: {
        ...base,
        phases: [...base.phases, alertPhase(start + 180, base.phases[0]!.chain, signer)],
      },
      trust: trustHot,
      stream: LEAN,
      expected: (satellites) =>
        verdict(
          `Authenticated until ${formatGst(start + 180)}; the alert is proven within about a minute and latches.`,
          satellites,
          { nmas: 3, cpks: 7, alert: true },
        ),
    };
  }

  function forgedAlertDefinition(): Definition {
    const start = hour39 + 1200;
    const [from, until] = [start + 120, start + 240];
    const attacker = new TestAuthority("osnmad captures, attacker");
    const header = nmaHeaderByte({ nmas: 3, cid: 1, cpks: 7 });
    const dsm = encodeContent({ kind: "alert", authority: attacker }, header, 0);
    const base = nominal("forged-alert", start, 14);
    const order = heard(base);
    // Each satellite its own block, the next ones in the next subframe: the message is complete in two.
    const blockOf = (svid: number, gst: number): number =>
      (order.indexOf(svid) + (order.length * (gst - from)) / SUBFRAME_SECONDS) % 13;
    return {
      name: "forged-alert",
      what:
        "For two minutes an attacker sends Don't Use, CPKS alert and an alert message of a tree of its own on all " +
        "satellites; MACK sections stay genuine (their tags are made with NMAS operational).",
      simulation: {
        ...base,
        tamperOsnma: (subframe) =>
          subframe.gst < from || subframe.gst >= until
            ? subframe
            : { ...subframe, hkroot: encodeHkroot(header, 15, dsm, blockOf(subframe.svid, subframe.gst)) },
      },
      trust: trustHot,
      stream: LEAN,
      expected: (satellites) =>
        verdict(
          `No alert latches: the proof fails. Tags of ${formatGst(from)} to ${formatGst(until - 30)} fail (the NMAS ` +
            "they are checked with is forged). Authentication goes on afterwards.",
          satellites,
        ),
    };
  }

  function forgedTagsDefinition(): Definition {
    const start = hour39 + 1200;
    const base = nominal("forged-tags", start, 14);
    const [data, tag, macseq, key, block] = heard(base) as [number, number, number, number, number];
    const clean = new Simulation(base);
    const forgedCed = (gst: number): Uint8Array[] => {
      const words = [1, 2, 3, 4].map((type) => clean.navigation.word(data, type, gst, gst));
      // The least significant bit of sqrt(A): 0.2 m of radius.
      words[0] = flipBit(words[0]!, 125);
      const [w1, w2, w3, w4] = words as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
      return [w1, w2, w3, w4, ...encodeParity(w1, w2, w3, w4)];
    };
    return {
      name: "forged-tags",
      what:
        `E${data}: one bit of sqrt(A) forged, FEC2 words to match. E${tag}: the first bit of every Tag0 flipped. ` +
        `E${macseq}: a bit of MACSEQ flipped. E${key}: a bit of the key flipped. E${block}: one DSM block forged at ` +
        `${formatGst(start + 60)}.`,
      simulation: {
        ...base,
        tamperWord: (word, svid, type, pageGst) => {
          if (svid !== data) return word;
          const words = forgedCed(Math.floor((pageGst - 1) / SUBFRAME_SECONDS) * SUBFRAME_SECONDS);
          const slot = type >= 1 && type <= 4 ? type - 1 : type >= 17 && type <= 20 ? type - 13 : -1;
          return words[slot] ?? word;
        },
        tamperOsnma: (subframe) => {
          const { svid, gst, mack, hkroot } = subframe;
          if (svid === tag) return { ...subframe, mack: flipBit(mack, 0) };
          if (svid === macseq) return { ...subframe, mack: flipBit(mack, 40) };
          if (svid === key) return { ...subframe, mack: flipBit(mack, 336) };
          if (svid === block && gst === start + 60) return { ...subframe, hkroot: flipBit(hkroot, 60) };
          return subframe;
        },
      },
      trust: trustHot,
      stream: LEAN,
      expected: (satellites) =>
        verdict(
          `E${data} never authenticates (its ADKD 0 and 12 tags fail, ADKD 4 verifies); Tag0 of E${tag} always fails; ` +
            `E${macseq} loses its flexible tags; the keys of E${key} are rejected and nobody else's are; all else verifies.`,
          satellites.filter((svid) => svid !== data),
          { neverAuthenticated: [data] },
        ),
    };
  }

  function eocDefinition(): Definition {
    const change = hour39 + 3600;
    const start = change - 480;
    const subframes = 28;
    const oldChain = chainFrom("eoc old", 1, hour39, chainEndFor(start, subframes));
    const newChain = chainFrom("eoc new", 2, change, chainEndFor(start, subframes));
    return {
      name: "eoc",
      what: `End of chain: chain 1 gives way to chain 2 at ${formatGst(change)}; both roots alternate before.`,
      simulation: {
        seed: "capture eoc",
        startGst: start,
        subframes,
        maxSatellites: 6,
        phases: eocPhases(start, oldChain, newChain, signer),
      },
      trust: trustHot,
      stream: LEAN,
      expected: (satellites) =>
        verdict(
          "No tag fails and none is lost: those of the last subframes of chain 1 open with keys of chain 2.",
          satellites,
          { cid: 2 },
        ),
    };
  }

  function crevDefinition(): Definition {
    const change = hour39 + 3600;
    const start = change - 360;
    const subframes = 28;
    const oldChain = chainFrom("crev old", 0, hour39, chainEndFor(start, subframes));
    const newChain = chainFrom("crev new", 1, change, chainEndFor(start, subframes));
    return {
      name: "crev",
      what: `Chain 0 revoked at ${formatGst(start + 150)} (Don't Use), chain 1 in force from ${formatGst(change)}.`,
      simulation: {
        seed: "capture crev",
        startGst: start,
        subframes,
        maxSatellites: 6,
        phases: [
          nominalPhase(start, oldChain, signer),
          ...crevPhases(start + 150, oldChain, newChain, change + 240, signer),
        ],
      },
      trust: trustHot,
      stream: LEAN,
      expected: (satellites) =>
        verdict("Nothing authenticates while Don't Use holds; chain 0 is discarded for good.", satellites),
    };
  }

  function npkDefinition(): Definition {
    const change = hour39 + 3600;
    const start = change - 300;
    const subframes = 28;
    const newKey = { authority, pkid: 3 };
    const chain = chainFrom("npk", 1, hour39, chainEndFor(start, subframes));
    return {
      name: "npk",
      what: `New public key: PKID 3 announced at ${formatGst(start + 60)}, in use from ${formatGst(change)}.`,
      simulation: {
        seed: "capture npk",
        startGst: start,
        subframes,
        maxSatellites: 6,
        phases: [
          nominalPhase(start, chain, signer),
          ...npkPhases(start + 60, change, change + 240, chain, signer, newKey),
        ],
      },
      trust: trustHot,
      stream: LEAN,
      expected: (satellites) => verdict("The same chain goes on under PKID 3.", satellites, { pkid: 3 }),
    };
  }

  function pkrevDefinition(): Definition {
    const change = hour39 + 3600;
    const start = change - 720;
    const subframes = 42;
    const [oldKey, newKey] = [
      { authority, pkid: 8 },
      { authority, pkid: 9 },
    ];
    const oldChain = chainFrom("pkrev old", 1, hour39, chainEndFor(start, subframes));
    const newChain = chainFrom("pkrev new", 2, change, chainEndFor(start, subframes));
    return {
      name: "pkrev-p521",
      what:
        `PKID 8 revoked at ${formatGst(start + 150)}: PKID 9 (P-521) by DSM-PKR of 16 blocks, its root of 13 ` +
        `blocks; chain 2 in force from ${formatGst(change)}.`,
      simulation: {
        seed: "capture pkrev",
        startGst: start,
        subframes,
        maxSatellites: 6,
        phases: [
          nominalPhase(start, oldChain, oldKey),
          ...pkrevPhases(start + 150, oldChain, newChain, change + 240, newKey),
        ],
      },
      trust: { authorities: [authority], pkids: [8], hot: true },
      stream: LEAN,
      expected: (satellites) =>
        verdict(
          "Nothing authenticates between the revocation and chain 2; PKID 8 is discarded.",
          satellites,
          {
            cid: 2,
            pkid: 9,
          },
        ),
    };
  }

  function nmtDefinition(): Definition {
    const change = hour39 + 3600;
    const start = change - 300;
    const subframes = 28;
    const next = new TestAuthority("osnmad captures, tree B");
    const newKey = { authority: next, pkid: 1 };
    const oldKey = { authority, pkid: 8 };
    const chain = chainFrom("nmt", 1, hour39, chainEndFor(start, subframes));
    return {
      name: "nmt",
      what: `New Merkle tree: PKID 1 of tree B announced at ${formatGst(start + 60)}, in use from ${formatGst(change)}.`,
      simulation: {
        seed: "capture nmt",
        startGst: start,
        subframes,
        maxSatellites: 6,
        phases: [
          nominalPhase(start, chain, oldKey),
          ...nmtPhases(start + 60, change, change + 240, chain, oldKey, newKey),
        ],
      },
      trust: { authorities: [authority, next], pkids: [8], hot: true },
      stream: LEAN,
      expected: (satellites) =>
        verdict("The same chain goes on under PKID 1 of tree B, a lower PKID than before.", satellites, {
          pkid: 1,
        }),
    };
  }

  function cmacDefinitions(): Definition[] {
    const rows = [
      { keyBits: 192, tagBits: 28, maclt: 35 },
      { keyBits: 256, tagBits: 24, maclt: 38 },
      { keyBits: 192, tagBits: 32, maclt: 34 },
    ];
    return rows.map(({ keyBits, tagBits, maclt }) => {
      const name = `cmac-sha3-lt${tagBits}`;
      const parameters: ChainParameters = { hash: "SHA3-256", mac: "CMAC-AES", keyBits, tagBits, maclt };
      return {
        name,
        what: `CMAC-AES over a SHA3-256 chain: keys of ${keyBits} bits, tags of ${tagBits}, MACLT ${maclt}. No real chain is like it.`,
        simulation: nominal(name, hour39 + 1200, 14, { maxSatellites: 6 }, parameters),
        trust: trustHot,
        stream: LEAN,
        expected: (satellites) =>
          verdict(
            `All tags verify. Two tags of ${tagBits} bits on the same data reach 40 bits; one does not.`,
            satellites,
          ),
      };
    });
  }

  function weekRolloverDefinition(): Definition {
    const start = gstOf(WEEK + 1, -180);
    return {
      name: "week-rollover",
      what: `The week turns from ${WEEK} to ${WEEK + 1} after three minutes; the DSM-PKR window opens, then the root of TOWH 0 comes, its K0 in the old week.`,
      simulation: nominal("week-rollover", start, 24, { maxSatellites: 7 }),
      trust: trustHot,
      stream: { ...LEAN, rawx: true },
      expected: (satellites) => verdict("No gap and no failure at the rollover.", satellites),
    };
  }

  function damagedDefinition(): Definition {
    return {
      name: "damaged",
      what:
        "A bad serial link: bytes lost inside frames in multiples of 128, bad checksums, garbage with false sync " +
        "bytes, empty frames, RTCM, frames sent twice, NMEA, and an end in the middle of a frame. Some pages are lost.",
      simulation: nominal("damaged", hour39 + 1200, 14, { pageLoss: 0.02 }),
      trust: trustHot,
      stream: { nmea: true },
      isDamaged: true,
      expected: (satellites) =>
        verdict("No tag fails; fewer verify than in an undamaged stream.", satellites),
    };
  }
}
