/** Commitments bind what they commit to, open one by one, and say nothing else. */
import { decode, encode, rfc8949EncodeOptions } from "cborg";
import fc from "fast-check";
import { createCipheriv, createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { decodeCbor, encodeCbor, type CborValue } from "../../src/station/cbor.js";
import { CommittedTree, DEPTH, verifyOpening, type Category } from "../../src/station/commitment.js";
import {
  decodeFix,
  decodeMeasurements,
  decodePages,
  decodeTags,
  encodeFix,
  encodeMeasurements,
  encodePages,
  encodeTags,
  epochSlot,
  pagesSlot,
  tagsItem,
} from "../../src/station/items.js";

const secret = (name: string): Uint8Array => Uint8Array.from(createHash("sha256").update(name).digest());
const categories = fc.constantFrom<Category>("pages", "tags", "measurements", "fixes");
const slotsOf = (category: Category) =>
  fc
    .uniqueArray(fc.tuple(fc.nat({ max: 2 ** DEPTH[category] - 1 }), fc.uint8Array({ maxLength: 80 })), {
      selector: ([slot]) => slot,
      maxLength: 40,
    })
    .map((entries) => new Map(entries));
const trees = categories.chain((category) =>
  fc.record({ category: fc.constant(category), slots: slotsOf(category) }),
);

describe("a committed tree", () => {
  it("opens every item it holds to its root, and nothing that it does not hold", () => {
    fc.assert(
      fc.property(trees, ({ category, slots }) => {
        const tree = new CommittedTree(category, slots, secret("a"));
        for (const [slot, item] of slots) {
          const opening = tree.open(slot)!;
          expect(opening.item).toEqual(item);
          expect(verifyOpening(opening, tree.root)).toBe(true);
        }
        for (let slot = 0; slot < 2 ** DEPTH[category]; slot++) {
          if (!slots.has(slot)) expect(tree.open(slot)).toBeNull();
        }
      }),
      { numRuns: 40 },
    );
  });

  it("opens to no other item, slot, category or salt", () => {
    const slots = new Map([[5, Buffer.from("item")]]);
    const tree = new CommittedTree("tags", slots, secret("a"));
    const opening = tree.open(5)!;
    expect(verifyOpening({ ...opening, item: Buffer.from("iten") }, tree.root)).toBe(false);
    expect(verifyOpening({ ...opening, slot: 4 }, tree.root)).toBe(false);
    expect(verifyOpening({ ...opening, slot: 5 + 64 }, tree.root)).toBe(false);
    expect(verifyOpening({ ...opening, slot: -59 }, tree.root)).toBe(false);
    expect(verifyOpening({ ...opening, category: "pages" }, tree.root)).toBe(false);
    expect(verifyOpening({ ...opening, salt: secret("b") }, tree.root)).toBe(false);
    expect(verifyOpening({ ...opening, path: opening.path.slice(1) }, tree.root)).toBe(false);
    expect(verifyOpening({ ...opening, path: [...opening.path, opening.path[0]] }, tree.root)).toBe(false);
    // The same tree as another category has another root: roots cannot change places in a leaf.
    expect(new CommittedTree("pages", slots, secret("a")).root).not.toEqual(tree.root);
  });

  it("has paths of one length, whatever is in it", () => {
    const alone = new CommittedTree("fixes", new Map([[9, Buffer.from("x")]]), secret("a"));
    const full = new CommittedTree(
      "fixes",
      new Map(Array.from({ length: 1024 }, (_, slot) => [slot, Buffer.from(`x${slot}`)])),
      secret("a"),
    );
    expect(alone.open(9)!.path).toHaveLength(10);
    expect(full.open(9)!.path).toHaveLength(10);
  });

  it("shows no value that anyone without the secret could compute for a sky they guess", () => {
    const slots = new Map([[5, Buffer.from("item")]]);
    const a = new CommittedTree("tags", slots, secret("a"));
    const b = new CommittedTree("tags", slots, secret("b"));
    // All that an opening shows of the rest of the tree depends on the secret, and so do empty trees.
    const shown = (tree: CommittedTree) => [tree.root, tree.open(5)!.salt, ...tree.open(5)!.path];
    shown(a).forEach((value, at) => {
      expect(value).not.toEqual(shown(b)[at]);
    });
    const empty = (name: string) => new CommittedTree("tags", new Map(), secret(name)).root;
    expect(empty("a")).not.toEqual(empty("b"));
    // Opening one item tells nothing of its neighbour: the neighbour's salt is another.
    const two = new CommittedTree("tags", new Map([...slots, [4, Buffer.from("item")]]), secret("a"));
    expect(two.open(4)!.salt).not.toEqual(two.open(5)!.salt);
  });

  it("follows its description", () => {
    // Written out by hand from docs/station-log.md: category 2 (tags), slot 3, in a tree of depth 6.
    const sha = (...parts: readonly (string | Uint8Array)[]): Buffer => {
      const digest = createHash("sha256");
      for (const part of parts) digest.update(typeof part === "string" ? Buffer.from(part, "hex") : part);
      return digest.digest();
    };
    const leafSecret = secret("described");
    const item = Buffer.from("an item");
    const derived = (...parts: readonly string[]): Buffer => {
      const blocks = ["00", "01"].map(
        (half) => `${parts[0]}02${parts[1]}${half}${parts[2]}${"00".repeat(10)}`,
      );
      const cipher = createCipheriv("aes-256-ecb", leafSecret, null).setAutoPadding(false);
      return Buffer.concat([cipher.update(Buffer.from(blocks.join(""), "hex")), cipher.final()]);
    };
    const salt = derived("13", "00", "0003");
    let node = sha("10", "02", "0003", salt, "00000007", item);
    let index = 3;
    for (let height = 0; height < 6; height++) {
      const sibling = (index ^ 1).toString(16).padStart(4, "0");
      const filler = derived("12", `0${height}`, sibling);
      node = index % 2 === 1 ? sha("11", filler, node) : sha("11", node, filler);
      index >>= 1;
    }
    const tree = new CommittedTree("tags", new Map([[3, item]]), leafSecret);
    expect(Buffer.from(tree.root)).toEqual(node);
    expect(Buffer.from(tree.open(3)!.salt)).toEqual(salt);
  });

  it("refuses a short secret and a slot it does not have", () => {
    expect(() => new CommittedTree("tags", new Map(), new Uint8Array(16))).toThrow(RangeError);
    expect(() => new CommittedTree("tags", new Map([[64, item()]]), secret("a"))).toThrow(RangeError);
    function item(): Uint8Array {
      return new Uint8Array(1);
    }
  });
});

describe("items", () => {
  it("read back as written", () => {
    const pages = {
      svid: 11,
      band: "E5b",
      pages: [{ offset: 1, content: new Uint8Array(21).fill(3) }],
    } as const;
    expect(decodePages(encodePages(pages))).toEqual(pages);
    const tags = tagsItem(
      36,
      846_720_000,
      [1, undefined, 0xffffffff].concat(Array.from({ length: 12 }, () => undefined as never)),
    )!;
    expect(tags.pages).toBe(0b101);
    expect(decodeTags(encodeTags(tags))).toEqual(tags);
    expect(tagsItem(1, 0, [undefined])).toBeNull();
    const epoch = { gstMs: 846_720_000_123, digest: secret("payload") };
    expect(decodeMeasurements(encodeMeasurements(epoch))).toEqual(epoch);
    const fix = {
      gstMs: 846_720_000_123,
      own: { grade: 3, latitudeE7: -1, longitudeE7: 1_800_000_000, heightMm: -430_000 },
      receiver: null,
      evidence: secret("evidence"),
      record: null,
    };
    expect(decodeFix(encodeFix(fix))).toEqual(fix);
    // Without evidence the record has its own digest, and older logs have both.
    for (const evidence of [null, fix.evidence]) {
      const item = { ...fix, evidence, record: secret("record") };
      expect(decodeFix(encodeFix(item))).toEqual(item);
    }
    expect(decodeFix(encodeFix({ ...fix, evidence: null }))).toBeNull();
  });

  it("survive any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        for (const decode of [decodePages, decodeTags, decodeMeasurements, decodeFix]) {
          const read = decode(bytes);
          expect(read === null || typeof read === "object").toBe(true);
        }
      }),
    );
  });

  it("have the slot of their satellite or epoch, and epochs of other subframes have none", () => {
    expect(pagesSlot(36, "E5b")).toBe(100);
    expect(epochSlot(30_000, 30)).toBe(0);
    expect(epochSlot(31_000, 30)).toBe(1);
    expect(epochSlot(30_032, 30)).toBe(32);
    expect(epochSlot(59_999, 30)).toBe(31 * 32 + 29);
    expect(epochSlot(60_000, 30)).toBeNull();
    expect(epochSlot(29_999, 30)).toBeNull();
    // 25 epochs a second, as fast as receivers go: no two in one slot.
    const slots = Array.from({ length: 750 }, (_, at) => epochSlot(30_000 + at * 40, 30));
    expect(new Set(slots).size).toBe(750);
  });
});

