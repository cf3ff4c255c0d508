/** Logs and witnesses for tests of emission. */
import { StationLog } from "../../src/station/station-log.js";
import { cosign, verifyCosignature } from "../../src/station/cosignature.js";
import { commitTo } from "../../src/station/openings.js";
import type { Mode } from "../../src/pipeline/records.js";
import { testKey, witnessKey } from "../station/keys.js";
import { GST, receiver, subframeContent } from "../station/leaves.js";

export const START_GST = GST;
const run = {
  softwareVersion: "0.0.0-test",
  time: { assurance: "independent", boundMs: 40 },
  receiver,
} as const;

export function openLog(directory: string, mode: Mode = "live"): StationLog {
  const log = StationLog.open({ directory, mode, flush: false });
  log.begin(run);
  return log;
}

/** Appends the subframes from number `from` on, each committing to a measurement, and signs. */
export async function addSubframes(log: StationLog, from: number, count: number): Promise<void> {
  const items = {
    pages: new Map(),
    tags: new Map(),
    measurements: new Map([[3, Uint8Array.of(1, 2, 3)]]),
    fixes: new Map(),
  };
  for (let at = from; at < from + count; at++) {
    const { commitments, openings } = commitTo(items, new Uint8Array(32).fill(at));
    const content = { ...subframeContent(START_GST + 30 * at), commitments };
    log.append([{ content, openings }]);
  }
  await log.sign();
}

export const witness = testKey("witness of emission");
export const witnessName = witnessKey("witness.example/w", witness);

/** Puts a cosignature of the test's witness on the newest checkpoint, stamped at `unix`. */
export async function witnessAt(log: StationLog, unix: number): Promise<void> {
  const { note, size } = log.checkpoint!;
  const line = await cosign(note.text, unix, witnessName, witness.sign);
  log.addCosignature(size, line, verifyCosignature(note.text, line, witnessName)!);
}
