/** The station of a daemon: opened from the configuration, fed by the run, its faults told. */
import { join } from "node:path";
import type { Config } from "../daemon/config.js";
import type { ReceiverIdentity } from "../daemon/ports.js";
import { leavesTold } from "../emit/outbox.js";
import type { Mode } from "../pipeline/records.js";
import { Station } from "../station/station.js";
import { neededOf, peerOf } from "./outside-peers.js";
import { SOFTWARE_VERSION } from "./version.js";

/** A log has one mode, so each mode has a folder. */
export function stationFolder(dataDirectory: string, mode: Mode): string {
  return join(dataDirectory, mode === "live" ? "station" : `station-${mode}`);
}

/**
 * Null where the configuration has none. Throws OSN_CONFIG_INVALID for witnesses that cannot be, OSN_STATION_* and
 * OSN_STATE_* where the log cannot be opened.
 */
export function openStation(
  config: Config["station"],
  dataDirectory: string,
  mode: Mode,
  receiver: string | null,
  onFault: (error: unknown) => void,
  onNews: () => void = () => undefined,
): Station | null {
  if (!config.enabled) return null;
  const peers = config.witnesses.map(peerOf);
  const needed = neededOf(config, peers);
  const directory = stationFolder(dataDirectory, mode);
  return new Station({
    directory,
    mode,
    toldSize: leavesTold(directory),
    softwareVersion: SOFTWARE_VERSION,
    receiver,
    beginsLater: true,
    ...(peers.length > 0 ? { witnesses: { peers, needed, onCosigned: onNews } } : {}),
    onFault,
    onCheckpoint: onNews,
  });
}

/** A unit by its number where it has one; an update of its firmware does not make it another. */
export function describeReceiver({
  uniqueId,
  model = null,
}: Pick<ReceiverIdentity, "uniqueId"> & Partial<ReceiverIdentity>): string {
  return uniqueId === null ? `model ${model ?? "unknown"}` : `unit ${uniqueId.toLowerCase()}`;
}
