/**
 * `node bench/live.mjs [seconds]`: the daemon as it is installed, in real time, with a simulated sky whose time is
 * now. First at 1 Hz until it authenticates and for half a minute more (processor time), then at 10 Hz with 40
 * signals in RXM-RAWX and 100 readers of the stream: from handing over the last byte of an epoch to each reader's
 * fix. The stream reads from the disk only, so what is streamed is stored. Takes some four minutes.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { captureAuthority } from "../dist/simulate/captures.js";
import { receiverFrames } from "../dist/simulate/frames.js";
import { sealFrame } from "../dist/simulate/receiver/feed.js";
import { chainEndFor, nominalPhase, Simulation } from "../dist/simulate/scenario.js";
import { OPERATIONAL_PARAMETERS, TeslaChain } from "../dist/simulate/tesla-chain.js";
import { projectRoot } from "./lib/material.mjs";
import { table } from "./lib/statistics.mjs";

/** Unix time of GST 0 (1999-08-22T00:00:00 in GPS time), with the leap seconds since. */
const GST_UNIX = 935_280_000 - 18;
const RATE = 10;
const SIGNALS = 40;
const READERS = 100;
/** Not at the measured rate in life either. */
const SLOW = ["NAV-SAT", "NAV-STATUS", "NAV-CLOCK", "MON-RF", "SEC-SIG", "MON-COMMS"];
const SLOW_SECONDS = 30;
const LONGEST_START_SECONDS = 240;
const CLOCK_TICKS = 100;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
const wallMs = () => performance.timeOrigin + performance.now();
const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

/** Galileo's signals, and as many of GPS made of them as are missing: only their number matters. */
function padded(frame) {
  const have = frame[6 + 11];
  const out = new Uint8Array(8 + 16 + 32 * SIGNALS);
  out.set(frame.subarray(0, frame.length - 2));
  out[4] = (out.length - 8) & 0xff;
  out[5] = (out.length - 8) >> 8;
  out[6 + 11] = SIGNALS;
  for (let n = have; n < SIGNALS; n++) {
    const at = 6 + 16 + 32 * n;
    out.copyWithin(at, 6 + 16 + 32 * (n % have), 6 + 48 + 32 * (n % have));
    out.set([0, 1 + (n >> 1), n & 1 ? 3 : 0], at + 20);
  }
  sealFrame(out);
  return out;
}

/** Epochs of a sky of the present, with the time at which a receiver would send them. */
function* sky(startGst, seconds) {
  const hour = Math.floor(startGst / 3600) * 3600 - 3600;
  const subframes = Math.ceil(seconds / 30);
  const chain = new TeslaChain({
    seed: "bench live",
    cid: 1,
    startGst: hour,
    endGst: chainEndFor(startGst, subframes),
    parameters: OPERATIONAL_PARAMETERS,
  });
  const simulation = new Simulation({
    seed: "bench live",
    startGst,
    subframes,
    phases: [nominalPhase(hour, chain, { authority: captureAuthority(), pkid: 2 })],
    e5b: true,
  });
  const output = Object.fromEntries([
    ...["RXM-RAWX", "NAV-PVT", "NAV-TIMEGAL", "NAV-EOE", "RXM-SFRBX"].map((name) => [name, 1]),
    ...SLOW.map((name) => [name, RATE]),
  ]);
  let epoch = null;
  for (const frame of receiverFrames(simulation, { rateHz: RATE, bands: ["E1", "E5b"], output })) {
    if (epoch !== null && epoch.count !== frame.epoch) {
      yield epoch;
      epoch = null;
    }
    epoch ??= { count: frame.epoch, gst: frame.epoch / RATE, sendMs: 0, chunks: [] };
    epoch.sendMs = (GST_UNIX + frame.gst) * 1000;
    epoch.chunks.push(frame.name === "RXM-RAWX" ? padded(frame.bytes) : frame.bytes);
  }
}

