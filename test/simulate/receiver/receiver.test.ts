import type { ConfigKeyName } from "gnss-ubx";
import { CONFIG_KEYS, encodeFrame } from "gnss-ubx";
import { describe, expect, it } from "vitest";
import { MODEL_NAMES, receiverModel } from "../../../src/simulate/receiver/models.js";
import { acknowledged, Host, names, sky } from "./host.js";

const SFRBX: ConfigKeyName = "CFG-MSGOUT-UBX_RXM_SFRBX_USB";
const PVT: ConfigKeyName = "CFG-MSGOUT-UBX_NAV_PVT_USB";
const RAWX: ConfigKeyName = "CFG-MSGOUT-UBX_RXM_RAWX_USB";

describe("a virtual receiver's configuration", () => {
  it("refuses a whole VALSET for one unknown key, and leaves every other value as it was", () => {
    const host = new Host({ model: "F9P" });
    expect(host.set({ [SFRBX]: 1, "CFG-SIGNAL-GAL_E5A_ENA": true, [PVT]: 1 })).toBe(false);
    expect(host.get([SFRBX, PVT])).toEqual(
      new Map([
        [CONFIG_KEYS[SFRBX].id, 0],
        [CONFIG_KEYS[PVT].id, 0],
      ]),
    );
    expect(host.set({ [SFRBX]: 1, [PVT]: 1 })).toBe(true);
    expect(host.get([SFRBX, PVT])).toEqual(
      new Map([
        [CONFIG_KEYS[SFRBX].id, 1],
        [CONFIG_KEYS[PVT].id, 1],
      ]),
    );
  });

  it("refuses no layer, a value out of range, a cut item, and more than 64 items", () => {
    const host = new Host();
    expect(host.set({ [SFRBX]: 1 }, {})).toBe(false);
    expect(host.set({ "CFG-UART1-BAUDRATE": 12_345 })).toBe(false);
    expect(host.set({ "CFG-RATE-MEAS": 1 })).toBe(false);
    // A logical value that is neither 0 nor 1.
    const gal = CONFIG_KEYS["CFG-SIGNAL-GAL_ENA"].id;
    expect(
      acknowledged(
        host.ask("CFG-VALSET", { version: 0, layers: { ram: true }, cfgData: [{ key: gal, value: 2 }] }),
        0x8a,
      ),
    ).toBe(false);
    // The last byte of a two-byte value is missing.
    const cut = Uint8Array.of(0, 1, 0, 0, 0x01, 0x00, 0x21, 0x30, 0xe8);
    expect(acknowledged(host.send(encodeFrame(0x06, 0x8a, cut)), 0x8a)).toBe(false);
    const many = Array.from({ length: 65 }, () => ({ key: CONFIG_KEYS[SFRBX].id, value: 1 }));
    expect(
      acknowledged(host.ask("CFG-VALSET", { version: 0, layers: { ram: true }, cfgData: many }), 0x8a),
    ).toBe(false);
    expect(host.receiver.setting(SFRBX)).toBe(0);
  });

  it("keeps RAM until the power goes, BBR over flash, and deletes from layers", () => {
    const host = new Host();
    host.set({ [SFRBX]: 1 }, { ram: true });
    host.set({ [PVT]: 2 }, { ram: true, flash: true });
    host.set({ [PVT]: 3 }, { ram: true, bbr: true });
    expect(host.get([SFRBX], 2)).toBeNull();
    expect(host.get([PVT], 2)?.get(CONFIG_KEYS[PVT].id)).toBe(2);
    expect(host.get([PVT], 7)?.get(CONFIG_KEYS[PVT].id)).toBe(0);
    host.receiver.fault({ do: "restart" }, host.nowMs);
    host.listen(3000);
    expect([host.receiver.setting(SFRBX), host.receiver.setting(PVT)]).toEqual([0, 3]);
    const keys = [CONFIG_KEYS[PVT].id];
    expect(acknowledged(host.ask("CFG-VALDEL", { version: 0, layers: { bbr: true }, keys }), 0x8c)).toBe(
      true,
    );
    host.receiver.fault({ do: "restart" }, host.nowMs);
    host.listen(3000);
    expect(host.receiver.setting(PVT)).toBe(2);
    host.set({ [PVT]: 4 }, { ram: true, bbr: true });
    host.receiver.fault({ do: "restart", battery: false }, host.nowMs);
    expect(host.receiver.setting(PVT)).toBe(2);
  });

  it("applies a transaction at its end, and not at all when a part of it is refused", () => {
    const host = new Host();
    const part = (action: number, values: readonly { key: number; value: number }[]): boolean =>
      acknowledged(
        host.ask("CFG-VALSET", {
          version: 1,
          layers: { ram: true },
          transaction: { action },
          cfgData: values,
        }),
        0x8a,
      );
    const sfrbx = { key: CONFIG_KEYS[SFRBX].id, value: 1 };
    const pvt = { key: CONFIG_KEYS[PVT].id, value: 1 };
    expect(part(1, [sfrbx])).toBe(true);
    expect(host.receiver.setting(SFRBX)).toBe(0);
    expect(part(2, [pvt])).toBe(true);
    expect(part(3, [])).toBe(true);
    expect([host.receiver.setting(SFRBX), host.receiver.setting(PVT)]).toEqual([1, 1]);

    expect(part(1, [{ ...sfrbx, value: 5 }])).toBe(true);
    expect(part(2, [{ key: 0x20910fff, value: 1 }])).toBe(false);
    // The transaction is gone, so its end is refused too.
    expect(part(3, [])).toBe(false);
    expect(host.receiver.setting(SFRBX)).toBe(1);
    // Reading in between ends a transaction as well.
    expect(part(1, [{ ...sfrbx, value: 5 }])).toBe(true);
    host.get([SFRBX]);
    expect(part(3, [])).toBe(false);
  });

  it("answers wildcards, 64 items at a time", () => {
    const host = new Host();
    const msgout = (Object.keys(CONFIG_KEYS) as ConfigKeyName[]).filter((key) =>
      key.startsWith("CFG-MSGOUT"),
    );
    expect(msgout.length).toBeGreaterThan(50);
    const first = host.get([0x0091ffff])!;
    const second = host.get([0x2091ffff], 0, 64);
    expect(first.size + (second?.size ?? 0)).toBe(msgout.length);
    expect(new Set([...first.keys(), ...(second?.keys() ?? [])]).size).toBe(msgout.length);
    expect(host.get([0x0fffffff])?.size).toBe(64);
    expect(host.get([0x0055ffff])).toBeNull();
    expect(host.get([SFRBX, 0x20910fff])).toBeNull();
  });

  it("is refused by an M8, which takes CFG-MSG", () => {
    const host = new Host({ model: "M8T", feed: sky() });
    expect(host.set({ "CFG-RATE-MEAS": 1000 })).toBe(false);
    expect(host.get(["CFG-RATE-MEAS"])).toBeNull();
    expect(names(host.listen(3000).messages)).toEqual([]);
    expect(acknowledged(host.send(encodeFrame(0x06, 0x01, Uint8Array.of(0x02, 0x13, 1))), 0x01)).toBe(true);
    // A message that an M8 does not have.
    expect(acknowledged(host.send(encodeFrame(0x06, 0x01, Uint8Array.of(0x27, 0x0a, 1))), 0x01)).toBe(false);
    expect(new Set(names(host.listen(5000).messages))).toEqual(new Set(["RXM-SFRBX"]));
  });
});

