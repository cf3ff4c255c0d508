/**
 * A station, or a witness, to be killed: appends and signs (or judges and answers) as fast as it can, and prints a
 * line only after the call returned, that is after the data is said to be on disk. Run as a process of its own.
 */
import { writeSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { StationLog } from "../../src/station/station-log.js";
import { receiverCommitment } from "../../src/station/leaf.js";
import { WitnessBook } from "../../src/witness/book.js";
import { formatNote, parseVerifierKey } from "../../src/station/note.js";
import { formatAddCheckpoint } from "../../src/station/add-checkpoint.js";
import { GST, subframeContent } from "./leaves.js";

const [role, stationFolder, witnessFolder] = process.argv.slice(2);
const print = (line: string): void => void writeSync(1, `${line}\n`);

const log = StationLog.open({ directory: stationFolder, mode: "live" });
const receiver = receiverCommitment(log.receiverSalt, "r");
if (role === "station") {
  log.begin({ softwareVersion: "t", time: { assurance: "none", boundMs: null }, receiver });
  for (;;) {
    const gst = log.history?.nextGst ?? GST;
    const secret = randomBytes(32);
    const roots = [1, 2, 3, 4].map(() => Uint8Array.from(randomBytes(32)));
    const content = { ...subframeContent(gst), receiver, commitments: [{ algorithm: 1, roots }] };
    const [{ leaf, hash }] = log.append([{ content, openings: { secret, items: Uint8Array.of(0x80) } }]);
    print(`leaf ${leaf.index} ${Buffer.from(hash).toString("hex")}`);
    const { size, root } = await log.sign();
    print(`signed ${size} ${Buffer.from(root).toString("hex")}`);
  }
} else {
  const book = new WitnessBook(witnessFolder, [parseVerifierKey(process.argv[5])!]);
  for (let size = (book.logs()[0]?.size ?? 0) + 1; size <= log.size; size++) {
    const checkpoint = log.checkpointAt(size);
    if (checkpoint === null) continue;
    const from = book.logs()[0]?.size ?? 0;
    const request = formatAddCheckpoint(from, log.consistencyProof(from, size), formatNote(checkpoint.note));
    const { status } = book.add(request, 1_790_000_000 + size);
    if (status !== 200) throw new Error(`status ${status}`);
    print(`cosigned ${size}`);
  }
  print("done");
}
