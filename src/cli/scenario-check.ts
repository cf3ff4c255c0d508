/**
 * Runs a scenario through the real pipeline, live, with a clock that no signal moves, and compares what came out with
 * what each attack line says must come: docs/attacks.md.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { enuOf, geodeticToEcef, type Ecef } from "../ephemeris/geometry.js";
import { fixesWith } from "../fix/fix-stage.js";
import { SUBFRAME_SECONDS } from "../inav/gst.js";
import { Pipeline } from "../pipeline/pipeline.js";
import type { AuthenticatedRecord, EventRecord, FixRecord } from "../pipeline/records.js";
import { SignedData } from "../fuzz/signed-data.js";
import type { Scenario, ScenarioAttack } from "../simulate/scenario-file.js";
import { loadTrust } from "../trust/material.js";
import { givenOf } from "./trust-options.js";
import { SOFTWARE_VERSION } from "./version.js";

/** A host that keeps its time by NTS is this good. */
const CLOCK_BOUND_SECONDS = 1;
/** How far back a tag may reach for data: 15 subframes of a COP. */
const SIGNED_BEFORE_SECONDS = 20 * SUBFRAME_SECONDS;
const DEG = Math.PI / 180;

export interface AttackOutcome {
  readonly kind: string;
  readonly verdict: string;
  /** Empty where everything came as it must. */
  readonly failures: readonly string[];
  /** Seconds after the attack's beginning at which the first of the expected events or signs showed. */
  readonly shownAfter: number | null;
  readonly shown: string | null;
}

export interface ScenarioOutcome {
  readonly name: string;
  readonly ok: boolean;
  /** Authenticated data that nobody signed: must be empty in every scenario. */
  readonly forgeries: readonly string[];
  readonly attacks: readonly AttackOutcome[];
  readonly fixes: number;
  readonly graded: number;
}

interface Heard<T> {
  readonly at: number;
  readonly record: T;
}

interface Run {
  readonly events: Heard<EventRecord>[];
  readonly fixes: Heard<FixRecord>[];
  readonly authenticated: Heard<AuthenticatedRecord>[];
  /** Where the receiver is, by whole true seconds. */
  readonly truth: Map<number, Ecef>;
}

/** Runs the scenario and judges all its attack lines. */
export function checkScenario(scenario: Scenario): ScenarioOutcome {
  const run = runLive(scenario);
  const signed = signedBy(scenario);
  const forgeries = run.authenticated.flatMap(({ record }) => {
    const wrong = signed.forgery(record);
    return wrong === null ? [] : [`E${record.svid}, ${record.data}: ${wrong}`];
  });
  const attacks = scenario.attacks.map((attack) => judge(attack, run));
  return {
    name: scenario.file.name,
    ok: forgeries.length === 0 && attacks.every(({ failures }) => failures.length === 0),
    forgeries,
    attacks,
    fixes: run.fixes.length,
    graded: run.fixes.filter(({ record }) => record.own?.assurance === "nav-authenticated").length,
  };
}

export function runLive(scenario: Scenario): Run {
  const run: Run = { events: [], fixes: [], authenticated: [], truth: new Map() };
  let at = scenario.simulation.startGst;
  const pipeline = new Pipeline(
    {
      ...materialOf(scenario),
      mode: "live",
      softwareVersion: SOFTWARE_VERSION,
      fixes: fixesWith({ mode: "live", softwareVersion: SOFTWARE_VERSION }),
    },
    (record) => {
      if (record.type === "event") run.events.push({ at, record });
      else if (record.type === "fix") run.fixes.push({ at, record });
      else if (record.type === "authenticated") run.authenticated.push({ at, record });
    },
  );
  const frames = scenario.frames({
    onEpoch: ({ gst, motion }) => {
      const [x, y, z] = motion.position;
      run.truth.set(Math.round(gst), { x, y, z });
    },
  });
  for (const frame of frames) {
    at = frame.gst;
    pipeline.push(frame.bytes, { gst: at, boundSeconds: CLOCK_BOUND_SECONDS, assurance: "independent" });
  }
  pipeline.end();
  return run;
}