describe("a virtual receiver's identity", () => {
  it.each(MODEL_NAMES)("%s says who it is", (model) => {
    const host = new Host({ model });
    const [version] = host.poll(0x0a, 0x04);
    expect(version).toMatchObject({ name: "MON-VER", extension: receiverModel(model).extensions });
    const [identity] = host.poll(0x27, 0x03);
    expect(identity).toMatchObject({
      name: "SEC-UNIQID",
      version: model === "F10T" || model === "X20P" ? 2 : 1,
    });
    expect(host.poll(0x27, 0x03)).toEqual([identity]);
    expect(new Host({ model, seed: "another" }).poll(0x27, 0x03)).not.toEqual([identity]);
  });

  it("is told in texts at a start", () => {
    const host = new Host({ feed: sky(), start: "hot", port: "UART1" });
    const { sentences } = host.listen(8000);
    expect(sentences[0]).toBe("$GNTXT,01,01,02,u-blox AG - www.u-blox.com*4E");
    expect(sentences.some((line) => line.startsWith("$GNTXT,01,01,02,FWVER=HPG 1.51*"))).toBe(true);
  });
});

describe("a virtual receiver's output", () => {
  it("is NMEA from the factory, and what is asked for afterwards", () => {
    const host = new Host({ feed: sky() });
    const before = host.listen(3500);
    expect(names(before.messages)).toEqual([]);
    expect(new Set(before.sentences.map((line) => line.slice(3, 6)))).toEqual(new Set(["RMC", "GGA"]));
    host.set({ [SFRBX]: 1, [PVT]: 1, [RAWX]: 1, "CFG-USBOUTPROT-NMEA": false });
    const after = host.listen(10_000);
    expect(after.sentences).toEqual([]);
    expect(names(after.messages).filter((name) => name === "NAV-PVT").length).toBe(10);
    expect(names(after.messages).filter((name) => name === "RXM-RAWX").length).toBe(10);
    expect(names(after.messages).filter((name) => name === "RXM-SFRBX").length).toBe(20);
    // Nothing in UBX any more, acknowledgements included.
    expect(() => host.set({ "CFG-USBOUTPROT-UBX": false })).toThrow("not acknowledged at all");
    expect(host.listen(3000)).toEqual({ messages: [], sentences: [] });
  });

  it("follows output rates and the measurement period", () => {
    const host = new Host({ feed: sky() });
    host.set({ [PVT]: 5, [SFRBX]: 1, "CFG-MSGOUT-UBX_NAV_EOE_USB": 1 });
    const count = (messages: ReturnType<typeof host.listen>, name: string): number =>
      names(messages.messages).filter((each) => each === name).length;
    const slow = host.listen(20_000);
    expect([count(slow, "NAV-PVT"), count(slow, "NAV-EOE"), count(slow, "RXM-SFRBX")]).toEqual([4, 20, 40]);
    host.set({ [PVT]: 1, "CFG-RATE-MEAS": 2000 });
    const half = host.listen(20_000);
    expect(count(half, "NAV-PVT")).toBe(10);
    // Pages come as they are received, whatever the epochs.
    expect(count(half, "RXM-SFRBX")).toBe(40);
  });

  it("has no RXM-RAWX on an M9N, and its key is not known", () => {
    const host = new Host({ model: "M9N", feed: sky() });
    expect(host.set({ [RAWX]: 1 })).toBe(false);
    expect(host.set({ [SFRBX]: 1, [PVT]: 1 })).toBe(true);
    expect(new Set(names(host.listen(6000).messages))).toEqual(new Set(["NAV-PVT", "RXM-SFRBX"]));
  });

  it("answers polls of messages that are not switched on", () => {
    const host = new Host({ feed: sky() });
    host.listen(3000);
    expect(names(host.poll(0x01, 0x07))).toEqual(["NAV-PVT"]);
    expect(names(host.poll(0x0a, 0x36))).toEqual(["MON-COMMS"]);
    expect(names(host.poll(0x01, 0x77))).toEqual([]);
  });

  it("at a UART is as fast as its rate, and noise at another", () => {
    const host = new Host({ feed: sky(), port: "UART1" });
    host.receiver.setHostBaud(38_400);
    host.receiver.receive(encodeFrame(0x0a, 0x04, new Uint8Array(0)), 0);
    const frame = 40 + 6 * 30 + 8;
    const early = host.receiver.advance(20).length;
    expect(early).toBeGreaterThan(60);
    expect(early).toBeLessThan(frame);
    host.receiver.setHostBaud(9600);
    const noise = host.receiver.advance(900);
    expect(noise.length).toBeGreaterThan(0);
    expect(host.decode(noise)).toEqual({ messages: [], sentences: [] });
    // A request at the wrong rate is not understood.
    host.receiver.receive(encodeFrame(0x27, 0x03, new Uint8Array(0)), 900);
    host.receiver.setHostBaud(38_400);
    expect(names(host.decode(host.receiver.advance(990)).messages)).toEqual([]);
  });

  it("cuts frames when a UART is too slow, says so, and goes on", () => {
    const flash = new Map<ConfigKeyName, number>([["CFG-UART1-BAUDRATE", 9600]]);
    for (const name of ["RXM_SFRBX", "RXM_RAWX", "NAV_PVT", "NAV_SAT", "NAV_TIMEGAL", "MON_COMMS"]) {
      flash.set(`CFG-MSGOUT-UBX_${name}_UART1` as ConfigKeyName, 1);
    }
    const host = new Host({ model: "F10T", feed: sky(), transmitBufferBytes: 560, flash });
    const { sentences, messages } = host.listen(40_000);
    expect(host.framer.counts.badUbxChecksums).toBeGreaterThan(0);
    expect(sentences.filter((line) => line === "$GNTXT,01,01,00,txbuf alloc*61").length).toBeGreaterThan(0);
    expect(messages.length).toBeGreaterThan(50);
    const comms = messages.filter((message) => message.name === "MON-COMMS");
    expect(comms.some(({ txErrors }) => txErrors.alloc)).toBe(true);
  });
});

