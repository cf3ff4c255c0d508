/**
 * `node bench/http.mjs [fixes]`: what answers cost with a million fixes stored, against a bare fastify route in the
 * same run. The database is made first, in the folder OSNMAD_BENCH_DATA names (and kept there for the next time) or
 * a temporary one; fixes have a position of our own over 8 satellites, as large as they are in life.
 */
import autocannon from "autocannon";
import { fork } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fastify } from "fastify";
import { buildServer } from "../dist/http/server.js";
import { openStore } from "../dist/store/store.js";
import { table } from "./lib/statistics.mjs";

const GST_0 = 1339 * 604_800;
const UTC_0 = Date.UTC(2025, 3, 20);
const BATCH = 2000;
const ROUNDS = 5;
const ROUND_SECONDS = 3;
const CONNECTIONS = 10;
const PAGES = 40;

function fixAt(second) {
  const covariance = { ee: 913_042, en: 20_117, eu: -81_230, nn: 1_204_551, nu: 40_022, uu: 3_420_117 };
  const provenance = (svid) => ({
    tags: [{ prnA: svid, wn: 1339, tow: 468_000, ctr: 1, adkd: 0, cop: 15 }],
    tagBits: 40,
    key: { wn: 1339, tow: 468_030, value: "ab".repeat(16) },
    chain: { cid: 1, alpha: "25d3964da3a2" },
    rootKey: { wn: 1339, towh: 100, value: "cd".repeat(16) },
    publicKey: { root: "ef".repeat(32), pkid: 1 },
    nmaStatus: "operational",
    rule: "guideline",
    timeAssurance: "capture",
  });
  const place = { latitudeE7: 472468135, longitudeE7: 59887531, heightMm: 300_000 + (second % 1000) };
  const svids = [2, 8, 11, 15, 25, 27, 30, 34];
  return {
    type: "fix",
    wn: 1339,
    tow: second % 604_800,
    gst: GST_0 + second,
    utc: new Date(UTC_0 + second * 1000).toISOString(),
    assurance: second % 10 === 0 ? "unverified" : second % 3 === 0 ? "corroborated" : "nav-authenticated",
    reasons: [],
    mode: "replay",
    timeAssurance: "capture",
    own: {
      assurance: "nav-authenticated",
      reasons: [],
      notes: [],
      ...place,
      covarianceMm2: covariance,
      velocity: { northMmS: 12, eastMmS: -3, downMmS: 8, covarianceMm2S2: covariance },
      clockBiasNs: -120_331,
      clockDriftPpt: 35_012,
      dopCenti: { gdop: 250, pdop: 220, hdop: 110, vdop: 190, tdop: 120 },
      raim: "passed",
      raimStatisticMilli: 2100,
      raimThresholdMilli: 13_800,
      protectionLevelMm: { horizontal: 9000, vertical: 15_000 },
      signals: "E1",
      ionosphereFrom: 11,
      satellites: svids.map((svid) => ({
        svid,
        iodNav: 77,
        azimuthCdeg: 1000 * svid,
        elevationCdeg: 4500,
        residualMm: -412,
        sigmaMm: 1903,
        cnoDbHz: 44,
        authenticatedBy: provenance(svid),
      })),
      excluded: [{ svid: 18, reason: "unhealthy" }],
    },
    ownFailure: null,
    receiver: {
      assurance: "corroborated",
      reasons: ["the receiver's solution was not computed from authenticated data alone"],
      notes: [],
      ...place,
      horizontalAccuracyMm: 1200,
      verticalAccuracyMm: 1900,
      velocityNorthMmS: 1,
      velocityEastMmS: -2,
      velocityDownMmS: 3,
      fixType: 3,
      satellitesUsed: 14,
    },
    authenticatedSatellites: svids,
    agreeingSatellites: svids,
    signs: [],
    evidence: null,
    softwareVersion: "osnmad/bench",
  };
}

function fill(store, count) {
  const runId = store.beginRun({
    mode: "replay",
    source: "bench.ubx",
    timeAssurance: "capture",
    softwareVersion: "osnmad/bench",
    startedAtMs: UTC_0,
  });
  const start = performance.now();
  for (let from = 0; from < count; from += BATCH) {
    store.write(() => {
      for (let n = from; n < Math.min(count, from + BATCH); n += 1) store.fixes.append(runId, fixAt(n));
    });
  }
  return { runId, perSecond: Math.round(count / ((performance.now() - start) / 1000)) };
}

/** A JSON schema of what `value` looks like, for a route whose answer is serialised by it. */
function schemaOf(value) {
  if (value === null) return { type: "null" };
  if (Array.isArray(value)) return { type: "array", items: value.length > 0 ? schemaOf(value[0]) : {} };
  if (typeof value === "object") {
    const properties = Object.fromEntries(
      Object.entries(value).map(([name, member]) => [name, schemaOf(member)]),
    );
    return { type: "object", properties };
  }
  return { type: typeof value };
}