/** Processor seconds that a process has used, all its threads. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
}

function memoryMegabytes(pid) {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  const of = (name) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)[1]) / 1024;
  return { now: of("VmRSS"), peak: of("VmHWM") };
}

/** A reader of the stream: calls `onFix` with the GST of each fix and its grade when its event is whole. */
function reader(url, onFix) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(
    `GET /v1/stream?types=fix&assurance=all HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAccept: text/event-stream\r\n\r\n`,
  );
  let held = "";
  socket.setEncoding("utf8");
  socket.on("data", (text) => {
    const at = wallMs();
    held += text;
    for (let end; (end = held.indexOf("\n\n")) >= 0; held = held.slice(end + 2)) {
      const event = held.slice(0, end);
      const gst = /"gst":([\d.]+)/.exec(event);
      if (gst !== null) onFix(Number(gst[1]), /"assurance":"([^"]+)"/.exec(event)[1], at);
    }
  });
  socket.on("error", () => undefined);
  return socket;
}

export async function benchLive(seconds = 60) {
  const folder = mkdtempSync(join(tmpdir(), "osnmad-bench-live-"));
  const load = [loadavg()[0]];
  let receiver = null;
  const server = createServer((socket) => {
    receiver = socket.setNoDelay(true).on("error", () => undefined);
    socket.resume();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const trust = join(projectRoot, "captures", "trust");
  const daemon = spawn(
    process.execPath,
    [
      join(projectRoot, "dist", "bin", "osnmad.js"),
      ...["run", "--port", `tcp://127.0.0.1:${server.address().port}`, "--profile", "none"],
      ...["--data-dir", folder, "--listen", "127.0.0.1:0", "--lines"],
      ...["--merkle", join(trust, "TEST_OSNMA_MerkleTree_A.xml")],
      ...["--public-key", join(trust, "TEST_OSNMA_PublicKey_2.xml")],
    ],
    {
      stdio: ["ignore", "pipe", "ignore"],
      env: {
        ...process.env,
        OSNMAD_TIME__SOURCE: "none",
        OSNMAD_TIME__ASSUME_SYNCHRONISED: "true",
        OSNMAD_TIME__BOUND_SECONDS: "1",
      },
    },
  );
  const sockets = [];
  try {
    let said = "";
    const url = await new Promise((resolve, reject) => {
      daemon.once("exit", (code) => {
        reject(new Error(`the daemon ended with ${code}: ${said}`));
      });
      daemon.stdout.setEncoding("utf8").on("data", (text) => {
        said = (said + text).slice(-100_000);
        const found = /listens on (\S+)/.exec(said);
        if (found !== null) resolve(found[1]);
      });
    });
    const { pid } = daemon;
    const startGst = Math.ceil((Date.now() / 1000 - GST_UNIX) / 30) * 30;
    let authenticatedAt = null;
    const given = new Map();
    const latencies = [];
    let firstReader = true;
    const onFix = (gst, assurance, at) => {
      if (assurance !== "unverified") authenticatedAt ??= gst;
      // The label of an epoch is off by the receiver's clock, some milliseconds.
      const sent = given.get(Math.round(gst * RATE));
      if (sent !== undefined) latencies.push({ ms: at - sent, assurance });
    };
    sockets.push(reader(url, onFix));
    const marks = {};
    for (const epoch of sky(startGst, LONGEST_START_SECONDS + SLOW_SECONDS + seconds)) {
      const since = authenticatedAt === null ? 0 : epoch.gst - authenticatedAt;
      if (authenticatedAt === null && epoch.gst - startGst > LONGEST_START_SECONDS) {
        const { live } = await (await fetch(`${url}/v1/status`)).json();
        throw new Error(`no authenticated fix: ${live.why}`);
      }
      const fast = since > SLOW_SECONDS + 2;
      if (authenticatedAt !== null && marks.slowFrom === undefined) {
        marks.slowFrom = { cpu: cpuSeconds(pid), at: wallMs() };
      }
      if (fast && firstReader) {
        marks.slowTo = { cpu: cpuSeconds(pid), at: wallMs() };
        marks.slowMemory = memoryMegabytes(pid);
        firstReader = false;
        for (let n = 1; n < READERS; n++) sockets.push(reader(url, onFix));
        marks.fastAfter = epoch.gst + 3;
      }
      if (!fast && epoch.count % RATE !== 0) continue;
      if (since > SLOW_SECONDS + 5 + seconds) break;
      await sleep(epoch.sendMs - wallMs());
      if (receiver === null) continue;
      if (fast && epoch.gst > marks.fastAfter) {
        marks.fastFrom ??= { cpu: cpuSeconds(pid), at: wallMs() };
        given.set(epoch.count, wallMs());
      }
      receiver.write(Buffer.concat(epoch.chunks));
    }
    await sleep(1000);
    const fastTo = { cpu: cpuSeconds(pid), at: wallMs() };
    const memory = memoryMegabytes(pid);
    load.push(loadavg()[0]);
    const { live } = await (await fetch(`${url}/v1/status`)).json();
    const sorted = latencies.map(({ ms }) => ms).sort((a, b) => a - b);
    const expected = given.size * READERS;
    const share = (from, to) => (1000 * (to.cpu - from.cpu)) / (to.at - from.at);
    const slow = share(marks.slowFrom, marks.slowTo);
    const median = quantile(sorted, 0.5);
    const p99 = quantile(sorted, 0.99);
    const authenticated = latencies.filter(({ assurance }) => assurance !== "unverified").length;
    console.log(
      table([
        [`${RATE} Hz, ${SIGNALS} signals, ${READERS} readers`, ""],
        ["epochs; fixes read of those expected", `${given.size}; ${sorted.length} of ${expected}`],
        ["of them authenticated", `${((100 * authenticated) / Math.max(1, sorted.length)).toFixed(1)} %`],
        ["last byte to streamed fix, median", `${median.toFixed(2)} ms`],
        ["90 %", `${quantile(sorted, 0.9).toFixed(2)} ms`],
        ["99 %", `${p99.toFixed(2)} ms`],
        ["longest", `${sorted.at(-1).toFixed(2)} ms`],
        [
          "processor at 10 Hz with the readers",
          `${(100 * share(marks.fastFrom, fastTo)).toFixed(1)} % of a core`,
        ],
        ["processor at 1 Hz, one reader", `${(100 * slow).toFixed(2)} % of a core`],
        ["memory (RSS) at 1 Hz", `${marks.slowMemory.now.toFixed(0)} MB`],
        ["memory (RSS) at the end; highest", `${memory.now.toFixed(0)} MB; ${memory.peak.toFixed(0)} MB`],
        ["epochs and bytes that the daemon counted", `${live.line.epochs}; ${live.line.bytes}`],
        ["load average of the machine, before; after", load.map((one) => one.toFixed(1)).join("; ")],
      ]),
    );
    if (sorted.length !== expected) console.log("Fixes are missing: the figures do not hold.");
    return {
      ratios: [
        { name: "live fix, median, ms / 10 ms", ratio: median / 10, goal: 1 },
        { name: "live fix, 99 %, ms / 50 ms", ratio: p99 / 50, goal: 1 },
        { name: "processor at 1 Hz / 2 % of a core", ratio: slow / 0.02, goal: 1 },
        { name: "highest RSS, MB / 120 MB", ratio: memory.peak / 120, goal: 1 },
      ],
    };
  } finally {
    for (const socket of sockets) socket.destroy();
    daemon.removeAllListeners("exit");
    const ended = new Promise((resolve) => daemon.once("exit", resolve));
    daemon.kill();
    await ended;
    receiver?.destroy();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { ratios } = await benchLive(process.argv[2] === undefined ? undefined : Number(process.argv[2]));
  for (const { name, ratio, goal } of ratios) {
    console.log(`${name}: ${ratio.toFixed(3)} (goal <= ${goal}) ${ratio <= goal ? "met" : "MISSED"}`);
  }
}
