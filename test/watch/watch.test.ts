import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_THRESHOLDS, watchThresholds } from "../../src/watch/thresholds.js";
import { ConsistencyWatch } from "../../src/watch/watch.js";
import { beganAt, calm, feed, message, place, run, START } from "./world.js";

describe("an undisturbed receiver", () => {
  it("raises no sign in half an hour", () => {
    expect(run(1800).events).toEqual([]);
  });

  it("raises none when its clock label is put right by a whole millisecond", () => {
    const { begun } = run(300, (epoch, t) => {
      if (t < 150) return;
      epoch.ownClock -= 1e-3;
      epoch.receiverClock -= 1e-3;
    });
    expect(begun).toEqual([]);
  });

  it("raises none while data are lost, for seconds or for a minute", () => {
    const watch = new ConsistencyWatch();
    for (let t = 0; t < 400; t++) {
      if ((t >= 100 && t < 150) || (t >= 200 && t < 270)) continue;
      expect(feed(watch, calm(t)).events).toEqual([]);
    }
  });

  it("raises none when it is restarted: its uptime begins again", () => {
    expect(
      run(200, (epoch, t) => {
        if (t >= 100) epoch.uptimeMs = 1000 * (t - 90);
      }).begun,
    ).toEqual([]);
  });

  it("raises none in a car that brakes hard, nor in an airliner that turns", () => {
    for (const [speed, acceleration] of [
      [40, -9],
      [250, 12],
    ] as const) {
      let velocity: number = speed;
      let east = 0;
      const { begun } = run(120, (epoch, t) => {
        const before = velocity;
        if (t >= 60 && t < 64) velocity += acceleration;
        east += 0.5 * (before + velocity);
        epoch.ownEast = east;
        epoch.receiverEast = east;
        epoch.ownVelocityEast = velocity;
        epoch.receiverVelocityEast = velocity;
      });
      expect(begun).toEqual([]);
    }
  });

  it("raises none in shadow that takes some satellites and not others", () => {
    expect(
      run(200, (epoch, t) => {
        if (t >= 100) epoch.cn0 = epoch.cn0.map((cn0, k) => (k % 2 === 0 ? cn0 : Math.max(cn0 - 14, 20)));
      }).begun,
    ).toEqual([]);
  });

  it("raises none when gain moves by two of the front end's steps", () => {
    expect(
      run(200, (epoch, t) => {
        if (t >= 100) epoch.agc -= 2 * 351;
      }).begun,
    ).toEqual([]);
  });
});

