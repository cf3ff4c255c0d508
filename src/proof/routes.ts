/** `/v1/fixes/{id}/proof`: the proof package of a fix, made when it is asked for. It holds coordinates. Edge. */
import type { FastifyInstance } from "fastify";
import { problemOf, sendProblem } from "../http/problem.js";
import type { StationLog } from "../station/station-log.js";
import type { Store } from "../store/store.js";
import { PROOF_EXTENSION, PROOF_TYPE } from "./package.js";
import { logSource } from "./source.js";
import { storedProof } from "./stored.js";

export interface ProofRoutesOptions {
  readonly store: Store;
  readonly log: StationLog;
}

export function proofRoutes(app: FastifyInstance, { store, log }: ProofRoutesOptions): void {
  app.get<{ Params: { id: string } }>(
    "/v1/fixes/:id/proof",
    {
      config: { scope: "read:fixes" },
      schema: {
        tags: ["Fixes"],
        summary: "One file to judge the fix by offline: evidence, commitment, witnesses",
      },
    },
    (request, reply) => {
      const { id } = request.params;
      if (!/^[1-9]\d{0,14}$/.test(id)) {
        return sendProblem(reply, problemOf("OSN_USAGE", "The id of a fix is a whole number."));
      }
      const text = storedProof(store, Number(id), logSource(log));
      return reply
        .type(PROOF_TYPE)
        .header("content-disposition", `attachment; filename="fix-${id}${PROOF_EXTENSION}"`)
        .send(Buffer.from(text, "utf8"));
    },
  );
}
