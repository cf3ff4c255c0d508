/** RXM-RAWX that no receiver should send: whatever it says, the stage goes on and its records hold finite numbers. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Framer } from "gnss-ubx";
import { describe, expect, it } from "vitest";
import { EvidenceBuilder } from "../../src/evidence/bundle.js";
import { fixesWith } from "../../src/fix/fix-stage.js";
import { Pipeline, type PipelineRecord } from "../../src/pipeline/pipeline.js";
import type { FixRecord } from "../../src/pipeline/records.js";
import type { CaptureHeader } from "../../src/simulate/captures.js";
import { keyOfFile, rootKeyOfFile, rootOfTree } from "../support/osnma.js";
import { uniform } from "../position/support.js";

const file = (path: string): string => fileURLToPath(new URL(`../../captures/${path}`, import.meta.url));
const header = JSON.parse(readFileSync(file("nominal.json"), "utf8")) as CaptureHeader;
const [root] = header.trust.merkleTree.map((path) => rootOfTree(file(path)));

interface Frame {
  readonly messageClass: number;
  readonly messageId: number;
  readonly payload: Buffer;
}
const frames: Frame[] = [];
const framer = new Framer();
const sink = {
  ubx: (messageClass: number, messageId: number, payload: Uint8Array) => {
    frames.push({ messageClass, messageId, payload: Buffer.from(payload) });
  },
};
framer.push(readFileSync(file("nominal.ubx")), sink);
framer.end(sink);

const HEADER = 16;
const BLOCK = 32;
const DOUBLES = [Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 1e300, -1e300, 5e-324, 2.4e7, 3e7, 1e8];
const isRawx = ({ messageClass, messageId }: Frame): boolean => messageClass === 0x02 && messageId === 0x15;

/** The frames with every RAWX after the first third changed by `change` where it likes to. */
function run(change: (rawx: Buffer, random: () => number) => Buffer[], seed: number): FixRecord[] {
  const random = uniform(seed);
  const fixes: FixRecord[] = [];
  const builder = new EvidenceBuilder();
  const pipeline = new Pipeline(
    {
      roots: [{ root }],
      keys: header.trust.publicKeys.map((path) => keyOfFile(file(path), root)),
      rootKey: rootKeyOfFile(file(header.trust.rootKey!)),
      mode: "simulated",
      fixes: fixesWith({
        mode: "simulated",
        softwareVersion: "test",
        carrierSmoothing: seed % 2 === 1,
        evidence: (fix, { own, proofs, receiver }) =>
          builder.build(fix, {
            proofs,
            receiver,
            position:
              own === null
                ? null
                : {
                    rawx: own.rawx,
                    solverOptions: own.solved.options,
                    ionosphereFrom: own.solved.solution.ionosphereFrom,
                  },
          }).root,
      }),
      softwareVersion: "test",
    },
    (record: PipelineRecord) => {
      if (record.type === "fix") fixes.push(record);
    },
  );
  frames.forEach((frame, i) => {
    const payloads =
      isRawx(frame) && i > frames.length / 3 ? change(Buffer.from(frame.payload), random) : [frame.payload];
    for (const payload of payloads) pipeline.push(ubx(frame, payload));
  });
  pipeline.end();
  return fixes;
}

function ubx({ messageClass, messageId }: Frame, payload: Buffer): Buffer {
  const frame = Buffer.alloc(payload.length + 8);
  frame.set([0xb5, 0x62, messageClass, messageId]);
  frame.writeUInt16LE(payload.length, 4);
  frame.set(payload, 6);
  let [a, b] = [0, 0];
  for (const byte of frame.subarray(2, -2)) b = (b + (a = (a + byte) & 0xff)) & 0xff;
  frame[frame.length - 2] = a;
  frame[frame.length - 1] = b;
  return frame;
}

function check(fixes: readonly FixRecord[]): void {
  let last = Number.NEGATIVE_INFINITY;
  for (const fix of fixes) {
    expect(fix.gst).toBeGreaterThan(last);
    last = fix.gst;
    // JSON writes what is not finite as null, and drops what is undefined.
    expect(JSON.parse(JSON.stringify(fix))).toEqual(fix);
    const svids = fix.own?.satellites.map(({ svid }) => svid) ?? [];
    expect(new Set(svids).size).toBe(svids.length);
    for (const svid of svids) expect(fix.authenticatedSatellites).toContain(svid);
  }
  expect(fixes.length).toBeGreaterThan(100);
}

const pick = <T>(list: readonly T[], random: () => number): T => list[Math.floor(random() * list.length)];

describe("measurements that cannot be", () => {
  it.each([1, 2])("numbers of any kind in any field, %i", (seed) => {
    check(
      run((rawx, random) => {
        for (let n = 1 + Math.floor(3 * random()); n > 0 && rawx[11] > 0; n -= 1) {
          const block = HEADER + BLOCK * Math.floor(rawx[11] * random());
          const kind = random();
          if (kind < 0.35) rawx.writeDoubleLE(pick(DOUBLES, random), block);
          else if (kind < 0.5) rawx.writeDoubleLE(pick(DOUBLES, random), block + 8);
          else if (kind < 0.65)
            rawx.writeFloatLE(pick([Number.NaN, Infinity, 1e30, -1e30, 0], random), block + 16);
          else rawx[block + 20 + Math.floor(12 * random())] = Math.floor(256 * random());
        }
        return [rawx];
      }, seed),
    );
  });

  it.each([5])("labels of any kind: week 0, seconds beyond the week, none, again the same, %i", (seed) => {
    check(
      run((rawx, random) => {
        const kind = random();
        if (kind < 0.1) rawx.writeUInt16LE(pick([0, 1, 1023, 65_535], random), 8);
        else if (kind < 0.2) rawx.writeDoubleLE(pick([...DOUBLES, 604_800, 604_799.999], random), 0);
        else if (kind < 0.3) rawx[12] = Math.floor(256 * random());
        else if (kind < 0.4) return [];
        else if (kind < 0.5) return [rawx, rawx];
        return [rawx];
      }, seed),
    );
  });

  it("255 of them, every satellite many times, and fewer than the message says", () => {
    check(
      run((rawx, random) => {
        const blocks = rawx.subarray(HEADER);
        if (blocks.length === 0) return [rawx];
        const many = Buffer.alloc(HEADER + 255 * BLOCK);
        rawx.copy(many, 0, 0, HEADER);
        for (let n = 0; n < 255; n += 1) {
          const from = BLOCK * (n % (blocks.length / BLOCK));
          blocks.copy(many, HEADER + n * BLOCK, from, from + BLOCK);
        }
        many[11] = 255;
        return random() < 0.5 ? [many] : [many.subarray(0, HEADER + BLOCK * 9)];
      }, 7),
    );
  });
});
