/**
 * What a station serves to anybody: its log as tlog-tiles, its state, and the answers to challenges; and the one
 * thing it takes, a challenge. A plugin for the server of src/http, or one of its own. Nothing here tells of the
 * place (docs/station-log.md). Edge.
 */
import type { FastifyInstance } from "fastify";
import { problemOf, sendProblem } from "../http/problem.js";
import { CHALLENGE_BYTES } from "./leaf.js";
import { bytesOfBase64, formatNote, formatVerifierKey } from "./note.js";
import type { AuditAnswer, Station } from "./station.js";
import { parseTilePath } from "./tiles.js";

/** A challenge and a proof of origin in base64, with room. */
const MAX_CHALLENGE_BODY_BYTES = 8192;
const COSIGNED_SIZES = 128;
const IMMUTABLE = "public, max-age=31536000, immutable";
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

/** For the description of the API; what is taken and given is in docs/station-log.md. */
const described = (summary: string): { tags: string[]; summary: string } => ({ tags: ["Station"], summary });

export interface StationRoutesOptions {
  readonly station: Station;
  /** Unix milliseconds. */
  readonly now?: () => number;
}

export function stationRoutes(app: FastifyInstance, { station, now = Date.now }: StationRoutesOptions): void {
  app.get(
    "/checkpoint",
    { schema: described("The newest signed checkpoint (C2SP tlog-checkpoint)") },
    (_request, reply) => {
      const { checkpoint } = station.log;
      if (checkpoint === null)
        return sendProblem(reply, problemOf("OSN_NOT_FOUND", "Nothing is signed yet."));
      return reply
        .type("text/plain; charset=utf-8")
        .header("cache-control", "no-cache")
        .send(formatNote(checkpoint.note));
    },
  );

  app.get<{ Params: { "*": string } }>(
    "/tile/*",
    { schema: described("Tiles and entries of the log (C2SP tlog-tiles)") },
    (request, reply) => {
      const name = parseTilePath(`tile/${request.params["*"]}`);
      const bytes = name === null ? null : station.log.tile(name);
      if (bytes === null) return sendProblem(reply, problemOf("OSN_NOT_FOUND", "There is no such tile."));
      return reply
        .type("application/octet-stream")
        .header("cache-control", IMMUTABLE)
        .send(Buffer.from(bytes));
    },
  );

  app.get(
    "/v1/station",
    { schema: described("The station: id, key, sizes, witnesses") },
    (_request, reply) => {
      const { log } = station;
      return reply.send({
        station: Buffer.from(log.station).toString("hex"),
        origin: log.origin,
        key: formatVerifierKey(log.key),
        mode: log.mode,
        size: log.size,
        signedSize: log.checkpoint?.size ?? 0,
        refusal: log.refusal,
        held: station.held !== null,
        // Where they are, and what their network answers, is for nobody but who runs the station.
        witnesses: station.witnessStatus().map(({ name, state }) => ({ name, state })),
      });
    },
  );

  app.get<{ Querystring: { after?: string } }>(
    "/v1/station/cosignatures",
    { schema: described("Lines of witnesses over the checkpoints of the next sizes: ?after=<size>") },
    (request, reply) => {
      const { after = "0" } = request.query;
      if (!/^\d{1,15}$/.test(after))
        return sendProblem(reply, problemOf("OSN_USAGE", `"after" is a number of leaves, not "${after}".`));
      const lines = station.log.cosignaturesAfter(Number(after), COSIGNED_SIZES);
      return reply.send({
        cosignatures: lines.map(({ size, line }) => ({ size, line: line.trimEnd() })),
      });
    },
  );

  app.get(
    "/v1/station/witnesses",
    { config: { scope: "admin" }, schema: described("The witnesses: address, newest size, last error") },
    (_request, reply) => reply.send({ held: station.held, witnesses: station.witnessStatus() }),
  );

  app.post<{ Body: unknown }>(
    "/v1/challenges",
    {
      bodyLimit: MAX_CHALLENGE_BODY_BYTES,
      config: { scope: "admin" },
      schema: described('A challenge for the next leaf: {"challenge", "proof"}, bytes in base64'),
    },
    (request, reply) => {
      const { challenge, proof } = (request.body ?? {}) as { challenge?: unknown; proof?: unknown };
      const bytes = typeof challenge === "string" ? bytesOfBase64(challenge) : null;
      const origin = proof === undefined ? "" : proof;
      const proofBytes = typeof origin === "string" ? bytesOfBase64(origin) : null;
      if (bytes?.length !== CHALLENGE_BYTES || proofBytes === null) {
        const why = `"challenge" is ${CHALLENGE_BYTES} bytes in base64, "proof" bytes in base64.`;
        return sendProblem(reply, problemOf("OSN_USAGE", why));
      }
      // No decision: what is well-formed goes into the next leaf.
      const stored = station.log.challenge(bytes, proofBytes, now());
      return reply.code(202).send({ challenge: base64(stored.challenge), leafIndex: stored.leafIndex });
    },
  );

  app.get<{ Params: { hex: string } }>(
    "/v1/challenges/:hex",
    { schema: described("What became of a challenge: its leaf, and the audit that it asked for") },
    (request, reply) => {
      const bytes = /^[0-9a-f]{64}$/.test(request.params.hex) ? Buffer.from(request.params.hex, "hex") : null;
      const found = bytes === null ? null : challengeJson(station, bytes);
      if (found === null) {
        return sendProblem(reply, problemOf("OSN_NOT_FOUND", "That challenge was not received."));
      }
      return reply.send(found);
    },
  );
}

/** What became of a challenge, bytes in base64; null for one that was not received. */
export function challengeJson(station: Station, challenge: Uint8Array): Record<string, unknown> | null {
  const stored = station.log.findChallenge(challenge);
  if (stored === null) return null;
  const answer = station.answer(challenge);
  return {
    challenge: base64(challenge),
    leafIndex: stored.leafIndex,
    answer: answer === null ? null : auditJson(answer),
  };
}

/** The answer as JSON, bytes in base64. */
export function auditJson(answer: AuditAnswer): Record<string, unknown> {
  return {
    challenge: base64(answer.challenge),
    proof: base64(answer.proof),
    leafIndex: answer.leafIndex,
    leaf: base64(answer.leaf),
    inclusion: answer.inclusion.map(base64),
    checkpoint: formatNote(answer.checkpoint.note),
    audited: answer.audited.map(({ index, leaf, inclusion, retention }) => ({
      index,
      leaf: base64(leaf),
      inclusion: inclusion.map(base64),
      retention: retention === null ? null : base64(retention),
    })),
  };
}
