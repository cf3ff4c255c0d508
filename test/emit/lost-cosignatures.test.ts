/** What a broker drops of cosignatures is in no index and no tile; the station's own server has it. */
import { fastify } from "fastify";
import { expect, it, onTestFinished } from "vitest";
import { Consumer, type StationVerdict } from "../../src/emit/consumer.js";
import { ConsumerStore } from "../../src/emit/consumer-store.js";
import { HttpSource } from "../../src/emit/http-source.js";
import type { StationLog } from "../../src/station/station-log.js";
import { cosign, verifyCosignature } from "../../src/station/cosignature.js";
import { stationRoutes } from "../../src/station/routes.js";
import type { Station } from "../../src/station/station.js";
import { testKey } from "../station/keys.js";
import { emit } from "./emitting.js";
import { testFolder } from "./folder.js";
import { policy, unixOf } from "./liar.js";
import { addSubframes, START_GST, witness, witnessAt, witnessName } from "./logs.js";

/** A station of which a broker brings everything but the cosignatures that `isDropped` names by their size. */
async function beginning(isDropped: (size: number) => boolean) {
  const { emission, log } = emit(testFolder());
  const app = fastify({ forceCloseConnections: true });
  stationRoutes(app, { station: { log } as Station });
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => app.close());
  const asked: string[] = [];
  const source = new HttpSource({
    url,
    fetch: (input, init) => {
      if (String(input).includes("cosignatures")) asked.push(String(input).slice(url.length));
      return fetch(input, init);
    },
  });
  const store = new ConsumerStore(testFolder());
  onTestFinished(() => {
    store.close();
  });
  const start = () => {
    const verdicts: StationVerdict[] = [];
    const consumer = new Consumer({
      stations: [{ ...policy, key: log.key }],
      store,
      onVerdict: (verdict) => verdicts.push(verdict),
    });
    return { consumer, verdicts };
  };
  let seq = 0;
  const bring = async (consumer: Consumer): Promise<void> => {
    emission.notify();
    await emission.taken();
    const messages = emission.outbox.after("federation", seq, 1000);
    seq = messages.at(-1)?.seq ?? seq;
    const brought = messages.filter(({ key }) => {
      const [kind, size] = key.split("/");
      return kind !== "cosignature" || !isDropped(Number(size));
    });
    consumer.take(
      brought.map(({ envelope }) => envelope),
      { source: "broker", seq },
    );
  };
  /** A subframe, its checkpoint, and a stamp on it so many seconds after its end. */
  const grow = async (number: number, seconds: number): Promise<void> => {
    await addSubframes(log, number, 1);
    await witnessAt(log, unixOf(START_GST + 30 * (number + 1)) + seconds);
  };
  const classes = (verdicts: readonly StationVerdict[]) =>
    verdicts.flatMap((verdict) =>
      verdict.type === "class" ? [`${verdict.index} ${verdict.class}${verdict.fast ? " fast" : ""}`] : [],
    );
  return { log, source, asked, start, bring, grow, classes };
}

it("every one was dropped: they are fetched, and what follows from them is kept over a restart", async () => {
  const { source, asked, start, bring, grow, classes } = await beginning(() => true);
  const { consumer, verdicts } = start();
  for (let number = 0; number < 3; number++) await grow(number, 3);
  await bring(consumer);
  expect(consumer.status()).toMatchObject([{ proven: 4, unwitnessed: 3, lies: 0 }]);
  await consumer.backfill(source);
  expect(consumer.status()).toMatchObject([{ proven: 4, unwitnessed: 0, classA: 3, lies: 0 }]);
  expect(classes(verdicts)).toEqual(["1 A fast", "2 A fast", "3 A fast"]);
  const again = start();
  expect(again.consumer.status()).toMatchObject([{ proven: 4, unwitnessed: 0, classA: 3, lies: 0 }]);
  // Nothing is left to be asked for.
  const before = asked.length;
  await again.consumer.backfill(source);
  expect(asked.length).toBe(before);
});