const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.maxSafeInteger(),
    fc.integer({ min: -300, max: 300 }),
    fc.uint8Array({ maxLength: 700 }),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 30 }),
    fc.array(fc.tuple(fc.maxSafeInteger(), tie("value")), { maxLength: 6 }).map((each) => new Map(each)),
    fc.array(fc.tuple(fc.integer({ min: -40, max: 40 }), tie("value"))).map((each) => new Map(each)),
  ),
}));

/** By cborg in its strictest form, and the same bytes when written again by cborg. */
function readByCborg(bytes: Uint8Array): unknown {
  try {
    const read: unknown = decode(bytes, {
      strict: true,
      useMaps: true,
      rejectDuplicateMapKeys: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowNaN: false,
      allowInfinity: false,
      allowBigInt: false,
    });
    return isSignable(read) && Buffer.compare(encode(read, rfc8949EncodeOptions), bytes) === 0 ? read : null;
  } catch {
    return null;
  }
}

function isSignable(read: unknown): boolean {
  if (typeof read === "number") return Number.isSafeInteger(read);
  if (read === null || read instanceof Uint8Array) return true;
  if (Array.isArray(read)) return read.every(isSignable);
  if (!(read instanceof Map)) return false;
  return [...read].every(([key, each]) => typeof key === "number" && isSignable(key) && isSignable(each));
}

