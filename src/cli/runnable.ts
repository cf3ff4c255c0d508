/** What a configuration may not say though each of its options is right by itself: the same for a run and a check. */
import type { Config } from "../daemon/config.js";
import { OsnmadError } from "../errors.js";
import { anyAddress, loopbackAddress } from "../http/loopback.js";
import { assertNamesDiffer, neededOf, peerOf, pushTo } from "./outside-peers.js";

/** All that would keep a run with this configuration from starting, as errors of the table; empty where nothing does. */
export function configurationFaults({ http, time, station, emit }: Config): OsnmadError[] {
  const faults: OsnmadError[] = [];
  const tried = <T>(action: () => T): T | null => {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof OsnmadError)) throw error;
      faults.push(error);
      return null;
    }
  };
  const invalid = (what: string): void => void faults.push(new OsnmadError("OSN_CONFIG_INVALID", what));

  if (http.enabled && (http.allow_remote ? anyAddress : loopbackAddress)(http.host) === null) {
    const what = http.allow_remote ? "an IP address" : "a loopback address, and http.allow_remote is false";
    faults.push(new OsnmadError("OSN_LISTEN_REFUSED", `http.host: ${http.host} is not ${what}.`));
  }
  if (time.assume_synchronised && time.bound_seconds === undefined) {
    invalid("time.assume_synchronised: needs time.bound_seconds, how far the clock may be off.");
  }
  if (station.enabled) {
    const peers = station.witnesses.map((text) => tried(() => peerOf(text))).filter((peer) => peer !== null);
    if (peers.length === station.witnesses.length) tried(() => neededOf(station, peers));
  }
  const pushed = [...emit.prover_push, ...emit.federation_push];
  for (const text of emit.prover_push) tried(() => pushTo(text, "prover"));
  for (const text of emit.federation_push) tried(() => pushTo(text, "federation"));
  const nats = emit.nats.length > 0 ? ["nats"] : [];
  const names = [...pushed.map((text) => text.split(" ")[0]), ...emit.prover_pull, ...nats];
  tried(() => {
    assertNamesDiffer(names);
  });
  if (!station.enabled && names.length > 0) {
    invalid("emit: what is sent comes from the station's log, and station.enabled is false.");
  }
  return faults;
}

/** Throws what keeps a run from starting, all of it at once: OSN_CONFIG_INVALID, OSN_LISTEN_REFUSED. */
export function assertRunnable(config: Config): void {
  throwTogether(configurationFaults(config));
}

/** Several faults in one error; a single one as it is. */
export function throwTogether(faults: readonly OsnmadError[]): void {
  if (faults.length === 0) return;
  if (faults.length === 1) throw faults[0];
  const lines = faults.map(({ message }) => `\n  ${message}`).join("");
  throw new OsnmadError("OSN_CONFIG_INVALID", `The configuration has ${faults.length} faults:${lines}`);
}
