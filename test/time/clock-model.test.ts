import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GST_TO_UNIX } from "../../src/inav/gst.js";
import { timeGate } from "../../src/osnma/time-gate.js";
import { ClockModel, type ClockModelOptions } from "../../src/time/clock-model.js";
import { BUILT_IN_LEAP_SECONDS } from "../../src/time/leap-seconds.js";
import type { ClockReading, SyncReport, TimeEvent } from "../../src/time/types.js";

/** 2026-11-26T10:00:00Z: the built-in leap seconds are known. */
const START = Date.UTC(2026, 10, 26, 10) / 1000;

/** A machine whose true time is known: what its clocks show follows from what is done to them. */
class Machine {
  trueUnix: number;
  /** System clock minus true time, seconds. */
  wallError = 0;
  monotonic = 5000;
  boot = 5000;
  readonly events: TimeEvent[] = [];
  readonly model: ClockModel;

  constructor(options: ClockModelOptions = {}, start = START) {
    this.trueUnix = start;
    this.model = new ClockModel({ ...options, onEvent: (event) => this.events.push(event) });
  }

  get reading(): ClockReading {
    return {
      unixMs: (this.trueUnix + this.wallError) * 1000,
      monotonicMs: this.monotonic * 1000,
      bootMs: this.boot * 1000,
    };
  }

  run(seconds: number, drift = 0): this {
    this.trueUnix += seconds;
    this.wallError += seconds * drift;
    this.monotonic += seconds * (1 + drift);
    this.boot += seconds * (1 + drift);
    return this;
  }

  sleep(seconds: number): this {
    this.trueUnix += seconds;
    this.boot += seconds;
    return this;
  }

  sync(boundSeconds = 0.01, more: Partial<SyncReport> = {}): this {
    this.model.report(this.reading, {
      source: "chrony",
      synchronised: true,
      why: null,
      boundSeconds,
      updatedUnixMs: this.reading.unixMs,
      leap: "none",
      reference: "192.0.2.1",
      ...more,
    });
    return this;
  }

  unsynchronised(): this {
    return this.sync(0, { synchronised: false, why: "chronyd is running, but not synchronised." });
  }

  get trusted(): ReturnType<ClockModel["at"]> {
    return this.model.at(this.reading);
  }

  get trueGst(): number {
    return this.trueUnix - GST_TO_UNIX + 18;
  }

  get names(): string[] {
    return this.events.map(({ event }) => event);
  }
}

describe("trusted time", () => {
  it("is none before something said that the clock is synchronised", () => {
    const machine = new Machine();
    expect(machine.trusted).toBeNull();
    expect(machine.model.status(machine.reading)).toMatchObject({
      state: "untrusted",
      reason: "starting",
      allows: "none",
    });
    machine.unsynchronised();
    expect(machine.trusted).toBeNull();
    expect(machine.model.status(machine.reading).reason).toBe("not-synchronised");
    machine.model.noReport(machine.reading, "nobody there");
    expect(machine.model.status(machine.reading)).toMatchObject({
      reason: "no-time-daemon",
      detail: "nobody there",
    });
  });

  it("is GST: Unix time with leap seconds", () => {
    const machine = new Machine().sync();
    expect(machine.trusted?.gst).toBeCloseTo(machine.trueGst, 6);
    expect(machine.trusted?.assurance).toBe("independent");
  });

  it("has a bound that grows by the drift, and is renewed", () => {
    const machine = new Machine({ driftPpm: 100 }).sync(0.01);
    const first = machine.trusted!.boundSeconds;
    expect(machine.run(1000).trusted!.boundSeconds).toBeCloseTo(first + 0.1, 6);
    expect(machine.sync(0.01).trusted!.boundSeconds).toBeCloseTo(first, 6);
  });

  it("counts the time since the daemon's last correction", () => {
    const machine = new Machine({ driftPpm: 100 });
    machine.sync(0.01, { updatedUnixMs: machine.reading.unixMs - 2_000_000 });
    expect(machine.trusted!.boundSeconds).toBeGreaterThanOrEqual(0.01 + 0.2);
  });

  it("goes on in holdover: all tags for more than a day, then slow MAC only, then nothing", () => {
    const machine = new Machine({ driftPpm: 100 }).sync(0.01);
    machine.run(60).unsynchronised().unsynchronised();
    expect(machine.model.status(machine.reading)).toMatchObject({
      state: "holdover",
      reason: "not-synchronised",
      allows: "all",
    });
    expect(machine.names.filter((name) => name === "trusted-time-holdover")).toHaveLength(1);
    expect(machine.run(86_400).model.status(machine.reading).allows).toBe("all");
    expect(machine.run(86_400).model.status(machine.reading).allows).toBe("slow");
    expect(machine.run(20 * 86_400).model.status(machine.reading).allows).toBe("none");
    expect(machine.sync().model.status(machine.reading)).toMatchObject({
      state: "trusted",
      reason: null,
      allows: "all",
    });
  });

  it("holds its bound on an oscillator that drifts within the configured limit (property)", () => {
    const limit = 100e-6;
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            seconds: fc.double({ min: 0, max: 20_000, noNaN: true }),
            drift: fc.double({ min: -limit * 0.99, max: limit * 0.99, noNaN: true }),
            sync: fc.boolean(),
            error: fc.double({ min: -0.05, max: 0.05, noNaN: true }),
          }),
          { maxLength: 20 },
        ),
        (steps) => {
          const machine = new Machine({ driftPpm: 100 }).sync(0.05);
          for (const { seconds, drift, sync, error } of steps) {
            machine.run(seconds, drift);
            if (sync && seconds > 100) {
              // The daemon slewed both clocks back to within its bound meanwhile.
              const slew = error - machine.wallError;
              machine.wallError += slew;
              machine.monotonic += slew;
              machine.boot += slew;
              machine.sync(0.05);
            }
            const trusted = machine.trusted;
            if (trusted === null) throw new Error("trust was lost without a step");
            expect(Math.abs(trusted.gst - machine.trueGst)).toBeLessThanOrEqual(trusted.boundSeconds + 1e-6);
          }
        },
      ),
    );
  });
});

