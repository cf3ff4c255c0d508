import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  envelopeJson,
  isSealedBy,
  keyIdOf,
  openEnvelope,
  openJws,
  sealEnvelope,
  sealJws,
} from "../../src/emit/envelope.js";
import { encodeStatement, statementJson, type Speaker, type Statement } from "../../src/emit/statement.js";
import { decodeCbor, encodeCbor } from "../../src/station/cbor.js";
import { checkpointText, signCheckpoint } from "../../src/station/checkpoint.js";
import { cosign } from "../../src/station/cosignature.js";
import { leafHash } from "../../src/station/merkle.js";
import { formatSignature, formatVerifierKey } from "../../src/station/note.js";
import { originOf } from "../../src/station/origin.js";
import { logKey, testKey, witnessKey } from "../station/keys.js";
import { place, startContent, station, stationKey } from "../station/leaves.js";
import { testFolder } from "./folder.js";

const [{ bytes: leaf }] = place([startContent()]);
const origin = originOf(station, "live");
const head = { origin, size: 1, root: leafHash(leaf), extensions: [] };
const live: Speaker = { purpose: "federation", mode: "live", station };
const prover: Speaker = { ...live, purpose: "prover" };

let statements: readonly (readonly [string, Speaker, Statement])[];

beforeAll(async () => {
  const note = await signCheckpoint(head, [{ key: logKey(origin, stationKey), sign: stationKey.sign }]);
  const witness = testKey("witness");
  const line = await cosign(
    checkpointText(head),
    1_790_000_000,
    witnessKey("witness.example/w", witness),
    witness.sign,
  );
  const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value, "utf8"));
  statements = [
    ["leaf", live, { kind: "leaf", index: 0, leaf }],
    ["checkpoint", live, { kind: "checkpoint", size: 1, note: text(note) }],
    ["cosignature", live, { kind: "cosignature", size: 1, line: text(formatSignature(line).trimEnd()) }],
    [
      "openings",
      prover,
      { kind: "openings", index: 7, secret: new Uint8Array(32).fill(9), items: text("\u0080") },
    ],
    [
      "fix",
      prover,
      { kind: "fix", index: 7, slot: 34, record: text('{"type":"fix"}'), evidence: text("evidence") },
    ],
    ["fix-without-evidence", prover, { kind: "fix", index: 7, slot: 0, record: text("{}"), evidence: null }],
  ];
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** What docs/envelope-vectors.json has to hold. */
async function vectors(): Promise<object> {
  const all = [];
  for (const [name, speaker, statement] of statements) {
    const cose = await sealEnvelope(speaker, statement, stationKey);
    const envelope = openEnvelope(cose)!;
    all.push({
      name,
      cose: hex(cose),
      signed: hex(envelope.signed),
      jws: await sealJws(speaker, statement, stationKey),
      json: envelopeJson(envelope),
    });
  }
  return {
    about: "Envelopes signed with a key for tests. docs/envelope.md says what they are.",
    publicKey: hex(stationKey.publicKey),
    vectors: all,
  };
}

