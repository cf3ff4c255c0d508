/**
 * Challenges that come over the broker, beside those by HTTP: a request on `osnmad-challenge.<station id>` with the 32 bytes
 * of a challenge, then its proof of origin, and the answer of `GET /v1/challenges/<hex>` as the reply. Who may ask is the
 * broker's to say. Edge.
 */
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { OsnmadError } from "../errors.js";
import { CHALLENGE_BYTES } from "../station/leaf.js";
import { challengeJson } from "../station/routes.js";
import type { Station } from "../station/station.js";

/** Not below the stream's subjects: a challenge is nobody's history. */
export const challengeSubject = (station: string): string => `osnmad-challenge.${station}`;

/** Answers as long as the connection lasts. */
export function takeChallenges(connection: NatsConnection, station: Station, now = Date.now): void {
  const subject = challengeSubject(Buffer.from(station.log.station).toString("hex"));
  connection.subscribe(subject, {
    callback: (error, message) => {
      // No permission to subscribe, or a connection that ends: deliveries say so as well.
      if (error === null) message.respond(JSON.stringify(replyTo(message, station, now())));
    },
  });
}

function replyTo({ data }: Msg, station: Station, nowMs: number): object {
  const challenge = Uint8Array.from(data.subarray(0, CHALLENGE_BYTES));
  try {
    station.log.challenge(challenge, Uint8Array.from(data.subarray(CHALLENGE_BYTES)), nowMs);
    return challengeJson(station, challenge)!;
  } catch (error) {
    if (error instanceof OsnmadError) return { code: error.code, detail: error.message };
    return { code: "OSN_INTERNAL", detail: "The challenge could not be taken." };
  }
}
