import { describe, expect, it } from "vitest";
import { decodeMessage, encodeFrame, encodeMessage, Framer, type UbxMessage } from "gnss-ubx";
import { fromHex, toHex } from "../../src/simulate/bit-writer.js";
import { ecefOf, flightOf } from "../../src/simulate/geometry.js";
import { parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import {
  damaged,
  rtcmFrame,
  sentence,
  sfrbxFrame,
  ubxFrame,
  ubxFrames,
  type UbxStreamOptions,
  ubxStream,
} from "../../src/simulate/ubx-stream.js";

const { options } = parametrisedScenario({ seed: "stream", subframes: 2, satellites: [5, 6, 11, 12, 13] });
const simulation = new Simulation({ ...options, events: [{ svid: 6, e1bHs: 1 }] });

interface Read {
  readonly messages: UbxMessage[];
  readonly lines: string[];
  readonly rtcm: number;
  readonly framer: Framer;
}

function read(bytes: Uint8Array): Read {
  const messages: UbxMessage[] = [];
  const lines: string[] = [];
  let rtcm = 0;
  const framer = new Framer();
  const sink = {
    ubx: (messageClass: number, id: number, payload: Uint8Array): void => {
      const message = decodeMessage(messageClass, id, payload);
      if (message.name !== "raw") messages.push(message);
      else if (payload.length > 0) throw new Error(`not decoded: ${message.reason}`);
    },
    nmea: (line: Uint8Array): void => {
      lines.push(Buffer.from(line).toString("ascii").trim());
    },
    rtcm3: (): void => {
      rtcm++;
    },
  };
  framer.push(bytes, sink);
  framer.end(sink);
  return { messages, lines, rtcm, framer };
}

const of = <N extends UbxMessage["name"]>(name: N, from: Read): Extract<UbxMessage, { name: N }>[] =>
  from.messages.filter((message): message is Extract<UbxMessage, { name: N }> => message.name === name);

const streamed = (more: UbxStreamOptions): Read => read(ubxStream(simulation, more));

describe("frames written by hand", () => {
  it("are those of the message table, byte for byte", () => {
    const payload = Uint8Array.of(1, 2, 3, 250);
    expect(ubxFrame(0x01, 0x61, payload)).toEqual(encodeFrame(0x01, 0x61, payload));
    let compared = 0;
    for (const frame of ubxFrames(simulation, { rawx: true })) {
      const message = decodeMessage(frame[2], frame[3], frame.subarray(6, frame.length - 2));
      if (message.name === "raw") throw new Error(message.reason);
      expect(toHex(encodeMessage(message.name, message as never))).toBe(toHex(frame));
      compared++;
    }
    expect(compared).toBeGreaterThan(500);
  });

  it("give a recorded RXM-SFRBX again from its two halves, but for channel and junk byte", () => {
    const recorded = fromHex(
      "b56202132800020801000807020000c81e04760f00071c46fc730080ff878649808f2a87d36b3b42aaaa00c0ca4e1ca8",
    );
    const half = (at: number): Uint8Array => {
      const bytes = new Uint8Array(15);
      for (let i = 0; i < 15; i++) bytes[i] = recorded[6 + 8 + at + (i & ~3) + 3 - (i & 3)];
      return bytes;
    };
    const frame = sfrbxFrame({ svid: 8, band: "E1-B", even: half(0), odd: half(16) });
    expect(frame.subarray(14, 46)).toEqual(recorded.subarray(14, 46));
    expect(frame.subarray(0, 11)).toEqual(recorded.subarray(0, 11));
  });

  it("NMEA and RTCM are whole", () => {
    const result = read(
      Buffer.concat([sentence("GNTXT,01,01,00,txbuf alloc"), rtcmFrame(fromHex("3ed00001"))]),
    );
    expect(result.lines).toEqual(["$GNTXT,01,01,00,txbuf alloc*61"]);
    expect(result.rtcm).toBe(1);
  });
});

describe("an F9-like stream", () => {
  it("has every page two seconds after its start, after NAV-EOE of that epoch", () => {
    const result = streamed({});
    let tow = -1;
    let ended = false;
    let pages = 0;
    for (const message of result.messages) {
      if (message.name === "NAV-TIMEGAL") [tow, ended] = [message.galTow, false];
      if (message.name === "NAV-EOE") ended = true;
      if (message.name !== "RXM-SFRBX") continue;
      pages++;
      expect(ended).toBe(true);
      const [first, second, third, fourth, fifth] = message.dwrd as [number, number, number, number, number];
      const type = (first >>> 24) & 0x3f;
      // TOW of WT6: bits 105-124 of the word.
      if (type === 6) expect((((fourth >>> 14) << 4) | ((fifth >>> 26) & 0xf)) & 0xfffff).toBeGreaterThan(0);
      if (type === 5) {
        // TOW of WT5: word bits 85-104, that is even half bits 87-106.
        const sowHigh = third & 0x1ff;
        expect(sowHigh * 2 ** 11 + (fourth >>> 21)).toBe(tow - 2);
      }
      expect(second).toBeGreaterThanOrEqual(0);
      expect(tow % 2).toBe(1);
    }
    expect(pages).toBe(5 * 30);
  });

  it("tells where satellites stand and that an unhealthy one is not used", () => {
    const [sat] = of("NAV-SAT", streamed({}));
    expect(sat.svs.map(({ svId }) => svId)).toEqual([5, 6, 11, 12, 13]);
    for (const sv of sat.svs) {
      const look = simulation.lookAngles(sv.svId, simulation.startGst + 1);
      expect(Math.abs(sv.elev - look.elevationDeg)).toBeLessThanOrEqual(0.51);
      expect(Math.abs(sv.azim - look.azimuthDeg)).toBeLessThanOrEqual(0.51);
    }
    const [pvt] = of("NAV-PVT", streamed({}));
    expect(pvt.numSV).toBe(4);
    expect([pvt.lat, pvt.lon, pvt.height]).toEqual([508_500_000, 47_300_000, 100_000]);
  });

  it("measures ranges that fit the geometry once clocks and atmosphere are taken off", () => {
    const rawx = of("RXM-RAWX", streamed({ rawx: true }));
    expect(rawx).toHaveLength(62);
    const epoch = rawx[10];
    const gst = simulation.startGst + 11;
    expect(epoch.week).toBe(1400 + 1024);
    // The label is a whole millisecond of the receiver's clock, which is behind by 3.93 ms and gains 20 ns a second.
    const clock = -3.93e-3 + 11 * 2e-8;
    expect(epoch.rcvTow).toBe((gst % 604_800) - 0.004);
    const measured = gst - 0.004 - clock;
    for (const { svId, prMes } of epoch.meas) {
      const { rangeMeters, transmitGst } = flightOf(simulation.navigation, svId, simulation.place, measured);
      const rest =
        prMes - rangeMeters - 299_792_458 * (clock - simulation.navigation.clockE1(svId, transmitGst));
      // Troposphere and ionosphere: a few metres, tens near the horizon.
      expect(rest).toBeGreaterThan(2);
      expect(rest).toBeLessThan(60);
    }
    expect(Math.hypot(...ecefOf(simulation.place))).toBeGreaterThan(6.3e6);
  });

  it("starts cold without a week, then with a wrong one, and says so by its valid bits", () => {
    const result = streamed({
      rawx: true,
      nmea: true,
      coldStart: { unknownSeconds: 5, wrongWeekSeconds: 3 },
    });
    const galileo = of("NAV-TIMEGAL", result).map(
      ({ galWno, valid }) => `${galWno} ${JSON.stringify(valid)}`,
    );
    expect(new Set(galileo.slice(0, 5)).size).toBe(1);
    expect(new Set(galileo).size).toBe(3);
    expect(of("NAV-TIMEGAL", result)[9].galWno).toBe(1400);
    expect(
      of("RXM-RAWX", result)
        .map(({ week }) => week)
        .slice(6, 10),
    ).toEqual([0, 0, 2424, 2424]);
    expect(result.lines[0]).toMatch(/^\$GNRMC,,V/);
    expect(result.lines.at(-2)).toMatch(/^\$GNRMC,\d{6}\.00,A,5051\.00000,N,00443\.80000,E/);
  });
});

describe("a damaged stream", () => {
  const frames = [...ubxFrames(simulation, { nmea: true }), ...ubxFrames(simulation, { nmea: true })];
  const { bytes, report } = damaged(frames, "damage");

  it("has every kind of damage, the same one each time, and most frames left", () => {
    for (const count of Object.values(report)) expect(count).toBeGreaterThan(0);
    expect(damaged(frames, "damage").bytes).toEqual(bytes);
    const result = read(bytes);
    expect(result.framer.counts.badUbxChecksums).toBeGreaterThanOrEqual(report.badChecksums - 2);
    expect(result.rtcm).toBeGreaterThan(0);
    expect(result.lines.filter((line) => line === "$GNTXT,01,01,00,txbuf alloc*61")).toHaveLength(
      report.overflows,
    );
    const intact = frames.filter((frame) => frame[0] === 0xb5).length;
    expect(result.messages.length).toBeGreaterThan(0.9 * intact);
    expect(result.messages.length).toBeLessThan(intact);
  });

  it("ends in the middle of a frame", () => {
    expect(bytes.subarray(-6, -4)).toEqual(Uint8Array.of(0xb5, 0x62));
  });
});
