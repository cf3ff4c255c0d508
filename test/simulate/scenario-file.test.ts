/** Scenarios as files: what is refused and how, and that what comes out is what the scenario says. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Framer } from "gnss-ubx";
import { describe, expect, it } from "vitest";
import { OsnmadError } from "../../src/errors.js";
import { fixesWith } from "../../src/fix/fix-stage.js";
import { Pipeline } from "../../src/pipeline/pipeline.js";
import type { FixRecord } from "../../src/pipeline/records.js";
import { ATTACK_KINDS } from "../../src/simulate/attacks/index.js";
import { ALL_OUTPUT, type EpochTruth, OUTPUT_MESSAGES } from "../../src/simulate/frames.js";
import { Noise } from "../../src/simulate/random.js";
import { RecordedConstellation } from "../../src/simulate/recorded-constellation.js";
import { SCENARIO } from "../../src/simulate/format.js";
import { scenarioFeed } from "../../src/simulate/scenario-feed.js";
import { Scenario } from "../../src/simulate/scenario-file.js";
import { Track } from "../../src/simulate/track.js";
import { trustOf } from "../support/osnma.js";
import { TestAuthority } from "../../src/simulate/test-authority.js";

const file = (path: string): Uint8Array =>
  readFileSync(fileURLToPath(new URL(`../../captures/${path}`, import.meta.url)));
const time = (duration: number): string => `[time]\nwn = 1400\ntow = 200010\nduration = ${duration}\n`;
const head = 'name = "t"\nwhat = "a test"\n';
const QUIET = "[noise]\ncode = 0\ncarrier = 0\ndoppler = 0\ncn0 = 0\n";

function scenario(more = "", duration = 60): Scenario {
  return Scenario.parse(head + time(duration) + more, { readFile: file });
}

function refusal(more: string): string {
  try {
    scenario(more);
  } catch (error) {
    expect(error).toBeInstanceOf(OsnmadError);
    expect((error as OsnmadError).code).toBe("OSN_SCENARIO_INVALID");
    return (error as OsnmadError).message;
  }
  throw new Error("not refused");
}

function bytesOf(of: Scenario): Buffer {
  return Buffer.concat([...of.frames()].map(({ bytes }) => bytes));
}

describe("a scenario file", () => {
  it.each([
    ["[receiver]\nplase = 1", "receiver.plase: no such key. There are: place, waypoints"],
    [
      "[receiver]\nplace = { latitude = 95, longitude = 0, height = 0 }",
      "receiver.place.latitude: must be <= 90 (found 95)",
    ],
    ['[[osnma.chains]]\nname = "a"\ncid = 4', "osnma.chains[0].cid: must be <= 3 (found 4)"],
    ['[[osnma.chains]]\nname = "a"\ncid = 1\nmaclt = 99', "osnma.chains[0]: maclt must be one of 27, 28"],
    ['[[osnma.chains]]\nname = "a"\ncid = 1\ntag_bits = 20', "leave room for"],
    ['[[osnma.events]]\nat = 30\nkind = "eoc"', "osnma.events[0].chain: missing; eoc needs chain"],
    ['[[osnma.events]]\nat = 30\nkind = "oam"\npkid = 3', "osnma.events[0].pkid: means nothing to oam"],
    ['[osnma]\ntree = "Z"', "no tree is named Z"],
    ['[[attack]]\nkind = "nonsense"', 'attack[0].kind: no attack is named "nonsense". There are: '],
    ['[[attack]]\nkind = "forged-alert"\nbit = 1', "attack[0].bit: no such key"],
    ['[[attack]]\nkind = "forged-alert"\nfrom = 60', "attack[0].from: the scenario is over by then"],
    ['[[attack]]\nkind = "forged-alert"\nfrom = -60\nto = 0', "attack[0].to: is before the scenario begins"],
    ['[[attack]]\nkind = "replay"\ndelay = inf', "attack[0].delay: must be number (found Infinity)"],
    [
      "[receiver]\nspeed = 1\nwaypoints = [{ latitude = 1, longitude = 1, height = 0 }, { latitude = 1, longitude = 1, height = 0 }]",
      "receiver.waypoints[1]: the place of the waypoint before",
    ],
    ['[[attack]]\nkind = "forged-alert"\nfrom = 60\nto = 30', "attack[0].to: must be later than from"],
    ["[output]\nrate = 3", "output.rate: must be 1, 2, 4, 5, 8 or 10"],
    ['[output.messages]\n"NAV-POSLLH" = 1', "output.messages.NAV-POSLLH: no such key. There are: NMEA-RMC"],
    ["x = [", "unfinished"],
  ])("%s: refused with where and why", (more, reason) => {
    expect(refusal(more)).toContain(reason);
  });

  it("names every mistake of one kind at once, and the file", () => {
    const lines = refusal("[receiver]\nfoo = 1\nbar = 2\n[noise]\ncode = -1").split("\n");
    expect(lines[0]).toBe("scenario is not a scenario:");
    expect(lines).toHaveLength(4);
  });

  it("takes a date for its start, and begins with the subframe that holds it", () => {
    const dated = Scenario.parse(`${head}[time]\nstart = 2026-06-23T07:33:30Z\nduration = 30`);
    // GST is ahead of UTC by 18 s.
    expect(dated.startGst % 604_800).toBe(200_010);
  });

  it.each([
    ["wn = 0\ntow = 0", "time: must be within weeks 1 to 4094"],
    ["wn = 4094\ntow = 604770", "time: must be within weeks 1 to 4094"],
    // Another moment on each machine.
    ["start = 2026-06-30T12:00:13", "start as a date with time and zone"],
  ])("refuses a start that nobody could tell: %s", (start, message) => {
    expect(() => Scenario.parse(`${head}[time]\n${start}\nduration = 60\n`)).toThrow(message);
  });

  it("has a root for a chain that is announced and begins after the end", () => {
    const announced = scenario(
      '[[osnma.chains]]\nname = "a"\ncid = 1\n[[osnma.chains]]\nname = "b"\ncid = 2\nbegins = 2\n' +
        '[[osnma.events]]\nat = 30\nkind = "eoc"\nchain = "b"\n',
    );
    expect(bytesOf(announced).length).toBeGreaterThan(0);
  });

  it("begins at another time where it is told to, and can be heard from its middle on", () => {
    const startGst = 1422 * 604_800 + 391_812.25;
    const now = Scenario.parse(head + time(60), { startGst });
    expect(now.startGst).toBe(1422 * 604_800 + 391_800);
    const whole = [...scenarioFeed(now)];
    const rest = [...scenarioFeed(now, startGst)];
    expect(rest.length).toBeLessThan(whole.length);
    expect(rest).toEqual(
      whole.slice(-rest.length).map(({ atMs, frames }) => ({ atMs: atMs - 12_250, frames })),
    );
    expect(rest[0]!.atMs).toBeGreaterThanOrEqual(0);
    expect(rest[0]!.atMs).toBeLessThan(1000);
  });

  it("gives the same bytes again, others for another seed, and frames in order of time", () => {
    const first = scenario();
    expect(bytesOf(first).equals(bytesOf(scenario()))).toBe(true);
    expect(bytesOf(first).equals(bytesOf(first))).toBe(true);
    expect(bytesOf(Scenario.parse(head + time(60), { seed: "other" })).equals(bytesOf(first))).toBe(false);
    let last = 0;
    for (const { gst } of first.frames({ output: ALL_OUTPUT })) {
      expect(gst).toBeGreaterThanOrEqual(last);
      last = gst;
    }
  });

  it("puts out every message it names, all of them whole", () => {
    const names = new Set<string>();
    const framer = new Framer();
    const sink = { ubx: (): void => undefined, nmea: (): void => undefined, rtcm3: (): void => undefined };
    for (const { name, bytes } of scenario("[receiver]\nosnma_after = 30").frames({ output: ALL_OUTPUT })) {
      names.add(name);
      framer.push(bytes, sink);
    }
    framer.end(sink);
    expect(framer.counts).toMatchObject({ badUbxChecksums: 0, badNmeaChecksums: 0, skippedBytes: 0 });
    expect([...names].sort()).toEqual(
      [...OUTPUT_MESSAGES.filter((name) => !name.startsWith("NMEA")), "NMEA"].sort(),
    );
  });

  it("measures ten times a second and sends each page once", () => {
    const frames = [...scenario("[output]\nrate = 10").frames()];
    expect(frames.filter(({ name }) => name === "RXM-RAWX")).toHaveLength(620);
    const slow = [...scenario().frames()];
    const pages = (of: typeof frames): number => of.filter(({ name }) => name === "RXM-SFRBX").length;
    expect(pages(frames)).toBe(pages(slow));
  });

  it("is explained key by key in docs/simulation.md, and so is every attack in its listing", () => {
    const docs = readFileSync(fileURLToPath(new URL("../../docs/simulation.md", import.meta.url)), "utf8");
    const keys = new Set<string>();
    const walk = (node: { properties?: object; items?: object }): void => {
      for (const [key, child] of Object.entries(node.properties ?? {})) {
        keys.add(key);
        walk(child as object);
      }
      if (node.items !== undefined) walk(node.items as object);
    };
    walk(SCENARIO as object);
    for (const key of keys)
      if (!(OUTPUT_MESSAGES as readonly string[]).includes(key)) expect(docs).toContain(key);
    for (const { what } of ATTACK_KINDS) expect(what).toMatch(/^[A-Z].*\.$/);
  });
});

/** Own fixes of a scenario under test tree A, with the truth of their epochs. */
function fixesOf(of: Scenario): { fix: FixRecord; truth: EpochTruth }[] {
  const truths = new Map<number, EpochTruth>();
  const out: { fix: FixRecord; truth: EpochTruth }[] = [];
  const authority = new TestAuthority("osnmad captures, tree A", { curves: { 9: "P-521" } });
  const pipeline = new Pipeline(
    {
      ...trustOf(authority, [2]),
      mode: "simulated",
      fixes: fixesWith({ mode: "simulated", softwareVersion: "test" }),
      softwareVersion: "test",
    },
    (record) => {
      if (record.type !== "fix") return;
      const truth = truths.get(Math.round(record.gst));
      if (truth !== undefined) out.push({ fix: record, truth });
    },
  );
  const onEpoch = (truth: EpochTruth): void => void truths.set(Math.round(truth.heardGst), truth);
  for (const { bytes } of of.frames({ onEpoch })) pipeline.push(bytes);
  pipeline.end();
  return out;
}

