import { readFileSync } from "node:fs";
import { decodeMessage, Framer, type MessageOf, type RawMessage, type UbxMessage } from "gnss-ubx";
import { expect, it } from "vitest";
import { geodeticToEcef } from "../../src/ephemeris/geometry.js";
import { gstOf } from "../../src/inav/gst.js";
import { gradeOwn, gradeReceiver, type Circumstances, type Policy } from "../../src/watch/policy.js";
import type { SignEvent } from "../../src/watch/signs.js";
import { receiverSolutionOf, type OwnSolution } from "../../src/watch/solutions.js";
import { ConsistencyWatch, type EpochSigns } from "../../src/watch/watch.js";
import { describeShared, sharedPath } from "../support/shared.js";

const DEG = Math.PI / 180;
const EPOCH_MESSAGES = new Set(["RXM-RAWX", "SEC-SIG", "MON-RF", "NAV-STATUS", "NAV-CLOCK", "NAV-SAT"]);

interface Replayed {
  readonly epochs: number;
  readonly events: readonly SignEvent[];
  readonly signs: readonly EpochSigns[];
  readonly fed: ReadonlySet<string>;
}

/**
 * A whole capture through the watch, an epoch per NAV-PVT whose date and time are valid. A NAV-PVT ends the
 * epoch before it, so that each epoch has all its messages.
 */
function replay(
  path: string,
  wn: number,
  own: (towSeconds: number) => OwnSolution | null = () => null,
): Replayed {
  const watch = new ConsistencyWatch();
  const signs: EpochSigns[] = [];
  const fed = new Set<string>();
  let pending: MessageOf<"NAV-PVT"> | null = null;
  const flush = (): void => {
    if (pending === null) return;
    const tow = pending.iTOW / 1000;
    const gst = gstOf(wn, tow);
    signs.push(
      watch.epoch({
        gst,
        own: own(tow),
        receiver: receiverSolutionOf(pending, gst),
        authenticatedSatellites: [],
      }),
    );
    pending = null;
  };
  const take = (message: UbxMessage | RawMessage): void => {
    if (message.name === "NAV-PVT") {
      flush();
      if (message.valid.validDate && message.valid.validTime) pending = message;
    }
    if (EPOCH_MESSAGES.has(message.name)) fed.add(message.name);
    watch.receiver(message);
  };
  const framer = new Framer();
  const sink = {
    ubx: (messageClass: number, id: number, payload: Uint8Array) => {
      take(decodeMessage(messageClass, id, payload));
    },
  };
  framer.push(readFileSync(path), sink);
  framer.end(sink);
  flush();
  return { epochs: signs.length, events: signs.flatMap(({ events }) => events), signs, fed };
}

const GOOD: Omit<Circumstances, "policy" | "signs"> = {
  mode: "replay",
  state: "authenticating",
  nmaStatus: "test",
  chainVerified: true,
  timeAssurance: "capture",
  timeGateReason: null,
  slowMacOnly: false,
  slowMacAllowed: false,
  authenticatedSatellites: 5,
};
const grades = (signs: readonly EpochSigns[], policy: Policy) => ({
  own: signs.filter(
    ({ active }) =>
      gradeOwn({
        ...GOOD,
        policy,
        signs: active,
        own: { raim: "passed", satellitesUsed: 5, authenticatedUsed: 5 },
      }).assurance === "nav-authenticated",
  ).length,
  receiver: signs.filter(
    ({ active }) =>
      gradeReceiver({ ...GOOD, policy, signs: active, solution: true, disagreements: [] }).assurance ===
      "corroborated",
  ).length,
});
const told = ({ phase, sign }: SignEvent) => `${phase} ${sign.name}`;

/** RTKLIB's Galileo-only solution of the Besançon capture, as if it were ours; time of week to solution. */
function rtklib(path: string, wn: number): Map<number, OwnSolution> {
  const solutions = new Map<number, OwnSolution>();
  for (const line of readFileSync(path, "utf8").split("\n")) {
    if (line.startsWith("%") || line.trim() === "") continue;
    const [, tow, lat, lon, height, , , sdn, sde, sdu, sdne, sdeu, sdun] = line
      .trim()
      .split(/\s+/)
      .map(Number);
    const signed = (sd: number): number => sd * Math.abs(sd);
    // RTKLIB's epochs are the receiver's own labels, 4 ms before the whole second.
    solutions.set(Math.round(tow), {
      gst: gstOf(wn, tow),
      position: geodeticToEcef({ latitudeRad: lat * DEG, longitudeRad: lon * DEG, heightMeters: height }),
      covariance: {
        ee: sde * sde,
        nn: sdn * sdn,
        uu: sdu * sdu,
        en: signed(sdne),
        eu: signed(sdeu),
        nu: signed(sdun),
      },
      // It writes no clock: one that says nothing.
      clockBiasSeconds: 0,
      clockBiasSigmaSeconds: 1,
      clockDrift: null,
      clockDriftSigma: null,
      velocity: null,
      raim: "passed",
    });
  }
  return solutions;
}

describeShared("the Besançon capture, whose receiver cries wolf", () => {
  const path = sharedPath("captures", "f9-2025-04-25-besancon-rawx.ubx")!;

  it("raises what the receiver claims, once each, and nothing of level, clock, position or time", () => {
    const { epochs, events, fed } = replay(path, 1339);
    expect([...fed].sort()).toEqual([...EPOCH_MESSAGES].sort());
    expect(epochs).toBeGreaterThan(560);
    expect(events.map(told).sort()).toEqual([
      "begin receiver-reports-jamming",
      "begin receiver-reports-spoofing",
    ]);
  });

  it("loses not one fix to that under default, and every one under strict", () => {
    const { signs, epochs } = replay(path, 1339);
    expect(grades(signs, "default")).toEqual({ own: epochs, receiver: epochs });
    expect(grades(signs, "strict")).toEqual({ own: 0, receiver: 0 });
  });

  it("agrees with a Galileo-only solution of the same ranges at every epoch", () => {
    const solutions = rtklib(sharedPath("reference", "besancon-galileo-e1-ntcmg.pos")!, 1339);
    let compared = 0;
    const { events } = replay(path, 1339, (tow) => {
      const solution = solutions.get(tow) ?? null;
      if (solution !== null) compared++;
      return solution;
    });
    expect(compared).toBeGreaterThan(550);
    expect(events.map(told).sort()).toEqual([
      "begin receiver-reports-jamming",
      "begin receiver-reports-spoofing",
    ]);
  });

  it("shows a pull of 60 m laid over that solution", () => {
    const solutions = rtklib(sharedPath("reference", "besancon-galileo-e1-ntcmg.pos")!, 1339);
    const { events } = replay(path, 1339, (tow) => {
      const solution = solutions.get(tow) ?? null;
      if (solution === null || tow < 456_200) return solution;
      // 0.5 m/s, along the axis of the Earth.
      const pull = Math.min(60, 0.5 * (tow - 456_200));
      return { ...solution, position: { ...solution.position, z: solution.position.z + pull } };
    });
    expect(events.map(told)).toContain("begin own-and-receiver-disagree");
  });
});

describeShared("the Leuven captures, undisturbed", () => {
  it.each(["f9t-2026-03-09-leuven.ubx", "leuven-hybrid-rawx-atmo.ubx"])("%s raises no sign", (name) => {
    const { epochs, events } = replay(sharedPath("captures", name)!, 1385);
    expect(epochs).toBe(4753);
    expect(events).toEqual([]);
  });
});
