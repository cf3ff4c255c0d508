/**
 * A whole station as a process, to be killed: a sky made up second by second, its log, a witness, emission to a broker
 * and over HTTP. Everything in it is what `osnmad run` is made of; only the receiver is missing, and a subframe takes a
 * part of a second. Says a line for each leaf and checkpoint after it is on disk.
 *
 * Arguments: folder, port to serve on, servers of NATS, address and key of the witness, milliseconds for a subframe.
 */
import { writeSync } from "node:fs";
import { fastify } from "fastify";
import { Emission } from "../../src/emit/emission.js";
import { NatsTransport } from "../../src/emit/nats.js";
import { emissionRoutes } from "../../src/emit/routes.js";
import { OsnmadError } from "../../src/errors.js";
import type { InavPage } from "../../src/inav/page.js";
import type { FixRecord } from "../../src/pipeline/records.js";
import { formatVerifierKey, parseVerifierKey } from "../../src/station/note.js";
import { stationRoutes } from "../../src/station/routes.js";
import { Station } from "../../src/station/station.js";

const [directory, port, servers, witnessUrl, witnessKey, pace] = process.argv.slice(2);
const FIRST_GST = 1_400 * 604_800;
const SATELLITES = [3, 8, 13, 21];
const print = (line: string): void => void writeSync(1, `${line}\n`);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const station = new Station({
  directory,
  mode: "live",
  softwareVersion: "chain-test",
  receiver: "made up",
  witnesses: {
    peers: [{ url: witnessUrl, key: parseVerifierKey(witnessKey)! }],
    needed: 1,
    onCosigned: () => emission?.notify(),
  },
  onLeaf: ({ leaf, hash }) => {
    print(`leaf ${leaf.index} ${hex(hash)}`);
  },
  onCheckpoint: ({ size, root }) => {
    print(`signed ${size} ${hex(root)}`);
    emission?.notify();
  },
  onFault: (error) => {
    print(`fault ${error instanceof OsnmadError ? error.code : ""} ${String(error)}`);
  },
});
const { log } = station;
const transport = new NatsTransport({ servers, station: log.station });
const emission: Emission | undefined = new Emission({
  log,
  directory,
  consumers: [
    { name: "nats", purpose: "federation", transport, delivery: { firstWaitMs: 20, maxWaitMs: 300 } },
  ],
});
const app = fastify({ forceCloseConnections: true });
stationRoutes(app, { station });
emissionRoutes(app, { emission });
await app.listen({ host: "127.0.0.1", port: Number(port) });
print(`started ${formatVerifierKey(log.key)}`);

function page(svid: number, gst: number): InavPage {
  const word = new Uint8Array(16).fill((svid + gst) & 0xff);
  const mack = (gst * 31 + svid) >>> 0;
  return { svid, band: "E1-B", wordType: 2, word, hasOsnma: true, hkroot: gst & 0xff, mack } as InavPage;
}

function subframe(gst: number): void {
  for (let second = gst; second < gst + 30; second++) {
    const trusted = { gst: second + 2, boundSeconds: 0.04, assurance: "independent" } as const;
    if (second % 2 === 1) for (const svid of SATELLITES) station.page(page(svid, second), second, trusted);
    station.fix({
      type: "fix",
      mode: "live",
      gst: second,
      own: null,
      receiver: null,
      evidence: null,
    } as FixRecord);
    station.tick(trusted);
  }
}

let stopping = false;
process.once("SIGTERM", () => {
  stopping = true;
});
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
for (let gst = log.history?.nextGst ?? FIRST_GST; !stopping; gst += 30) {
  subframe(gst);
  await pause(Number(pace));
}
// What is signed is to be witnessed and handed on before the end is told.
for (;;) {
  await station.signed();
  await station.witnessed();
  emission.notify();
  await emission.settled();
  const waits = emission.status().consumers.some(({ backlog }) => backlog > 0);
  if (!waits && log.cosignatures(log.size).length > 0) break;
  await pause(20);
}
print(`whole ${log.size}`);
