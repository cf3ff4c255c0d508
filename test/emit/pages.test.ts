import { describe, expect, it } from "vitest";
import { isSealedBy, openEnvelope, openJws } from "../../src/emit/envelope.js";
import type { Emission } from "../../src/emit/emission.js";
import { FairDesk } from "../../src/emit/fair-desk.js";
import { JWS_PER_PAGE, PAGE_BYTES, Pages } from "../../src/emit/pages.js";
import { Seats } from "../../src/emit/seats.js";
import { testKey } from "../station/keys.js";
import { emit, fill } from "./emitting.js";
import { testFolder } from "./folder.js";

describe("the desk", () => {
  it("takes one piece of each client in turn, and no more than its share of the time", async () => {
    let now = 0;
    const pauses: number[] = [];
    const desk = new FairDesk({
      share: 0.25,
      now: () => now,
      pause: (ms) => {
        pauses.push(ms);
        now += ms;
        return Promise.resolve();
      },
    });
    const done: string[] = [];
    const work = (client: string, ms: number) =>
      desk.do(client, () => {
        now += ms;
        done.push(client);
      });
    await Promise.all([work("a", 10), work("a", 10), work("a", 10), work("b", 2), work("b", 2)]);
    expect(done).toEqual(["a", "a", "b", "a", "b"]);
    expect(pauses.slice(0, 4)).toEqual([30, 30, 6, 30]);
  });

  it("goes on after a piece that fails, and says so to who asked", async () => {
    const desk = new FairDesk();
    const failed = desk.do("a", () => {
      throw new Error("no");
    });
    const after = desk.do("a", () => 1);
    await expect(failed).rejects.toThrow("no");
    expect(await after).toBe(1);
  });
});

describe("seats", () => {
  it("are so many for all and so many for one, and come back once", () => {
    const seats = new Seats(3, 2);
    const leave = seats.take("a")!;
    expect(seats.take("a")).not.toBeNull();
    expect(seats.take("a")).toBeNull();
    expect(seats.take("b")).not.toBeNull();
    expect(seats.take("c")).toBeNull();
    leave();
    leave();
    expect(seats.take("c")).not.toBeNull();
    expect(seats.take("d")).toBeNull();
  });
});

describe("pages", () => {
  async function many(count: number) {
    const { emission, log } = emit(testFolder());
    await fill(emission);
    const [{ envelope }] = emission.outbox.after("federation", 0, 1);
    emission.outbox.put(
      Array.from({ length: count }, (_, at) => ({ purpose: "federation", key: `copy/${at}`, envelope })),
    );
    let signatures = 0;
    const signer = {
      publicKey: log.signer.publicKey,
      sign: (bytes: Uint8Array) => {
        signatures++;
        return log.signer.sign(bytes);
      },
    };
    const signing = { outbox: emission.outbox, log: { signer } } as unknown as Emission;
    const order = { purpose: "federation", after: 0, limit: 1024, client: "c" } as const;
    return { emission, log, pages: new Pages(signing, new FairDesk()), order, signed: () => signatures };
  }

  it("of the second form are short, and each message is signed once, whoever asks how often", async () => {
    const { pages, order, signed, log } = await many(100);
    const ask = () => pages.make({ ...order, form: "jws" });
    const [first, second] = await Promise.all([ask(), ask()]);
    expect(first).toHaveLength(JWS_PER_PAGE);
    expect(isSealedBy(openJws(first[70 % JWS_PER_PAGE]["jws"] as string)!, log.key.publicKey)).toBe(true);
    expect(second).toEqual(first);
    await ask();
    // Two who ask for the same at the same time may both have it signed.
    expect(signed()).toBeLessThanOrEqual(2 * JWS_PER_PAGE);
    const before = signed();
    await ask();
    expect(signed()).toBe(before);
  });

  it("of the first form end at so many bytes, and the next goes on there", async () => {
    const { pages, order, emission } = await many(1024);
    const seqs: number[] = [];
    let after = 0;
    for (let page = 0; page < 20; page++) {
      const messages = await pages.make({ ...order, form: "cose", after });
      if (messages.length === 0) break;
      const bytes = messages.reduce(
        (sum, { envelope }) => sum + Buffer.from(envelope as string, "base64").length,
        0,
      );
      expect(bytes).toBeLessThanOrEqual(PAGE_BYTES);
      seqs.push(...messages.map(({ seq }) => seq as number));
      after = seqs[seqs.length - 1];
    }
    expect(seqs).toEqual(Array.from({ length: emission.outbox.lastSeq("federation") }, (_, at) => at + 1));
  });

  it("give what an earlier key sealed in the first form only", async () => {
    const { emission } = await many(0);
    const signer = testKey("a later key");
    const later = { outbox: emission.outbox, log: { signer } } as unknown as Emission;
    const order = { purpose: "federation", after: 0, limit: 1, form: "jws", client: "c" } as const;
    const [message] = await new Pages(later, new FairDesk()).make(order);
    expect(message["jws"]).toBeNull();
    expect(openEnvelope(Buffer.from(message["envelope"] as string, "base64"))).not.toBeNull();
  });
});