describe("envelope", () => {
  it("gives back what was sealed, in both forms, and names the key that signed", async () => {
    for (const [, speaker, statement] of statements) {
      const forms = [
        openEnvelope(await sealEnvelope(speaker, statement, stationKey)),
        openJws(await sealJws(speaker, statement, stationKey)),
      ];
      for (const envelope of forms) {
        expect(envelopeJson(envelope!)).toEqual({
          purpose: speaker.purpose,
          mode: speaker.mode,
          station: hex(speaker.station),
          key: hex(keyIdOf(stationKey.publicKey)),
          statement: statementJson(statement),
        });
        expect(hex(encodeStatement(envelope!.statement))).toBe(hex(encodeStatement(statement)));
        expect(isSealedBy(envelope!, stationKey.publicKey)).toBe(true);
        expect(isSealedBy(envelope!, testKey("another").publicKey)).toBe(false);
      }
    }
  });

  it("does not put what opens a place in an envelope for a federation", async () => {
    for (const [, speaker, statement] of statements.filter(([, { purpose }]) => purpose === "prover")) {
      const federation: Speaker = { ...speaker, purpose: "federation" };
      await expect(sealEnvelope(federation, statement, stationKey)).rejects.toThrow(RangeError);
      await expect(sealJws(federation, statement, stationKey)).rejects.toThrow(RangeError);
    }
  });

  it("refuses a leaf or checkpoint of another mode, station or place in the log than the envelope says", async () => {
    const [, , leafStatement] = statements[0];
    const [, , checkpoint] = statements[1];
    for (const speaker of [
      { ...live, mode: "replay" } as const,
      { ...live, mode: "simulated" } as const,
      { ...live, station: new Uint8Array(32) },
    ]) {
      await expect(sealEnvelope(speaker, leafStatement, stationKey)).rejects.toThrow(RangeError);
      await expect(sealEnvelope(speaker, checkpoint, stationKey)).rejects.toThrow(RangeError);
    }
    await expect(sealEnvelope(live, { kind: "leaf", index: 1, leaf }, stationKey)).rejects.toThrow(
      RangeError,
    );
  });

  it("does not verify under another purpose or mode than it was signed for", async () => {
    const [, speaker, statement] = statements[2];
    const cose = Buffer.from(await sealEnvelope(speaker, statement, stationKey));
    // The values stand after their labels, -65537 (3a 00010000) and -65538 (3a 00010001).
    for (const [label, values] of [
      ["3a00010000", [2]],
      ["3a00010001", [2, 3]],
    ] as const) {
      const at = cose.indexOf(Buffer.from(`${label}01`, "hex")) + 5;
      expect(at).toBeGreaterThan(5);
      for (const value of values) {
        const changed = Buffer.from(cose);
        changed[at] = value;
        const envelope = openEnvelope(changed);
        expect(envelope).not.toBeNull();
        expect(isSealedBy(envelope!, stationKey.publicKey)).toBe(false);
      }
    }
  });

  it("loses its signature, or is no envelope any more, with any bit changed", async () => {
    for (const [, speaker, statement] of statements) {
      const cose = await sealEnvelope(speaker, statement, stationKey);
      for (let bit = 0; bit < cose.length * 8; bit += 7) {
        const changed = Uint8Array.from(cose);
        changed[bit >> 3] ^= 1 << (bit & 7);
        const envelope = openEnvelope(changed);
        expect(envelope === null || !isSealedBy(envelope, stationKey.publicKey)).toBe(true);
      }
    }
  });

  it("has one spelling: other encodings of the same values are refused", async () => {
    const cose = await sealEnvelope(live, statements[0][2], stationKey);
    const body = Buffer.from(cose).subarray(2);
    const spellings = {
      untagged: cose.subarray(1),
      "two tags": Buffer.concat([Uint8Array.of(0xd2), cose]),
      "tag in two bytes": Buffer.concat([Uint8Array.of(0xd8, 0x12), cose.subarray(1)]),
      "indefinite length": Buffer.concat([Uint8Array.of(0xd2, 0x9f), body, Uint8Array.of(0xff)]),
      "longer head": Buffer.concat([Uint8Array.of(0xd2, 0x98, 4), body]),
      "bytes behind it": Buffer.concat([cose, Uint8Array.of(0)]),
      cut: cose.subarray(0, -1),
    };
    for (const [name, bytes] of Object.entries(spellings)) expect(openEnvelope(bytes), name).toBeNull();
    const jws = await sealJws(live, statements[0][2], stationKey);
    const [header, payload, signature] = jws.split(".");
    const spaced = Buffer.from(` ${Buffer.from(header, "base64url").toString()}`).toString("base64url");
    for (const other of [
      `${jws}=`,
      `${jws}.`,
      `${spaced}.${payload}.${signature}`,
      `.${payload}.${signature}`,
    ]) {
      expect(openJws(other)).toBeNull();
    }
  });

  it("looks at nothing in a header or map that cannot be the one, however large", async () => {
    const cose = await sealEnvelope(live, statements[0][2], stationKey);
    const entries = new Map(Array.from({ length: 170_000 }, (_, key) => [key, key]));
    const tail = cose.subarray(cose.length - 66);
    const large = encodeCbor(entries);
    const junk = [
      Buffer.concat([
        Uint8Array.of(0xd2),
        encodeCbor([large, new Map(), new Uint8Array(3), new Uint8Array(64)]),
      ]),
      Buffer.concat([cose.subarray(0, cose.indexOf(0xa0, 150)), large, tail]),
      Buffer.concat([
        Uint8Array.of(0xd2),
        encodeCbor([new Uint8Array(3), entries, large, new Uint8Array(64)]),
      ]),
    ];
    openEnvelope(junk[0]);
    const spent = (work: () => void): number => {
      const before = process.cpuUsage();
      work();
      const { user, system } = process.cpuUsage(before);
      return user + system;
    };
    const one = spent(() => {
      for (let i = 0; i < 20; i++) decodeCbor(large.subarray(0, 20_000));
    });
    for (const bytes of junk) {
      const all = spent(() => {
        for (let i = 0; i < 20; i++) expect(openEnvelope(bytes)).toBeNull();
      });
      // A megabyte costs less than 20 kB did that were decoded.
      expect(all).toBeLessThan(one + 20_000);
    }
  });

  it("survives any bytes and texts", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(openEnvelope(bytes)).toBeNull();
        expect(openEnvelope(Buffer.concat([Uint8Array.of(0xd2, 0x84), bytes]))).toBeNull();
      }),
    );
    fc.assert(
      fc.property(fc.string(), fc.json(), (text, json) => {
        expect(openJws(text)).toBeNull();
        const encoded = Buffer.from(json).toString("base64url");
        expect(openJws(`${encoded}.${encoded}.${"A".repeat(86)}`)).toBeNull();
      }),
    );
  });
});