describe("a virtual receiver's faults", () => {
  const streaming = new Map<ConfigKeyName, number>([
    [SFRBX, 1],
    [PVT, 1],
    [RAWX, 1],
    ["CFG-MSGOUT-UBX_NAV_TIMEGAL_USB", 1],
    ["CFG-MSGOUT-UBX_NAV_STATUS_USB", 1],
  ]);

  it("come from its schedule at their time", () => {
    const host = new Host({
      feed: sky(),
      flash: streaming,
      schedule: [
        { at: 5, do: "stall", seconds: 4 },
        { at: 12, do: "unplug", seconds: 3, name: "another" },
      ],
    });
    expect(host.listen(4900).messages.length).toBeGreaterThan(10);
    host.listen(200);
    expect(host.listen(3800).messages).toEqual([]);
    expect(host.listen(2000).messages.length).toBeGreaterThan(3);
    host.listen(1500);
    expect(host.receiver.plugged).toBe(false);
    expect(host.receiver.cableEvents()).toEqual([{ kind: "unplugged" }]);
    expect(host.listen(1000).messages).toEqual([]);
    host.listen(2000);
    expect(host.receiver.cableEvents()).toEqual([{ kind: "plugged", name: "another" }]);
  });

  it("restart: RAM is lost, time is unknown at first, uptime begins anew", () => {
    const host = new Host({ feed: sky(), flash: streaming });
    host.set({ "CFG-MSGOUT-UBX_NAV_CLOCK_USB": 7 });
    host.listen(10_000);
    host.receiver.fault({ do: "restart", start: "cold" }, host.nowMs);
    expect(host.receiver.cableEvents()).toEqual([{ kind: "unplugged" }]);
    expect(host.receiver.setting("CFG-MSGOUT-UBX_NAV_CLOCK_USB")).toBe(0);
    expect(host.receiver.setting(PVT)).toBe(1);
    const { messages } = host.listen(15_000);
    const pvt = messages.filter((message) => message.name === "NAV-PVT");
    expect(pvt.length).toBeGreaterThan(10);
    for (const each of pvt) {
      expect([each.fixType, each.valid.validDate, each.lat, each.lon]).toEqual([0, false, 0, 0]);
    }
    const rawx = messages.filter((message) => message.name === "RXM-RAWX");
    for (const each of rawx) {
      expect(each.week).toBe(0);
      expect(each.rcvTow).toBeLessThan(20);
    }
    const status = messages.filter((message) => message.name === "NAV-STATUS").map(({ msss }) => msss);
    expect(status[0]).toBeLessThan(3000);
    expect([...status].sort((a, b) => a - b)).toEqual(status);
    const later = host.listen(20_000).messages.filter((message) => message.name === "NAV-PVT");
    expect(later.at(-1)?.fixType).toBe(3);
  });

  it("garble: some frames break, others pass", () => {
    const host = new Host({ feed: sky(), flash: streaming });
    host.receiver.fault({ do: "garble", seconds: 20, chance: 0.002 }, 0);
    const { messages } = host.listen(19_000);
    expect(host.framer.counts.badUbxChecksums).toBeGreaterThan(0);
    expect(messages.length).toBeGreaterThan(20);
    const bad = host.framer.counts.badUbxChecksums;
    host.listen(3000);
    const after = host.framer.counts.badUbxChecksums;
    host.listen(10_000);
    expect(after - bad).toBeLessThan(30);
    expect(host.framer.counts.badUbxChecksums).toBe(after);
  });

  it("overflow: frames are cut inside, by whole blocks", () => {
    const host = new Host({ feed: sky(), flash: streaming });
    host.receiver.fault({ do: "overflow", seconds: 10, bytes: 300 }, 0);
    host.listen(9000);
    expect(Number(host.receiver.status()["overflows"])).toBeGreaterThan(5);
    const before = host.receiver.status()["overflows"];
    host.listen(10_000);
    // The tenth second's epoch is the last that can be cut.
    expect(Number(host.receiver.status()["overflows"]) - Number(before)).toBeLessThan(5);
  });

  it("replace: another identity, and nothing of the old configuration", () => {
    const host = new Host({ feed: sky(), flash: streaming });
    const before = host.receiver.uniqueId;
    host.receiver.fault({ do: "replace", uniqueId: "0badc0ffee" }, 0);
    host.listen(4000);
    expect(host.receiver.plugged).toBe(true);
    expect(host.receiver.uniqueId).toBe("0badc0ffee");
    expect(host.receiver.uniqueId).not.toBe(before);
    expect(host.receiver.setting(PVT)).toBe(0);
  });

  it("drop-acks: the setting is made, and nobody is told", () => {
    const host = new Host();
    host.receiver.fault({ do: "drop-acks", count: 1 }, 0);
    expect(() => host.set({ [PVT]: 1 })).toThrow("not acknowledged at all");
    expect(host.receiver.setting(PVT)).toBe(1);
    expect(host.set({ [PVT]: 2 })).toBe(true);
  });

  it("a host that does not read makes the buffer overflow", () => {
    const host = new Host({ feed: sky(), flash: streaming, transmitBufferBytes: 4096 });
    host.listen(5000);
    host.listen(25_000, false);
    expect(Number(host.receiver.status()["overflows"])).toBeGreaterThan(0);
    expect(host.listen(5000).messages.length).toBeGreaterThan(10);
  });
});

