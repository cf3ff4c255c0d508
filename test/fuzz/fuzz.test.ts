/**
 * The fixed-seed part of the fuzz suite: mutated streams through the whole pipeline, and decoders on their own.
 * `npm run fuzz` goes on for as long as it is told, over all captures (docs/attacks.md).
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { encodeFrame } from "gnss-ubx";
import { afterAll, describe, expect, it } from "vitest";
import { fixesWith } from "../../src/fix/fix-stage.js";
import { evidenceText, ownBase, vectorOf, XML_FILES } from "../../src/fuzz/bases.js";
import { bitsOfPage, isPageFrame, mutate, MUTATIONS } from "../../src/fuzz/mutations.js";
import {
  codecTarget,
  evidenceTarget,
  exportTarget,
  framerTarget,
  mutateBytes,
  vectorTarget,
  xmlTarget,
  type Target,
} from "../../src/fuzz/other-targets.js";
import { Broken, framesOf, PipelineTarget } from "../../src/fuzz/pipeline-target.js";
import { Random } from "../../src/fuzz/random.js";
import { SignedData } from "../../src/fuzz/signed-data.js";
import { flipBit } from "../../src/simulate/scenario.js";
import { parsePage, wordsOf240Bits } from "../../src/inav/page.js";
import { Pipeline } from "../../src/pipeline/pipeline.js";
import type { AuthenticatedRecord } from "../../src/pipeline/records.js";

const SEED = "osnmad 1";
const nominal = ownBase("nominal", 0, 0.4);
const frames = framesOf(nominal.bytes);

function authenticatedOf(bytes: Uint8Array): AuthenticatedRecord[] {
  const records: AuthenticatedRecord[] = [];
  const pipeline = new Pipeline(
    { ...nominal.trust, mode: "simulated", softwareVersion: "test" },
    (record) => {
      if (record.type === "authenticated") records.push(record);
    },
  );
  pipeline.push(bytes);
  pipeline.end();
  return records;
}

describe("mutated streams through the whole pipeline", () => {
  it("throw nothing, authenticate nothing that was not signed, and are accounted for byte by byte", () => {
    const target = new PipelineTarget([
      nominal,
      ownBase("cold-start", 0, 0.5),
      ownBase("forged-tags", 0, 0.5),
    ]);
    for (let i = 0; i < 35; i++) target.once(new Random(`${SEED} ${i}`));
    expect(target.authenticated).toBeGreaterThan(200);
  });

  it("every mutation changes a stream, and pages changed with their CRC still are pages", () => {
    for (const [name, mutation] of Object.entries(MUTATIONS)) {
      let changed = 0;
      for (let i = 0; i < 8; i++) {
        const copy = frames.slice();
        mutation(copy, new Random(`${SEED} ${name} ${i}`), frames);
        if (Buffer.compare(Buffer.concat(copy), Buffer.concat(frames)) !== 0) changed++;
      }
      expect(changed, name).toBeGreaterThan(1);
    }
    const words = new Uint32Array(8);
    let pages = 0;
    for (let i = 0; i < 20; i++) {
      const copy = frames.slice();
      MUTATIONS["one bit of a satellite's words, from here on"](copy, new Random(`${SEED} ${i}`), frames);
      for (const [at, frame] of copy.entries()) {
        if (frame === frames[at] || !isPageFrame(frame)) continue;
        wordsOf240Bits(bitsOfPage(frame), 0, words);
        expect(parsePage(words, frame[7], "E1-B")).toBeTypeOf("object");
        pages++;
      }
    }
    expect(pages).toBeGreaterThan(20);
  });

  it("the judge knows a forgery: any one signed bit, another satellite, another IODnav", () => {
    const signed = new SignedData();
    signed.learn(nominal.bytes);
    const records = authenticatedOf(nominal.bytes);
    expect(records.map((record) => signed.forgery(record))).toEqual(records.map(() => null));
    const [record] = records.filter(({ data }) => data === "ced");
    const withWord = (type: number, bit: number): AuthenticatedRecord => {
      const word = Buffer.from(flipBit(Buffer.from(record.words[type], "hex"), bit)).toString("hex");
      return { ...record, words: { ...record.words, [type]: word } };
    };
    for (const type of [1, 2, 3, 4, 5]) {
      for (let bit = 16; bit < 73; bit++)
        expect(signed.forgery(withWord(type, bit)), `${type} ${bit}`).not.toBeNull();
    }
    // TOW of word 5 is under no tag.
    expect(signed.forgery(withWord(5, 90))).toBeNull();
    const other = records.find(({ svid }) => svid !== record.svid)!;
    expect(signed.forgery({ ...record, svid: other.svid })).not.toBeNull();
    expect(signed.forgery({ ...record, iodNav: (record.iodNav ?? 0) ^ 1 })).toBe("mixed IODnav");
  });

  it("memory stays bounded under a flood of well-formed nonsense", () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const random = new Random(SEED);
    let records = 0;
    const pipeline = new Pipeline(
      {
        ...nominal.trust,
        mode: "simulated",
        softwareVersion: "test",
        fixes: fixesWith({ mode: "simulated", softwareVersion: "test" }),
      },
      () => records++,
    );
    const flood = (rounds: number): number => {
      for (let i = 0; i < rounds; i++) {
        const copy = frames.slice(i % 100, (i % 100) + 200);
        for (let k = 0; k < 12; k++) random.pick(Object.values(MUTATIONS))(copy, random, frames);
        if (copy.length > 0) pipeline.push(Buffer.concat(copy));
        const page = random.pick(frames.filter(isPageFrame)).slice(6, -2);
        page[1] = random.between(1, 36);
        pipeline.push(encodeFrame(2, 0x13, page));
        pipeline.push(random.bytes(random.below(9000)));
      }
      collect();
      return process.memoryUsage().heapUsed;
    };
    const before = flood(40);
    const after = flood(160);
    pipeline.end();
    expect(records).toBeGreaterThan(0);
    expect(after - before).toBeLessThan(24e6);
  });
});

describe("decoders take any bytes", () => {
  const run = (target: Target, name: string, count: number): void => {
    for (let i = 0; i < count; i++) target(new Random(`${SEED} ${name} ${i}`));
  };
  const evidence = evidenceText(nominal);
  const vector = vectorTarget(vectorOf(nominal.bytes).subarray(0, 20_000));
  afterAll(() => {
    vector.end();
  });

  it.each<[string, Target, number]>([
    ["framer", framerTarget(nominal.bytes), 400],
    ["codec", codecTarget, 8000],
    ["GSC XML", xmlTarget(XML_FILES), 150],
    ["evidence", evidenceTarget(evidence.text, evidence.roots), 25],
    ["vector CSV", vector, 40],
    ["export", exportTarget((random) => mutate(frames, random, frames, 6).bytes), 15],
  ])("%s: a value or a refusal by name", (name, target, count) => {
    run(target, name, count);
  });

  it("and what throws is reported with its input", () => {
    const bytes = mutateBytes(Uint8Array.of(1, 2, 3), new Random(SEED));
    expect(bytes).toBeInstanceOf(Uint8Array);
    const target = exportTarget(() => {
      throw new Broken("this", bytes, ["first", "second"]);
    });
    expect(() => {
      target(new Random(SEED));
    }).toThrow("this; after: first + second");
  });
});
