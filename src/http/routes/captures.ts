/** `/v1/captures`: the sources that were read, run by run. */
import type { FastifyPluginCallbackTypebox } from "@fastify/type-provider-typebox";
import { OsnmadError } from "../../errors.js";
import type { Run } from "../../store/run-store.js";
import type { Store } from "../../store/store.js";
import { decodeCursor, encodeCursor } from "../cursor.js";
import type { CaptureRecord } from "../schemas.js";
import { CapturePage, PageQuery, PROBLEMS } from "../schemas.js";
import type { RouteContext } from "./context.js";

const LIST = "captures";

export const captureRoutes: FastifyPluginCallbackTypebox<RouteContext> = (app, { store }, done) => {
  app.get(
    "/v1/captures",
    {
      config: { scope: "read:status" },
      schema: {
        tags: ["Process"],
        summary: "Sources that were read, newest run first",
        querystring: PageQuery,
        response: { 200: CapturePage, ...PROBLEMS },
      },
    },
    (request) => {
      const { limit = 100, cursor } = request.query;
      const from = cursor === undefined ? undefined : decodeCursor(LIST, cursor);
      if (from === null) throw new OsnmadError("OSN_USAGE", "cursor: not one that this list gave out.");
      const { items, nextBeforeId } = store.runs.page({ limit, beforeId: from?.beforeId });
      return {
        items: items.map((run) => captureOf(store, run)),
        nextCursor: nextBeforeId === null ? null : encodeCursor(LIST, { run: 0, beforeId: nextBeforeId }),
      };
    },
  );
  done();
};

function captureOf(store: Store, run: Run): CaptureRecord {
  return {
    run: run.id,
    source: run.source,
    mode: run.mode,
    timeAssurance: run.timeAssurance,
    softwareVersion: run.softwareVersion,
    startedAt: new Date(run.startedAtMs).toISOString(),
    finishedAt: run.finishedAtMs === null ? null : new Date(run.finishedAtMs).toISOString(),
    state: run.summary?.state ?? null,
    ttfafSeconds: run.summary?.ttfafSeconds ?? null,
    fixes: store.fixes.counts(run.id),
  };
}
