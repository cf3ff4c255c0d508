/** The emission of a daemon: consumers from the configuration, the station's log and the store behind it. */
import { createHmac } from "node:crypto";
import type { Config } from "../daemon/config.js";
import type { Transport } from "../emit/delivery.js";
import { Emission, type ConsumerOptions } from "../emit/emission.js";
import { storedFixes } from "../emit/store-fixes.js";
import type { Station } from "../station/station.js";
import type { Store } from "../store/store.js";
import { assertNamesDiffer, pushTo } from "./outside-peers.js";

/** Throws OSN_CONFIG_INVALID for consumers that cannot be, OSN_STATE_* where the outbox cannot be opened. */
export async function openEmission(
  config: Config["emit"],
  station: Station,
  store: Store,
  onFault: (error: unknown) => void,
): Promise<Emission> {
  const { log } = station;
  const consumers: ConsumerOptions[] = [
    ...config.prover_push.map((text) => pushTo(text, "prover")),
    ...config.prover_pull.map((name) => ({ name, purpose: "prover", transport: null }) as const),
    ...config.federation_push.map((text) => pushTo(text, "federation")),
  ];
  if (config.nats.length > 0) {
    // The client is loaded only where there is a broker.
    consumers.push({ name: "nats", purpose: "federation", transport: await natsOf(config, station) });
  }
  assertNamesDiffer(consumers.map(({ name }) => name));
  const fixes = storedFixes(store, () => store.runs.page({ limit: 4 }).items.map(({ id }) => id));
  return new Emission({ log, directory: log.directory, consumers, fixes, onFault });
}

async function natsOf(config: Config["emit"], station: Station): Promise<Transport> {
  const {
    nats: servers,
    nats_credentials: credentialsFile,
    nats_ca: caFile,
    nats_replicas: replicas,
  } = config;
  const [{ DEFAULT_STREAM, NatsTransport }, { takeChallenges }] = await Promise.all([
    import("../emit/nats.js"),
    import("../emit/nats-challenges.js"),
  ]);
  const { log } = station;
  return new NatsTransport({
    servers,
    credentialsFile,
    caFile,
    station: log.station,
    onConnected: (connection) => {
      takeChallenges(connection, station);
    },
    secret: createHmac("sha256", log.receiverSalt).update("osnmad nats message id").digest(),
    ...(config.nats_create ? { create: { ...DEFAULT_STREAM, replicas } } : {}),
  });
}