describe("CFG-RST", () => {
  const reset = (host: Host, resetMode: number, navBbrMask = {}): ReturnType<Host["send"]> =>
    host.ask("CFG-RST", { navBbrMask, resetMode });

  it("restarts without an acknowledgement, cold where everything is to be forgotten", () => {
    const host = new Host({ feed: sky(), flash: new Map([[PVT, 1]]) });
    host.set({ [SFRBX]: 1 });
    expect(names(reset(host, 1, { eph: true, pos: true }))).not.toContain("ACK-ACK");
    expect(host.receiver.plugged).toBe(false);
    const { messages } = host.listen(15_000);
    expect(host.receiver.setting(SFRBX)).toBe(0);
    const fixTypes = messages.filter((each) => each.name === "NAV-PVT").map(({ fixType }) => fixType);
    expect(fixTypes.length).toBeGreaterThan(10);
    expect(new Set(fixTypes)).toEqual(new Set([0]));
  });

  it("stops and starts the navigation, with the configuration kept", () => {
    const host = new Host({ feed: sky(), flash: new Map([[PVT, 1]]) });
    host.set({ [SFRBX]: 1 });
    reset(host, 8);
    expect(host.listen(5000)).toEqual({ messages: [], sentences: [] });
    expect(names(host.poll(0x0a, 0x04))).toEqual(["MON-VER"]);
    reset(host, 9);
    expect(new Set(names(host.listen(5000).messages))).toEqual(new Set(["NAV-PVT", "RXM-SFRBX"]));
  });
});

describe("any bytes", () => {
  it("are survived", () => {
    const host = new Host({ feed: sky(), port: "UART1" });
    let state = 1;
    const random = (): number => (state = (state * 48_271) % 2_147_483_647);
    for (let i = 0; i < 300; i++) {
      const junk = Uint8Array.from({ length: random() % 60 }, () => random() & 0xff);
      host.receiver.receive(junk, host.nowMs);
      // Whole frames of CFG messages with any payload.
      host.receiver.receive(
        encodeFrame(0x06, [0x8a, 0x8b, 0x8c, 0x01, 0x04][random() % 5], junk),
        host.nowMs,
      );
      host.listen(random() % 100);
    }
    expect(host.receiver.status()["plugged"]).toBe(true);
  });
});
