/**
 * Everything that a federation is sent in a run under a simulated sky, over every way, searched for what would tell of
 * the place. The same search must find all of it in what a prover is sent: a search that cannot find proves nothing.
 */
import { fastify } from "fastify";
import { join } from "node:path";
import { beforeAll, describe, expect, it, afterAll } from "vitest";
import { Emission } from "../../src/emit/emission.js";
import { envelopeJson, openEnvelope } from "../../src/emit/envelope.js";
import { emissionRoutes } from "../../src/emit/routes.js";
import { decodeFix } from "../../src/station/items.js";
import { decodeItems } from "../../src/station/openings.js";
import { encodeCbor } from "../../src/station/cbor.js";
import { decodeLeaf, encodeLeaf } from "../../src/station/leaf.js";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Station } from "../../src/station/station.js";
import { openStation, play, TestWitness } from "../station/sky.js";

let folder: string;
let station: Station;
let emission: Emission;
/** All bytes that went to the federation, as they were on the wire and with their wrappings taken off. */
let federation: Buffer;
let prover: Buffer;
/** What must not be found, by what it is. */
const secrets = new Map<string, Buffer>();
let places = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "osnmad-emit-"));
  station = openStation(join(folder, "log"));
  const witness = new TestWitness("privacy", station, join(folder, "witness"));
  emission = new Emission({
    log: station.log,
    directory: folder,
    flush: false,
    consumers: [{ name: "prover", purpose: "prover", transport: null }],
    // Fixes stand in for what a store has: only what the leaf commits to is taken.
    fixes: {
      fixes: (from, to) => stored.filter(({ record }) => record.gst * 1000 >= from && record.gst * 1000 < to),
    },
  });
  const stored: { record: Awaited<ReturnType<typeof play>>["fixes"][number]; evidence: null }[] = [];
  const { fixes } = await play(station, async (gst) => {
    await witness.see(station, gst);
  });
  for (const record of fixes) stored.push({ record, evidence: null });
  emission.notify();
  await emission.taken();
  const app = fastify({ forceCloseConnections: true });
  emissionRoutes(app, { emission });
  const wire: Buffer[] = [];
  for (const form of ["cose", "jws"]) {
    const { rawPayload, headers } = await app.inject({
      url: `/v1/federation/messages?limit=1024&form=${form}`,
    });
    wire.push(rawPayload, Buffer.from(JSON.stringify(headers)));
  }
  await app.close();
  federation = Buffer.concat([...wire, unwrapped("federation")]);
  prover = unwrapped("prover");
  collectSecrets();
}, 120_000);

afterAll(async () => {
  await emission.close();
  await station.close();
  rmSync(folder, { recursive: true, force: true });
});

function unwrapped(purpose: "federation" | "prover"): Buffer {
  return Buffer.concat(
    emission.outbox.after(purpose, 0, 100_000, 1 << 30).flatMap(({ key, envelope }) => {
      const opened = openEnvelope(envelope)!;
      const { statement } = opened;
      const parts = Object.values(statement).filter((part): part is Uint8Array => part instanceof Uint8Array);
      return [Buffer.from(key), envelope, Buffer.from(JSON.stringify(envelopeJson(opened))), ...parts];
    }),
  );
}

/** A number as it may stand in text or bytes; only what is long enough not to be there by chance. */
function spellings(name: string, value: number): void {
  secrets.set(`${name} in CBOR`, Buffer.from(encodeCbor(value)));
  secrets.set(`${name} in text`, Buffer.from(String(value)));
  const degrees = value / 1e7;
  // Five decimals are a metre; text of a degree with them is no accident.
  secrets.set(`${name} in degrees`, Buffer.from(degrees.toFixed(5)));
  const double = Buffer.alloc(8);
  double.writeDoubleLE(degrees);
  secrets.set(`${name} as a double`, double);
  secrets.set(`${name} as a double, big-endian`, Buffer.from(double).reverse());
}

function collectSecrets(): void {
  for (let index = 0; index < station.log.size; index++) {
    const openings = station.log.openings(index);
    if (openings === null) continue;
    secrets.set(`secret of leaf ${index}`, Buffer.from(openings.secret));
    const items = decodeItems(openings.items)!;
    for (const [category, list] of Object.entries(items)) {
      for (const [slot, item] of list) {
        // Whole items are long and random enough.
        secrets.set(`${category} ${slot} of leaf ${index}`, Buffer.from(item));
        if (category !== "fixes") continue;
        const fix = decodeFix(item)!;
        for (const [what, bytes] of Object.entries({ evidence: fix.evidence, record: fix.record })) {
          if (bytes !== null) secrets.set(`${what} of the fix of leaf ${index}/${slot}`, Buffer.from(bytes));
        }
        for (const place of [fix.own, fix.receiver]) {
          if (place === null) continue;
          places++;
          spellings(`latitude ${index}/${slot}`, place.latitudeE7);
          spellings(`longitude ${index}/${slot}`, place.longitudeE7);
          // Four bytes alone stand somewhere in so much that looks random.
          const pair = Buffer.alloc(8);
          pair.writeInt32LE(place.latitudeE7);
          pair.writeInt32LE(place.longitudeE7, 4);
          secrets.set(`place ${index}/${slot} little-endian`, pair);
          const big = Buffer.alloc(8);
          big.writeInt32BE(place.latitudeE7);
          big.writeInt32BE(place.longitudeE7, 4);
          secrets.set(`place ${index}/${slot} big-endian`, big);
        }
      }
    }
  }
}

describe("what a federation is sent", () => {
  it("has no coordinate, salt, item or digest of them, in any spelling", () => {
    expect(places).toBeGreaterThan(0);
    const found = [...secrets].filter(([, bytes]) => federation.includes(bytes)).map(([name]) => name);
    expect(found).toEqual([]);
    for (const encoding of ["hex", "base64", "base64url"] as const) {
      const text = federation.toString("latin1");
      const encoded = [...secrets].filter(
        ([name, bytes]) =>
          bytes.length >= 16 && !name.includes("text") && text.includes(bytes.toString(encoding)),
      );
      expect(encoded.map(([name]) => name)).toEqual([]);
    }
  });

  it("is searched by a search that finds all of it in what a prover is sent", () => {
    const missed = [...secrets].filter(
      ([name, bytes]) =>
        /^secret|^pages|^tags|^measurements|^fixes|CBOR$/.test(name) && !prover.includes(bytes),
    );
    expect(missed.map(([name]) => name)).toEqual([]);
  });

  it("names no satellite: the statement of a subframe has the same form and length for any sky", () => {
    const lengths = new Set<number>();
    for (const bytes of station.log.leaves(0, station.log.size)) {
      const leaf = decodeLeaf(bytes)!;
      if (leaf.kind !== "subframe") continue;
      // All that differs in length is the index.
      lengths.add(encodeLeaf({ ...leaf, index: 0 }).length);
      expect(Object.keys(leaf).sort()).toEqual(
        [
          "challenges",
          "commitments",
          "gst",
          "index",
          "kind",
          "mode",
          "previous",
          "receiver",
          "softwareVersion",
          "station",
          "time",
        ].sort(),
      );
    }
    expect(lengths.size).toBe(1);
    const kinds = emission.outbox
      .after("federation", 0, 100_000)
      .map(({ envelope }) => openEnvelope(envelope)!.statement.kind);
    expect(new Set(kinds)).toEqual(new Set(["leaf", "checkpoint", "cosignature"]));
  });
});
