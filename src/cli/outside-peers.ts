/** Whom a configuration names outside of this machine: witnesses, and consumers that are pushed to. */
import type { Config } from "../daemon/config.js";
import type { ConsumerOptions } from "../emit/emission.js";
import { webhook } from "../emit/webhook.js";
import { OsnmadError } from "../errors.js";
import { COSIGNATURE_V1, parseVerifierKey } from "../station/note.js";
import { sameWitnessTwice, type WitnessPeer } from "../station/witness-client.js";

/** Throws OSN_CONFIG_INVALID. */
export function peerOf(text: string): WitnessPeer {
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

/**
 * How many of the witnesses make a checkpoint witnessed. Throws OSN_CONFIG_INVALID where there are not so many, or
 * one is there twice.
 */
export function neededOf({ needed }: Config["station"], peers: readonly WitnessPeer[]): number {
  const enough = needed ?? (peers.length === 0 ? 0 : Math.floor(peers.length / 2) + 1);
  if (enough > peers.length) {
    throw new OsnmadError(
      "OSN_CONFIG_INVALID",
      `station.needed: of ${peers.length} witnesses ${enough} cannot be needed.`,
    );
  }
  const twice = sameWitnessTwice(peers);
  if (twice !== null) throw new OsnmadError("OSN_CONFIG_INVALID", `station.witnesses: ${twice}`);
  return enough;
}

/** `<url>` or `<url> <token>`; the address is the consumer's name, so a new one begins anew. Throws OSN_CONFIG_INVALID. */
export function pushTo(text: string, purpose: "prover" | "federation"): ConsumerOptions {
  const [url, token] = text.split(" ") as [string, string | undefined];
  try {
    return { name: url, purpose, transport: webhook({ url, purpose, token }) };
  } catch (error) {
    if (!(error instanceof OsnmadError)) throw error;
    throw new OsnmadError("OSN_CONFIG_INVALID", `emit.${purpose}_push: ${error.message}`, { cause: error });
  }
}

/** Throws OSN_CONFIG_INVALID where a name is there twice. */
export function assertNamesDiffer(names: readonly string[]): void {
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new OsnmadError("OSN_CONFIG_INVALID", `emit: ${twice} is there twice.`);
}
