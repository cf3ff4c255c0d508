/** `/v1/osnma`: keys, chain and state of OSNMA; `/v1/osnma/history`: what changed them. */
import type { FastifyPluginCallbackTypebox } from "@fastify/type-provider-typebox";
import { OsnmadError } from "../../errors.js";
import { encodeCursor } from "../cursor.js";
import { sendRepresentation } from "../representation.js";
import { selectPage, selectRun } from "../run-selection.js";
import {
  EventPage,
  EventsQuery,
  OsnmaSchema,
  NOT_MODIFIED,
  PROBLEMS,
  refTo,
  RunQuery,
  sentAs,
} from "../schemas.js";
import type { RouteContext } from "./context.js";

const LIST = "osnma";

/** Events of src/osnma/engine.ts that change or explain the state; docs/http-api.md lists them. */
export const OSNMA_HISTORY: readonly string[] = [
  "alert",
  "chain-inconsistent",
  "chain-installed",
  "chain-replaced",
  "chain-revoked",
  "chain-switched",
  "chain-unusable",
  "cpks",
  "first-authenticated-fix",
  "key-failed",
  "kroot-refused",
  "kroot-rejected",
  "kroot-stale",
  "kroot-verified",
  "merkle-tree-in-force",
  "merkle-tree-renewal",
  "next-chain-stored",
  "nma-header-seen",
  "nma-status",
  "public-key-in-force",
  "public-key-missing",
  "public-key-refused",
  "public-key-rejected",
  "public-key-revoked",
  "public-key-verified",
  "time-condition",
  "time-condition-met",
];

export const osnmaRoutes: FastifyPluginCallbackTypebox<RouteContext> = (app, context, done) => {
  const { store, representations } = context;
  const config = { scope: "read:status" } as const;
  app.get(
    "/v1/osnma",
    {
      config,
      schema: {
        tags: ["OSNMA"],
        summary: "Keys, chain and state of OSNMA",
        querystring: RunQuery,
        response: {
          200: sentAs({ "application/json": refTo(OsnmaSchema) }),
          304: NOT_MODIFIED,
          ...PROBLEMS,
        },
      },
    },
    (request, reply) => {
      const { run: asked } = request.query;
      const osnma = representations.get(`osnma ${asked ?? ""}`, () => {
        const run = selectRun(store, asked);
        const status = store.state.osnma(run.id);
        if (status === null) {
          throw new OsnmadError("OSN_NOT_FOUND", `Run ${run.id} has recorded no OSNMA state yet.`);
        }
        return JSON.stringify(status);
      });
      return sendRepresentation(request, reply, osnma);
    },
  );
  app.get(
    "/v1/osnma/history",
    {
      config,
      schema: {
        tags: ["OSNMA"],
        summary: "Events that changed keys, chain or state of OSNMA, newest first",
        querystring: EventsQuery,
        response: { 200: EventPage, ...PROBLEMS },
      },
    },
    (request) => {
      const { since, limit = 100 } = request.query;
      const filter = {
        sinceGstMs: since === undefined ? undefined : Math.ceil(since * 1000),
        names: OSNMA_HISTORY,
      };
      const { run, beforeId } = selectPage(store, LIST, request.query);
      const { items, nextBeforeId } = store.events.page(run.id, filter, { limit, beforeId });
      const nextCursor =
        nextBeforeId === null ? null : encodeCursor(LIST, { run: run.id, beforeId: nextBeforeId });
      return { run: run.id, items, nextCursor };
    },
  );
  done();
};
