import { encodeMessage, Framer } from "gnss-ubx";
import { beforeEach, describe, expect, it } from "vitest";
import { LineWatch, type LineFinding } from "../../src/source/line-watch.js";
import { NmeaTexts } from "../../src/source/nmea-texts.js";
import { sentence } from "../../src/simulate/ubx-stream.js";

describe("what a receiver says of its line", () => {
  let found: LineFinding[];
  let watch: LineWatch;
  beforeEach(() => {
    found = [];
    watch = new LineWatch((finding) => found.push(finding));
    watch.opened(0);
  });
  const frame = (bytes: Uint8Array, now: number): void => {
    new Framer().push(bytes, {
      ubx: (messageClass, id, payload) => {
        watch.ubx(messageClass, id, payload, now);
      },
    });
  };
  const status = (msss: number, now: number): void => {
    frame(
      encodeMessage("NAV-STATUS", {
        iTOW: 0,
        gpsFix: 3,
        flags: {},
        fixStat: { mapMatching: 0 },
        flags2: { psmState: 0, spoofDetState: 0, carrSoln: 0 },
        ttff: 0,
        msss,
      }),
      now,
    );
  };
  const system = (runTime: number, now: number): void => {
    frame(
      encodeMessage("MON-SYS", {
        msgVer: 1,
        bootType: 1,
        cpuLoad: 1,
        cpuLoadMax: 1,
        memUsage: 1,
        memUsageMax: 1,
        ioUsage: 1,
        ioUsageMax: 1,
        runTime,
        noticeCount: 0,
        warnCount: 0,
        errorCount: 0,
        tempValue: 30,
      }),
      now,
    );
  };
  const pages = (now: number): void => {
    watch.ubx(0x02, 0x13, new Uint8Array(8), now);
  };

  it("tells an overflow by MON-COMMS, and once in a minute", () => {
    const comms = encodeMessage("MON-COMMS", {
      version: 0,
      txErrors: { mem: false, alloc: true, outputPort: 0 },
      protIds: [0, 1, 5, 0xff],
      ports: [],
    });
    for (const now of [0, 1000, 30_000, 61_000]) frame(comms, now);
    expect(found).toEqual([
      { what: "overflow", by: "MON-COMMS", detail: "buffer is full" },
      { what: "overflow", by: "MON-COMMS", detail: "buffer is full" },
    ]);
  });

  it("tells an overflow by a TXT sentence among binary frames, and by UBX-INF", () => {
    const texts = new NmeaTexts((text) => {
      watch.text(text, 5);
    });
    const mixed = Buffer.concat([
      encodeMessage("NAV-EOE", { iTOW: 0 }),
      sentence("GNTXT,01,01,01,txbuf alloc"),
      sentence("GNGGA,,,,,,0,,,,,,,,"),
    ]);
    new Framer().push(mixed, {
      ubx: () => undefined,
      nmea: (line) => {
        texts.write(line);
      },
    });
    expect(found).toEqual([{ what: "overflow", by: "TXT", detail: "txbuf alloc" }]);
    watch = new LineWatch((finding) => found.push(finding));
    frame(encodeMessage("INF-WARNING", { str: "txbuf alloc" }), 0);
    expect(found[1]).toMatchObject({ what: "overflow", by: "INF" });
  });

  it("tells a restart when the uptime goes back, once for all who tell it", () => {
    for (let t = 0; t < 100; t++) {
      status(500_000 + t * 1000, t * 1000);
      system(500 + t, t * 1000);
      pages(t * 1000);
    }
    expect(found).toEqual([]);
    watch.text("u-blox AG - www.u-blox.com", 101_000);
    status(2000, 103_000);
    system(2, 103_000);
    expect(found).toEqual([{ what: "restarted", detail: 'it says "u-blox AG - www.u-blox.com"' }]);
  });

  it("tells a restart behind an interruption, also where the new uptime is the longer one", () => {
    status(10_000, 10_000);
    watch.opened(400_000);
    status(300_000, 400_000);
    expect(found).toMatchObject([{ what: "restarted" }]);
  });

  it("takes no delay for a restart: a held-back line, a replug of a receiver that ran on, another receiver", () => {
    status(10_000, 10_000);
    pages(19_000);
    status(11_000, 19_000);
    watch.opened(60_000);
    status(59_500, 60_500);
    expect(found).toEqual([]);
    watch.replaced();
    status(3_000, 61_000);
    expect(found).toEqual([]);
  });

  it("tells that the configuration is gone when subframes stop and the rest goes on", () => {
    for (let t = 0; t <= 60; t++) {
      if (t < 20) pages(t * 1000);
      watch.nmea(t * 1000);
    }
    expect(found).toEqual([{ what: "configuration-lost", missing: "RXM-SFRBX" }]);
    watch.configured(61_000);
    for (let t = 61; t < 75; t++) watch.nmea(t * 1000);
    expect(found).toHaveLength(1);
    for (let t = 75; t < 80; t++) watch.nmea(t * 1000);
    expect(found).toHaveLength(2);
  });
});
