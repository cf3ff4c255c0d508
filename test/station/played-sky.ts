/** A simulated sky, and what a pipeline hands a station of it: made once, and played to as many stations as are wanted. */
import { fixEvidence } from "../../src/cli/fix-evidence.js";
import type { FixEvidence } from "../../src/evidence/bundle.js";
import { fixesWith } from "../../src/fix/fix-stage.js";
import { Pipeline } from "../../src/pipeline/pipeline.js";
import type { FixRecord } from "../../src/pipeline/records.js";
import { parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import type { TestAuthority } from "../../src/simulate/test-authority.js";
import { ubxFrames } from "../../src/simulate/ubx-stream.js";
import { Station } from "../../src/station/station.js";
import { trustOf } from "../support/osnma.js";

export interface SkyOptions {
  readonly seed: string;
  /** How long it lasts, in 30 s. */
  readonly subframes: number;
  readonly maxSatellites: number;
  /** Makes the evidence of each fix too; takes twice as long. */
  readonly evidence?: boolean;
}

export interface HeardFix {
  readonly record: FixRecord;
  /** As a store takes it; null where none is made. */
  readonly made: FixEvidence | null;
}

type Step = (station: Station) => void;
interface Heard {
  /** Of each frame, with the GST that the stream has come to. */
  readonly steps: readonly { readonly all: readonly Step[]; readonly now: number }[];
  readonly fixes: readonly HeardFix[];
}

export class PlayedSky {
  readonly authority: TestAuthority;
  readonly startGst: number;
  readonly satellites: readonly number[];
  /** With the way to the Merkle root, which evidence needs. */
  readonly trust;
  readonly #simulation: Simulation;
  readonly #hasEvidence: boolean;
  #frames: readonly Uint8Array[] | null = null;
  #heard: Heard | null = null;

  constructor({ maxSatellites, evidence = false, ...options }: SkyOptions) {
    const scenario = parametrisedScenario(options);
    const { seed, startGst, subframes, phases } = scenario.options;
    const { authority } = scenario;
    this.authority = authority;
    this.startGst = startGst;
    this.#simulation = new Simulation({ seed, startGst, subframes, phases, maxSatellites });
    this.satellites = this.#simulation.satellites;
    const trust = trustOf(authority, [1]);
    const proof = { leafIndex: 0, siblings: authority.proof(0) };
    this.trust = { ...trust, keys: trust.keys.map((key) => ({ ...key, proof })) };
    this.#hasEvidence = evidence;
  }

  /** As the receiver sends them. */
  get frames(): readonly Uint8Array[] {
    return (this.#frames ??= [...ubxFrames(this.#simulation, { rawx: true })]);
  }

  get fixes(): readonly HeardFix[] {
    return this.#hear().fixes;
  }

  /** Plays all of it; `onLeaf` is called after each leaf is signed, with the GST to which the stream has come. */
  async play(station: Station, onLeaf: (gst: number) => Promise<void>): Promise<void> {
    let { size } = station.log;
    for (const { all, now } of this.#hear().steps) {
      for (const step of all) step(station);
      if (station.log.size === size) continue;
      ({ size } = station.log);
      await station.signed();
      await onLeaf(now);
    }
    await station.end();
  }

  #hear(): Heard {
    if (this.#heard !== null) return this.#heard;
    const steps: { all: Step[]; now: number }[] = [];
    const fixes: HeardFix[] = [];
    let all: Step[] = [];
    let made: FixEvidence | null = null;
    const mode = "simulated";
    const evidence = fixEvidence((each) => {
      made = each;
    });
    const pipeline = new Pipeline(
      {
        ...this.trust,
        mode,
        fixes: fixesWith({ mode, softwareVersion: "test", ...(this.#hasEvidence ? { evidence } : {}) }),
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
        fixes.push({ record, made });
        made = null;
        all.push((station) => {
          station.fix(record);
        });
      },
    );
    const next = (): void => {
      steps.push({ all, now: pipeline.engine.now });
      all = [];
    };
    for (const frame of this.frames) {
      pipeline.push(frame);
      next();
    }
    pipeline.end();
    next();
    return (this.#heard = { steps, fixes });
  }
}

/** A station of simulated signals, as such a sky is played to. */
export function openStation(directory: string): Station {
  return new Station({
    directory,
    mode: "simulated",
    flush: false,
    softwareVersion: "test",
    receiver: "sim",
  });
}
