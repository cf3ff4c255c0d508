/** Before a key goes: all that was said under it is signed by it, for those who know no later one yet. */
import { Intake } from "../emit/intake.js";
import { Outbox } from "../emit/outbox.js";
import { storedFixes } from "../emit/store-fixes.js";
import type { StationLog } from "../station/station-log.js";
import { openStore } from "../store/store.js";

/** Takes what the log has into the outbox, sealed by the key in force. Throws OSN_STATE_*, OSN_STATION_*. */
export async function completeOutbox(log: StationLog, dataDirectory: string): Promise<void> {
  if (log.size > (log.checkpoint?.size ?? 0)) await log.sign();
  const outbox = new Outbox({ directory: log.directory });
  try {
    await new Intake({ log, outbox }).take("federation");
    if (!outbox.states().some(({ purpose }) => purpose === "prover")) return;
    const store = openStore(dataDirectory);
    try {
      const runs = (): number[] => store.runs.page({ limit: 4 }).items.map(({ id }) => id);
      await new Intake({ log, outbox, fixes: storedFixes(store, runs) }).take("prover");
    } finally {
      store.close();
    }
  } finally {
    outbox.close();
  }
}
