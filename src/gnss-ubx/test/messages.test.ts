import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import { describeShared } from "../../../test/support/shared.js";
import type {
  MessageInput,
  MessageName,
  MessageOf,
  MessageRow,
  RawMessage,
  UbxMessage,
} from "../src/index.js";
import { decodeMessage, encodeFrame, encodeMessage, Framer, MESSAGES } from "../src/index.js";
import { captureNames, readCapture, readReadme } from "./support/captures.js";
import { hex } from "./support/streams.js";

type AnyField = MessageRow["fields"][number];

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
/** Class, id and payload of one whole frame, by the framer. */
function unframe(frame: Uint8Array): [messageClass: number, messageId: number, payload: Uint8Array] {
  const got: [number, number, Uint8Array][] = [];
  const framer = new Framer();
  const sink = { ubx: (c: number, i: number, p: Uint8Array): unknown => got.push([c, i, p.slice()]) };
  framer.push(frame, sink);
  framer.end(sink);
  if (got.length !== 1 || framer.counts.skippedBytes !== 0) throw new Error("not one UBX frame");
  return got[0];
}
const decodeFrame = (frame: Uint8Array): UbxMessage | RawMessage => decodeMessage(...unframe(frame));
const encodeAny = (name: string, values: object): Uint8Array =>
  encodeMessage(name as MessageName, values as unknown as MessageInput<MessageName>);

const SCALARS: Record<string, fc.Arbitrary<unknown>> = {
  U1: fc.nat(0xff),
  U2: fc.nat(0xffff),
  U4: fc.nat(0xffffffff),
  X1: fc.nat(0xff),
  X2: fc.nat(0xffff),
  X4: fc.nat(0xffffffff),
  I1: fc.integer({ min: -0x80, max: 0x7f }),
  I2: fc.integer({ min: -0x8000, max: 0x7fff }),
  I4: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
  R4: fc.float(),
  R8: fc.double(),
};
const latin1 = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.nat(0xff).map((code) => String.fromCharCode(code)), maxLength });
const configItem = fc
  .tuple(fc.constantFrom(1, 2, 3, 4, 5), fc.nat(0x0fffffff), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }))
  .map(([size, id, bits]) => ({
    key: size * 0x10000000 + id,
    value: size === 5 ? bits : Number(bits & ((1n << BigInt([0, 8, 8, 16, 32][size])) - 1n)),
  }));

/** Values of a list of fields as `decodeMessage` gives them. */
function valuesOf(
  rows: readonly AnyField[],
  versions?: readonly number[],
): fc.Arbitrary<Record<string, unknown>> {
  const fields: Record<string, fc.Arbitrary<unknown>> = {};
  for (const row of rows) {
    let one: fc.Arbitrary<unknown>;
    if ("fields" in row) one = valuesOf(row.fields);
    else if (row.bits) one = bitsOf(row.type, row.bits);
    else if (row.type === "KV") one = fc.array(configItem, { maxLength: 6 });
    else if (row.type.startsWith("B")) {
      const size = Number(row.type.slice(1));
      one = fc.uint8Array({ minLength: size, maxLength: size });
    } else if (row.type.startsWith("C")) {
      const size = Number(row.type.slice(1));
      // A field of fixed length loses the zeros at its end, which only fill it up.
      one = size === 0 ? latin1(60) : latin1(size).map((text) => text.replace(/\0+$/, ""));
    } else if (row.name === "version" && versions) one = fc.constantFrom(...versions);
    else one = SCALARS[row.type];
    if (typeof row.times === "number") one = fc.array(one, { minLength: row.times, maxLength: row.times });
    else if (row.times !== undefined) one = fc.array(one, { maxLength: 5 });
    fields[row.name] = one;
  }
  return fc.record(fields).map((values) => {
    for (const row of rows) {
      if (typeof row.times === "string" && row.times !== "toEnd") {
        values[row.times] = (values[row.name] as unknown[]).length;
      }
    }
    return values;
  });
}

