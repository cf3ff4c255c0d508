import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseChronyTracking } from "../../src/time/chrony.js";
import { parseNtpVariables } from "../../src/time/ntpd.js";
import { parseTimesync, seconds } from "../../src/time/timesyncd.js";

const CHRONY =
  "A29FC87B,162.159.200.123,4,1790683262.123456789,0.000012345,-0.000001234,0.000023456,-12.345,-0.001,0.050,0.012345678,0.000456789,64.4,Normal\n";
const NTPD = `associd=0 status=0615 leap_none, sync_ntp, 1 event, clock_sync,
version="ntpd 4.2.8p18@1.4062-o", processor="x86_64", system="Linux/6.1.0",
leap=00, stratum=2, precision=-24, rootdelay=12.345, rootdisp=3.210,
refid=192.0.2.1, reftime=ea1b2c3d.80000000  Mon, Jun 17 2024 10:00:00.500,
clock=ea1b2c40.00000000  Mon, Jun 17 2024 10:00:03.000, peer=12345, tc=6,
mintc=3, offset=-0.123456, frequency=-12.345, sys_jitter=0.045678,
clk_jitter=0.012, clk_wander=0.003
`;
const TIMESYNC = `LinkNTPServers=
SystemNTPServers=
FallbackNTPServers=0.debian.pool.ntp.org 1.debian.pool.ntp.org
ServerName=0.debian.pool.ntp.org
ServerAddress=192.0.2.7
RootDistanceMaxUSec=5s
PollIntervalMinUSec=32s
PollIntervalMaxUSec=34min 8s
PollIntervalUSec=8min 32s
NTPMessage={ Leap=0, Version=4, Mode=4, Stratum=2, Precision=-30, RootDelay=4.165ms, RootDispersion=3.982ms, Reference=AB400749, OriginateTimestamp=Fri 2026-02-06 19:41:30 UTC, ReceiveTimestamp=Fri 2026-02-06 19:41:30 UTC, TransmitTimestamp=Fri 2026-02-06 19:41:30 UTC, DestinationTimestamp=Fri 2026-02-06 19:41:30 UTC, Ignored=no PacketCount=115, Jitter=126.318ms }
Frequency=-3812749
`;

describe("chronyc -c -n tracking", () => {
  it("gives the manual's bound and the reference time", () => {
    const report = parseChronyTracking(CHRONY, false);
    expect(report).toMatchObject({
      synchronised: true,
      why: null,
      leap: "none",
      reference: "162.159.200.123",
    });
    expect(report?.boundSeconds).toBeCloseTo(0.000012345 + 0.000456789 + 0.012345678 / 2, 12);
    expect(report?.updatedUnixMs).toBeCloseTo(1790683262123.456, 2);
  });

  it("reads the form without the address, too", () => {
    const report = parseChronyTracking(CHRONY.replace("162.159.200.123,", ""), false);
    expect(report?.synchronised).toBe(true);
    expect(report?.boundSeconds).toBeCloseTo(0.006641973, 9);
  });

  it.each([
    ["not synchronised", "00000000,,0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,Not synchronised"],
    ["its own clock", CHRONY.replace("A29FC87B,162.159.200.123", "7F7F0101,127.127.1.1")],
    [
      "a reference clock, which may be the receiver",
      CHRONY.replace("A29FC87B,162.159.200.123,4", "47505300,GPS,1"),
    ],
    ["an unknown leap status", CHRONY.replace("Normal", "Perhaps")],
    ["stratum 16", CHRONY.replace(",4,", ",16,")],
    ["a negative dispersion", CHRONY.replace("0.000456789", "-1.0")],
  ])("does not count as synchronised: %s", (_name, text) => {
    const report = parseChronyTracking(text, false);
    expect(report?.synchronised).toBe(false);
    expect(report?.why).not.toBeNull();
  });

  it("takes a reference clock where the operator says so", () => {
    const text = CHRONY.replace("A29FC87B,162.159.200.123,4", "50505300,PPS,1");
    expect(parseChronyTracking(text, true)?.synchronised).toBe(true);
  });

  it("tells a leap second ahead", () => {
    expect(parseChronyTracking(CHRONY.replace("Normal", "Insert second"), false)?.leap).toBe("insert");
  });

  it.each(["", "506 Cannot talk to daemon\n", "1,2,3", CHRONY.replace("0.000012345", "soon")])(
    "is not understood: %j",
    (text) => {
      expect(parseChronyTracking(text, false)).toBeNull();
    },
  );
});