describe("steps", () => {
  it("ends the trust at once, and tells how far", () => {
    const machine = new Machine().sync().run(10);
    machine.wallError -= 60;
    expect(machine.trusted).toBeNull();
    expect(machine.events.map(({ event, reason }) => [event, reason])).toEqual([
      ["trusted-time-established", null],
      ["clock-step", "clock-step"],
      ["trusted-time-lost", "clock-step"],
    ]);
    expect(machine.events[1].seconds).toBeCloseTo(-60, 3);
  });

  it("needs a correction after the step, seen twice, to trust again", () => {
    const machine = new Machine().sync().run(10);
    machine.wallError += 3;
    expect(machine.trusted).toBeNull();
    const before = machine.reading.unixMs - 5000;
    for (let i = 0; i < 5; i++) machine.run(16).sync(0.01, { updatedUnixMs: before });
    expect(machine.trusted).toBeNull();
    machine.wallError = 3;
    machine.run(16).sync();
    expect(machine.trusted).toBeNull();
    machine.run(16).sync();
    expect(machine.trusted).not.toBeNull();
  });

  it("is not over because it was undone", () => {
    const machine = new Machine().sync().run(1);
    machine.wallError = 100;
    void machine.trusted;
    machine.run(1).wallError = 0;
    expect(machine.trusted).toBeNull();
    expect(machine.names.filter((name) => name === "clock-step")).toHaveLength(2);
  });

  it("widens the bound by a difference that is no step", () => {
    const machine = new Machine().sync();
    const before = machine.run(1).trusted!.boundSeconds;
    machine.wallError += 0.3;
    const after = machine.trusted!;
    expect(after.boundSeconds - before).toBeCloseTo(0.3, 4);
    // Time itself goes on by the clock that nobody sets.
    expect(after.gst).toBeCloseTo(machine.trueGst, 6);
  });

  it("adds small differences up: creeping is a step at last", () => {
    const machine = new Machine().sync();
    for (let i = 0; i < 10 && machine.trusted !== null; i++) {
      machine.run(1).wallError += 0.1;
    }
    expect(machine.trusted).toBeNull();
    expect(machine.names).toContain("clock-step");
  });

  it("does not take two moments for synchronised that contradict each other", () => {
    const machine = new Machine().sync(0.01).run(16);
    machine.wallError += 0.3;
    machine.sync(0.01);
    expect(machine.trusted).toBeNull();
    expect(machine.model.status(machine.reading).reason).toBe("clock-contradiction");
  });

  it("under configuration alone is over after ten quiet minutes", () => {
    const machine = new Machine();
    const assume = (): void => {
      machine.sync(1, { source: "configuration", updatedUnixMs: null });
    };
    assume();
    machine.run(5).wallError += 30;
    expect(machine.trusted).toBeNull();
    for (let i = 0; i < 30; i++) {
      machine.run(16);
      assume();
    }
    expect(machine.trusted).toBeNull();
    for (let i = 0; i < 10; i++) {
      machine.run(16);
      assume();
    }
    expect(machine.trusted).not.toBeNull();
  });

  it("sees a monotonic clock that goes back, and a clock without a number", () => {
    const machine = new Machine().sync();
    machine.monotonic -= 1;
    expect(machine.trusted).toBeNull();
    expect(machine.model.status(machine.reading).reason).toBe("clock-fault");
    const other = new Machine().sync();
    expect(other.model.at({ ...other.reading, unixMs: Number.NaN })).toBeNull();
    expect(other.trusted).toBeNull();
  });
});

