/** What a prover who follows a station comes to: the class of each fix, and lies about what opens a leaf. */
import { beforeAll, describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/evidence/canonical-json.js";
import { bundleText } from "../../src/evidence/bundle.js";
import { Emission } from "../../src/emit/emission.js";
import type { FixSource } from "../../src/emit/intake.js";
import { openEnvelope, sealEnvelope } from "../../src/emit/envelope.js";
import { Follower } from "../../src/emit/follower.js";
import type { Statement } from "../../src/emit/statement.js";
import { FixFollower, type FixVerdict, type ProverVerdict } from "../../src/proof/fix-follower.js";
import { folder, optionsFor, played, type Played } from "./played.js";
import { fixAfter } from "./sky.js";

const SECONDS = [95, 150, 200];
let run: Played;
let messages: readonly Uint8Array[];

/** What the station sends to a prover. */
async function sent({ station }: Played): Promise<Uint8Array[]> {
  const fixes: FixSource = {
    fixes: (fromMs, toMs) =>
      SECONDS.map(fixAfter)
        .filter(({ record }) => record.gst * 1000 >= fromMs && record.gst * 1000 < toMs)
        .map(({ record, evidence }) => ({
          record,
          evidence: Buffer.from(bundleText(evidence!.mode, evidence!.root, evidence!.objects)),
        })),
  };
  const consumers = [{ name: "prover", purpose: "prover", transport: null }] as const;
  const emission = new Emission({ log: station.log, directory: folder(), consumers, fixes, flush: false });
  await emission.taken();
  const all = emission.outbox
    .after("prover", 0, 100_000, Number.MAX_SAFE_INTEGER)
    .map(({ envelope }) => envelope);
  await emission.close();
  return all;
}

beforeAll(async () => {
  run = await played([() => 2, () => 2]);
  messages = await sent(run);
}, 120_000);

const followerOf = (of: Played, change: object = {}): FixFollower => {
  const { roots, witnesses, needed, marginSeconds, leapSeconds } = optionsFor(of);
  return new FixFollower({
    key: of.station.log.key,
    witnesses,
    needed,
    marginSeconds,
    leapSeconds,
    keyOffsetSeconds: 22,
    evidence: { roots },
    ...change,
  });
};
const fixesIn = (verdicts: readonly ProverVerdict[]): FixVerdict[] =>
  verdicts.flatMap((verdict) => (verdict.type === "fix" ? [verdict] : []));
const liesIn = (verdicts: readonly ProverVerdict[]): string[] =>
  verdicts.flatMap((verdict) => (verdict.type === "lie" ? [verdict.what] : []));

/** Statements as the station would have signed them. */
async function resealed(change: (statement: Statement) => Statement): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for (const bytes of messages) {
    const { statement, purpose, mode, station } = openEnvelope(bytes)!;
    all.push(await sealEnvelope({ purpose, mode, station }, change(statement), run.station.log.signer));
  }
  return all;
}

