/** Leaves: one spelling, all kinds, and what a follower refuses from leaf to leaf. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { follow, type History } from "../../src/station/history.js";
import {
  decodeLeaf,
  encodeLeaf,
  receiverCommitment,
  rotationStatement,
  type Leaf,
  type LeafContent,
} from "../../src/station/leaf.js";
import { leafHash } from "../../src/station/merkle.js";
import { testKey } from "./keys.js";
import { GST, place, receiver, startContent, station, stationKey, subframeContent } from "./leaves.js";

const other = new Uint8Array(32).fill(0x55);
const nextKey = testKey("next");

async function rotation(index: number, previous: Uint8Array): Promise<LeafContent> {
  const statement = rotationStatement(station, index, previous, stationKey.publicKey, nextKey.publicKey);
  const { softwareVersion, time, receiver } = subframeContent(GST);
  return {
    softwareVersion,
    time,
    receiver,
    challenges: [],
    kind: "rotation",
    oldKey: stationKey.publicKey,
    newKey: nextKey.publicKey,
    oldSignature: await stationKey.sign(statement),
    newSignature: await nextKey.sign(statement),
  };
}

const base = place([startContent(), subframeContent(GST), subframeContent(GST + 30)]);
const { softwareVersion, time, challenges } = base[1].leaf;
const gap = (fromGst: number, toGst: number): LeafContent => ({
  kind: "gap",
  softwareVersion,
  time,
  receiver,
  challenges,
  fromGst,
  toGst,
  reason: "no-time",
});

/** What becomes of a history of these contents: the history, or the first violation. */
function followAll(leaves: readonly { leaf: Leaf; bytes: Uint8Array }[]): History | string {
  let history: History | null = null;
  for (const { leaf, bytes } of leaves) {
    const next = follow(history, leaf, bytes);
    if (typeof next === "string") return next;
    history = next;
  }
  return history ?? "empty";
}

describe("a leaf", () => {
  it("of every kind reads back as written", async () => {
    const turn = await rotation(3, leafHash(base[2].bytes));
    const change: LeafContent = {
      kind: "receiver",
      softwareVersion,
      time: { assurance: "none", boundMs: null },
      receiver: other,
      challenges: [{ challenge: other, origin: receiver }],
      before: receiver,
    };
    for (const { leaf, bytes } of place([
      startContent(),
      subframeContent(GST),
      gap(GST + 30, GST + 90),
      turn,
      change,
    ])) {
      const read = decodeLeaf(bytes)!;
      expect(encodeLeaf(read)).toEqual(bytes);
      expect(read.kind).toBe(leaf.kind);
      expect(read).toEqual(leaf);
    }
  });

  it("with a bit flipped is no leaf or another leaf, never the same", () => {
    const { bytes } = base[1];
    fc.assert(
      fc.property(fc.nat({ max: bytes.length * 8 - 1 }), (bit) => {
        const altered = Uint8Array.from(bytes);
        altered[bit >>> 3] ^= 1 << (bit & 7);
        const read = decodeLeaf(altered);
        if (read !== null) expect(encodeLeaf(read)).toEqual(altered);
        expect(leafHash(altered)).not.toEqual(leafHash(bytes));
      }),
    );
  });

  it("survives any bytes", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => decodeLeaf(bytes) === null));
  });

  it("has one size, whatever was heard", () => {
    // The public part of a subframe with nothing in it and of one with everything differ in no length.
    expect(place([startContent(), subframeContent(GST, 9)])[1].bytes).toHaveLength(base[1].bytes.length);
  });

  it("cannot be made of what could not be read", () => {
    const [, { leaf }] = base;
    expect(() => encodeLeaf({ ...leaf, softwareVersion: "a b" })).toThrow(RangeError);
    expect(() => encodeLeaf({ ...leaf, index: -1 })).toThrow(RangeError);
    expect(() => encodeLeaf({ ...leaf, station: other.subarray(1) })).toThrow(RangeError);
    expect(() => encodeLeaf({ ...leaf, gst: GST + 1 } as Leaf)).toThrow(RangeError);
  });

  it("hides which receiver it is, but shows when it is another", () => {
    const salt = new Uint8Array(32).fill(9);
    expect(receiverCommitment(salt, "ZED-F9P 123")).toEqual(receiverCommitment(salt, "ZED-F9P 123"));
    expect(receiverCommitment(salt, "ZED-F9P 123")).not.toEqual(receiverCommitment(salt, "ZED-F9P 124"));
    expect(receiverCommitment(other, "ZED-F9P 123")).not.toEqual(receiverCommitment(salt, "ZED-F9P 123"));
  });
});