function bitsOf(type: string, bits: NonNullable<Extract<AnyField, { type: string }>["bits"]>) {
  const parts: Record<string, fc.Arbitrary<unknown>> = {};
  let rest = (1n << BigInt(8 * Number(type[1]))) - 1n;
  for (const [name, where] of Object.entries(bits)) {
    const [first, width] = typeof where === "number" ? [where, 1] : where;
    parts[name] = typeof where === "number" ? fc.boolean() : fc.nat(2 ** width - 1);
    rest &= ~(((1n << BigInt(width)) - 1n) << BigInt(first));
  }
  parts["rest"] = fc.nat(0xffffffff).map((n) => Number(BigInt(n) & rest));
  return fc.record(parts);
}

const labelled = MESSAGES.map((row: MessageRow) => ({
  label: `${row.name}${row.versions ? ` version ${row.versions.join(" and ")}` : ""}`,
  row,
}));

describe("message tables", () => {
  it.each(labelled)("$label: what is encoded is decoded again, for any values", ({ row }) => {
    fc.assert(
      fc.property(valuesOf(row.fields, row.versions), (values) => {
        expect(decodeFrame(encodeAny(row.name, values))).toEqual({ ...values, name: row.name });
      }),
      { numRuns: 60 },
    );
  });

  it.each(labelled)("$label: a byte more or less never passes for the message", ({ row }) => {
    fc.assert(
      fc.property(valuesOf(row.fields, row.versions), (values) => {
        const [messageClass, messageId, payload] = unframe(encodeAny(row.name, values));
        for (const wrong of [payload.subarray(0, -1), new Uint8Array([...payload, 0])]) {
          const message = decodeMessage(messageClass, messageId, wrong);
          // A text may have any length.
          if (row.name.startsWith("INF-")) continue;
          expect(message.name).toBe("raw");
          expect(message).toMatchObject({ class: messageClass, id: messageId });
        }
      }),
      { numRuns: 20 },
    );
  });

  it("property: any bytes under any class and id give a message or a raw one with a reason", () => {
    const header = fc.oneof(
      fc.constantFrom(...MESSAGES.map((row) => [row.class, row.id] as const)),
      fc.tuple(fc.nat(255), fc.nat(255)),
    );
    fc.assert(
      fc.property(header, fc.uint8Array({ maxLength: 120 }), fc.nat(3), ([c, i], payload, version) => {
        // A known version lets more of the payloads through to the layouts.
        if (payload.length > 0 && version > 0) payload[0] = version;
        const message = decodeMessage(c, i, payload);
        if (message.name === "raw") {
          expect(message).toMatchObject({ class: c, id: i, payload });
          expect(message.reason).not.toBe("");
        } else {
          const [, , again] = unframe(encodeAny(message.name, message));
          expect(hex(again)).toBe(hex(payload));
        }
      }),
      { numRuns: 5000 },
    );
  });

  it("are all in the README", () => {
    const readme = readReadme();
    for (const { name } of MESSAGES) expect(readme).toContain(`| ${name} `);
  });

  it("has one layout per class, id and version", () => {
    const seen = new Set<string>();
    for (const row of MESSAGES as readonly MessageRow[]) {
      for (const version of row.versions ?? ["any"]) seen.add(`${row.class}/${row.id}/${version}`);
    }
    const rows = (MESSAGES as readonly MessageRow[]).reduce((n, row) => n + (row.versions?.length ?? 1), 0);
    expect(seen.size).toBe(rows);
  });

  it.each([
    // Lengths as the interface descriptions and recorded streams have them.
    ["NAV-STATUS", 0, 16],
    ["NAV-PVT", 0, 92],
    ["NAV-HPPOSLLH", 0, 36],
    ["NAV-TIMEGPS", 0, 16],
    ["NAV-TIMEUTC", 0, 20],
    ["NAV-CLOCK", 0, 20],
    ["NAV-TIMEGAL", 0, 20],
    ["NAV-TIMELS", 0, 24],
    ["NAV-TIMETRUSTED", 0, 40],
    ["NAV-EOE", 0, 4],
    ["MON-SYS", 0, 24],
    ["SEC-UNIQID", 1, 9],
    ["SEC-UNIQID", 2, 10],
    ["SEC-SIG", 1, 12],
    ["CFG-RST", 0, 4],
    ["ACK-ACK", 0, 2],
    ["ACK-NAK", 0, 2],
  ] as const)("%s version %i has %i bytes", (name, version, length) => {
    const row = MESSAGES.find((r: MessageRow) => r.name === name && (r.versions?.includes(version) ?? true))!;
    const payload = new Uint8Array(length);
    const versions = (row as MessageRow).versions;
    if (versions && version > 0) payload[0] = version;
    expect(decodeMessage(row.class, row.id, payload).name).toBe(name);
  });

  it.each([
    ["RXM-SFRBX", 8, 4, 4, [[6, 2]]],
    ["RXM-RAWX", 16, 32, 11, [[13, 1]]],
    ["NAV-SAT", 8, 12, 5, [[4, 1]]],
    ["NAV-SIG", 8, 16, 5, []],
    ["MON-RF", 4, 24, 1, []],
    ["MON-COMMS", 8, 40, 1, []],
    ["SEC-SIG", 4, 4, 3, [[0, 2]]],
    ["SEC-SIGLOG", 8, 8, 1, [[0, 1]]],
  ] as const)("%s has %i bytes and %i for each that the byte at %i counts", (name, head, each, at, set) => {
    const row = MESSAGES.find((r) => r.name === name)!;
    for (const count of [0, 1, 3, 255]) {
      const payload = new Uint8Array(head + each * count);
      for (const [offset, value] of set) payload[offset] = value;
      payload[at] = count;
      expect(decodeMessage(row.class, row.id, payload).name).toBe(name);
    }
  });

  it.each([
    ["MON-VER", 40, 30, []],
    ["SEC-OSNMA", 20, 4, [[0, 2]]],
    ["SEC-OSNMA", 28, 4, [[0, 3]]],
    ["CFG-VALGET", 4, 4, []],
    ["CFG-VALDEL", 4, 4, []],
  ] as const)("%s has %i bytes and %i for each to the end", (name, head, each, set) => {
    const row = MESSAGES.find((r) => r.name === name)!;
    for (const count of [0, 1, 7]) {
      const payload = new Uint8Array(head + each * count);
      for (const [offset, value] of set) payload[offset] = value;
      expect(decodeMessage(row.class, row.id, payload).name).toBe(name);
    }
  });
});

