/**
 * Whether those whom the station needs outside are there: consumers that are pushed to, and witnesses. What changed is
 * told once, also where somebody comes and goes. Pure: the state of things and the time go in.
 */
import type { DeliveryStatus } from "../emit/delivery.js";
import type { WitnessStatus } from "../station/witness-client.js";

/** A witness that failed so often in a row is called silent; it is asked on all the same. */
const SILENT_AFTER_FAILURES = 3;
/** Of one peer no more than one loss is told in this time. */
const QUIET_MS = 600_000;

export interface PeerEvent {
  readonly name:
    "consumer-dead" | "consumer-back" | "witness-silent" | "witness-contradicts" | "witness-back";
  readonly severity: "info" | "warning" | "alarm";
  readonly message: string;
  /** The consumer or witness, without user, password and query of its address. */
  readonly peer: string;
}

type Pushed = Pick<DeliveryStatus, "consumer" | "purpose" | "error"> & { readonly state: string };
type Witness = Pick<WitnessStatus, "name" | "state" | "size" | "failures" | "lastError">;

export interface PeerCounts {
  readonly witnesses: number;
  /** Witnesses that cosigned and answer. */
  readonly witnessesReached: number;
  readonly consumers: number;
  readonly consumersDead: number;
}

export function peerCounts(consumers: readonly Pushed[], witnesses: readonly Witness[]): PeerCounts {
  return {
    witnesses: witnesses.length,
    witnessesReached: witnesses.filter((witness) => witness.size !== null && !isAway(witness)).length,
    consumers: consumers.length,
    consumersDead: consumers.filter(({ state }) => state === "dead").length,
  };
}

export class PeerWatch {
  /** Those whose loss was told, and has not ended. */
  readonly #away = new Set<string>();
  readonly #toldAt = new Map<string, number>();

  /** What is to be told of how things stand at `nowMs`. */
  look(consumers: readonly Pushed[], witnesses: readonly Witness[], nowMs: number): PeerEvent[] {
    const events: PeerEvent[] = [];
    for (const { consumer, purpose, state, error } of consumers) {
      const peer = publicName(consumer);
      const change = this.#change(`consumer ${consumer}`, state === "dead", nowMs);
      const who = `The ${purpose} consumer ${peer}`;
      if (change === "lost") {
        const message = `${who} takes nothing${because(error)}. What is for it waits, and it is tried on.`;
        events.push({ name: "consumer-dead", severity: "warning", message, peer });
      } else if (change === "back") {
        events.push({ name: "consumer-back", severity: "info", message: `${who} takes again.`, peer });
      }
    }
    for (const witness of witnesses) {
      const { name: peer, state, lastError } = witness;
      const change = this.#change(`witness ${peer} ${state === "contradicts"}`, isAway(witness), nowMs);
      if (change === "lost" && state === "contradicts") {
        const message = `The witness ${peer} contradicts the log${because(lastError)}.`;
        events.push({ name: "witness-contradicts", severity: "alarm", message, peer });
      } else if (change === "lost") {
        const message = `The witness ${peer} does not cosign${because(lastError)}. It is asked on.`;
        events.push({ name: "witness-silent", severity: "warning", message, peer });
      } else if (!isAway(witness) && this.#isBack(peer)) {
        events.push({
          name: "witness-back",
          severity: "info",
          message: `The witness ${peer} cosigns again.`,
          peer,
        });
      }
    }
    return events;
  }

  #change(key: string, isAway: boolean, nowMs: number): "lost" | "back" | null {
    if (!isAway) {
      if (key.startsWith("witness ")) return null;
      return this.#away.delete(key) ? "back" : null;
    }
    if (this.#away.has(key) || nowMs - (this.#toldAt.get(key) ?? Number.NEGATIVE_INFINITY) < QUIET_MS)
      return null;
    this.#away.add(key);
    this.#toldAt.set(key, nowMs);
    return "lost";
  }

  /** Whatever the witness was told to be before. */
  #isBack(witness: string): boolean {
    const silent = this.#away.delete(`witness ${witness} false`);
    return this.#away.delete(`witness ${witness} true`) || silent;
  }
}

function isAway({ state, failures }: Pick<Witness, "state" | "failures">): boolean {
  return state === "contradicts" || failures >= SILENT_AFTER_FAILURES;
}

function because(lastError: string | null): string {
  return lastError === null ? "" : ` (${lastError.replace(/\.$/, "")})`;
}

/** An address may carry a secret in its user part or its query. */
function publicName(name: string): string {
  if (!/^https?:/.test(name) || !URL.canParse(name)) return name;
  const { origin, pathname } = new URL(name);
  return origin + pathname;
}
