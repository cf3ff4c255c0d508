/** The committed simulated captures through the whole pipeline, each with the verdict its header expects. */
import { fixesWith } from "../../src/fix/fix-stage.js";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { gstOf } from "../../src/inav/gst.js";
import { Pipeline, type PipelineRecord } from "../../src/pipeline/pipeline.js";
import { captureNames, type CaptureHeader } from "../../src/simulate/captures.js";
import { alertPhase, parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import { TestAuthority } from "../../src/simulate/test-authority.js";
import {
  keyOfFile,
  namesOf,
  rootKeyOfFile,
  rootOfTree,
  runEngine,
  timedPages,
  trustOf,
} from "../support/osnma.js";

const file = (path: string): string => fileURLToPath(new URL(`../../captures/${path}`, import.meta.url));
const NMAS = [null, "test", "operational", "dont-use"];
const CPKS = [null, "nominal", "eoc", "crev", "npk", "pkrev", "nmt", "am"];

function runCapture(name: string) {
  const header = JSON.parse(readFileSync(file(`${name}.json`), "utf8")) as CaptureHeader;
  const roots = header.trust.merkleTree.map((path) => rootOfTree(file(path)));
  const records: PipelineRecord[] = [];
  const pipeline = new Pipeline(
    {
      roots: roots.map((root) => ({ root })),
      keys: header.trust.publicKeys.map((path) => keyOfFile(file(path), roots[0])),
      rootKey: header.trust.rootKey === null ? null : rootKeyOfFile(file(header.trust.rootKey)),
      mode: "simulated",
      tags: true,
      fixes: fixesWith({ mode: "simulated", softwareVersion: "test" }),
      softwareVersion: "test",
    },
    (record) => records.push(record),
  );
  pipeline.push(readFileSync(file(`${name}.ubx`)));
  const summary = pipeline.end();
  return {
    header,
    summary,
    pipeline,
    events: records.filter((record) => record.type === "event"),
    authenticated: records.filter((record) => record.type === "authenticated"),
    tags: records.filter((record) => record.type === "tag"),
    fixes: records.filter((record) => record.type === "fix"),
  };
}

const runs = new Map<string, ReturnType<typeof runCapture>>();
const run = (name: string): ReturnType<typeof runCapture> => {
  let known = runs.get(name);
  if (known === undefined) runs.set(name, (known = runCapture(name)));
  return known;
};
const failures = (name: string): number => {
  const { failed } = run(name).summary.tags;
  return failed["0"] + failed["4"] + failed["12"];
};

describe.each(captureNames("captures"))("%s", (name) => {
  it("has the verdict its header expects", () => {
    const { header, summary, authenticated, pipeline } = run(name);
    const { expected } = header;
    const ced = new Set(authenticated.filter(({ data }) => data === "ced").map(({ svid }) => svid));
    expect(expected.authenticated.filter((svid) => !ced.has(svid))).toEqual([]);
    expect(expected.neverAuthenticated.filter((svid) => ced.has(svid))).toEqual([]);
    expect([summary.nmaStatus, summary.cpks, summary.chainId]).toEqual([
      NMAS[expected.nmas],
      CPKS[expected.cpks],
      expected.cid,
    ]);
    expect(summary.alertVerified).toBe(expected.alert);
    if (!expected.alert) expect(pipeline.engine.status().publicKeyInForce?.pkid).toBe(expected.pkid);
    expect(pipeline.engine.ced(99)).toBeNull();
  });

  it("has no failing tag unless it was forged", () => {
    if (name === "forged-tags" || name === "forged-alert") expect(failures(name)).toBeGreaterThan(0);
    else {
      expect(failures(name)).toBe(0);
      expect(run(name).summary.macseq.failed).toBe(0);
      expect(run(name).events.map((event) => event.name)).not.toContain("key-failed");
    }
  });
});

describe("what each capture is about", () => {
  it("eoc: no tag is lost at the end of the chain, slow ones included", () => {
    const { tags, header, events } = run("eoc");
    const change = gstOf(1400, 144_000);
    const around = tags.filter(({ tag }) => {
      const gst = gstOf(tag.wn, tag.tow);
      return gst >= change - 330 && gst < change;
    });
    const decided = around.filter(({ outcome }) => outcome === "verified");
    // 11 subframes, six satellites: one tag of six in message 1 is slow, two in message 2.
    expect(decided.filter(({ tag }) => tag.adkd === 12).length).toBeGreaterThanOrEqual(
      11 * header.satellites.length,
    );
    expect(new Set(decided.map(({ tag }) => tag.tow)).size).toBe(11);
    expect(around.filter(({ outcome }) => outcome === "failed")).toEqual([]);
    // Tags of satellites that are heard always have their data.
    expect(
      around.filter(({ prnD, outcome }) => header.satellites.includes(prnD) && outcome === "no-data"),
    ).toEqual([]);
    expect(events.find((event) => event.name === "chain-switched")).toMatchObject({
      tow: 144_000,
      chainId: 2,
    });
  });

  it("crev: nothing is authenticated between the revocation and the new chain", () => {
    const { authenticated, events } = run("crev");
    const revoked = events.find((event) => event.name === "chain-revoked")!;
    expect(revoked).toMatchObject({ chainId: 0 });
    const change = gstOf(1400, 144_000);
    expect(authenticated.filter(({ at }) => at > revoked.at! && at < change)).toEqual([]);
    expect(
      authenticated.filter(({ at }) => at > change).every(({ evidence }) => evidence.chain.cid === 1),
    ).toBe(true);
    expect(authenticated.some(({ at }) => at > change)).toBe(true);
  });

  it("pkrev: what the revoked key signed is gone, chain 2 takes over", () => {
    const { authenticated, events, summary } = run("pkrev-p521");
    const revoked = events.find((event) => event.name === "public-key-revoked")!;
    expect(summary.publicKeysVerified.map(({ pkid }) => pkid)).toEqual([9]);
    const change = gstOf(1400, 144_000);
    expect(authenticated.filter(({ at }) => at > revoked.at! && at < change)).toEqual([]);
    const after = authenticated.filter(({ at }) => at > change);
    expect(after.length).toBeGreaterThan(0);
    expect(after.every(({ evidence }) => evidence.publicKey.pkid === 9)).toBe(true);
  });

  it("nmt: the lower PKID of the new tree is taken, the old tree is spent", () => {
    const { events, pipeline } = run("nmt");
    expect(events.map((event) => event.name)).toContain("merkle-tree-in-force");
    const status = pipeline.engine.status();
    expect(status.publicKeys.find(({ pkid }) => pkid === 8)?.status).toBe("superseded");
  });

  it("forged-alert: no alert, and authentication goes on", () => {
    const { events, summary } = run("forged-alert");
    expect(summary.alertVerified).toBe(false);
    expect(events.map((event) => event.name)).not.toContain("alert");
    expect(summary.state).toBe("authenticating");
  });

  it("a whole forged alert message of another tree does not prove itself", () => {
    const scenario = parametrisedScenario({
      seed: "forged alert",
      subframes: 3,
      satellites: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
    });
    const attacker = { authority: new TestAuthority("the attacker's tree"), pkid: 1 };
    for (const [signer, latches] of [
      [attacker, false],
      [{ authority: scenario.authority, pkid: 1 }, true],
    ] as const) {
      const hour = Math.floor(scenario.options.startGst / 3600) * 3600;
      const simulation = new Simulation({
        ...scenario.options,
        phases: [alertPhase(hour, scenario.chain, signer)],
      });
      const { engine, events } = runEngine(timedPages(simulation), trustOf(scenario.authority, [1]));
      expect(engine.alertVerified).toBe(latches);
      expect(namesOf(events)).toContain(latches ? "alert" : "public-key-rejected");
    }
  });

  it("alert: nothing after it", () => {
    const { events, authenticated, fixes } = run("alert");
    const alert = events.find((event) => event.name === "alert")!;
    expect(authenticated.filter(({ at }) => at > alert.at!)).toEqual([]);
    const after = fixes.filter(({ gst }) => gst > alert.at! + 1);
    expect(after.length).toBeGreaterThan(0);
    for (const { assurance, reasons } of after) {
      expect(assurance).toBe("unverified");
      expect(reasons).toContain("osnma-alert");
    }
  });

  it("week-rollover: tags and keys on both sides", () => {
    const weeks = new Set(
      run("week-rollover")
        .tags.filter(({ outcome }) => outcome === "verified")
        .map(({ tag }) => tag.wn),
    );
    expect(weeks).toEqual(new Set([1400, 1401]));
  });

  it("nominal: with measurements our own fixes, and the receiver's corroborated, never more", () => {
    const { fixes } = run("nominal");
    expect(new Set(fixes.map(({ assurance }) => assurance))).toEqual(
      new Set(["unverified", "nav-authenticated"]),
    );
    const graded = fixes.filter(({ receiver }) => receiver?.assurance === "corroborated");
    expect(graded.length).toBeGreaterThan(100);
    for (const fix of graded) {
      expect(fix.agreeingSatellites.length).toBeGreaterThanOrEqual(4);
      expect(fix.reasons).toEqual([]);
    }
    for (const { receiver } of fixes) expect(receiver?.assurance).not.toBe("nav-authenticated");
  });

  it("cold-start: before the receiver knows its week there is no position of ours", () => {
    const { fixes } = run("cold-start");
    for (const { own, authenticatedSatellites } of fixes) {
      if (own?.assurance === "nav-authenticated")
        expect(authenticatedSatellites.length).toBeGreaterThanOrEqual(4);
    }
  });
});