describe("decoding", () => {
  // RXM-SFRBX frames of E08 from a F9 receiver, 2025-04-25: I/NAV word types 4, 6 and 0.
  const pages = [
    [4, "b56202132800020801000807020000c81e04760f00071c46fc730080ff878649808f2a87d36b3b42aaaa00c0ca4e1ca8"],
    [6, "b5620213280002080100080702000000000600000001893b781200c04de288889aa9aa613a6fbe58aaaa00c00b16ef5b"],
    [0, "b5620213280002080100080702005555950055555555555555550080ed54086c36bd2a8b3382816eaaaa00c0cb8a2aed"],
  ] as const;
  it.each(pages)("reads the page of word type %i from a recorded RXM-SFRBX", (wordType, frame) => {
    const message = decodeFrame(bytesOf(frame));
    if (message.name !== "RXM-SFRBX") throw new Error(message.name);
    expect(message).toMatchObject({ gnssId: 2, svId: 8, sigId: 1, numWords: 8, chn: 7, version: 2 });
    expect(message.dwrd).toHaveLength(8);
    const [even, , , , odd] = message.dwrd;
    expect([even >>> 31, (even >>> 30) & 1, (even >>> 24) & 63]).toEqual([0, 0, wordType]);
    expect([odd >>> 31, (odd >>> 30) & 1]).toEqual([1, 0]);
    expect(hex(encodeMessage("RXM-SFRBX", message))).toBe(frame);
  });

  it("keeps versions of one message apart by the version byte", () => {
    const v2 = decodeMessage(0x27, 0x09, bytesOf("029b0003fc09180050bb1200646b1200"));
    if (v2.name !== "SEC-SIG" || v2.version === 1) throw new Error("not SEC-SIG version 2");
    expect(v2.sigSecFlags).toEqual({
      jamDetEnabled: true,
      jammingState: 1,
      spfDetEnabled: true,
      spoofingState: 1,
      rest: 0x80,
    });
    expect(v2.jamStateCentFreq.map(({ centFreq }) => centFreq)).toEqual([1575420, 1227600, 1207140]);
    const v1 = decodeMessage(0x27, 0x09, bytesOf("010000000500000007000000"));
    expect(v1).toMatchObject({
      name: "SEC-SIG",
      jamFlags: { jamDetEnabled: true, jammingState: 2 },
      spfFlags: { spfDetEnabled: true, spoofingState: 3 },
    });
  });

  it("reads SEC-OSNMA version 3 with its own layout, not that of version 2", () => {
    const message = decodeMessage(
      0x27,
      0x0a,
      bytesOf("030000000100000000000000754a0000000400000000000000000000"),
    );
    if (message.name !== "SEC-OSNMA" || message.version !== 3) throw new Error(message.name);
    expect(message.timSyncReq.timSyncEnabled).toBe(true);
    expect(message.dsmAuthentication).toMatchObject({ dsmAuthenticationStatus: 0, pubKeyId: 1 });
    expect(message.svs).toEqual([]);
  });

  it("leaves an unknown version raw and says which", () => {
    expect(decodeMessage(0x27, 0x0a, Uint8Array.of(9, ...new Uint8Array(27)))).toMatchObject({
      name: "raw",
      reason: "unknown version 9 of SEC-OSNMA",
    });
  });

  it("leaves poll requests, wrong lengths and unknown messages raw", () => {
    expect(decodeMessage(0x0a, 0x36, new Uint8Array(0))).toMatchObject({
      name: "raw",
      reason: "length 0 does not fit MON-COMMS",
    });
    expect(decodeMessage(0x01, 0x07, new Uint8Array(84))).toMatchObject({
      name: "raw",
      reason: "length 84 does not fit NAV-PVT",
    });
    expect(decodeMessage(0x99, 0x99, Uint8Array.of(1))).toMatchObject({
      name: "raw",
      class: 0x99,
      id: 0x99,
      reason: "unknown message",
    });
  });

  it("leaves a count that the payload does not hold raw", () => {
    const payload = new Uint8Array(16 + 32);
    payload[11] = 2;
    payload[13] = 1;
    expect(decodeMessage(0x02, 0x15, payload).name).toBe("raw");
  });

  it("shares no memory with the payload", () => {
    const payload = bytesOf("01000000aabbccddee");
    const message = decodeMessage(0x27, 0x03, payload);
    const raw = decodeMessage(0x99, 0x99, payload);
    payload.fill(0);
    expect(message).toMatchObject({ uniqueId: bytesOf("aabbccddee") });
    expect(raw).toMatchObject({ payload: bytesOf("01000000aabbccddee") });
  });

  it("takes the size of a configuration value from its key, and refuses undefined sizes", () => {
    const answer = decodeMessage(
      0x06,
      0x8b,
      bytesOf("01000000" + "01000520" + "07" + "01005240" + "00c20100"),
    );
    expect(answer).toMatchObject({
      name: "CFG-VALGET",
      cfgData: [
        { key: 0x20050001, value: 7 },
        { key: 0x40520001, value: 115200 },
      ],
    });
    expect(decodeMessage(0x06, 0x8b, bytesOf("01000000" + "01000560" + "07")).name).toBe("raw");
    expect(decodeMessage(0x06, 0x8b, bytesOf("01000000" + "01005240" + "00c201")).name).toBe("raw");
  });

  it("drops the zeros that fill up a text, and only those at its end", () => {
    const payload = new Uint8Array(70);
    payload.set(Buffer.from("EXT CORE 1.00"), 0);
    payload.set(Buffer.from("A\0B"), 30);
    payload.set(Buffer.from("PROTVER=27.50"), 40);
    expect(decodeMessage(0x0a, 0x04, payload)).toMatchObject({
      swVersion: "EXT CORE 1.00",
      hwVersion: "A\0B",
      extension: ["PROTVER=27.50"],
    });
  });
});