/** The servers, each in a process of its own. */
async function child(kind, folder) {
  let app;
  if (kind === "ours") {
    const store = openStore(folder, { keepRuns: 1000 });
    app = buildServer({ store, status: () => ({}), version: "bench" });
  } else {
    app = fastify();
    // "fix": an object like a fix, serialised by its schema. "small": one member, the barest there is.
    const answer = kind === "fix" ? { id: 1, run: 1, ...fixAt(1) } : { hello: "world" };
    app.get("/v1/fixes/latest", { schema: { response: { 200: schemaOf(answer) } } }, () => answer);
  }
  process.send(await app.listen({ host: "127.0.0.1", port: 0 }));
}

function start(kind, folder) {
  const process_ = fork(fileURLToPath(import.meta.url), ["--serve", kind, folder]);
  return new Promise((resolve, reject) => {
    process_.once("message", (url) => resolve({ url, stop: () => process_.kill() }));
    process_.once("exit", (code) => reject(new Error(`${kind} ended with ${code}`)));
  });
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

async function requestsPerSecond(url) {
  const result = await autocannon({ url, connections: CONNECTIONS, duration: ROUND_SECONDS });
  if (result.non2xx > 0 || result.errors > 0) throw new Error(`${url}: ${result.non2xx} refused`);
  return result.requests.average;
}

/** Pages anywhere in the million: asked for once, and once more when the machine has them in memory. */
async function pageMilliseconds(url, count) {
  const first = [];
  const again = [];
  let bytes = 0;
  for (let n = 0; n < PAGES; n += 1) {
    const from = GST_0 + Math.floor(((n * 0.618034) % 1) * Math.max(1, count - 1500));
    for (const times of [first, again]) {
      const begin = performance.now();
      const response = await fetch(`${url}/v1/fixes?assurance=all&limit=1000&from=${from}&to=${from + 1000}`);
      const body = Buffer.from(await response.arrayBuffer());
      times.push(performance.now() - begin);
      bytes = body.byteLength;
      if (!response.ok) throw new Error(body.toString());
      if (n === 0 && JSON.parse(body.toString()).items.length !== Math.min(1000, count)) {
        throw new Error("not 1000 fixes");
      }
    }
  }
  return { first: median(first), again: median(again), bytes };
}

export async function benchHttp(count = 1_000_000) {
  const named = process.env.OSNMAD_BENCH_DATA;
  const folder = named ?? mkdtempSync(join(tmpdir(), "osnmad-bench-"));
  mkdirSync(folder, { recursive: true });
  try {
    if (!existsSync(join(folder, "osnmad.sqlite"))) {
      const store = openStore(folder);
      const { perSecond } = fill(store, count);
      store.close();
      console.log(`${count} fixes stored, ${perSecond} a second`);
    }
    const servers = {
      ours: await start("ours", folder),
      fix: await start("fix", folder),
      small: await start("small", folder),
    };
    const rates = { ours: [], fix: [], small: [] };
    try {
      // In turn, so that what else the machine does falls on all alike; the first round only warms up.
      for (let round = 0; round <= ROUNDS; round += 1) {
        for (const [kind, { url }] of Object.entries(servers)) {
          const rate = await requestsPerSecond(`${url}/v1/fixes/latest`);
          if (round > 0) rates[kind].push(rate);
        }
      }
      const page = await pageMilliseconds(servers.ours.url, count);
      const [ours, fix, small] = [rates.ours, rates.fix, rates.small].map(median);
      console.log(
        table([
          ["GET /v1/fixes/latest", "requests/s"],
          ["osnmad", ours.toFixed(0)],
          ["bare fastify route, a fix by its schema", fix.toFixed(0)],
          ["bare fastify route, one member by its schema", small.toFixed(0)],
          ["page of 1000 fixes by time, first time", `${page.first.toFixed(1)} ms`],
          ["the same again", `${page.again.toFixed(1)} ms`],
          ["its size", `${(page.bytes / 1e6).toFixed(1)} MB`],
        ]),
      );
      return {
        ratios: [
          { name: "bare route of a fix / latest fix", ratio: fix / ours, goal: 1 / 0.6 },
          { name: "barest route / latest fix", ratio: small / ours, goal: 1 / 0.6 },
          { name: "page of 1000 fixes, first time, ms / 50 ms", ratio: page.first / 50, goal: 1 },
          { name: "page of 1000 fixes, again, ms / 50 ms", ratio: page.again / 50, goal: 1 },
        ],
      };
    } finally {
      for (const server of Object.values(servers)) server.stop();
    }
  } finally {
    if (named === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[2] === "--serve") await child(process.argv[3], process.argv[4]);
else if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { ratios } = await benchHttp(process.argv[2] === undefined ? undefined : Number(process.argv[2]));
  for (const { name, ratio, goal } of ratios) {
    console.log(
      `${name}: ${ratio.toFixed(3)} (goal <= ${goal.toFixed(3)}) ${ratio <= goal ? "met" : "MISSED"}`,
    );
  }
}
