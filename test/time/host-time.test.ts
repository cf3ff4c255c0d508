/** The edge: which program is asked, what counts, and that nothing of it can hang or throw. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCommand, type CommandResult } from "../../src/time/command.js";
import { hostTime, probeTime, type HostTimeEdges, type HostTimeOptions } from "../../src/time/host-time.js";
import { readSystemClocks } from "../../src/time/system-clocks.js";
import type { ClockReading } from "../../src/time/types.js";

const NOW = Date.UTC(2026, 10, 26, 10) / 1000;
const chrony = (refTime = NOW - 30): string =>
  `A29FC87B,192.0.2.1,4,${refTime}.5,0.000012345,-0.000001234,0.000023456,-12.345,-0.001,0.050,0.012345678,0.000456789,64.4,Normal\n`;
const missing = (program: string): CommandResult => ({
  ok: false,
  missing: true,
  why: `${program} is not installed`,
});

function edges(
  answers: Readonly<Record<string, string>>,
  more: Partial<HostTimeEdges> = {},
): HostTimeEdges & { clock: { unixMs: number; monotonicMs: number; bootMs: number } } {
  const clock = { unixMs: NOW * 1000, monotonicMs: 1000, bootMs: 1000 };
  return {
    clock,
    readClocks: (): ClockReading => ({ ...clock }),
    run: (program) =>
      Promise.resolve(program in answers ? { ok: true, text: answers[program] } : missing(program)),
    touchedAt: () => Promise.resolve(null),
    readText: () => Promise.resolve(null),
    ...more,
  };
}

async function started(options: HostTimeOptions, from: HostTimeEdges): Promise<ReturnType<typeof hostTime>> {
  const time = hostTime(options, from);
  await time.start();
  await time.stop();
  return time;
}

describe("the host's time", () => {
  it("follows chrony where it is there", async () => {
    const time = await started({}, edges({ chronyc: chrony() }));
    expect(time.status()).toMatchObject({
      state: "trusted",
      source: "chrony",
      reference: "192.0.2.1",
      allows: "all",
    });
    const arrival = time.arrival();
    expect(arrival.unixMs).toBe(NOW * 1000);
    expect(arrival.trusted?.gst).toBeCloseTo(NOW - 935_280_000 + 18, 3);
    expect(arrival.trusted?.boundSeconds).toBeLessThan(0.1);
  });

  it("asks the next where one is not synchronised", async () => {
    const time = await started(
      {},
      edges(
        {
          chronyc: "00000000,,0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,Not synchronised",
          timedatectl:
            "ServerName=ntp.example\nNTPMessage={ Leap=0, Stratum=2, RootDelay=4ms, RootDispersion=3ms, Ignored=no PacketCount=1, Jitter=0 }\n",
        },
        { touchedAt: () => Promise.resolve((NOW - 100) * 1000) },
      ),
    );
    expect(time.status()).toMatchObject({
      state: "trusted",
      source: "systemd-timesyncd",
      reference: "ntp.example",
    });
  });

  it("without any program trusts nothing, and says who was asked", async () => {
    const time = await started({}, edges({}));
    expect(time.now()).toBeNull();
    expect(time.status()).toMatchObject({ state: "untrusted", reason: "no-time-daemon", allows: "none" });
    expect(time.status().detail).toContain("chronyc is not installed");
  });

  it("takes the operator's word only with a bound, and only where no program speaks against it", async () => {
    expect((await started({ assumeSynchronised: true }, edges({}))).now()).toBeNull();
    const assumed = await started({ assumeSynchronised: true, boundSeconds: 2 }, edges({}));
    expect(assumed.status()).toMatchObject({ state: "trusted", source: "configuration" });
    expect(assumed.now()?.boundSeconds).toBeGreaterThanOrEqual(2);
    const against = await started(
      { assumeSynchronised: true, boundSeconds: 2 },
      edges({ chronyc: "00000000,,0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,Not synchronised" }),
    );
    expect(against.now()).toBeNull();
    expect(against.status().reason).toBe("not-synchronised");
  });

  it("does not follow a reference clock of this machine: it may be the receiver", async () => {
    const gps = chrony().replace("A29FC87B,192.0.2.1,4", "47505300,GPS,1");
    const refused = await started({}, edges({ chronyc: gps }));
    expect(refused.now()).toBeNull();
    expect(refused.status().detail).toContain("vouch for itself");
    expect((await started({ acceptReferenceClock: true }, edges({ chronyc: gps }))).now()).not.toBeNull();
  });

  it("reads the system's list of leap seconds", async () => {
    const list = `#@\t${Date.UTC(2027, 5, 28) / 1000 + 2_208_988_800}\n3692217600\t37\t# 1 Jan 2017\n`;
    const time = await started({}, edges({ chronyc: chrony() }, { readText: () => Promise.resolve(list) }));
    expect(time.status().leapSecondsKnownUntil).toBe(Date.UTC(2027, 5, 28) / 1000);
  });

  it("tells of a step, between two polls, to those who listen", async () => {
    const from = edges({ chronyc: chrony() });
    const time = hostTime({}, from);
    const events: string[] = [];
    time.onEvent(({ event }) => events.push(event));
    await time.start();
    from.clock.unixMs += 60_000;
    expect(time.now()).toBeNull();
    expect(events).toEqual(["trusted-time-established", "clock-step", "trusted-time-lost"]);
    await time.stop();
  });

  it("stays trusted while it asks and bytes come meanwhile", async () => {
    const from = edges({});
    const clock = from.clock;
    let time: ReturnType<typeof hostTime> | null = null;
    const events: string[] = [];
    const run: HostTimeEdges["run"] = (program) => {
      for (let i = 0; i < 3; i++) {
        clock.unixMs += 500;
        clock.monotonicMs += 500;
        clock.bootMs += 500;
        time?.arrival();
      }
      return Promise.resolve(program === "chronyc" ? { ok: true, text: chrony() } : missing(program));
    };
    time = hostTime({}, { ...from, run });
    time.onEvent(({ event }) => events.push(event));
    for (let poll = 0; poll < 3; poll++) {
      await time.start();
      await time.stop();
    }
    expect(events).toEqual(["trusted-time-established"]);
    expect(time.now()).not.toBeNull();
  });

  it.each([{ pollSeconds: 0 }, { boundSeconds: -1 }, { driftPpm: -1 }, { stepSeconds: 0 }])(
    "refuses %j",
    (options) => {
      expect(() => hostTime(options, edges({}))).toThrow(RangeError);
    },
  );

  it("works on this machine, whatever it has", async () => {
    const time = hostTime({});
    await time.start();
    const status = time.status();
    expect(["trusted", "untrusted"]).toContain(status.state);
    expect((await probeTime({})).map(({ source }) => source)).toEqual([
      "chrony",
      "ntpd",
      "systemd-timesyncd",
    ]);
    await time.stop();
  }, 30_000);
});

describe("a program of the system", () => {
  it("that is missing, fails, or hangs gives a reason and nothing else", async () => {
    expect(await runCommand("osnmad-no-such-program", [], 1000)).toEqual({
      ok: false,
      missing: true,
      why: "osnmad-no-such-program is not installed",
    });
    const failed = await runCommand("sh", ["-c", "echo broken >&2; exit 3"], 5000);
    expect(failed).toEqual({ ok: false, missing: false, why: "sh: broken" });
    const hung = await runCommand("sleep", ["600"], 100);
    expect(hung).toMatchObject({ ok: false, missing: false });
    expect(hung.ok ? "" : hung.why).toContain("no answer");
  });

  it("that talks without end is cut off", async () => {
    const result = await runCommand("sh", ["-c", "yes | head -c 3000000"], 20_000);
    expect(result.ok).toBe(false);
  });

  it("is found where PATH does not lead, and is not given the caller's environment", async () => {
    const folder = mkdtempSync(join(tmpdir(), "osnmad-path-"));
    writeFileSync(join(folder, "show"), "#!/bin/sh\nenv\n", { mode: 0o755 });
    const before = process.env["PATH"];
    process.env["OSNMAD_TEST_SECRET"] = "secret";
    process.env["PATH"] = folder;
    try {
      const result = await runCommand("show", [], 5000);
      expect(result.ok && result.text).toContain("LC_ALL=C");
      expect(result.ok && result.text).not.toContain("secret");
      expect((await runCommand("sh", ["-c", "exit 0"], 5000)).ok).toBe(true);
    } finally {
      process.env["PATH"] = before;
      delete process.env["OSNMAD_TEST_SECRET"];
    }
  });
});

describe("the clocks of this machine", () => {
  it("go on together", async () => {
    const first = readSystemClocks();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const second = readSystemClocks();
    expect(second.monotonicMs - first.monotonicMs).toBeGreaterThan(40);
    expect(Math.abs(second.unixMs - first.unixMs - (second.monotonicMs - first.monotonicMs))).toBeLessThan(
      500,
    );
    if (process.platform === "linux") expect(second.bootMs! - first.bootMs!).toBeGreaterThanOrEqual(0);
  });
});