describe("ntpq -n -c rv", () => {
  it("gives root distance, offset and jitter as the bound", () => {
    const report = parseNtpVariables(NTPD, false);
    expect(report).toMatchObject({ synchronised: true, reference: "192.0.2.1", leap: "none" });
    expect(report?.boundSeconds).toBeCloseTo((0.123456 + 3.21 + 12.345 / 2 + 0.045678) / 1000, 9);
    expect(report?.updatedUnixMs).toBe((0xea1b2c3d - 2_208_988_800) * 1000 + 500);
  });

  it("reads an era 1 time stamp, from 2036 on", () => {
    const report = parseNtpVariables(NTPD.replace("ea1b2c3d.80000000", "00000010.00000000"), false);
    expect(new Date(report?.updatedUnixMs ?? 0).toISOString()).toBe("2036-02-07T06:28:32.000Z");
  });

  it.each([
    ["leap alarm", NTPD.replace("leap_none", "leap_alarm")],
    ["leap 11", NTPD.replace("leap=00", "leap=11")],
    ["its own clock", NTPD.replace("sync_ntp", "sync_local")],
    ["a reference clock", NTPD.replace("sync_ntp", "sync_uhf_radio")],
    ["unspecified source", NTPD.replace("sync_ntp", "sync_unspec")],
  ])("does not count as synchronised: %s", (_name, text) => {
    expect(parseNtpVariables(text, false)?.synchronised).toBe(false);
  });

  it("is not understood without its numbers", () => {
    expect(parseNtpVariables("ntpq: read: Connection refused\n", false)).toBeNull();
    expect(parseNtpVariables(NTPD.replace("rootdisp=3.210", "rootdisp=x"), false)).toBeNull();
    expect(parseNtpVariables(NTPD.replace(/reftime=\S+/, "reftime=-"), false)).toBeNull();
  });
});

describe("timedatectl show-timesync --all", () => {
  it("adds what timesyncd may be slewing", () => {
    const report = parseTimesync(TIMESYNC, 1_770_406_890_000);
    expect(report).toMatchObject({ synchronised: true, reference: "0.debian.pool.ntp.org" });
    expect(report?.boundSeconds).toBeCloseTo(0.4 + 0.003982 + 0.004165 / 2 + 0.126318, 9);
    expect(report?.updatedUnixMs).toBe(1_770_406_890_000);
  });

  it("reads the form with a comma before PacketCount", () => {
    const report = parseTimesync(TIMESYNC.replace("Ignored=no PacketCount", "Ignored=no, PacketCount"), 1);
    expect(report?.synchronised).toBe(true);
  });

  it.each([
    ["never synchronised", TIMESYNC, null],
    ["no reply yet", TIMESYNC.replace(/NTPMessage=.*\n/, ""), 1],
    ["reply refused", TIMESYNC.replace("Ignored=no", "Ignored=yes"), 1],
    ["server not synchronised", TIMESYNC.replace("Leap=0", "Leap=3"), 1],
    ["no stratum", TIMESYNC.replace("Stratum=2", "Stratum=0"), 1],
    ["no dispersion", TIMESYNC.replace("RootDispersion=3.982ms", "RootDispersion=later"), 1],
  ])("does not count as synchronised: %s", (_name, text, at) => {
    expect(parseTimesync(text, at)?.synchronised).toBe(false);
  });

  it("is not understood where it says something else", () => {
    expect(parseTimesync("System has not been booted with systemd as init system (PID 1).\n", 1)).toBeNull();
  });

  it("reads time spans of systemd", () => {
    expect(seconds("1min 4s")).toBe(64);
    expect(seconds("34min 8s")).toBe(2048);
    expect(seconds("0")).toBe(0);
    for (const none of ["", "soon", "1", "1 s", "-1s", "1s2"]) expect(seconds(none)).toBeNaN();
  });
});

describe("any text", () => {
  const cut = fc
    .tuple(fc.constantFrom(CHRONY, NTPD, TIMESYNC), fc.nat(2000), fc.nat(20), fc.string({ maxLength: 20 }))
    .map(([text, at, gone, put]) => text.slice(0, at) + put + text.slice(at + gone));

  it("is survived, and what counts as synchronised has a bound and no reason against it", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), cut), fc.option(fc.double()), (text, at) => {
        for (const report of [
          parseChronyTracking(text, false),
          parseNtpVariables(text, false),
          parseTimesync(text, at),
        ]) {
          if (report === null) continue;
          expect(report.why === null).toBe(report.synchronised);
          if (report.synchronised) expect(report.boundSeconds).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 500 },
    );
  });
});