describe("attacks", () => {
  it("the receiver's position pulled slowly away from ours: seen once beyond the joint uncertainty, ended once", () => {
    const { events } = run(600, (epoch, t) => {
      // Half a metre a second from 100 s on, given up at 400 s.
      if (t >= 100 && t < 400) {
        epoch.receiverEast = epoch.receiverEast! + 0.5 * (t - 100);
        epoch.receiverVelocityEast += 0.5;
      }
    });
    const own = events.filter(({ sign }) => sign.name === "own-and-receiver-disagree");
    expect(own.map(({ phase, reason }) => [phase, reason])).toEqual([
      ["begin", null],
      ["end", "cleared"],
    ]);
    const [begin] = own;
    expect(begin.sign.quantity).toBe("horizontal-meters");
    expect(begin.sign.value).toBeGreaterThan(begin.sign.threshold);
    expect(begin.sign.value).toBeLessThan(begin.sign.threshold + 1);
    // 15 m floor or 5 sigma of joint sqrt(6 + 1.5^2) m, less what noise adds.
    expect(beganAt(events, "own-and-receiver-disagree")).toBeLessThan(100 + 2 * 22);
    expect(own[1].at - START).toBeGreaterThanOrEqual(400 + DEFAULT_THRESHOLDS.stateHoldSeconds - 1);
    expect(own[1].at - START).toBeLessThanOrEqual(400 + DEFAULT_THRESHOLDS.stateHoldSeconds + 1);
  });

  it("both positions pulled alike and slowly: not seen, as the documentation says", () => {
    const { begun } = run(400, (epoch, t) => {
      if (t < 100) return;
      epoch.ownEast = epoch.ownEast! + 0.5 * (t - 100);
      epoch.receiverEast = epoch.receiverEast! + 0.5 * (t - 100);
      epoch.ownVelocityEast += 0.5;
      epoch.receiverVelocityEast += 0.5;
    });
    expect(begun).toEqual([]);
  });

  it("sudden capture: C/N0 and gain step, the clock jumps, in the same epoch", () => {
    const { events } = run(130, (epoch, t) => {
      if (t < 120) return;
      epoch.cn0 = epoch.cn0.map((cn0) => cn0 + 6);
      epoch.agc -= 1404;
      epoch.ownClock += 700e-9;
      epoch.receiverClock += 700e-9;
    });
    for (const name of ["cn0-step", "agc-step", "receiver-clock-jump"])
      expect([name, beganAt(events, name)]).toEqual([name, 120]);
    const cn0 = events.find(({ sign }) => sign.name === "cn0-step")!.sign;
    expect(cn0.evidence["kind"]).toBe("rise");
    expect(cn0.value).toBeCloseTo(6, 0);
    const agc = events.find(({ sign }) => sign.name === "agc-step")!.sign;
    expect(agc.evidence).toMatchObject({ kind: "more-power", blockId: 0, agcCnt: 4212 - 1404 });
  });

  it("a counterfeit constellation at one power: C/N0 of all satellites is unnaturally uniform", () => {
    const { events } = run(130, (epoch, t) => {
      if (t >= 120) epoch.cn0 = epoch.cn0.map((_, k) => 46 + (k % 2));
    });
    expect(beganAt(events, "cn0-step")).toBe(120);
    expect(events[0].sign.evidence["kind"]).toBe("uniform");
  });

  it("meaconing: the repeater's delay is a step of the clock, seen from 40 m of detour on", () => {
    for (const [meters, seen] of [
      [60, true],
      [40, true],
      [15, false],
    ] as const) {
      const { begun } = run(200, (epoch, t) => {
        if (t < 120) return;
        epoch.ownClock += meters / 299_792_458;
        epoch.receiverClock += meters / 299_792_458;
      });
      expect([meters, begun.includes("receiver-clock-jump")]).toEqual([meters, seen]);
    }
  });

  it("time pulled: a drift no oscillator takes up within a second", () => {
    const { events } = run(200, (epoch, t) => {
      if (t < 120) return;
      for (const clock of ["ownClock", "receiverClock"] as const) epoch[clock] += 300e-9 * (t - 119.5);
      epoch.ownDrift += 300e-9;
      epoch.receiverDrift += 300e-9;
    });
    expect(beganAt(events, "receiver-clock-drift-step")).toBe(120);
  });

  it("time pulled in the receiver alone (other constellations): its clock leaves ours", () => {
    const { events } = run(300, (epoch, t) => {
      if (t < 100) return;
      // 4 ns/s: far below what an oscillator may do.
      epoch.receiverClock += 4e-9 * (t - 100);
      epoch.receiverDrift += 4e-9;
    });
    const began = beganAt(events, "own-and-receiver-disagree");
    expect(began).toBeGreaterThan(145);
    expect(began).toBeLessThan(155);
    expect(events[0].sign.quantity).toBe("clock-seconds");
  });

  it("time set on: GST leaves the receiver's uptime, and the trusted clock", () => {
    const { events } = run(130, (epoch, t) => {
      if (t >= 100) epoch.gst += 7;
    });
    expect(beganAt(events, "time-jump")).toBe(107);
    const set = events.find(({ sign }) => sign.name === "time-jump")!;
    expect(set.sign.evidence).toMatchObject({ kind: "against-uptime", jumpSeconds: 7 });

    const trusted = run(130, (epoch, t) => {
      epoch.trustedGst = epoch.gst + 0.3;
      epoch.uptimeMs = 0;
      if (t >= 100) epoch.gst += 7;
    });
    const jump = trusted.events.find(({ sign }) => sign.name === "time-jump")!;
    expect(jump.sign.evidence).toMatchObject({ kind: "against-trusted-clock" });
  });

  it("jamming, then spoofing: each step shows, and the first is still held when the second comes", () => {
    const { events, last } = run(260, (epoch, t) => {
      if (t >= 100 && t < 130) {
        // A jammer: power in the band, everything lost, no solution.
        epoch.agc -= 2106;
        epoch.jamming = 3;
        epoch.cn0 = [];
        epoch.ownEast = null;
        epoch.receiverEast = null;
        epoch.receiverClockKnown = false;
      } else if (t >= 130) {
        // A counterfeit constellation, stronger than the sky was, 900 m off.
        epoch.agc -= 1404;
        epoch.cn0 = epoch.cn0.map((cn0) => cn0 + 7);
        epoch.ownEast = epoch.ownEast! + 900;
        epoch.receiverEast = epoch.receiverEast! + 900;
        epoch.ownClock += 9e-6;
        epoch.receiverClock += 9e-6;
      }
    });
    expect(beganAt(events, "agc-step")).toBe(100);
    // Over the half minute without a solution the clock is still predicted, to some microseconds.
    expect(beganAt(events, "receiver-clock-jump")).toBe(130);
    expect(beganAt(events, "receiver-reports-jamming")).toBe(100);
    expect(beganAt(events, "cn0-step")).toBe(130);
    expect(last.active.map(({ name }) => name)).toEqual(expect.arrayContaining(["agc-step", "cn0-step"]));
    // 900 m in 31 s are within a vehicle's reach, and are not called a jump.
    expect(beganAt(events, "position-jump")).toBeNull();
    expect(events.filter(({ sign, phase }) => sign.name === "agc-step" && phase === "begin")).toHaveLength(1);
  });

  it("replay of an hour ago: time goes back", () => {
    const { events } = run(130, (epoch, t) => {
      if (t >= 100) epoch.gst -= 3600;
    });
    expect(events[0].at).toBe(START + 100 - 3600);
    expect(events[0].sign).toMatchObject({ name: "time-jump" });
    // While the replay runs its hold does not expire early: it counts watched seconds, not GST.
    const held = run(100 + DEFAULT_THRESHOLDS.jumpHoldSeconds - 5, (epoch, t) => {
      if (t >= 100) epoch.gst -= 3600;
    });
    expect(held.last.active.map(({ name }) => name)).toContain("time-jump");
  });

  it("a jump of time to the future does not let earlier signs expire", () => {
    const { last } = run(130, (epoch, t) => {
      if (t === 100) epoch.ownClock += 1e-6;
      if (t >= 101) epoch.gst += 10_000;
    });
    expect(last.active.map(({ name }) => name)).toContain("receiver-clock-jump");
  });

  it("a position that jumps: of our own and of the receiver, each for itself", () => {
    const { events } = run(130, (epoch, t) => {
      if (t >= 100) epoch.ownEast = epoch.ownEast! + 120;
    });
    const jumps = events.filter(({ sign }) => sign.name === "position-jump");
    expect(jumps.map(({ sign }) => sign.subject)).toEqual(["own"]);
    expect(jumps[0].sign.evidence["kind"]).toBe("against-velocity");
  });

  it("a speed no vehicle has", () => {
    const { events } = run(20, (epoch) => {
      epoch.receiverVelocityEast = 500;
      epoch.receiverEast = null;
      epoch.ownVelocityEast = 500;
    });
    expect(events[0].sign).toMatchObject({ name: "position-jump", quantity: "speed-meters-per-second" });
  });
});

