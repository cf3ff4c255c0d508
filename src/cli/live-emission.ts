/** The emission of a daemon: consumers from the configuration, the station's log and the store behind it. */
import { OsnmadError } from "../errors.js";
import type { Config } from "../daemon/config.js";
import { Emission, type ConsumerOptions } from "../emit/emission.js";
import { storedFixes } from "../emit/store-fixes.js";
import { webhook } from "../emit/webhook.js";
import type { Station } from "../station/station.js";
import type { Store } from "../store/store.js";

/** Throws OSN_CONFIG_INVALID for consumers that cannot be, OSN_STATE_* where the outbox cannot be opened. */
export async function openEmission(
  config: Config["emit"],
  { log }: Station,
  store: Store,
  onFault: (error: unknown) => void,
): Promise<Emission> {
  const consumers: ConsumerOptions[] = [
    ...config.prover_push.map((text) => pushTo(text, "prover")),
    ...config.prover_pull.map((name) => ({ name, purpose: "prover", transport: null }) as const),
    ...config.federation_push.map((text) => pushTo(text, "federation")),
  ];
  if (config.nats.length > 0) {
    // The client is loaded only where there is a broker.
    const { NatsTransport } = await import("../emit/nats.js");
    const transport = new NatsTransport({ servers: config.nats, station: log.station });
    consumers.push({ name: "nats", purpose: "federation", transport });
  }
  const names = consumers.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new OsnmadError("OSN_CONFIG_INVALID", `emit: ${twice} is there twice.`);
  const fixes = storedFixes(store, () => store.runs.page({ limit: 4 }).items.map(({ id }) => id));
  return new Emission({ log, directory: log.directory, consumers, fixes, onFault });
}

/** `<url>` or `<url> <token>`; the address is the consumer's name, so a new one begins anew. */
function pushTo(text: string, purpose: "prover" | "federation"): ConsumerOptions {
  const [url, token] = text.split(" ") as [string, string | undefined];
  try {
    return { name: url, purpose, transport: webhook({ url, purpose, token }) };
  } catch (error) {
    if (!(error instanceof OsnmadError)) throw error;
    throw new OsnmadError("OSN_CONFIG_INVALID", `emit.${purpose}_push: ${error.message}`, { cause: error });
  }
}
