// What following costs a federation node (docs/emission.md): an hour of leaves of many stations through one JetStream
// stream into one consumer that verifies everything and stores it. Needs nats-server. `npm run build` first;
// node bench/emit.mjs [stations] [leaves of each]
import { spawn } from "node:child_process";
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { Consumer } from "../dist/emit/consumer.js";
import { ConsumerStore } from "../dist/emit/consumer-store.js";
import { sealEnvelope } from "../dist/emit/envelope.js";
import { ensureStream, followNats, NatsTransport } from "../dist/emit/nats.js";
import { originOf } from "../dist/station/origin.js";
import { signCheckpoint } from "../dist/station/checkpoint.js";
import { stationIdOf } from "../dist/station/history.js";
import { encodeLeaf, NO_LEAF } from "../dist/station/leaf.js";
import { leafHash, rootOf, storeLeaf } from "../dist/station/merkle.js";
import { ED25519, verifierKey } from "../dist/station/note.js";

const [stations = 200, count = 120] = process.argv.slice(2).map(Number);
const GST = 1400 * 604_800;
const roots = (fill) => [1, 2, 3, 4].map((at) => new Uint8Array(32).fill((fill + at) & 0xff));
const keyOf = () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const raw = Uint8Array.from(publicKey.export({ format: "der", type: "spki" }).subarray(-32));
  return {
    publicKey: raw,
    sign: async (message) => Uint8Array.from(sign(null, message, privateKey)),
  };
};

/** A station's messages: each leaf with the checkpoint that has it, as a live station sends them. */
async function messagesOf(signer) {
  const station = stationIdOf(signer.publicKey);
  const speaker = { purpose: "federation", mode: "live", station };
  const origin = originOf(station, "live");
  const key = verifierKey(origin, ED25519, signer.publicKey);
  const nodes = new Map();
  const subtree = (level, index) => nodes.get(`${level}/${index}`);
  const messages = [];
  let previous = NO_LEAF;
  const time = { assurance: "independent", boundMs: 40 };
  const common = {
    station,
    mode: "live",
    softwareVersion: "bench",
    time,
    receiver: new Uint8Array(32),
  };
  for (let index = 0; index <= count; index++) {
    const body =
      index === 0
        ? { kind: "start", first: true, publicKey: signer.publicKey }
        : {
            kind: "subframe",
            gst: GST + 30 * index,
            commitments: [{ algorithm: 1, roots: roots(index) }],
          };
    const leaf = encodeLeaf({
      ...common,
      challenges: [],
      index,
      previous,
      ...body,
    });
    previous = leafHash(leaf);
    storeLeaf(index, previous, subtree, (level, at, hash) => nodes.set(`${level}/${at}`, hash));
    const size = index + 1;
    const head = { origin, size, root: rootOf(size, subtree), extensions: [] };
    const note = Buffer.from(await signCheckpoint(head, [{ key, sign: signer.sign }]));
    for (const [name, statement] of [
      [`leaf/${index}`, { kind: "leaf", index, leaf }],
      [`checkpoint/${size}`, { kind: "checkpoint", size, note }],
    ]) {
      messages.push({
        seq: messages.length + 1,
        key: name,
        envelope: await sealEnvelope(speaker, statement, signer),
      });
    }
  }
  return { station, key, messages };
}

const folder = mkdtempSync(join(tmpdir(), "osnmad-bench-"));
const probe = createServer();
await new Promise((done) => probe.listen(0, "127.0.0.1", done));
const { port } = probe.address();
await new Promise((done) => probe.close(done));
const broker = spawn(
  "nats-server",
  ["-js", "-a", "127.0.0.1", "-p", String(port), "-sd", join(folder, "js")],
  {
    stdio: ["ignore", "ignore", "pipe"],
  },
);
try {
  await new Promise((ready, fail) => {
    broker.once("error", fail);
    broker.stderr.on("data", (text) => String(text).includes("Server is ready") && ready());
  });
  const servers = `nats://127.0.0.1:${port}`;
  await ensureStream({ servers });
  const all = [];
  for (let at = 0; at < stations; at++) all.push(await messagesOf(keyOf()));
  for (const { station, messages } of all) {
    const transport = new NatsTransport({ servers, station });
    for (let at = 0; at < messages.length; at += 64) await transport.send(messages.slice(at, at + 64));
    await transport.close();
  }
  const store = new ConsumerStore(join(folder, "consumer"));
  const policy = {
    witnesses: [],
    needed: 1,
    marginSeconds: 5,
    leapSeconds: 18,
    keyOffsetSeconds: 0,
  };
  let lies = 0;
  const consumer = new Consumer({
    stations: all.map(({ key }) => ({ ...policy, key })),
    store,
    onVerdict: ({ type }) => (lies += type === "lie" ? 1 : 0),
  });
  const load = loadavg()[0];
  const before = process.cpuUsage();
  const began = performance.now();
  let ended = began;
  const onPosition = () => (ended = performance.now());
  await followNats(consumer, {
    servers,
    signal: new AbortController().signal,
    once: true,
    onPosition,
  });
  const { user, system } = process.cpuUsage(before);
  store.close();
  const proven = consumer.status().reduce((sum, each) => sum + each.proven, 0);
  if (lies > 0 || proven !== stations * (count + 1)) throw new Error(`${proven} proven, ${lies} lies`);
  const seconds = (ended - began) / 1000;
  // As they come in real time: one by one, each with its own signatures to verify.
  const someStations = all.slice(0, 20);
  const single = new Consumer({
    stations: someStations.map(({ key }) => ({ ...policy, key })),
    store: null,
    onVerdict: () => undefined,
  });
  const singleBefore = process.cpuUsage();
  for (const { messages } of someStations) for (const { envelope } of messages) single.take([envelope], null);
  const used = process.cpuUsage(singleBefore);
  const singly = (used.user + used.system) / 1000 / (someStations.length * (count + 1));
  const cpuPerLeaf = (user + system) / 1000 / proven;
  console.log(
    `${cpus()[0].model}, ${availableParallelism()} cores, load ${load.toFixed(1)}, Node ${process.version}`,
  );
  console.log(`${stations} stations, ${proven} leaves, each with its checkpoint, verified and stored`);
  console.log(`catch-up   ${Math.round(proven / seconds)} leaves/s`);
  console.log(`           ${cpuPerLeaf.toFixed(3)} ms of CPU a leaf, with storing`);
  const share = ((singly * stations) / 30 / 10).toFixed(2);
  console.log(
    `one by one ${singly.toFixed(3)} ms of CPU a leaf: ${share} % of a core at one leaf per 30 s each`,
  );
} finally {
  broker.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