describe("a jump's hold", () => {
  it("ends the sign once, jumpHoldSeconds after it was last seen", () => {
    const { events } = run(600, (epoch, t) => {
      if (t >= 100) epoch.ownClock += 500e-9;
      if (t >= 100) epoch.receiverClock += 500e-9;
    });
    expect(events.map(({ phase, at, reason, sign }) => [phase, at - START, reason, sign.name])).toEqual([
      ["begin", 100, null, "receiver-clock-jump"],
      ["end", 100 + DEFAULT_THRESHOLDS.jumpHoldSeconds, "expired", "receiver-clock-jump"],
    ]);
  });
});

describe("the receiver's claims", () => {
  it("begin with the first message that claims, and end after being withdrawn for stateHoldSeconds", () => {
    const { events } = run(200, (epoch, t) => {
      if (t >= 50 && t < 90) epoch.spoofing = 2;
    });
    expect(events.map(({ phase, at, sign }) => [phase, at - START, sign.name])).toEqual([
      ["begin", 50, "receiver-reports-spoofing"],
      ["end", 89 + DEFAULT_THRESHOLDS.stateHoldSeconds, "receiver-reports-spoofing"],
    ]);
    expect(events[0].sign.evidence).toEqual({ sources: ["NAV-STATUS", "SEC-SIG"], states: [2, 2] });
  });

  it("of SEC-SIG version 1, and of the log until its event stopped", () => {
    const watch = new ConsistencyWatch();
    const epoch = (t: number) =>
      watch.epoch({ gst: START + t, own: null, receiver: null, authenticatedSatellites: [] });
    watch.receiver(
      message("SEC-SIG", {
        version: 1,
        jamFlags: { jamDetEnabled: true, jammingState: 3 },
        spfFlags: { spfDetEnabled: true, spoofingState: 1 },
      }),
    );
    expect(epoch(0).active.map(({ name }) => name)).toEqual(["receiver-reports-jamming"]);

    const other = new ConsistencyWatch();
    const log = (events: [number, number, number][]) =>
      message("SEC-SIGLOG", {
        version: 1,
        events: events.map(([timeElapsed, detectionType, eventType]) => ({
          timeElapsed,
          detectionType,
          eventType,
        })),
      });
    const state = (t: number, events: [number, number, number][]): string[] => {
      other.receiver(log(events));
      return other
        .epoch({ gst: START + t, own: null, receiver: null, authenticatedSatellites: [] })
        .active.map(({ name }) => name);
    };
    expect(state(0, [[500, 3, 2]])).toEqual([]);
    expect(state(1, [[1, 6, 0]])).toEqual(["receiver-reports-spoofing"]);
    for (let t = 2; t < 20; t++)
      state(t, [
        [t - 2, 6, 1],
        [t, 6, 0],
      ]);
    expect(state(20, [])).toEqual([]);
  });

  it("are dropped as unobserved when nothing repeats them", () => {
    const watch = new ConsistencyWatch();
    watch.receiver(
      message("SEC-SIG", {
        version: 1,
        jamFlags: { jammingState: 2 },
        spfFlags: { spoofingState: 0 },
      }),
    );
    const reasons: (string | null)[] = [];
    for (let t = 0; t < 200; t++)
      for (const event of watch.epoch({
        gst: START + t,
        own: null,
        receiver: null,
        authenticatedSatellites: [],
      }).events)
        reasons.push(event.reason);
    expect(reasons).toEqual([null, "unobserved"]);
  });
});