describe("encoding", () => {
  it("frames a payload with its checksum", () => {
    // The acknowledgement of a VALSET, and the poll of MON-VER that many manuals print.
    expect(hex(encodeFrame(0x05, 0x01, Uint8Array.of(0x06, 0x8a)))).toBe("b56205010200068a98c1");
    expect(hex(encodeFrame(0x0a, 0x04, new Uint8Array(0)))).toBe("b5620a0400000e34");
  });

  it("fills in what may be left out: reserved fields, counts, flags", () => {
    const frame = encodeMessage("SEC-SIGLOG", {
      version: 1,
      events: [{ timeElapsed: 5, detectionType: 4, eventType: 0 }],
    });
    expect(hex(frame.subarray(6, -2))).toBe("0101000000000000" + "0500000004000000");
    const valset = encodeMessage("CFG-VALSET", {
      version: 0,
      layers: { ram: true },
      cfgData: [{ key: 0x20910234, value: 1 }],
    });
    expect(hex(valset.subarray(2, -2))).toBe("068a0900" + "00010000" + "34029120" + "01");
  });

  it("writes the transaction of a VALSET of version 1", () => {
    const frame = encodeMessage("CFG-VALSET", {
      version: 1,
      layers: { ram: true, flash: true },
      transaction: { action: 3 },
      cfgData: [],
    });
    expect(hex(frame.subarray(6, -2))).toBe("01050300");
  });

  const eoe =
    (iTOW: unknown): (() => Uint8Array) =>
    () =>
      encodeAny("NAV-EOE", { iTOW });
  it.each([-1, 2 ** 32, 0.5, NaN, Infinity])("refuses %d for an unsigned field of four bytes", (value) => {
    expect(eoe(value)).toThrow(RangeError);
    expect(eoe(value)).toThrow(/NAV-EOE\.iTOW/);
  });

  it("refuses values of the wrong kind", () => {
    expect(eoe("1000")).toThrow(TypeError);
    expect(eoe(undefined)).toThrow(TypeError);
    expect(() => encodeAny("INF-NOTICE", { str: 5 })).toThrow(TypeError);
    expect(() => encodeAny("CFG-VALGET", { version: 0, layer: 0, position: 0, keys: 1 })).toThrow(TypeError);
    expect(() => encodeMessage("NAV-EOE", null as never)).toThrow(TypeError);
  });

  it("refuses what does not fit", () => {
    const valset = (cfgData: unknown) => () => encodeAny("CFG-VALSET", { version: 0, layers: {}, cfgData });
    expect(valset([{ key: 0x10310021, value: 256 }])).toThrow(RangeError);
    expect(valset([{ key: 0x60310021, value: 1 }])).toThrow(RangeError);
    expect(valset([{ key: 0x50310021, value: 1 }])).toThrow(TypeError);
    expect(valset([{ key: 0x50310021, value: 1n << 64n }])).toThrow(RangeError);
    expect(() => encodeAny("CFG-VALSET", { version: 7, layers: {}, cfgData: [] })).toThrow(RangeError);
    expect(() => encodeAny("CFG-VALSET", { version: 0, layers: { rest: 1 }, cfgData: [] })).toThrow(
      RangeError,
    );
    expect(() => encodeAny("CFG-VALSET", { version: 0, layers: { ram: 1 }, cfgData: [] })).toThrow(TypeError);
    expect(() =>
      encodeAny("CFG-VALSET", { version: 1, layers: {}, transaction: { action: 4 }, cfgData: [] }),
    ).toThrow(RangeError);
    expect(() => encodeAny("INF-NOTICE", { str: "\u0100" })).toThrow(RangeError);
    expect(() => encodeAny("INF-NOTICE", { str: "x".repeat(65536) })).toThrow(RangeError);
    expect(() => encodeAny("SEC-UNIQID", { version: 1, uniqueId: new Uint8Array(6) })).toThrow(RangeError);
    expect(() => encodeAny("NAV-NONE", {})).toThrow(RangeError);
    expect(() => encodeAny("MON-VER", { swVersion: "x".repeat(31), hwVersion: "", extension: [] })).toThrow(
      RangeError,
    );
  });

  it("refuses a count that contradicts its array, and more items than the count can say", () => {
    const event = { timeElapsed: 0, detectionType: 0, eventType: 0 };
    expect(() => encodeMessage("SEC-SIGLOG", { version: 1, numEvents: 2, events: [event] })).toThrow(
      RangeError,
    );
    expect(() => encodeMessage("SEC-SIGLOG", { version: 1, events: Array(256).fill(event) })).toThrow(
      RangeError,
    );
  });

  it("refuses a class or id that is no byte", () => {
    expect(() => encodeFrame(256, 0, new Uint8Array(0))).toThrow(RangeError);
    expect(() => encodeFrame(0, -1, new Uint8Array(0))).toThrow(RangeError);
    expect(() => encodeFrame("1" as never, 0, new Uint8Array(0))).toThrow(TypeError);
    expect(() => encodeFrame(1, 0, [1] as never)).toThrow(TypeError);
    expect(() => encodeFrame(1, 0, new Uint8Array(65536))).toThrow(RangeError);
  });
});

