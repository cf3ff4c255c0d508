import { decodeMessage, encodeMessage } from "gnss-ubx";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CarrierSmoother } from "../../src/position/carrier-smoothing.js";
import {
  EpochSequence,
  ionosphereFreeMeters,
  measurementEpoch,
  type MeasurementEpoch,
  type MeasurementOptions,
  type RawxMeasurement,
  type RawxMessage,
} from "../../src/position/measurements.js";
import { E1_WAVELENGTH, epochOf, gaussian, uniform, WN } from "./support.js";

type Change = Partial<RawxMeasurement>;

const flags = { prValid: true, cpValid: true, halfCyc: true, subHalfCyc: false, rest: 0 };
const GOOD: RawxMeasurement = {
  prMes: 24e6,
  cpMes: 126e6,
  doMes: -1200,
  gnssId: 2,
  svId: 7,
  sigId: 0,
  freqId: 0,
  locktime: 5000,
  cno: 42,
  prStdev: { prStd: 5, rest: 0 },
  cpStdev: { cpStd: 2, rest: 0 },
  doStdev: { doStd: 4, rest: 0 },
  trkStat: flags,
  reserved1: 0,
};

function rawx(changes: readonly Change[], epoch: Partial<RawxMessage> = {}): RawxMessage {
  return {
    name: "RXM-RAWX",
    rcvTow: 141_680.996,
    week: WN + 1024,
    leapS: 18,
    numMeas: changes.length,
    recStat: { leapSec: true, clkReset: false, rest: 0 },
    version: 1,
    reserved0: new Uint8Array(2),
    meas: changes.map((change) => ({ ...GOOD, ...change })),
    ...epoch,
  };
}

function usable(message: RawxMessage, options?: MeasurementOptions): MeasurementEpoch {
  const epoch = measurementEpoch(message, options);
  if ("refused" in epoch) throw new Error(epoch.refused);
  return epoch;
}