describe("the receiver's own OSNMA verdict", () => {
  const verdict = (
    svId: number,
    failed: boolean,
    header: { nmaStatus: number; CPKS: number },
    enabled = true,
  ) =>
    message("SEC-OSNMA", {
      version: 3,
      nmaHeader: { headerAuthStatus: true, chainInForce: 1, ...header },
      osnmaMonitoring: { osnmaEnabled: enabled, numSVs: 1 },
      timSyncReq: {},
      timSyncReqDiff: 0,
      dsmAuthentication: {},
      teslaKey: {},
      generalAndTiming: { authSVs: 1 },
      svs: [{ auth: { IODE: 5, authNum: 1, authStatus: failed }, svId }],
    });
  const ours = { nmaStatus: "operational", chainId: 1, alert: false } as const;
  const names = (seconds: number, sent: ReturnType<typeof verdict>): string[] => {
    const watch = new ConsistencyWatch();
    let active: string[] = [];
    for (let t = 0; t < seconds; t++) {
      watch.receiver(sent);
      active = watch
        .epoch({ gst: START + t, own: null, receiver: null, authenticatedSatellites: [7, 8], osnma: ours })
        .active.map(({ name }) => name);
    }
    return active;
  };

  it("is a sign when it contradicts ours for a minute, not before", () => {
    expect(names(60, verdict(7, true, { nmaStatus: 2, CPKS: 1 }))).toEqual([]);
    expect(names(70, verdict(7, true, { nmaStatus: 2, CPKS: 1 }))).toEqual(["receiver-osnma-disagrees"]);
    expect(names(70, verdict(7, false, { nmaStatus: 3, CPKS: 1 }))).toEqual(["receiver-osnma-disagrees"]);
    expect(names(70, verdict(7, false, { nmaStatus: 2, CPKS: 7 }))).toEqual(["receiver-osnma-disagrees"]);
  });

  it("is none when it agrees, is about a satellite we have not authenticated, or is switched off", () => {
    expect(names(70, verdict(7, false, { nmaStatus: 2, CPKS: 1 }))).toEqual([]);
    expect(names(70, verdict(9, true, { nmaStatus: 2, CPKS: 1 }))).toEqual([]);
    expect(names(70, verdict(7, true, { nmaStatus: 3, CPKS: 7 }, false))).toEqual([]);
  });
});

