/** What a leaf's item says of a fix, and which records it commits to. */
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/evidence/canonical-json.js";
import type { FixRecord } from "../../src/pipeline/records.js";
import { commitsTo, fixItemOf } from "../../src/station/fix-item.js";
import { sha256 } from "../../src/station/merkle.js";
import { evidenceOf, fixAt, ownFixAt } from "../store/records.js";

const alone = fixAt(1);
const proven: FixRecord = { ...ownFixAt(2), evidence: evidenceOf(ownFixAt(2)).root };

describe("a fix's item", () => {
  it("has both places with their grades, and the id of the evidence or else the record's digest", () => {
    const { latitudeE7, longitudeE7, heightMm } = proven.own!;
    const item = fixItemOf(proven);
    expect(item).toMatchObject({ gstMs: proven.gst * 1000, own: { latitudeE7, longitudeE7, heightMm } });
    expect(item.own!.grade).toBe(3);
    expect(Buffer.from(item.evidence!).toString("hex")).toBe(proven.evidence);
    expect(item.record).toBeNull();
    expect(fixItemOf(alone)).toMatchObject({ evidence: null, record: sha256(canonicalJson(alone)) });
  });

  it("commits to its own record and to no other", () => {
    for (const record of [alone, proven]) expect(commitsTo(fixItemOf(record), record)).toBe(true);
    expect(commitsTo(fixItemOf(alone), proven)).toBe(false);
    expect(commitsTo(fixItemOf(proven), alone)).toBe(false);
    const item = fixItemOf(alone);
    for (const [name, value] of Object.entries(alone)) {
      const changed = { ...alone, [name]: typeof value === "number" ? value + 1 : "another" } as FixRecord;
      expect(commitsTo(item, changed), name).toBe(false);
    }
  });

  it("with evidence commits to the record of that evidence, and to its epoch", () => {
    const item = fixItemOf(proven);
    expect(commitsTo(item, { ...proven, evidence: null })).toBe(false);
    expect(commitsTo(item, { ...proven, evidence: evidenceOf(ownFixAt(3)).root })).toBe(false);
    expect(commitsTo(item, { ...proven, gst: proven.gst + 1 })).toBe(false);
  });

  it("of an older log holds the record to the digest as well", () => {
    const item = { ...fixItemOf(proven), record: sha256(canonicalJson(proven)) };
    expect(commitsTo(item, proven)).toBe(true);
    expect(commitsTo(item, { ...proven, softwareVersion: "another" })).toBe(false);
  });

  it("does not commit to what no canonical JSON can carry", () => {
    const bad = { ...alone, softwareVersion: 1n } as unknown as FixRecord;
    expect(commitsTo(fixItemOf(alone), bad)).toBe(false);
  });
});