describe("docs/envelope-vectors.json", () => {
  const path = join(import.meta.dirname, "../../docs/envelope-vectors.json");

  it("holds what the code makes", async () => {
    const made = await vectors();
    if (process.env["OSNMAD_WRITE_VECTORS"] === "1") {
      writeFileSync(path, `${JSON.stringify(made, null, 2)}\n`);
    }
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(made);
  });

  const python = spawnSync("python3", ["--version"]).status === 0;

  it.skipIf(!python && process.env["CI"] === undefined)(
    "is verified by docs/verify_envelope.py, which has nothing in common with this program",
    async () => {
      const script = join(import.meta.dirname, "../../docs/verify_envelope.py");
      const out = execFileSync("python3", [script, "--vectors", path], { encoding: "utf8" });
      expect(out).toMatch(new RegExp(`^${2 * statements.length} good, 0 bad$`, "m"));
      const folder = testFolder();
      const cose = Buffer.from(await sealEnvelope(live, statements[0][2], stationKey));
      const key = hex(stationKey.publicKey);
      const check = (bytes: Uint8Array, ...more: string[]) => {
        const file = join(folder, "envelope");
        writeFileSync(file, bytes);
        return spawnSync("python3", [script, key, file, ...more], { encoding: "utf8" });
      };
      expect(check(cose).status).toBe(0);
      expect(check(cose, "federation", "live").status).toBe(0);
      expect(check(cose, "prover", "live").status).toBe(1);
      expect(check(cose, "federation", "replay").status).toBe(1);
      expect(check(Buffer.concat([cose, Uint8Array.of(0)])).status).toBe(1);
      // The body of a push, and the key as `osnmad key export-public` prints it.
      expect(check(Buffer.concat([cose, cose])).stdout.match(/"purpose"/g)).toHaveLength(2);
      expect(check(Buffer.concat([cose, cose.subarray(0, -1)])).status).toBe(1);
      writeFileSync(join(folder, "envelope"), cose);
      const line = formatVerifierKey(logKey(origin, stationKey));
      expect(spawnSync("python3", [script, line, join(folder, "envelope")]).status).toBe(0);
      expect(spawnSync("python3", [script], { encoding: "utf8" }).stderr).toContain("KEY FILE");
      const changed = Buffer.from(cose);
      changed[changed.length - 1] ^= 1;
      expect(check(changed).status).toBe(1);
      // Signed by the right key, in a spelling that is not the one.
      const [header, payload] = (await sealJws(live, statements[0][2], stationKey))
        .split(".")
        .map((part) => Buffer.from(part, "base64url").toString());
      const jws = async (...parts: string[]): Promise<string> => {
        const input = parts.map((part) => Buffer.from(part).toString("base64url")).join(".");
        const signature = await stationKey.sign(Buffer.from(input));
        return `${input}.${Buffer.from(signature).toString("base64url")}`;
      };
      expect(check(Buffer.from(await jws(header, payload))).status).toBe(0);
      for (const [spelled, said] of [
        [header, payload.replace('"index":0', '"index":0.0')],
        [header, payload.replace('"index":0', '"index":0e0')],
        [header, payload.replace('"index":0', '"index":7,"index":0')],
        [header, payload.replace(",", ", ")],
        [header.replace(":", ": "), payload],
        [header.replace('"alg":"EdDSA"', '"alg":"none","alg":"EdDSA"'), payload],
      ]) {
        const other = await jws(spelled, said);
        expect(openJws(other), said).toBeNull();
        expect(check(Buffer.from(other)).status, said).toBe(1);
      }
    },
    30_000,
  );
});