describe("hysteresis", () => {
  it("a value that wavers about its threshold is one sign, not many", () => {
    const { events } = run(300, (epoch, t) => {
      // Apart by 20 m, then by 12 m, in turns of fifteen seconds: the threshold is 15 m.
      if (t >= 50 && t < 200) epoch.receiverEast = epoch.ownEast! + (Math.floor(t / 15) % 2 === 0 ? 20 : 12);
    });
    const phases = events.filter(({ sign }) => sign.name === "own-and-receiver-disagree").map((e) => e.phase);
    expect(phases).toEqual(["begin", "end"]);
  });

  it("a front end that settles after power-up is no step", () => {
    expect(
      run(60, (epoch, t) => {
        epoch.agc = t < 4 ? 6200 : 4212;
      }).begun,
    ).toEqual([]);
  });

  it("NAV-CLOCK without a solution is not taken for a clock: the jump over the gap is seen against the last", () => {
    const { events } = run(150, (epoch, t) => {
      epoch.ownEast = null;
      epoch.receiverClockKnown = t < 100 || t >= 120;
      if (t >= 120) epoch.receiverClock += 9e-6;
    });
    expect(beganAt(events, "receiver-clock-jump")).toBe(120);
    expect(events[0].sign.evidence).toMatchObject({ source: "NAV-CLOCK", seconds: 21 });
  });
});

describe("the joint uncertainty", () => {
  it("stretches the threshold along the uncertain axis only", () => {
    const at = (east: number, north: number, en = 0) =>
      new ConsistencyWatch()
        .epoch({
          gst: START,
          own: {
            gst: START,
            position: place(),
            covariance: { ee: 400, nn: en === 0 ? 1 : 400, uu: 25, en, eu: 0, nu: 0 },
            clockBiasSeconds: 0,
            clockBiasSigmaSeconds: 1e-8,
            clockDrift: null,
            clockDriftSigma: null,
            velocity: null,
            raim: "passed",
          },
          receiver: {
            gst: START,
            position: place(east, north),
            horizontalSigmaMeters: 1,
            verticalSigmaMeters: 1,
            velocity: null,
          },
          authenticatedSatellites: [],
        })
        .active.map(({ name }) => name);
    expect(at(80, 0)).toEqual([]);
    expect(at(120, 0)).toEqual(["own-and-receiver-disagree"]);
    expect(at(0, 14)).toEqual([]);
    expect(at(0, 17)).toEqual(["own-and-receiver-disagree"]);
    // Errors that go together: far along the diagonal is likely, as far across it is not.
    expect(at(60, 60, 395)).toEqual([]);
    expect(at(60, -60, 395)).toEqual(["own-and-receiver-disagree"]);
  });

  it("compares at one instant: a second of travel between the two is no disagreement", () => {
    const { begun } = run(50, (epoch, t) => {
      epoch.ownVelocityEast = 100;
      epoch.receiverVelocityEast = 100;
      epoch.ownEast = 100 * t;
      epoch.receiverEast = null;
    });
    expect(begun).toEqual([]);
    const watch = new ConsistencyWatch();
    const moving = { east: 100, north: 0, up: 0, sigma: 0.1 };
    const signs = watch.epoch({
      gst: START,
      own: {
        gst: START,
        position: place(0),
        covariance: { ee: 4, nn: 4, uu: 9, en: 0, eu: 0, nu: 0 },
        clockBiasSeconds: 0,
        clockBiasSigmaSeconds: 1e-8,
        clockDrift: null,
        clockDriftSigma: null,
        velocity: moving,
        raim: "passed",
      },
      receiver: {
        gst: START + 1,
        position: place(100),
        horizontalSigmaMeters: 2,
        verticalSigmaMeters: 2,
        velocity: moving,
      },
      authenticatedSatellites: [],
    });
    expect(signs.active).toEqual([]);
  });
});

