/** Live runs of the whole pipeline: what a clock of one's own allows, an alert under any clock, restarts from state. */
import { describe, expect, it } from "vitest";
import type { OsnmaSnapshot } from "../../src/osnma/engine.js";
import type { TrustedTime } from "../../src/osnma/time-gate.js";
import { Pipeline, type PipelineOptions, type PipelineRecord } from "../../src/pipeline/pipeline.js";
import { alertPhase, parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import { ubxFrames } from "../../src/simulate/ubx-stream.js";
import { trustOf } from "../support/osnma.js";

const SUBFRAMES = 14;
/** As many as a DSM-PKR has blocks: it is whole after one subframe. */
const SATELLITES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];
const scenario = parametrisedScenario({ seed: "live", subframes: SUBFRAMES, satellites: SATELLITES });
const nominal = new Simulation(scenario.options);
const { startGst } = nominal;
const hour = Math.floor(startGst / 3600) * 3600;
const alerting = new Simulation({
  ...scenario.options,
  subframes: 3,
  phases: [alertPhase(hour, scenario.chain, { authority: scenario.authority, pkid: 1 })],
});
const base: PipelineOptions = {
  ...trustOf(scenario.authority, [1]),
  mode: "live",
  softwareVersion: "test",
};

interface Timed {
  readonly frame: Uint8Array;
  /** Linear GST of its arrival. */
  readonly at: number;
}

const timed = new Map<Simulation, Timed[]>();
function framesOf(simulation: Simulation): Timed[] {
  let known = timed.get(simulation);
  if (known === undefined) {
    known = [];
    let at = simulation.startGst + 1.1;
    const first = simulation.startGst % 604_800;
    for (const frame of ubxFrames(simulation, { rawx: true })) {
      known.push({ frame, at });
      // NAV-TIMEGAL tells the epoch; pages that end with it come within 0.1 s.
      if (frame[2] === 0x01 && frame[3] === 0x25) {
        const tow = new DataView(frame.buffer, frame.byteOffset).getUint32(10, true);
        at = simulation.startGst + (tow - first) + 0.1;
      }
    }
    timed.set(simulation, known);
  }
  return known;
}

type Clock = (at: number) => TrustedTime | null | undefined;
const good: Clock = (at) => ({ gst: at, boundSeconds: 0.5, assurance: "independent" });

function run(frames: readonly Timed[], clock: Clock, options: Partial<PipelineOptions> = {}) {
  const records: PipelineRecord[] = [];
  const pipeline = new Pipeline({ ...base, ...options }, (record) => records.push(record));
  for (const { frame, at } of frames) pipeline.push(frame, clock(at));
  const summary = pipeline.end();
  const authenticated = records.filter((record) => record.type === "authenticated");
  return { pipeline, summary, authenticated };
}

const stored = ({ engine }: Pipeline): OsnmaSnapshot =>
  JSON.parse(JSON.stringify(engine.snapshot())) as OsnmaSnapshot;

/** Every clock that is none, or not one's own. */
const USELESS: [string, Clock][] = [
  ["no clock", () => null],
  ["nothing said of one", () => undefined],
  ["the signal's own time", (at) => ({ gst: at, boundSeconds: 0.1, assurance: "capture" })],
  ["no number", () => ({ gst: Number.NaN, boundSeconds: 0.1, assurance: "independent" })],
  [
    "an unbounded error",
    (at) => ({ gst: at, boundSeconds: Number.POSITIVE_INFINITY, assurance: "independent" }),
  ],
  ["an error that is no number", (at) => ({ gst: at, boundSeconds: Number.NaN, assurance: "independent" })],
  ["a negative error", (at) => ({ gst: at, boundSeconds: -1, assurance: "independent" })],
  ["400 s ahead", (at) => ({ gst: at + 400, boundSeconds: 0.5, assurance: "independent" })],
  ["400 s behind", (at) => ({ gst: at - 400, boundSeconds: 0.5, assurance: "independent" })],
];

describe("a live run", () => {
  const reference = run(framesOf(nominal), good);

  it("authenticates by a clock of its own", () => {
    expect(reference.authenticated.length).toBeGreaterThan(20);
    expect(reference.summary.state).toBe("authenticating");
  });

  it.each(USELESS)("authenticates nothing with %s, hot or not", (_, clock) => {
    for (const snapshot of [null, stored(reference.pipeline)]) {
      const { summary, authenticated, pipeline } = run(framesOf(nominal), clock, { snapshot });
      expect(authenticated).toEqual([]);
      expect(summary.tags.verified).toEqual({ "0": 0, "4": 0, "12": 0 });
      expect(summary.ttfafSeconds).toBeNull();
      for (const svid of SATELLITES) expect(pipeline.engine.ced(svid)).toBeNull();
    }
  });

  it("that was stopped goes on from its state, hot, and again only by a clock", () => {
    const middle = startGst + 190;
    const first = run(
      framesOf(nominal).filter(({ at }) => at < middle),
      good,
    );
    const rest = framesOf(nominal).filter(({ at }) => at >= middle);
    const snapshot = stored(first.pipeline);
    const second = run(rest, good, { snapshot });
    expect(second.summary.ttfafSeconds).toBeLessThanOrEqual(run(rest, good).summary.ttfafSeconds!);
    expect(second.authenticated.length).toBeGreaterThan(10);
    expect(second.summary.tags.failed).toEqual({ "0": 0, "4": 0, "12": 0 });
    expect(run(rest, () => null, { snapshot }).authenticated).toEqual([]);
  });
});

describe("an alert", () => {
  it.each([...USELESS.slice(0, 4), ["a good one", good] as [string, Clock]])(
    "latches with %s, for good, over a restart and whatever clock comes",
    (_, clock) => {
      const alert = run(framesOf(alerting), clock);
      expect(alert.summary.alertVerified).toBe(true);
      // The stream that follows is without fault, and so is its clock.
      const { pipeline, records } = { pipeline: alert.pipeline, records: alert.authenticated.length };
      for (const { frame, at } of framesOf(nominal)) pipeline.push(frame, good(at));
      expect(alert.authenticated).toHaveLength(records);
      expect(pipeline.engine.state).toBe("alert");
      const restarted = run(framesOf(nominal), good, { snapshot: stored(pipeline) });
      expect(restarted.authenticated).toEqual([]);
      expect(restarted.summary).toMatchObject({ state: "alert", alertVerified: true });
    },
  );

  it("is found under a clock that jumps and goes", () => {
    const clocks: Clock[] = [good, ...USELESS.map(([, clock]) => clock)];
    const { summary } = run(framesOf(alerting), (at) =>
      clocks[Math.floor((at - startGst) / 31) % clocks.length](at),
    );
    expect(summary.alertVerified).toBe(true);
  });
});
