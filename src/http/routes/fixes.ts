/** `/v1/fixes` and `/v1/fixes/latest`: graded positions. `unverified` ones are given on request only. */
import type { FastifyPluginCallbackTypebox } from "@fastify/type-provider-typebox";
import { OsnmadError } from "../../errors.js";
import { formatGst } from "../../inav/gst.js";
import type { Assurance } from "../../pipeline/records.js";
import { ASSURANCE_LEVELS, AUTHENTICATED_LEVELS } from "../../store/fix-store.js";
import type { Instant } from "../../store/instant.js";
import { parseInstant } from "../../store/instant.js";
import type { Store } from "../../store/store.js";
import { encodeCursor } from "../cursor.js";
import type { Problem } from "../problem.js";
import { ProblemError, problemOf } from "../problem.js";
import { selectPage, selectRun } from "../run-selection.js";
import { FixesQuery, FixPage, FixSchema, LatestFixQuery, PROBLEMS, refTo } from "../schemas.js";
import type { RouteContext } from "./context.js";

const LIST = "fixes";

function levelsOf(asked: Assurance | "all" | undefined): readonly Assurance[] {
  if (asked === undefined) return AUTHENTICATED_LEVELS;
  return asked === "all" ? ASSURANCE_LEVELS : [asked];
}

function instantOf(name: string, text: string | undefined): Instant | undefined {
  if (text === undefined) return undefined;
  const instant = parseInstant(text);
  if (instant === null) {
    throw new OsnmadError(
      "OSN_USAGE",
      `${name}: expected an RFC 3339 date-time (2025-04-25T10:00:00Z, with + written as %2B) or linear GST in seconds.`,
    );
  }
  return instant;
}

/** Says what is missing for a fix of these levels, and never where the receiver is. */
function noFix(store: Store, run: number, levels: readonly Assurance[]): Problem {
  const counts = store.fixes.counts(run);
  const unverified = levels.includes("unverified") ? null : store.fixes.latest(run, ["unverified"]);
  const asked = levels.join(" or ");
  if (unverified === null) {
    const total = ASSURANCE_LEVELS.reduce((sum, level) => sum + counts[level], 0);
    return problemOf("OSN_NO_FIX", `None of the ${total} fixes of run ${run} is ${asked}.`);
  }
  const why = unverified.reasons.length === 0 ? "no reason was recorded" : unverified.reasons.join("; ");
  return problemOf(
    "OSN_NO_FIX",
    `No fix of run ${run} is ${asked}; ${counts.unverified} are unverified, ` +
      `the newest of them (${formatGst(unverified.gst)}) because: ${why}.`,
    { extensions: { reasons: unverified.reasons, counts } },
  );
}

export const fixRoutes: FastifyPluginCallbackTypebox<RouteContext> = (app, { store }, done) => {
  app.get(
    "/v1/fixes",
    {
      schema: {
        summary: "Fixes, newest first",
        querystring: FixesQuery,
        response: { 200: FixPage, ...PROBLEMS },
      },
    },
    (request) => {
      const { assurance, from, to, limit = 100 } = request.query;
      const filter = {
        assurance: levelsOf(assurance),
        from: instantOf("from", from),
        to: instantOf("to", to),
      };
      const { run, beforeId } = selectPage(store, LIST, request.query);
      const { items, nextBeforeId } = store.fixes.page(run.id, filter, { limit, beforeId });
      const nextCursor =
        nextBeforeId === null ? null : encodeCursor(LIST, { run: run.id, beforeId: nextBeforeId });
      return { run: run.id, items, nextCursor };
    },
  );
  app.get(
    "/v1/fixes/latest",
    {
      schema: {
        summary: "The newest fix that is at least corroborated",
        querystring: LatestFixQuery,
        response: { 200: refTo(FixSchema), ...PROBLEMS },
      },
    },
    (request) => {
      const run = selectRun(store, request.query.run);
      const levels = levelsOf(request.query.assurance);
      const fix = store.fixes.latest(run.id, levels);
      if (fix === null) throw new ProblemError(noFix(store, run.id, levels));
      return fix;
    },
  );
  done();
};