describe("any input", () => {
  it("begins and ends every sign in turn, whatever happens", () => {
    const bend = fc.record({
      t: fc.integer({ min: 0, max: 120 }),
      what: fc.constantFrom("clock", "agc", "cn0", "spoofing", "jamming", "east", "gst", "none"),
      by: fc.double({ min: -1, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(bend, { maxLength: 12 }), (bends) => {
        const { events, last } = run(140, (epoch, t) => {
          for (const { t: from, what, by } of bends) {
            if (t < from || t > from + 20) continue;
            if (what === "clock") epoch.ownClock += by * 1e-5;
            if (what === "agc") epoch.agc = Math.max(0, Math.min(8191, Math.round(epoch.agc + by * 5000)));
            if (what === "cn0") epoch.cn0 = epoch.cn0.map((cn0) => Math.round(cn0 + by * 10));
            if (what === "spoofing") epoch.spoofing = 3;
            if (what === "jamming") epoch.jamming = 2;
            if (what === "east") epoch.ownEast = by * 1e6;
            if (what === "gst") epoch.gst += Math.round(by * 1e6);
            if (what === "none") epoch.ownEast = null;
          }
        });
        const open = new Set<string>();
        for (const { phase, sign } of events) {
          const key = `${sign.name}/${sign.subject}`;
          expect(open.has(key)).toBe(phase === "end");
          if (phase === "begin") {
            open.add(key);
            expect(sign.value).toBeGreaterThan(sign.threshold);
          } else open.delete(key);
        }
        expect(new Set(last.active.map(({ name, subject }) => `${name}/${subject}`))).toEqual(open);
      }),
      { numRuns: 40 },
    );
  });

  it("gives the same signs for the same input", () => {
    const attack = (epoch: ReturnType<typeof calm>, t: number): void => {
      if (t >= 60) epoch.agc = 1000;
    };
    expect(run(120, attack).events).toEqual(run(120, attack).events);
  });

  it("is refused where it is not finite: it would compare as no sign", () => {
    const watch = new ConsistencyWatch();
    const empty = { own: null, receiver: null, authenticatedSatellites: [] };
    expect(() => watch.epoch({ gst: Number.NaN, ...empty })).toThrow(RangeError);
    expect(() => feed(watch, { ...calm(0), ownClock: Number.NaN, receiverClock: 0 })).toThrow(RangeError);
    expect(() => watch.epoch({ ...empty, gst: "1" as unknown as number })).toThrow(TypeError);
  });
});

describe("thresholds", () => {
  it("are refused when unknown, not numbers, or not positive", () => {
    expect(() => watchThresholds({ nonsense: 1 } as object)).toThrow(RangeError);
    expect(() => watchThresholds({ cn0StepDb: 0 })).toThrow(RangeError);
    expect(() => watchThresholds({ cn0StepDb: Number.NaN })).toThrow(RangeError);
    expect(() => watchThresholds({ cn0StepDb: "4" as unknown as number })).toThrow(TypeError);
    expect(() => watchThresholds({ endRatio: 1.5 })).toThrow(RangeError);
  });

  it("are what decides: a smaller one sees a smaller step", () => {
    const step = (watch: ConsistencyWatch): string[] =>
      run(
        130,
        (epoch, t) => {
          if (t >= 120) epoch.cn0 = epoch.cn0.map((cn0) => cn0 + 3);
        },
        watch,
      ).begun;
    expect(step(new ConsistencyWatch())).toEqual([]);
    expect(step(new ConsistencyWatch({ cn0StepDb: 2 }))).toEqual(["cn0-step"]);
  });
});