describe("static types", () => {
  it("follow from the tables", () => {
    expectTypeOf<MessageOf<"RXM-SFRBX">["dwrd"]>().toEqualTypeOf<readonly number[]>();
    expectTypeOf<MessageOf<"RXM-SFRBX">["version"]>().toEqualTypeOf<1 | 2>();
    expectTypeOf<MessageOf<"NAV-PVT">["valid"]["validDate"]>().toEqualTypeOf<boolean>();
    expectTypeOf<MessageOf<"RXM-RAWX">["meas"][number]["prMes"]>().toEqualTypeOf<number>();
    expectTypeOf<MessageOf<"SEC-UNIQID">["uniqueId"]>().toEqualTypeOf<Uint8Array>();
    expectTypeOf<MessageOf<"INF-NOTICE">["str"]>().toEqualTypeOf<string>();
    expectTypeOf<
      Extract<UbxMessage, { name: "SEC-OSNMA"; version: 3 }>["timSyncReqDiff"]
    >().toEqualTypeOf<number>();
    expectTypeOf<MessageOf<"RXM-SFRBX">>().toExtend<MessageInput<"RXM-SFRBX">>();
    expectTypeOf<{ iTOW: string }>().not.toExtend<MessageInput<"NAV-EOE">>();
  });
});