const METERS_PER_DEGREE = 111_320;

function missMeters({
  fix,
  truth,
}: {
  fix: FixRecord;
  truth: EpochTruth;
}): { across: number; up: number } | null {
  if (fix.own === null || fix.own.assurance !== "nav-authenticated") return null;
  const { place } = truth.motion;
  const north = (fix.own.latitudeE7 / 1e7 - place.latitudeDeg) * METERS_PER_DEGREE;
  const east =
    (fix.own.longitudeE7 / 1e7 - place.longitudeDeg) *
    METERS_PER_DEGREE *
    Math.cos((place.latitudeDeg * Math.PI) / 180);
  return { across: Math.hypot(north, east), up: Math.abs(fix.own.heightMm / 1000 - place.heightMeters) };
}

describe("what comes out of a scenario", () => {
  it("without noise: the project's own solver finds the place within 2 cm, also over a change of IODnav", () => {
    const found = fixesOf(scenario(QUIET, 420))
      .map(missMeters)
      .filter((miss) => miss !== null);
    expect(found.length).toBeGreaterThan(250);
    for (const { across, up } of found) {
      expect(across).toBeLessThan(0.02);
      expect(up).toBeLessThan(0.02);
    }
  });

  it("with the satellites of a capture: places, words and clocks fit as well", () => {
    const recorded = new RecordedConstellation(file("nominal.ubx"));
    expect(recorded.svids).toEqual([5, 6, 7, 11, 12, 13, 14, 18, 19, 20]);
    const text = `${head}[time]\nwn = 1400\ntow = 141000\nduration = 240\n[constellation]\nephemerides = "nominal.ubx"\n${QUIET}`;
    const found = fixesOf(Scenario.parse(text, { readFile: file }))
      .map(missMeters)
      .filter((miss) => miss !== null);
    expect(found.length).toBeGreaterThan(60);
    // Its batches were made apart, so a change of IODnav steps by their rounding.
    for (const { across, up } of found) expect(Math.hypot(across, up)).toBeLessThan(0.05);
  });

  it("noise is normal: mean 0, deviation 1, the right share beyond two, and no correlation of satellites", () => {
    const noise = new Noise("seed", "label");
    const n = 40_000;
    let [sum, square, beyond, product] = [0, 0, 0, 0];
    for (let i = 0; i < n; i++) {
      const [a, b] = [noise.normal(3, i), noise.normal(4, i)];
      sum += a;
      square += a * a;
      product += a * b;
      if (Math.abs(a) > 2) beyond++;
    }
    expect(Math.abs(sum / n)).toBeLessThan(0.02);
    expect(Math.abs(square / n - 1)).toBeLessThan(0.03);
    expect(Math.abs(product / n)).toBeLessThan(0.02);
    expect(beyond / n).toBeCloseTo(0.0455, 2);
  });

  it("a track over 180 degrees of longitude goes the short way", () => {
    const at = (longitudeDeg: number, atSeconds: number) => ({
      latitudeDeg: 0,
      longitudeDeg,
      heightMeters: 0,
      atSeconds,
    });
    const track = new Track([at(179.999, 0), at(-179.999, 100)]);
    for (let s = 0; s <= 100; s++) {
      const { place, velocity } = track.at(s);
      expect(Math.abs(place.longitudeDeg)).toBeGreaterThanOrEqual(179.99);
      expect(Math.hypot(...velocity)).toBeLessThan(3);
    }
    expect(track.at(200).place.longitudeDeg).toBeCloseTo(-179.999, 9);
  });

  it("tags across a change of MAC function are neither verified nor failed", () => {
    const change = Scenario.parse(
      `${head}[time]\nwn = 1400\ntow = 201000\nduration = 1080\n[receiver]\nmax_satellites = 5\n` +
        "[output.messages]\nRXM-RAWX = 0\n" +
        '[[osnma.chains]]\nname = "a"\ncid = 1\nhash = "SHA3-256"\nmac = "CMAC-AES"\n' +
        '[[osnma.chains]]\nname = "b"\ncid = 2\nbegins = 1\n' +
        '[[osnma.events]]\nat = 30\nkind = "eoc"\nchain = "b"\n',
    );
    const summary = (() => {
      const trust = trustOf(new TestAuthority("osnmad captures, tree A"), [2]);
      const pipeline = new Pipeline(
        { ...trust, mode: "simulated", softwareVersion: "test" },
        () => undefined,
      );
      pipeline.push(bytesOf(change));
      return pipeline.end();
    })();
    expect(summary).toMatchObject({ chainId: 2, tags: { failed: { 0: 0, 4: 0, 12: 0 } } });
    expect(summary.macseq.failed).toBe(0);
    expect(summary.tags.verified[12]).toBeGreaterThan(0);
  });

  it("a track has the velocity of its positions, and never brakes harder than a vehicle", () => {
    const place = (latitudeDeg: number, longitudeDeg: number, atSeconds: number) => ({
      latitudeDeg,
      longitudeDeg,
      heightMeters: 100,
      atSeconds,
    });
    const track = new Track([place(50, 4, 10), place(50.01, 4, 90), place(50.01, 4.01, 150)]);
    let before = track.at(0);
    for (let t = 0.5; t < 200; t += 0.5) {
      const now = track.at(t);
      const moved = Math.hypot(...now.position.map((v, k) => v - before.position[k]));
      const mean = Math.hypot(...now.velocity.map((v, k) => (v + before.velocity[k]) / 2));
      expect(Math.abs(moved - mean * 0.5)).toBeLessThan(0.01);
      expect(Math.hypot(...now.velocity.map((v, k) => v - before.velocity[k])) / 0.5).toBeLessThan(5);
      before = now;
    }
    expect(before.place.longitudeDeg).toBeCloseTo(4.01, 9);
  });
});
