// Cost of a station's log (docs/station-log.md): CPU per subframe, from the pages to the signed checkpoint, and leaves a
// second that the log takes with and without flushing. `npm run build` first; node bench/station.mjs
import { mkdtempSync, rmSync } from "node:fs";
import { hash, randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { SubframeCollector } from "../dist/station/collector.js";
import { commitTo } from "../dist/station/openings.js";
import { StationLog } from "../dist/station/station-log.js";
import { mean } from "./lib/statistics.mjs";

const SATELLITES = 11;
const GST = 1400 * 604_800;
const folders = [];
const folder = () => {
  folders.push(mkdtempSync(join(tmpdir(), "osnmad-bench-")));
  return folders.at(-1);
};
const page = (svid, band) => ({
  svid,
  band,
  wordType: 2,
  word: new Uint8Array(16).fill(svid),
  hasOsnma: band === "E1-B",
  hkroot: 0x52,
  mack: 0x01020304 + svid,
});
const rawx = (gst) => {
  const payload = new Uint8Array(16 + 32 * 40);
  const view = new DataView(payload.buffer);
  view.setFloat64(0, gst % 604_800, true);
  view.setUint16(8, Math.floor(gst / 604_800) + 1024, true);
  return payload;
};
const place = {
  assurance: "nav-authenticated",
  latitudeE7: 508_500_000,
  longitudeE7: 47_300_000,
  heightMm: 1e5,
};
/** As the record of a fix is with eleven satellites: 7.5 kB, most of it the same objects for many epochs. */
const hex = (bytes) => Buffer.alloc(bytes, 0xab).toString("hex");
const authenticatedBy = Array.from({ length: SATELLITES }, (_, at) => ({
  tags: [0, 12].map((adkd) => ({ prnA: at + 1, wn: 1400, tow: 200_040, ctr: 1, adkd, cop: 6 })),
  tagBits: 1320,
  key: { wn: 1400, tow: 200_370, value: hex(16) },
  chain: { cid: 1, alpha: hex(6) },
  rootKey: { wn: 1400, towh: 55, value: hex(16) },
  publicKey: { root: hex(32), pkid: 2 },
  nmaStatus: "operational",
  rule: "guideline",
  timeAssurance: "capture",
}));
const fix = (gst) => ({
  type: "fix",
  wn: 1400,
  tow: gst % 604_800,
  gst,
  utc: "2026-06-23T07:40:14.000Z",
  assurance: "nav-authenticated",
  reasons: [],
  mode: "simulated",
  timeAssurance: "capture",
  own: {
    ...place,
    reasons: [],
    notes: [],
    covarianceMm2: { ee: 115_588, en: 38_486, eu: -37_220, nn: 266_342, nu: -23_618, uu: 689_221 },
    clockBiasNs: -3_921_560 + gst,
    raim: "passed",
    satellites: authenticatedBy.map((by, at) => ({
      svid: at + 1,
      iodNav: 77,
      azimuthCdeg: 3100 * at,
      elevationCdeg: 500 + 700 * at,
      residualMm: 137 * at - (gst % 100),
      sigmaMm: 1810,
      cnoDbHz: 40 + at,
      authenticatedBy: by,
    })),
  },
  ownFailure: null,
  receiver: { ...place, reasons: [], notes: [], fixType: 3, satellitesUsed: 9 },
  authenticatedSatellites: authenticatedBy.map((_, at) => at + 1),
  agreeingSatellites: authenticatedBy.map((_, at) => at + 1),
  signs: [],
  evidence: hex(32),
  softwareVersion: "osnmad/bench",
});

function begun(flush) {
  const log = StationLog.open({ directory: folder(), mode: "simulated", flush });
  const receiver = new Uint8Array(32);
  log.begin({ softwareVersion: "bench", time: { assurance: "capture", boundMs: null }, receiver });
  return { log, common: { softwareVersion: "bench", receiver, challenges: [] } };
}

/** Subframes of a new process in which its code is still being compiled, most of it in the first. */
const FIRST = 200;
const COMPILED = 400;
const ALL = 1000;

/** Milliseconds of CPU of all threads for a subframe of 11 satellites, E1-B and E5b, at 1 Hz: of each, in order. */
async function perSubframe() {
  const { log, common } = begun(true);
  const closed = [];
  const collector = new SubframeCollector((each) => closed.push(each));
  const leaf = async () => {
    for (const { gst, time, items } of closed.splice(0)) {
      const { commitments, openings } = commitTo(items, randomBytes(32));
      log.append([{ content: { ...common, kind: "subframe", gst, time, commitments }, openings }]);
      await log.sign();
    }
  };
  // What the pipeline makes anyway is made before, and not measured.
  const epochs = (at) =>
    Array.from({ length: 30 }, (_, second) => {
      const gst = GST + 30 * at + second;
      const band = second % 2 === 1 ? "E1-B" : "E5b";
      const pages = authenticatedBy.map((_, svid) => page(svid + 1, band));
      return { gst, rawx: rawx(gst), pages, fix: fix(gst) };
    });
  const subframe = async (made) => {
    for (const { gst, rawx, pages, fix } of made) {
      collector.rawx(rawx);
      for (const page of pages) collector.page(page, gst, null);
      await leaf();
      collector.fix(fix);
    }
  };
  const used = [];
  for (let at = 0; at < ALL; at++) {
    const made = epochs(at);
    const before = process.cpuUsage();
    await subframe(made);
    const { user, system } = process.cpuUsage(before);
    used.push((user + system) / 1000);
  }
  log.close();
  return used;
}

/** Leaves a second, appended `batch` at a time. */
function appends(flush, count, batch) {
  const { log, common } = begun(flush);
  const roots = [1, 2, 3, 4].map(() => Uint8Array.from(randomBytes(32)));
  const time = { assurance: "capture", boundMs: null };
  const openings = { secret: randomBytes(32), items: randomBytes(64) };
  let gst = GST;
  const start = performance.now();
  for (let done = 0; done < count; done += batch) {
    log.append(
      Array.from({ length: batch }, () => {
        const content = { ...common, kind: "subframe", gst, time, commitments: [{ algorithm: 1, roots }] };
        gst += 30;
        return { content, openings };
      }),
    );
  }
  const rate = (count / (performance.now() - start)) * 1000;
  log.close();
  return rate;
}

/** Says how busy the machine is: an idle one takes 0.7 to 1 µs (docs/hot-paths.md). */
function yardstick() {
  const input = new Uint8Array(65);
  for (let at = 0; at < 2000; at++) hash("sha256", input, "buffer");
  const before = process.cpuUsage();
  for (let at = 0; at < 20_000; at++) hash("sha256", input, "buffer");
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 20_000;
}

console.log(`one SHA-256 of 65 bytes: ${yardstick().toFixed(2)} µs of CPU`);
const used = await perSubframe();
console.log(
  `CPU per subframe, flushed and signed: ${mean(used.slice(COMPILED)).toFixed(2)} ms (goal: below 3 ms); ` +
    `the first ${FIRST} of a process ${mean(used.slice(0, FIRST)).toFixed(2)} ms`,
);
const line = (what, rate) => console.log(`${what}: ${Math.round(rate).toLocaleString("en")} leaves/s`);
appends(false, 5000, 100);
line("append without flushing, 100 at a time", appends(false, 40_000, 100));
line("append without flushing, one at a time", appends(false, 10_000, 1));
line("append flushed, one at a time", appends(true, 300, 1));
for (const path of folders) rmSync(path, { recursive: true, force: true });