describe("a follower", () => {
  it("takes an honest history, restarts, gaps and a rotation included", async () => {
    const contents = [
      startContent(),
      subframeContent(GST),
      gap(GST + 30, GST + 90),
      subframeContent(GST + 90),
    ];
    const turn = await rotation(4, leafHash(place(contents)[3].bytes));
    const restart = { ...startContent(false), publicKey: nextKey.publicKey } as LeafContent;
    const leaves = place([...contents, turn, restart, subframeContent(GST + 6000)]);
    expect(followAll(leaves)).toMatchObject({ size: 7, mode: "live", nextGst: GST + 6030 });
    expect((followAll(leaves) as History).publicKey).toEqual(nextKey.publicKey);
  });

  const withLeaf = (change: Partial<Leaf>): string => {
    const leaf = { ...base[2].leaf, ...change } as Leaf;
    return followAll([base[0], base[1], { leaf, bytes: encodeLeaf(leaf) }]) as string;
  };

  it("catches another mode, station, index, chain or receiver", () => {
    expect(withLeaf({ mode: "replay" })).toBe("other-mode");
    expect(withLeaf({ station: other })).toBe("other-station");
    expect(withLeaf({ index: 1 })).toBe("index");
    expect(withLeaf({ index: 3 })).toBe("index");
    expect(withLeaf({ previous: other })).toBe("chain");
    expect(withLeaf({ receiver: other })).toBe("receiver");
  });

  it("catches time that goes back, repeats, or jumps without a leaf that says so", () => {
    expect(withLeaf({ gst: GST - 30 } as Partial<Leaf>)).toBe("time-backwards");
    expect(withLeaf({ gst: GST } as Partial<Leaf>)).toBe("time-backwards");
    expect(withLeaf({ gst: GST + 60 } as Partial<Leaf>)).toBe("unexplained-gap");
    const after = (content: LeafContent) => followAll(place([startContent(), subframeContent(GST), content]));
    expect(after(gap(GST, GST + 60))).toBe("time-backwards");
    expect(after(gap(GST + 60, GST + 90))).toBe("gap-contradicts");
    expect(after(startContent())).toBe("second-first-leaf");
    expect(after({ ...startContent(false), publicKey: nextKey.publicKey } as LeafContent)).toBe("key");
  });

  it("catches a beginning that is none", () => {
    expect(followAll(place([subframeContent(GST)]))).toBe("no-first-leaf");
    expect(followAll(place([startContent(false)]))).toBe("no-first-leaf");
    expect(followAll(place([{ ...startContent(), publicKey: nextKey.publicKey } as LeafContent]))).toBe(
      "other-station",
    );
  });

  it("catches a rotation that not both keys signed, or that was signed for another place", async () => {
    const turn = await rotation(3, leafHash(base[2].bytes));
    const contents = [startContent(), subframeContent(GST), subframeContent(GST + 30)];
    expect(followAll(place([...contents, turn]))).toMatchObject({ size: 4 });
    const bent = (change: object) => followAll(place([...contents, { ...turn, ...change } as LeafContent]));
    const zeros = new Uint8Array(64);
    expect(bent({ oldSignature: zeros })).toBe("rotation-signature");
    expect(bent({ newSignature: zeros })).toBe("rotation-signature");
    expect(bent({ newKey: testKey("third").publicKey })).toBe("rotation-signature");
    expect(bent({ oldKey: nextKey.publicKey })).toBe("key");
    const elsewhere = await rotation(2, leafHash(base[2].bytes));
    expect(bent(elsewhere)).toBe("rotation-signature");
  });
});