function materialOf(scenario: Scenario) {
  const folder = mkdtempSync(join(tmpdir(), "osnmad-check-"));
  try {
    for (const [path, text] of scenario.trustFiles) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const { trust } = scenario.header();
    return givenOf(
      loadTrust({
        merkle: trust.merkleTree.map((path) => join(folder, path)),
        publicKey: trust.publicKeys.map((path) => join(folder, path)),
        ...(trust.rootKey === null ? {} : { rootKey: join(folder, trust.rootKey) }),
      }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What the simulated Galileo sent and signed, whatever attacks made of it. */
function signedBy({ simulation }: Scenario): SignedData {
  const signed = new SignedData();
  const { navigation, startGst, endGst } = simulation;
  for (const svid of simulation.satellites) {
    for (let gst = startGst - SIGNED_BEFORE_SECONDS; gst < endGst; gst += SUBFRAME_SECONDS) {
      for (const type of [1, 2, 3, 4, 5, 6, 10])
        signed.add(svid, type, navigation.word(svid, type, gst, gst + 1));
    }
  }
  return signed;
}

function judge(attack: ScenarioAttack, run: Run): AttackOutcome {
  const { kind, fromGst, toGst, expect } = attack;
  if (expect === null) return { kind, verdict: "none stated", failures: [], shownAfter: null, shown: null };
  const failures: string[] = [];
  const during = <T>({ at }: Heard<T>): boolean => at >= fromGst && at < toGst;
  const reasonsOf = ({ own, receiver, signs }: FixRecord): readonly string[] => [
    ...signs,
    ...(own?.reasons ?? []),
    ...(own?.excluded.map(({ reason }) => reason) ?? []),
    ...(receiver?.reasons ?? []),
  ];
  const said: { readonly at: number; readonly name: string }[] = [
    ...run.events.filter(during).map(({ at, record }) => ({ at, name: record.name })),
    ...run.events
      .filter(during)
      .flatMap(({ at, record }) =>
        typeof record["sign"] === "string" ? [{ at, name: record["sign"] }] : [],
      ),
    ...run.fixes.filter(during).flatMap(({ at, record }) => reasonsOf(record).map((name) => ({ at, name }))),
  ].sort((a, b) => a.at - b.at);

  const first = (names: readonly string[]) => said.find(({ name }) => names.includes(name)) ?? null;
  let shown: { readonly at: number; readonly name: string } | null = null;
  for (const names of [expect.events, expect.signs]) {
    if (names === undefined) continue;
    const found = first(names);
    if (found === null) failures.push(`none of ${names.join(", ")} came`);
    else if (found.at - fromGst > expect.within) {
      failures.push(
        `${found.name} came ${(found.at - fromGst).toFixed(0)} s after the beginning, not within ${expect.within} s`,
      );
    }
    shown ??= found;
  }
  const unwanted = first(expect.never ?? []);
  if (unwanted !== null) failures.push(`${unwanted.name} came`);

  const late = run.fixes.filter(
    ({ at }) => at >= fromGst + (expect.own_within ?? expect.within) && at < toGst,
  );
  if (expect.own !== undefined) {
    if (late.length === 0 && expect.own !== "none")
      failures.push("no fix record came after the time that was given");
    const others = late.filter(({ record }) => (record.own?.assurance ?? "none") !== expect.own);
    // A position that is not there is as good as one that is called unverified.
    const wrong = others.filter(({ record }) => !(expect.own === "unverified" && record.own === null));
    if (wrong[0] !== undefined) {
      const { at, record } = wrong[0];
      failures.push(
        `own position is ${record.own?.assurance ?? `none (${record.ownFailure})`} ${(at - fromGst).toFixed(0)} s after the ` +
          `beginning (${wrong.length} of ${late.length} epochs): ${reasonsOf(record).join(", ") || "no reasons"}`,
      );
    }
  }
  if (expect.meters !== undefined) {
    for (const { at, record } of run.fixes.filter(during)) {
      const truth = run.truth.get(Math.round(at));
      if (record.own?.assurance !== "nav-authenticated" || truth === undefined) continue;
      const { latitudeE7, longitudeE7, heightMm } = record.own;
      const place = geodeticToEcef({
        latitudeRad: latitudeE7 * 1e-7 * DEG,
        longitudeRad: longitudeE7 * 1e-7 * DEG,
        heightMeters: heightMm / 1000,
      });
      const { eastMeters, northMeters, upMeters } = enuOf(truth, place);
      const off = Math.hypot(eastMeters, northMeters, upMeters);
      if (off > expect.meters) {
        failures.push(
          `a graded position ${(at - fromGst).toFixed(0)} s after the beginning is ${off.toFixed(0)} m off`,
        );
        break;
      }
    }
  }
  for (const svid of expect.rejected ?? []) {
    const taken = run.authenticated.find(
      ({ at, record }) => record.svid === svid && at >= fromGst + expect.within && at < toGst,
    );
    if (taken !== undefined)
      failures.push(`E${svid} was authenticated ${(taken.at - fromGst).toFixed(0)} s after the beginning`);
  }
  return {
    kind,
    verdict: expect.verdict,
    failures,
    shownAfter: shown === null ? null : Math.round(shown.at - fromGst),
    shown: shown?.name ?? null,
  };
}
