/** How the receiver's own fix is graded: corroborated at most, and every reason that lowers it is named. */
import { describe, expect, it } from "vitest";
import { gstOf } from "../../src/inav/gst.js";
import { FixStage } from "../../src/fix/fix-stage.js";
import type { FixRecord } from "../../src/pipeline/records.js";
import { NMAS } from "../../src/simulate/dsm.js";
import {
  alertPhase,
  nominalPhase,
  parametrisedScenario,
  Simulation,
  type ParametrisedScenario,
} from "../../src/simulate/scenario.js";
import { ubxFrames } from "../../src/simulate/ubx-stream.js";
import { runEngine, timedPages, trustOf } from "../support/osnma.js";

const scenario = parametrisedScenario({ seed: "receiver fix", subframes: 6 });
const visible = (options: ParametrisedScenario["options"], count: number): Simulation => {
  const { seed, startGst, subframes, phases } = options;
  return new Simulation({ seed, startGst, subframes, phases, maxSatellites: count });
};

interface Change {
  readonly pvt?: (view: DataView) => void;
  readonly sat?: ((view: DataView) => void) | null;
}

/** The last epoch's fix after the pages of `simulation`, with what the receiver said changed. */
function grade(simulation: Simulation, change: Change = {}): FixRecord {
  const { engine } = runEngine(timedPages(simulation), trustOf(scenario.authority, [1]));
  const fixes: FixRecord[] = [];
  const stage = new FixStage(engine, { mode: "replay", softwareVersion: "test" }, (record) => {
    if (record.type === "fix") fixes.push(record);
  });
  const nav = [...ubxFrames(simulation)].filter((frame) => frame[2] === 0x01);
  const last = (id: number): Uint8Array =>
    nav
      .filter((frame) => frame[3] === id)
      .at(-3)!
      .slice(6, -2);
  const pvt = last(0x07);
  const sat = last(0x35);
  change.pvt?.(new DataView(pvt.buffer));
  if (change.sat !== null) change.sat?.(new DataView(sat.buffer));
  stage.message(0x01, 0x07, pvt);
  if (change.sat !== null) stage.message(0x01, 0x35, sat);
  stage.message(0x01, 0x61, new Uint8Array(4));
  stage.end();
  expect(fixes).toHaveLength(1);
  return fixes[0];
}

describe("the grade of the receiver's fix", () => {
  const eight = visible(scenario.options, 8);

  it("eight satellites where their authenticated ephemeris puts them: corroborated", () => {
    const fix = grade(eight);
    expect(fix).toMatchObject({ assurance: "corroborated", reasons: [], timeAssurance: "capture" });
    expect(fix.agreeingSatellites).toEqual(eight.satellites);
    expect(fix.gst).toBe(gstOf(fix.wn, fix.tow));
  });

  it.each([
    [4, "corroborated"],
    [3, "unverified"],
  ] as const)("%d satellites: %s", (count, assurance) => {
    const fix = grade(visible(scenario.options, count));
    expect(fix.assurance).toBe(assurance);
    expect(fix.agreeingSatellites.length).toBe(count < 4 ? 0 : count);
    if (count < 4) expect(fix.reasons).toEqual(["fewer-than-4-authenticated-satellites"]);
  });

  it.each([
    [500, 5],
    [500, -5],
  ])("a position %d km off: unverified, since directions disagree", (_, degrees) => {
    const fix = grade(eight, {
      pvt: (view) => view.setInt32(28, view.getInt32(28, true) + degrees * 1e7, true),
    });
    expect(fix.assurance).toBe("unverified");
    expect(fix.reasons).toContain("satellite-direction-disagrees");
  });

  it("the other side of the world", () => {
    const fix = grade(eight, { pvt: (view) => view.setInt32(24, view.getInt32(24, true) + 170e7, true) });
    expect(fix.agreeingSatellites).toEqual([]);
    expect(fix.reasons).toContain("fewer-than-4-satellites-agree");
  });

  it("no NAV-SAT, or one of another epoch", () => {
    expect(grade(eight, { sat: null }).reasons).toEqual(["no-satellite-report"]);
    const other = grade(eight, { sat: (view) => view.setUint32(0, view.getUint32(0, true) - 1000, true) });
    expect(other.reasons).toEqual(["no-satellite-report"]);
    expect(other.assurance).toBe("unverified");
  });

  it("satellites that the receiver did not use do not count", () => {
    const fix = grade(eight, {
      sat: (view) => {
        for (let i = 0; i < 5; i++)
          view.setUint32(8 + 12 * i + 8, view.getUint32(8 + 12 * i + 8, true) & ~8, true);
      },
    });
    expect(fix.agreeingSatellites).toHaveLength(3);
    expect(fix.reasons).toEqual(["fewer-than-4-satellites-agree"]);
  });

  it("one of eight in a wrong direction lowers the grade", () => {
    const fix = grade(eight, {
      sat: (view) => view.setInt8(8 + 3, view.getInt8(8 + 3) + (view.getInt8(11) > 45 ? -9 : 9)),
    });
    expect(fix.agreeingSatellites).toHaveLength(7);
    expect(fix.reasons).toEqual(["satellite-direction-disagrees"]);
  });

  it("no fix, or no valid time, by the receiver's own word", () => {
    expect(grade(eight, { pvt: (view) => view.setUint8(21, 0) }).reasons).toEqual(["no-receiver-solution"]);
    expect(grade(eight, { pvt: (view) => view.setUint8(20, 1) }).reasons).toEqual(["no-receiver-solution"]);
    expect(grade(eight, { pvt: (view) => view.setUint8(11, 0xf0) }).reasons).toContain(
      "receiver-time-invalid",
    );
  });

  it("an epoch a minute off the pages", () => {
    const later = (view: DataView): void => view.setUint32(0, view.getUint32(0, true) + 60_000, true);
    expect(grade(eight, { pvt: later, sat: later }).reasons).toContain("receiver-time-disagrees");
  });

  it("alert and Don't Use", () => {
    const hour = Math.floor(scenario.options.startGst / 3600) * 3600;
    const signer = { authority: scenario.authority, pkid: 1 };
    // Thirteen satellites: every block of the alert message in each subframe.
    const alert = new Simulation({
      ...scenario.options,
      satellites: Array.from({ length: 13 }, (_, i) => i + 1),
      phases: [alertPhase(hour, scenario.chain, signer)],
    });
    expect(grade(alert)).toMatchObject({ assurance: "unverified", authenticatedSatellites: [] });
    expect(grade(alert).reasons).toContain("osnma-alert");
    const suspended = visible(
      { ...scenario.options, phases: [nominalPhase(hour, scenario.chain, signer, NMAS.dontUse)] },
      8,
    );
    expect(grade(suspended).assurance).toBe("unverified");
    expect(grade(suspended).reasons).toContain("nma-status-dont-use");
  });

  it("before any page has a time there is no fix record", () => {
    const { engine } = runEngine([], trustOf(scenario.authority, [1]));
    const fixes: FixRecord[] = [];
    const stage = new FixStage(engine, { mode: "replay", softwareVersion: "test" }, (record) => {
      if (record.type === "fix") fixes.push(record);
    });
    const pvt = [...ubxFrames(eight)].find((frame) => frame[2] === 1 && frame[3] === 7)!.slice(6, -2);
    stage.message(0x01, 0x07, pvt);
    stage.end();
    expect(fixes).toEqual([]);
  });

  it("payloads of any length do not throw", () => {
    const { engine } = runEngine(timedPages(eight), trustOf(scenario.authority, [1]));
    const fixes: FixRecord[] = [];
    const stage = new FixStage(engine, { mode: "replay", softwareVersion: "test" }, (record) => {
      if (record.type === "fix") fixes.push(record);
    });
    for (const id of [0x07, 0x35, 0x61])
      for (let length = 0; length < 120; length += 3)
        stage.message(0x01, id, new Uint8Array(length).fill(0xff));
    stage.end();
    for (const { assurance } of fixes) expect(assurance).toBe("unverified");
  });
});

