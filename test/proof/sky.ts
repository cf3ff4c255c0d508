/**
 * A station under a simulated sky that lasts until the slow keys of its first fixes are out, with the evidence of each
 * fix: what a proof package is made of.
 */
import { fixEvidence } from "../../src/cli/fix-evidence.js";
import { ownObjects, type FixEvidence } from "../../src/evidence/bundle.js";
import type { TrustedRoot } from "../../src/evidence/verify.js";
import { fixesWith } from "../../src/fix/fix-stage.js";
import { Pipeline } from "../../src/pipeline/pipeline.js";
import type { FixRecord } from "../../src/pipeline/records.js";
import type { ProvableFix } from "../../src/proof/make.js";
import { parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import { ubxFrames } from "../../src/simulate/ubx-stream.js";
import { Station } from "../../src/station/station.js";

const scenario = parametrisedScenario({ seed: "proof", subframes: 15 });
const { seed, startGst, subframes, phases } = scenario.options;
export const START_GST = startGst;
const { authority } = scenario;
const { curve, npk } = authority.key(1);
const root = Buffer.from(authority.root).toString("hex");

/** The test root, as `osnmad verify --merkle` gives it. */
export const ROOTS: readonly TrustedRoot[] = [{ root: authority.root, standing: "test", label: "test root" }];
export const TRUST = {
  roots: [{ root }],
  keys: [
    {
      root,
      pkid: 1,
      type: curve,
      point: npk,
      proof: { leafIndex: 0, siblings: authority.proof(0) },
    },
  ],
};

type Step = (station: Station) => void;
interface Sky {
  readonly steps: readonly { readonly all: readonly Step[]; readonly now: number }[];
  readonly fixes: readonly SkyFix[];
}

export interface SkyFix extends ProvableFix {
  /** The evidence as a store takes it. */
  readonly made: FixEvidence | null;
}

/** The Merkle tree of the test root, as a file of GSC. */
export const merkleFile = (): string => authority.merkleTreeXml([1], "2026-01-01T00:00:00Z");

let sky: Sky | null = null;

/** What a pipeline hands on, and the GST it has come to: made once, and given to every station. */
function hear(): Sky {
  if (sky !== null) return sky;
  const simulation = new Simulation({ seed, startGst, subframes, phases, maxSatellites: 7 });
  const steps: { all: Step[]; now: number }[] = [];
  const fixes: SkyFix[] = [];
  let all: Step[] = [];
  let evidence: FixEvidence | null = null;
  const mode = "simulated";
  const pipeline = new Pipeline(
    {
      ...TRUST,
      mode,
      fixes: fixesWith({
        mode,
        softwareVersion: "test",
        evidence: fixEvidence((made) => {
          evidence = made;
        }),
      }),
      softwareVersion: "test",
      observer: {
        message: (messageClass, messageId, payload) => {
          const copy = Uint8Array.from(payload);
          all.push((station) => {
            station.message(messageClass, messageId, copy);
          });
        },
        page: (page, gst, trusted) => {
          const copy = { ...page, word: Uint8Array.from(page.word) };
          all.push((station) => {
            station.page(copy, gst, trusted);
          });
        },
      },
    },
    (record) => {
      if (record.type !== "fix") return;
      fixes.push({
        record,
        evidence: evidence === null ? null : objectsOf(record, evidence),
        made: evidence,
      });
      evidence = null;
      all.push((station) => {
        station.fix(record);
      });
    },
  );
  const next = (): void => {
    steps.push({ all, now: pipeline.engine.now });
    all = [];
  };
  for (const frame of ubxFrames(simulation, { rawx: true })) {
    pipeline.push(frame);
    next();
  }
  pipeline.end();
  next();
  return (sky = { steps, fixes });
}

function objectsOf(record: FixRecord, made: FixEvidence): NonNullable<ProvableFix["evidence"]> {
  return { mode: record.mode, root: made.root, objects: [...ownObjects(record, made), ...made.shared] };
}

/** Plays the whole sky; `onLeaf` is called after each leaf is signed, with the GST to which the stream has come. */
export async function play(station: Station, onLeaf: (gst: number) => Promise<void>): Promise<void> {
  let { size } = station.log;
  for (const { all, now } of hear().steps) {
    for (const step of all) step(station);
    if (station.log.size === size) continue;
    ({ size } = station.log);
    await station.signed();
    await onLeaf(now);
  }
  await station.end();
}

export function openStation(directory: string): Station {
  return new Station({
    directory,
    mode: "simulated",
    flush: false,
    softwareVersion: "test",
    receiver: "sim",
  });
}

/** The first graded fix at least so many seconds after the start. */
export function fixAfter(seconds: number): SkyFix {
  const found = hear().fixes.find(
    ({ record, evidence }) =>
      record.gst >= START_GST + seconds && record.assurance === "nav-authenticated" && evidence !== null,
  );
  if (found === undefined) throw new Error("the sky has no such fix");
  return found;
}