describe("deterministic CBOR", () => {
  it("has one spelling of a value", () => {
    expect(
      Buffer.from(
        encodeCbor(
          new Map<number, CborValue>([
            [1000, 1],
            [2, null],
            [-1, new Uint8Array(1)],
          ]),
        ),
      ).toString("hex"),
    ).toBe("a302f61903e801204100");
    for (const other of [
      "1800",
      "fb3ff0000000000000",
      "f90000",
      "a201000200".slice(0, 8),
      "a2020001 00",
      "9f00ff",
      "60",
      "f4",
      "c100",
      "f7",
      "a1414100",
      "1b0020000000000000",
      "a2010001 00",
    ]) {
      expect(decodeCbor(Buffer.from(other.replaceAll(" ", ""), "hex")), other).toBeNull();
    }
    expect(decodeCbor(Buffer.from("8".repeat(2).repeat(5000), "hex"))).toBeNull();
  });

  it("writes what cborg writes", () => {
    fc.assert(
      fc.property(value, (each) => {
        expect(Buffer.from(encodeCbor(each as CborValue))).toEqual(
          Buffer.from(encode(each, rfc8949EncodeOptions)),
        );
      }),
      { numRuns: 500 },
    );
  });

  it("reads what cborg reads, of bytes with one of them changed, cut off or put in", () => {
    const change = fc.record({
      value,
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      byte: fc.constantFrom(
        0,
        1,
        0x17,
        0x18,
        0x19,
        0x1b,
        0x20,
        0x38,
        0x41,
        0x60,
        0x81,
        0xa1,
        0xf6,
        0xf7,
        0xff,
      ),
      how: fc.constantFrom("kept", "set", "put", "cut", "added"),
    });
    let read = 0;
    fc.assert(
      fc.property(change, ({ value: each, at, byte, how }) => {
        const whole = encode(each, rfc8949EncodeOptions);
        const place = Math.min(whole.length - 1, Math.floor(at * Math.min(whole.length, 64)));
        const bytes =
          how === "kept"
            ? whole
            : Uint8Array.from([
                ...whole.subarray(0, place),
                ...(how === "cut" ? [] : [byte]),
                ...(how === "added" || how === "put" ? whole.subarray(place) : whole.subarray(place + 1)),
              ]);
        const ours = decodeCbor(bytes);
        expect(ours).toEqual(readByCborg(bytes));
        if (ours !== null) read++;
      }),
      { numRuns: 1500 },
    );
    expect(read).toBeGreaterThan(300);
  });

  it("refuses to sign what is no integer, bytes or list", () => {
    for (const value of [1.5, NaN, 2 ** 53, -0, "text", true, undefined, { a: 1 }]) {
      expect(() => encodeCbor(value as never)).toThrow(TypeError);
    }
  });

  it("reads back whatever it wrote, and nothing else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const value = decodeCbor(bytes);
        if (value !== null) expect([...encodeCbor(value)]).toEqual([...bytes]);
      }),
      { numRuns: 2000 },
    );
  });
});