describeShared("messages of recorded streams", () => {
  const files = [
    ...captureNames().filter((file) => file.endsWith(".ubx")),
    ...captureNames("mixed").map((file) => `mixed/${file}`),
  ];
  const decoded = new Set<string>();

  it.each(files)("%s: every known message decodes, and encodes to the same bytes", (file) => {
    const bytes = readCapture(...file.split("/"));
    const known = new Set(MESSAGES.map((row) => (row.class << 8) | row.id));
    const framer = new Framer();
    const sink = {
      ubx(c: number, i: number, payload: Uint8Array): void {
        const message = decodeMessage(c, i, payload);
        if (message.name === "raw") {
          // Poll requests that a host sent are in some logs.
          if (known.has((c << 8) | i) && payload.length > 0) throw new Error(message.reason);
          return;
        }
        decoded.add(message.name);
        const again = encodeAny(message.name, message);
        const frame = encodeFrame(c, i, payload);
        if (hex(again) !== hex(frame)) throw new Error(`${message.name} differs: ${hex(frame)}`);
      },
    };
    framer.push(bytes, sink);
    framer.end(sink);
  });

  it("were of these kinds", () => {
    expect([...decoded].sort()).toEqual(
      [
        "ACK-ACK",
        "ACK-NAK",
        "MON-COMMS",
        "MON-RF",
        "MON-SYS",
        "MON-VER",
        "NAV-CLOCK",
        "NAV-EOE",
        "NAV-HPPOSLLH",
        "NAV-PVT",
        "NAV-SAT",
        "NAV-SIG",
        "NAV-STATUS",
        "NAV-TIMEGAL",
        "NAV-TIMEGPS",
        "NAV-TIMELS",
        "NAV-TIMETRUSTED",
        "NAV-TIMEUTC",
        "RXM-RAWX",
        "RXM-SFRBX",
        "SEC-OSNMA",
        "SEC-SIG",
        "SEC-SIGLOG",
      ].sort(),
    );
  });
});
