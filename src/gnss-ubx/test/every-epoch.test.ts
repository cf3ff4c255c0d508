import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EVERY_EPOCH } from "../src/every-epoch.js";
import { decodeByTable, decodeMessage } from "../src/messages.js";

/** Bytes before the items, bytes of an item, and where their count and the version stand. */
const LAYOUTS = [
  { name: "RXM-RAWX", key: 0x0215, head: 16, item: 32, count: 11, version: { at: 13, known: [0, 1] } },
  { name: "NAV-PVT", key: 0x0107, head: 92, item: 0, count: null, version: null },
  { name: "NAV-SAT", key: 0x0135, head: 8, item: 12, count: 5, version: { at: 4, known: [1] } },
];

describe.each(LAYOUTS)("$name read by hand", ({ name, key, head, item, count, version }) => {
  /** Any bytes, most often with a count and a version that fit. */
  const payloads = fc
    .record({
      items: fc.nat(count === null ? 0 : 6),
      cut: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, fc.integer({ min: -3, max: 8 })),
      honest: fc.boolean(),
      bytes: fc.uint8Array({ minLength: 320, maxLength: 320 }),
    })
    .map(({ items, cut, honest, bytes }) => {
      if (count !== null && (honest || cut === 0)) bytes[count] = items;
      if (version !== null && honest) bytes[version.at] = version.known[bytes[0] % version.known.length];
      return bytes.slice(0, Math.max(0, head + items * item - cut));
    });

  it("is what the tables say, for any bytes", () => {
    let whole = 0;
    fc.assert(
      fc.property(payloads, (payload) => {
        const byHand = decodeMessage(key >> 8, key & 0xff, payload);
        const byTable = decodeByTable(key >> 8, key & 0xff, payload);
        expect(byHand).toEqual(byTable);
        // Members come in the tables' order too: they are printed as they stand.
        expect(JSON.stringify(byHand)).toBe(JSON.stringify(byTable));
        if (byHand.name === name) whole++;
      }),
      { numRuns: 300 },
    );
    expect(whole).toBeGreaterThan(60);
  });

  it("shares no memory with a buffer that it came in", () => {
    const payload = Buffer.alloc(head);
    if (version !== null) payload[version.at] = version.known[0];
    const read = EVERY_EPOCH.get(key)?.(payload);
    expect(read).toMatchObject({ name });
    const before = JSON.stringify(read);
    payload.fill(0xff);
    expect(JSON.stringify(read)).toBe(before);
  });
});