describe("the text of UTC", () => {
  const eight = visible(scenario.options, 8);
  const clock =
    (hour: number, minute: number, second: number, nano = 0) =>
    (view: DataView) => {
      view.setUint8(8, hour);
      view.setUint8(9, minute);
      view.setUint8(10, second);
      view.setInt32(16, nano, true);
    };

  it("is GST less the leap seconds of the authenticated word 6", () => {
    const fix = grade(eight);
    const unix = Date.parse(fix.utc) / 1000;
    expect(fix.gst + 935_280_000 - unix).toBe(18);
    expect(fix.utc).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it("takes no leap second from the receiver's word where an authenticated word 6 says otherwise", () => {
    const before = grade(eight);
    const time = new Date(Date.parse(before.utc) - 1000);
    const after = grade(eight, {
      pvt: clock(time.getUTCHours(), time.getUTCMinutes(), time.getUTCSeconds()),
    });
    expect(after.utc).toBe(before.utc);
  });

  it("a fraction of a second, either side", () => {
    const whole = new Date(grade(eight).utc);
    const at = (nano: number): string =>
      grade(eight, { pvt: clock(whole.getUTCHours(), whole.getUTCMinutes(), whole.getUTCSeconds(), nano) })
        .utc;
    expect(at(-4000)).toBe(whole.toISOString());
    expect(at(4000)).toBe(whole.toISOString());
  });

  it("across midnight, GST being a day ahead of UTC for 18 s", () => {
    const startGst = gstOf(1400, 2 * 86_400 - 160);
    const start = Math.floor(startGst / 30) * 30;
    const night = parametrisedScenario({ seed: "receiver fix", subframes: 6, startGst: start });
    const simulation = visible(night.options, 8);
    const { engine } = runEngine(timedPages(simulation), trustOf(night.authority, [1]));
    const fixes: FixRecord[] = [];
    const stage = new FixStage(engine, { mode: "replay", softwareVersion: "test" }, (record) => {
      if (record.type === "fix") fixes.push(record);
    });
    for (const frame of ubxFrames(simulation))
      if (frame[2] === 0x01 && frame[3] === 0x07) stage.message(0x01, 0x07, frame.slice(6, -2));
    stage.end();
    const late = fixes.filter(({ gst }) => gst > start);
    expect(late.length).toBeGreaterThan(100);
    for (const fix of late) expect(Date.parse(fix.utc) / 1000).toBe(fix.gst + 935_280_000 - 18);
  });
});
