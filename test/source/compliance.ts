/**
 * What every source must do (src/source/byte-link.ts), as one suite. A bench gives a link and a hand on its other
 * end, as far as it has one: a receiver on a real port (OSNMAD_TEST_PORT) can be listened to, not told what to say.
 */
import { Framer } from "gnss-ubx";
import { afterEach, describe, expect, it } from "vitest";
import { OsnmadError } from "../../src/errors.js";
import type { ByteLink } from "../../src/source/byte-link.js";

export interface Bench {
  readonly link: ByteLink;
  /** Sends to the link; where it is missing, the source speaks by itself. */
  feed?(bytes: Uint8Array): void | Promise<void>;
  /** Everything that the other end got so far. */
  heard?(): Uint8Array;
  /** The other end goes away. */
  drop?(): Promise<void>;
  /** Opens the same source a second time. */
  again?(): Promise<ByteLink>;
  /** The bytes that a finite source holds. */
  readonly content?: Uint8Array;
  tearDown(): Promise<void>;
}

/** Resolves when `holds` does; rejects after some seconds with what was expected. */
export async function until(what: string, holds: () => boolean, seconds = 20): Promise<void> {
  const give = performance.now() + seconds * 1000;
  while (!holds()) {
    if (performance.now() > give) throw new Error(`Not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Bytes that no terminal, line discipline or text mode leaves alone: all values, in an order of their own. */
export function awkwardBytes(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = i < 256 ? i : state >>> 24;
  }
  return bytes;
}

export class Collected {
  readonly #chunks: Buffer[] = [];
  length = 0;
  readonly listener = (chunk: Uint8Array): void => {
    this.#chunks.push(Buffer.from(chunk));
    this.length += chunk.length;
  };
  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

export function linkCompliance(
  name: string,
  makeBench: () => Promise<Bench>,
  can: { feed: boolean; hear: boolean; drop: boolean; exclusive: boolean; finite: boolean },
): void {
  describe(`a link: ${name}`, () => {
    let bench: Bench | null = null;
    const open = async (): Promise<Bench> => {
      bench = await makeBench();
      return bench;
    };
    afterEach(async () => {
      await bench?.link.close();
      await bench?.tearDown();
      bench = null;
    });

    it("has a name", async () => {
      expect((await open()).link.name).not.toBe("");
    });

    if (can.feed) {
      it("hands over every byte in order, from the opening on, to all listeners", async () => {
        const { link, feed } = await open();
        const sent = awkwardBytes(20_000);
        await feed?.(sent.subarray(0, 700));
        await new Promise((resolve) => setTimeout(resolve, 50));
        const first = new Collected();
        const second = new Collected();
        link.onData(first.listener);
        link.onData(second.listener);
        for (let at = 700; at < sent.length; at += 1931) await feed?.(sent.subarray(at, at + 1931));
        await until("all bytes", () => first.length >= sent.length && second.length >= sent.length);
        expect(Buffer.compare(first.bytes(), sent)).toBe(0);
        expect(Buffer.compare(second.bytes(), sent)).toBe(0);
      });

      it("gives nothing after it was closed", async () => {
        const { link, feed } = await open();
        const got = new Collected();
        link.onData(got.listener);
        await feed?.(awkwardBytes(300));
        await until("the first bytes", () => got.length === 300);
        const closed = link.close();
        await feed?.(awkwardBytes(300));
        await closed;
        await new Promise((resolve) => setTimeout(resolve, 50));
        expect(got.length).toBe(300);
      });
    } else if (!can.finite) {
      it("hands over frames whose checksums hold", async () => {
        const { link } = await open();
        const framer = new Framer();
        link.onData((chunk) => {
          framer.push(chunk, { ubx: () => undefined });
        });
        await until("twenty frames", () => framer.counts.ubxFrames + framer.counts.nmeaSentences >= 20);
      });
    }

    if (can.finite) {
      it("hands over all it has, then ends without a reason", async () => {
        const { link, content } = await open();
        const got = new Collected();
        let why: Error | null | undefined;
        link.onClose((reason) => {
          why = reason;
        });
        link.onData(got.listener);
        await until("its end", () => why !== undefined);
        expect(why).toBeNull();
        expect(Buffer.compare(got.bytes(), content!)).toBe(0);
      });
    }

    if (can.hear) {
      it("sends bytes in the order of the calls", async () => {
        const { link, heard } = await open();
        const sent = awkwardBytes(5_000, 7);
        const writes: Promise<void>[] = [];
        for (let at = 0; at < sent.length; at += 777) writes.push(link.write(sent.subarray(at, at + 777)));
        await Promise.all(writes);
        await until("all bytes at the other end", () => heard!().length >= sent.length);
        expect(Buffer.compare(heard!(), sent)).toBe(0);
      });

      it("has taken the bytes when write returns: the caller may use the memory again", async () => {
        const { link, heard } = await open();
        const memory = Uint8Array.from([1, 2, 3]);
        const written = link.write(memory);
        memory.fill(9);
        await written;
        await until("three bytes", () => heard!().length === 3);
        expect([...heard!()]).toEqual([1, 2, 3]);
      });
    }

    it("refuses to write once it is closed", async () => {
      const { link } = await open();
      await link.close();
      await expect(link.write(Uint8Array.from([1]))).rejects.toMatchObject({ code: "OSN_LINK_LOST" });
    });

    it("closes once, without a reason, however often it is told to and whoever asks later", async () => {
      const { link } = await open();
      const reasons: (Error | null)[] = [];
      link.onClose((why) => reasons.push(why));
      await Promise.all([link.close(), link.close()]);
      await link.close();
      expect(reasons).toEqual([null]);
      link.onClose((why) => reasons.push(why));
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect(reasons).toEqual([null, null]);
    });

    if (can.drop) {
      it("says that the other end went away, with a reason and a code, after the last byte", async () => {
        const { link, feed, drop } = await open();
        const got = new Collected();
        const reasons: (Error | null)[] = [];
        link.onData(got.listener);
        link.onClose((why) => reasons.push(why));
        await feed?.(awkwardBytes(64));
        await until("what was sent before", () => got.length === 64);
        await drop!();
        await until("the end", () => reasons.length > 0);
        expect(reasons).toHaveLength(1);
        expect(reasons[0]).toBeInstanceOf(OsnmadError);
        expect(reasons[0]).toMatchObject({ code: "OSN_LINK_LOST" });
        await expect(link.write(Uint8Array.from([1]))).rejects.toMatchObject({ code: "OSN_LINK_LOST" });
      });
    }

    if (can.exclusive) {
      it("is not shared: a second opening is refused, and one after the closing is not", async () => {
        const { link, again } = await open();
        await expect(again!()).rejects.toMatchObject({ code: "OSN_PORT_BUSY" });
        await link.close();
        const next = await again!();
        await next.close();
      });
    }
  });
}
