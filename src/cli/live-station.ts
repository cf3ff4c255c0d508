/** The station of a daemon: opened from the configuration, fed by the run, its faults told. */
import { join } from "node:path";
import type { Config } from "../daemon/config.js";
import type { ReceiverIdentity } from "../daemon/ports.js";
import { leavesTold } from "../emit/outbox.js";
import { OsnmadError } from "../errors.js";
import type { Mode } from "../pipeline/records.js";
import { COSIGNATURE_V1, parseVerifierKey } from "../station/note.js";
import { Station } from "../station/station.js";
import { sameWitnessTwice, type WitnessPeer } from "../station/witness-client.js";
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
  { enabled, witnesses, needed }: Config["station"],
  dataDirectory: string,
  mode: Mode,
  receiver: string | null,
  onFault: (error: unknown) => void,
  onNews: () => void = () => undefined,
): Station | null {
  if (!enabled) return null;
  const peers = witnesses.map(peerOf);
  const twice = sameWitnessTwice(peers);
  if (twice !== null) throw new OsnmadError("OSN_CONFIG_INVALID", `station.witnesses: ${twice}`);
  const enough = needed ?? Math.floor(peers.length / 2) + 1;
  if (peers.length > 0 && enough > peers.length) {
    throw new OsnmadError(
      "OSN_CONFIG_INVALID",
      `station.needed: of ${peers.length} witnesses ${enough} cannot be needed.`,
    );
  }
  const directory = stationFolder(dataDirectory, mode);
  return new Station({
    directory,
    mode,
    toldSize: leavesTold(directory),
    softwareVersion: SOFTWARE_VERSION,
    receiver,
    beginsLater: true,
    ...(peers.length > 0 ? { witnesses: { peers, needed: enough, onCosigned: onNews } } : {}),
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

function peerOf(text: string): WitnessPeer {
  const [url, line] = text.split(" ");
  const key = parseVerifierKey(line);
  if (key?.type !== COSIGNATURE_V1 || !URL.canParse(url)) {
    throw new OsnmadError(
      "OSN_CONFIG_INVALID",
      `station.witnesses: "${text}" is not "<url> <key>", the key as osnmad witness prints it.`,
    );
  }
  return { url, key };
}