it("an early one was dropped: the late one that came does not make the leaf worthless", async () => {
  const { log, source, start, bring, grow, classes } = await beginning((size) => size === 2);
  const { consumer, verdicts } = start();
  await grow(0, 3);
  // Ten minutes later: the keys of the first subframe are public by now.
  await addSubframes(log, 1, 19);
  await grow(20, 3);
  await bring(consumer);
  expect(classes(verdicts)).toContain("1 C");
  await consumer.backfill(source);
  expect(classes(verdicts).at(-1)).toBe("1 A fast");
  expect(consumer.status()).toMatchObject([{ unwitnessed: 0, lies: 0 }]);
});

it("none were made in time: those of old leaves are not asked for again and again", async () => {
  const { log, source, asked, start, bring } = await beginning(() => false);
  const { consumer } = start();
  await addSubframes(log, 0, 150);
  await witnessAt(log, unixOf(START_GST + 30 * 150 + 3600));
  await bring(consumer);
  await consumer.backfill(source);
  await consumer.backfill(source);
  const last = asked.at(-1)!;
  expect(asked[0]).toMatch(/after=1$/);
  expect(Number(last.split("=")[1])).toBeGreaterThanOrEqual(151 - 64);
});

/** To the newest checkpoint: a line in the witness's name that it did not sign. */
async function addForgedLine(log: StationLog): Promise<void> {
  const { note, size } = log.checkpoint!;
  const forged = await cosign(note.text, unixOf(START_GST + 62), witnessName, testKey("a thief").sign);
  const real = await cosign(note.text, unixOf(START_GST + 62), witnessName, witness.sign);
  log.addCosignature(size, forged, verifyCosignature(note.text, real, witnessName)!);
}

it("an address that gives what no witness signed is a fault of the address, and nothing is believed", async () => {
  const { log, source, start, bring, grow } = await beginning((size) => size === 3);
  const { consumer, verdicts } = start();
  await grow(0, 3);
  await bring(consumer);
  await addSubframes(log, 1, 1);
  await bring(consumer);
  await addForgedLine(log);
  const before = verdicts.length;
  await expect(consumer.backfill(source)).rejects.toThrow("did not sign the tree of 3 leaves");
  expect(verdicts.slice(before)).toEqual([]);
  expect(consumer.status()).toMatchObject([{ unwitnessed: 1, lies: 0 }]);
});

it("what came before a line that no witness signed is taken, told once and kept", async () => {
  const { log, source, start, bring, grow, classes } = await beginning(() => true);
  const { consumer, verdicts } = start();
  await grow(0, 3);
  await addSubframes(log, 1, 1);
  await bring(consumer);
  await addForgedLine(log);
  for (let times = 0; times < 2; times++)
    await expect(consumer.backfill(source)).rejects.toThrow("did not sign the tree of 3 leaves");
  expect(classes(verdicts)).toEqual(["1 A fast"]);
  expect(start().consumer.status()).toMatchObject([{ classA: 1, lies: 0 }]);
});

it("the route says what it has in order, and refuses what is no size", async () => {
  const { log } = emit(testFolder());
  const app = fastify();
  stationRoutes(app, { station: { log } as Station });
  for (let number = 0; number < 130; number++) {
    await addSubframes(log, number, 1);
    await witnessAt(log, unixOf(START_GST + 30 * number + 40));
  }
  const sizes = async (after: number) =>
    (await app.inject({ url: `/v1/station/cosignatures?after=${after}` }))
      .json<{ cosignatures: { size: number }[] }>()
      .cosignatures.map(({ size }) => size);
  const first = await sizes(0);
  expect(first).toEqual(Array.from({ length: 128 }, (_, at) => at + 2));
  expect(await sizes(first.at(-1)!)).toEqual([130, 131]);
  expect(await sizes(131)).toEqual([]);
  for (const after of ["-1", "x", "1e9", "9".repeat(20)]) {
    expect((await app.inject({ url: `/v1/station/cosignatures?after=${after}` })).statusCode, after).toBe(
      400,
    );
  }
});