describe("an epoch of RXM-RAWX", () => {
  it("is the satellites' signals by band, with GST from the receiver's GPS week", () => {
    const epoch = usable(
      rawx([
        { svId: 9, sigId: 4, prMes: 24.5e6 },
        { svId: 9, sigId: 6, prMes: 24.6e6 },
        { svId: 9, sigId: 1, prMes: 24.7e6 },
        { svId: 7 },
      ]),
    );
    expect(epoch).toMatchObject({ wn: WN, towSeconds: 141_680.996, leapSeconds: 18, clockReset: false });
    expect(epoch.satellites.map(({ svid }) => svid)).toEqual([7, 9]);
    const [, nine] = epoch.satellites;
    expect(nine.e1.pseudorangeMeters).toBe(24.7e6);
    expect(nine.e5b?.pseudorangeMeters).toBe(24.6e6);
    expect(nine.e5a?.pseudorangeMeters).toBe(24.5e6);
    expect(nine.e1.pseudorangeSigmaMeters).toBeCloseTo(0.32, 12);
    expect(nine.e1.dopplerSigmaHz).toBeCloseTo(0.032, 12);
    expect(Object.values(epoch.rejected).every((count) => count === 0)).toBe(true);
  });

  it("is refused without a week, and with a time that cannot be", () => {
    expect(measurementEpoch(rawx([{}], { week: 0, rcvTow: 18 }))).toEqual({ refused: "no-week" });
    expect(measurementEpoch(rawx([{}], { week: 1023 }))).toEqual({ refused: "time" });
    expect(measurementEpoch(rawx([{}], { rcvTow: 604_800 }))).toEqual({ refused: "time" });
    expect(measurementEpoch(rawx([{}], { rcvTow: Number.NaN }))).toEqual({ refused: "time" });
  });

  it.each<[string, Change, string]>([
    ["of GPS", { gnssId: 0 }, "other-constellation"],
    ["of E6", { sigId: 8 }, "other-signal"],
    ["of SVID 0", { svId: 0 }, "svid"],
    ["of SVID 37", { svId: 37 }, "svid"],
    ["with an invalid code", { trkStat: { ...flags, prValid: false } }, "code-invalid"],
    ["with a range of nothing", { prMes: 0 }, "range"],
    ["with no number for a range", { prMes: Number.NaN }, "range"],
    ["with a range beyond Galileo", { prMes: 6e7 }, "range"],
    ["with no number for Doppler", { doMes: Number.NaN }, "doppler"],
    ["too weak", { cno: 24 }, "low-cno"],
    ["of E5b alone", { sigId: 5 }, "no-e1"],
  ])("leaves out and counts a measurement %s", (_, change, reason) => {
    const epoch = usable(rawx([change]));
    expect(epoch.satellites).toEqual([]);
    expect(epoch.rejected).toMatchObject({ [reason]: 1 });
    expect(Object.values(epoch.rejected).reduce((a, b) => a + b)).toBe(1);
  });

  it("takes masks from the caller", () => {
    expect(usable(rawx([{ cno: 20 }]), { minimumCnoDbHz: 20 }).satellites).toHaveLength(1);
    const short = usable(rawx([{ locktime: 900 }]), { minimumLockMilliseconds: 1000 });
    expect(short.rejected["short-lock"]).toBe(1);
    expect(() => measurementEpoch(rawx([]), { minimumCnoDbHz: Number.NaN })).toThrow(RangeError);
  });

  it("keeps the stronger of data and pilot", () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const epoch = usable(rawx(order.map((sigId) => ({ sigId, cno: 40 + sigId, prMes: 24e6 + sigId }))));
      expect(epoch.satellites).toHaveLength(1);
      expect(epoch.satellites[0].e1.pseudorangeMeters).toBe(24e6 + 1);
      expect(epoch.rejected.duplicate).toBe(1);
    }
  });

  it("accounts for every measurement, whatever bytes a receiver sends", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 5 * 32 }), fc.double(), (bytes, tow) => {
        const count = Math.floor(bytes.length / 32);
        const payload = new Uint8Array(16 + 32 * count);
        new DataView(payload.buffer).setFloat64(0, tow, true);
        payload[8] = 0x69;
        payload[9] = 0x09;
        payload[11] = count;
        payload[13] = 1;
        payload.set(bytes.subarray(0, 32 * count), 16);
        // Half of them Galileo, so that more than the first check is tried.
        for (let k = 0; k < count; k += 2) payload[16 + 32 * k + 20] = 2;
        const message = decodeMessage(0x02, 0x15, payload);
        if (message.name !== "RXM-RAWX") throw new Error("not decoded");
        const epoch = measurementEpoch(message);
        if ("refused" in epoch) return;
        const kept = epoch.satellites.reduce(
          (sum, { e5a, e5b }) => sum + 1 + (e5a === null ? 0 : 1) + (e5b === null ? 0 : 1),
          0,
        );
        const left = Object.values(epoch.rejected).reduce((a, b) => a + b);
        expect(kept + left).toBe(count);
      }),
    );
  });

  it("survives the wire", () => {
    const frame = encodeMessage("RXM-RAWX", rawx([{}]));
    const message = decodeMessage(frame[2], frame[3], frame.subarray(6, frame.length - 2));
    expect(message.name === "RXM-RAWX" && usable(message)).toEqual(usable(rawx([{}])));
  });
});

describe("E1 and E5b combined", () => {
  it("cancel a delay that goes with the inverse square of the frequency, and keep the range", () => {
    const gamma = (1_575_420_000 / 1_207_140_000) ** 2;
    expect(ionosphereFreeMeters(24e6 + 7, 24e6 + 7 * gamma)).toBeCloseTo(24e6, 6);
  });
});