describe("a prover who follows a station", () => {
  it("has the class of each fix, and no coordinates in what it says", () => {
    const follower = followerOf(run);
    const verdicts = [...messages.flatMap((message) => follower.accept(message)), ...follower.end()];
    expect(liesIn(verdicts)).toEqual([]);
    const final = fixesIn(verdicts).filter(({ final: isFinal }) => isFinal);
    expect(final.map(({ gst }) => gst)).toEqual(SECONDS.map((seconds) => fixAfter(seconds).record.gst));
    for (const verdict of final) expect(verdict).toMatchObject({ genuine: true, reason: "in-time" });
    // The sky lasts until the slow keys of the first of them are out.
    expect(final[0].class).toBe("A");
    expect(follower.status.fixes).toMatchObject({ notGenuine: 0, waiting: 0 });
    const { own } = fixAfter(95).record;
    expect(JSON.stringify(verdicts)).not.toContain(String(own!.latitudeE7));
  }, 60_000);

  it("tells a fix as soon as its leaf was seen, and again when a later tag over the same data is better", async () => {
    // As it comes live: the cosignatures of each size right after the leaf.
    const follower = followerOf(run);
    const opened = messages.map((bytes) => ({ bytes, statement: openEnvelope(bytes)!.statement }));
    const sizeOf = ({ statement }: (typeof opened)[number]): number =>
      statement.kind === "cosignature"
        ? statement.size + 0.5
        : "size" in statement
          ? statement.size
          : statement.index + 0.9;
    const live = opened
      .map((each, at) => ({ ...each, at }))
      .sort((a, b) => sizeOf(a) - sizeOf(b) || a.at - b.at);
    const soon = live.flatMap(({ bytes }) => fixesIn(follower.accept(bytes)));
    // The sky ends with the keys for the leaf before that of the fix, and sooner than the prover gives up.
    const told = [...soon, ...fixesIn(follower.end())];
    const [first] = SECONDS.map((seconds) => fixAfter(seconds).record.gst);
    expect(told.filter(({ gst }) => gst === first).map(({ class: its, final }) => [its, final])).toEqual([
      // The tags whose keys are out by then came before the fix was committed to, and its data could follow from them.
      ["C", false],
      ["B", false],
      ["A", true],
    ]);
  }, 60_000);

  it("gives class C where witnesses came late, or there are none to believe", async () => {
    const late = await played([() => 86_400, () => 86_400]);
    const follower = followerOf(late);
    const verdicts = [
      ...(await sent(late)).flatMap((message) => follower.accept(message)),
      ...follower.end(),
    ];
    const fixes = fixesIn(verdicts).filter(({ final }) => final);
    expect(fixes).toHaveLength(SECONDS.length);
    for (const fix of fixes)
      expect(fix).toMatchObject({ genuine: true, class: "C", reason: "witnessed-after-disclosure" });
    const alone = followerOf(run, { witnesses: [] });
    const without = [...messages.flatMap((message) => alone.accept(message)), ...alone.end()];
    expect(fixesIn(without).map(({ class: its, reason }) => `${its} ${reason}`)).toEqual(
      SECONDS.map(() => "C too-few-witnesses"),
    );
  }, 60_000);

  it("catches a station whose openings are not those of its leaf", async () => {
    const follower = followerOf(run);
    const lied = await resealed((statement) => {
      if (statement.kind !== "openings" || statement.index !== 5) return statement;
      const secret = Uint8Array.from(statement.secret);
      secret[0] ^= 1;
      return { ...statement, secret };
    });
    const verdicts = [...lied.flatMap((message) => follower.accept(message)), ...follower.end()];
    expect(liesIn(verdicts)).toEqual(["openings"]);
    expect(fixesIn(verdicts).find(({ index }) => index === 5)).toMatchObject({ genuine: false, class: null });
  }, 60_000);

  it("calls no fix genuine that its leaf does not commit to, whose evidence is another's, or that is none", async () => {
    const other = fixAfter(150);
    const changes: ((statement: Statement & { kind: "fix" }) => Statement)[] = [
      (fix) => {
        const record = JSON.parse(Buffer.from(fix.record).toString()) as { own: { latitudeE7: number } };
        record.own.latitudeE7 += 1;
        return { ...fix, record: Buffer.from(canonicalJson(record)) };
      },
      (fix) => {
        const { mode, root, objects } = other.evidence!;
        return { ...fix, evidence: Buffer.from(bundleText(mode, root, objects)) };
      },
      // One fix in many slots would count as many.
      (fix) => ({ ...fix, slot: fix.slot + 1 }),
      (fix) => ({ ...fix, evidence: null }),
      (fix) => ({ ...fix, record: Buffer.from("null") }),
      (fix) => ({ ...fix, record: Buffer.from("{}") }),
      (fix) => ({ ...fix, evidence: Buffer.from("{}") }),
    ];
    for (const change of changes) {
      const follower = followerOf(run);
      const lied = await resealed((each) => (each.kind === "fix" && each.index === 5 ? change(each) : each));
      const verdicts = [...lied.flatMap((message) => follower.accept(message)), ...follower.end()];
      const found = fixesIn(verdicts).filter(({ index }) => index === 5);
      expect(found).toHaveLength(1);
      expect(found[0]).toMatchObject({ genuine: false, class: null, final: true });
    }
  }, 120_000);

  it("is no federation node, nor the other way round", () => {
    const { key } = run.station.log;
    const { witnesses, needed, marginSeconds, leapSeconds } = optionsFor(run);
    const node = new Follower({ key, witnesses, needed, marginSeconds, leapSeconds, keyOffsetSeconds: 22 });
    expect(node.accept(messages[0])).toMatchObject([{ type: "lie", what: "wrong-purpose" }]);
  });
});