describe("sleep", () => {
  it("ends the trust, though system clock and boot clock agree", () => {
    const machine = new Machine().sync().sleep(3600);
    expect(machine.trusted).toBeNull();
    expect(machine.names).toContain("suspended");
    expect(machine.names).not.toContain("clock-step");
    expect(machine.events.find(({ event }) => event === "suspended")?.seconds).toBeCloseTo(3600, 3);
    machine.run(1).sync().run(16).sync();
    expect(machine.trusted).not.toBeNull();
  });

  it("without a boot clock is seen as a step", () => {
    const machine = new Machine();
    const reading = (): ClockReading => ({ ...machine.reading, bootMs: null });
    machine.model.report(reading(), {
      source: "chrony",
      synchronised: true,
      why: null,
      boundSeconds: 0.01,
      updatedUnixMs: machine.reading.unixMs,
      leap: "none",
      reference: null,
    });
    machine.sleep(100);
    expect(machine.model.at(reading())).toBeNull();
    expect(machine.names).toContain("clock-step");
  });
});

describe("what is refused", () => {
  it.each([
    ["a bound that is no number", { boundSeconds: Number.NaN }],
    ["a negative bound", { boundSeconds: -1 }],
    ["an endless bound", { boundSeconds: Number.POSITIVE_INFINITY }],
    ["a correction that is still to come", { updatedUnixMs: (START + 60) * 1000 }],
    ["a correction at no time", { updatedUnixMs: Number.NaN }],
  ])("%s", (_name, more) => {
    const machine = new Machine();
    machine.sync(0.01, more);
    expect(machine.trusted).toBeNull();
    expect(machine.model.status(machine.reading).state).toBe("untrusted");
  });

  it("a clock that was never set", () => {
    const machine = new Machine({}, 1000).sync();
    expect(machine.trusted).toBeNull();
    expect(machine.model.status(machine.reading).reason).toBe("clock-before-software");
  });
});

describe("leap seconds in the clock", () => {
  const leapAt = Date.UTC(2027, 6, 1) / 1000;
  const table = {
    ...BUILT_IN_LEAP_SECONDS,
    next: { atUnix: leapAt, dtLS: 19 },
    knownUntilUnix: leapAt + 180 * 86_400,
  };

  it("that is inserted is no step, and GST goes on", () => {
    const machine = new Machine({ leapSeconds: table }, leapAt - 100).sync();
    const before = machine.trusted!;
    machine.run(50).sync();
    // 23:59:59 is repeated: POSIX time goes on 199 s while 200 s pass.
    machine.run(200);
    machine.wallError -= 1;
    const after = machine.trusted!;
    expect(after.gst - before.gst).toBeCloseTo(250, 6);
    expect(machine.names).not.toContain("clock-step");
    machine.sync(0.01);
    expect(machine.trusted!.gst - before.gst).toBeCloseTo(250, 6);
    expect(machine.model.status(machine.reading).leapSeconds).toBe(19);
  });

  it("that is smeared stays within the bound", () => {
    const machine = new Machine({ leapSeconds: table }, leapAt - 43_200).sync();
    machine.wallError = 0;
    for (let hour = 1; hour <= 24; hour++) {
      machine.run(3600);
      // One second over 24 hours, noon to noon, both clocks slowed.
      machine.wallError -= 1 / 24;
      machine.monotonic -= 1 / 24;
      machine.boot -= 1 / 24;
      machine.sync(0.01);
      const trusted = machine.trusted!;
      const trueGst = machine.trueUnix - GST_TO_UNIX + 18;
      expect(Math.abs(trusted.gst - trueGst)).toBeLessThanOrEqual(trusted.boundSeconds);
      expect(timeGate(trueGst, trusted).gate).toBe("all");
    }
  });

  it("that nobody announced in a table is bounded, not guessed", () => {
    const end = BUILT_IN_LEAP_SECONDS.knownUntilUnix;
    const before = new Machine({}, end - 10 * 86_400).sync().trusted!.boundSeconds;
    const after = new Machine({}, end + 30 * 86_400).sync().trusted!.boundSeconds;
    expect(after).toBeCloseTo(before + 1, 6);
    const years = new Machine({}, end + 5 * 366 * 86_400).sync();
    expect(years.trusted!.boundSeconds).toBeGreaterThan(before + 9);
    expect(years.model.status(years.reading).allows).toBe("all");
    const decade = new Machine({}, end + 10 * 366 * 86_400).sync();
    expect(decade.model.status(decade.reading).allows).toBe("slow");
  });

  it("that a server's flag announces adds a second from the day before", () => {
    const june = Date.UTC(2026, 5, 29, 12) / 1000;
    const machine = new Machine({}, june).sync(0.01, { leap: "insert" });
    const early = machine.trusted!.boundSeconds;
    machine.run(43_200).sync(0.01, { leap: "insert" });
    expect(machine.trusted!.boundSeconds).toBeCloseTo(early + 1, 3);
    machine.run(3 * 86_400).sync();
    expect(machine.trusted!.boundSeconds).toBeCloseTo(early + 1, 3);
  });
});
