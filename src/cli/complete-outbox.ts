/** Before a key goes: all that was said under it is signed by it, for those who know no later one yet. */
import { Intake } from "../emit/intake.js";
import { Outbox } from "../emit/outbox.js";
import { storedFixes } from "../emit/store-fixes.js";
import type { StationLog } from "../station/station-log.js";
import { OsnmadError } from "../errors.js";
import { openStore } from "../store/store.js";

/** Takes what the log has into the outbox, sealed by the key in force. Throws OSN_USAGE, OSN_STATE_*. */
export async function completeOutbox(log: StationLog, dataDirectory: string): Promise<void> {
  // Only a station signs: it asks its witnesses first whether this is the newest copy of the log.
  if (log.size > (log.checkpoint?.size ?? 0)) {
    const why =
      "Leaves of the log are not signed yet; run the station until they are, stop it, and rotate then.";
    throw new OsnmadError("OSN_USAGE", why);
  }
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