describe("the receiver's clock from epoch to epoch", () => {
  const rates = [-400, 150, 620, -80, 300];
  const at = (second: number, jumpMeters: number): MeasurementEpoch =>
    epochOf(
      1000 + second,
      rates.map((rate, k) => [
        k + 1,
        24e6 + rate * second + jumpMeters,
        { dopplerHz: -rate / E1_WAVELENGTH },
      ]),
    );

  it("does not jump while Doppler explains the ranges", () => {
    const sequence = new EpochSequence();
    expect(sequence.push(at(0, 0)).elapsedSeconds).toBeNull();
    expect(sequence.push(at(1, 0))).toEqual({
      elapsedSeconds: 1,
      clockJumpSeconds: 0,
      wholeHalfMilliseconds: false,
    });
  });

  it.each([
    [1e-3, true],
    [-1e-3, true],
    [5e-4, true],
    [2.3e-5, false],
    [-7.7e-4, false],
  ])("jumps by %f s, whole half milliseconds: %s", (seconds, whole) => {
    const sequence = new EpochSequence();
    sequence.push(at(0, 0));
    const step = sequence.push(at(1, seconds * 299_792_458));
    expect(step.clockJumpSeconds).toBeCloseTo(seconds, 9);
    expect(step.wholeHalfMilliseconds).toBe(whole);
  });

  it("does not jump because one satellite does", () => {
    const sequence = new EpochSequence();
    sequence.push(at(0, 0));
    const next = at(1, 0);
    const [first, ...others] = next.satellites;
    const moved = { ...first, e1: { ...first.e1, pseudorangeMeters: first.e1.pseudorangeMeters + 3e5 } };
    expect(sequence.push({ ...next, satellites: [moved, ...others] }).clockJumpSeconds).toBe(0);
  });

  it("is not followed over a gap", () => {
    const sequence = new EpochSequence();
    sequence.push(at(0, 0));
    expect(sequence.push(at(11, 3e5))).toMatchObject({ elapsedSeconds: null, clockJumpSeconds: 0 });
    expect(sequence.push(at(5, 0)).elapsedSeconds).toBeNull();
  });
});

describe("carrier-smoothed code", () => {
  const normal = gaussian(uniform(9));
  const truth = (second: number): number => 24e6 + 500 * second;
  const epoch = (second: number, noise: number, change = {}): MeasurementEpoch =>
    epochOf(2000 + second, [
      [5, truth(second) + noise, { carrierCycles: truth(second) / E1_WAVELENGTH + 1234, ...change }],
    ]);
  const smoothed = (smoother: CarrierSmoother, e: MeasurementEpoch): number =>
    smoother.smooth(e).satellites[0].e1.pseudorangeMeters;

  it("takes off noise: a tenth of it stays after the window", () => {
    const smoother = new CarrierSmoother();
    let squares = 0;
    for (let second = 0; second < 1200; second++) {
      const error = smoothed(smoother, epoch(second, normal())) - truth(second);
      if (second >= 200) squares += error * error;
    }
    expect(Math.sqrt(squares / 1000)).toBeLessThan(0.12);
  });

  it.each([
    ["a cycle slip", { carrierCycles: truth(100) / E1_WAVELENGTH + 2234 }, "clock"],
    ["a locktime that fell", { lockMilliseconds: 500 }, "lock"],
    ["half a cycle taken off", { halfCycleSubtracted: true }, "half-cycle"],
    ["a carrier that is not valid", { carrierCycles: null }, "lock"],
  ] as const)("starts anew at %s", (_, change, reason) => {
    const smoother = new CarrierSmoother();
    for (let second = 0; second < 100; second++) smoother.smooth(epoch(second, 1));
    expect(smoothed(smoother, epoch(100, 3, change))).toBe(truth(100) + 3);
    expect(smoother.resets[reason]).toBe(1);
  });

  it("starts one satellite anew where its carrier slipped among others", () => {
    const three = (second: number, slip: number): MeasurementEpoch =>
      epochOf(
        2000 + second,
        [1, 2, 3].map((svid) => [
          svid,
          truth(second),
          { carrierCycles: truth(second) / E1_WAVELENGTH + (svid === 2 ? slip : 0) },
        ]),
      );
    const smoother = new CarrierSmoother();
    for (let second = 0; second < 10; second++) smoother.smooth(three(second, 0));
    smoother.smooth(three(10, 100));
    expect(smoother.resets).toEqual({ gap: 0, lock: 0, "half-cycle": 0, slip: 1, clock: 0 });
  });

  it("starts anew after a gap, and where the receiver set its clock", () => {
    const smoother = new CarrierSmoother();
    smoother.smooth(epoch(0, 2));
    expect(smoothed(smoother, epoch(6, 0))).toBe(truth(6));
    expect(smoother.resets.gap).toBe(1);
    expect(smoothed(smoother, { ...epoch(7, 2), clockReset: true })).toBe(truth(7) + 2);
    // All ranges a millisecond longer, the carriers not.
    expect(smoothed(smoother, epoch(8, 299_792.458))).toBe(truth(8) + 299_792.458);
    expect(smoother.resets.clock).toBe(2);
  });

  it("refuses windows that are none", () => {
    expect(() => new CarrierSmoother(0)).toThrow(RangeError);
  });
});
