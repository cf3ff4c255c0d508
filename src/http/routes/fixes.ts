/**
 * `/v1/fixes`, `/v1/fixes/latest`, `/v1/fixes/{id}` and its evidence: graded positions. `unverified` ones are
 * given on request only.
 */
import type { FastifyPluginCallbackTypebox } from "@fastify/type-provider-typebox";
import type { FastifyReply, FastifyRequest } from "fastify";
import { OsnmadError } from "../../errors.js";
import { bundleText } from "../../evidence/bundle.js";
import { formatGst } from "../../inav/gst.js";
import type { Assurance } from "../../pipeline/records.js";
import type { FixFilter } from "../../store/fix-store.js";
import { ASSURANCE_LEVELS, AUTHENTICATED_LEVELS } from "../../store/fix-store.js";
import type { Instant } from "../../store/instant.js";
import { parseInstant } from "../../store/instant.js";
import type { PageOptions } from "../../store/paging.js";
import type { Store } from "../../store/store.js";
import { negotiate } from "../accept.js";
import { encodeCursor } from "../cursor.js";
import { featureOf, GEOJSON_TYPE } from "../geojson.js";
import type { Problem } from "../problem.js";
import { ProblemError, problemOf } from "../problem.js";
import { sendRepresentation } from "../representation.js";
import { selectPage, selectRun } from "../run-selection.js";
import {
  EvidenceSchema,
  FeatureCollection,
  FeatureSchema,
  FixesQuery,
  FixPage,
  FixParams,
  FixSchema,
  LatestFixQuery,
  NoQuery,
  NOT_MODIFIED,
  PROBLEMS,
  refTo,
  sentAs,
} from "../schemas.js";
import type { RouteContext } from "./context.js";

const LIST = "fixes";
const JSON_TYPE = "application/json";
const COMMA = Buffer.from(",");

/** An answer in the two forms of a fix. */
const inBothForms = (json: object, geojson: object) => sentAs({ [JSON_TYPE]: json, [GEOJSON_TYPE]: geojson });

export function levelsOf(asked: Assurance | "all" | undefined): readonly Assurance[] {
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

/** Whether the request wants GeoJSON; throws where it accepts neither form. */
function wantsGeoJson(request: FastifyRequest, reply: FastifyReply): boolean {
  reply.header("vary", "accept");
  const type = negotiate(request.headers.accept, [JSON_TYPE, GEOJSON_TYPE]);
  if (type !== null) return type === GEOJSON_TYPE;
  throw new ProblemError(
    problemOf("OSN_NOT_ACCEPTABLE", `This is given as ${JSON_TYPE} or ${GEOJSON_TYPE}.`),
  );
}

/** As bytes: to a string fastify would add a charset parameter, which JSON types do not have. */
function sendText(reply: FastifyReply, type: string, text: string | Buffer): FastifyReply {
  return reply.header("content-type", type).send(typeof text === "string" ? Buffer.from(text) : text);
}

/** A page as bytes: the records are joined as they come out of the store, not parsed and written again. */
function pageJson(store: Store, run: number, filter: FixFilter, options: PageOptions): Buffer {
  const { items, nextBeforeId } = store.fixes.jsonPage(run, filter, options);
  const parts: Buffer[] = [Buffer.from(`{"run":${run},"items":[`)];
  items.forEach((item, index) => {
    if (index > 0) parts.push(COMMA);
    parts.push(...item);
  });
  parts.push(Buffer.from(`],"nextCursor":${JSON.stringify(cursorOf(run, nextBeforeId))}}`));
  return Buffer.concat(parts);
}

function pageGeoJson(store: Store, run: number, filter: FixFilter, options: PageOptions): string {
  const { items, nextBeforeId } = store.fixes.page(run, filter, options);
  return JSON.stringify({
    type: "FeatureCollection",
    features: items.map(featureOf),
    run,
    nextCursor: cursorOf(run, nextBeforeId),
  });
}

function cursorOf(run: number, nextBeforeId: number | null): string | null {
  return nextBeforeId === null ? null : encodeCursor(LIST, { run, beforeId: nextBeforeId });
}

const noSuchFix = (id: string): OsnmadError =>
  new OsnmadError("OSN_NOT_FOUND", `There is no fix ${Number(id)} (any more).`);

export const fixRoutes: FastifyPluginCallbackTypebox<RouteContext> = (app, context, done) => {
  const { store, representations } = context;
  const config = { scope: "read:fixes" } as const;
  app.get(
    "/v1/fixes",
    {
      config,
      schema: {
        tags: ["Fixes"],
        summary: "Fixes, newest first",
        querystring: FixesQuery,
        response: { 200: inBothForms(FixPage, FeatureCollection), ...PROBLEMS },
      },
    },
    (request, reply) => {
      const { assurance, from, to, limit = 100 } = request.query;
      const geojson = wantsGeoJson(request, reply);
      const filter = {
        assurance: levelsOf(assurance),
        from: instantOf("from", from),
        to: instantOf("to", to),
      };
      const { run, beforeId } = selectPage(store, LIST, request.query);
      return geojson
        ? sendText(reply, GEOJSON_TYPE, pageGeoJson(store, run.id, filter, { limit, beforeId }))
        : sendText(reply, JSON_TYPE, pageJson(store, run.id, filter, { limit, beforeId }));
    },
  );
  app.get(
    "/v1/fixes/latest",
    {
      config,
      schema: {
        tags: ["Fixes"],
        summary: "The newest fix that is at least corroborated",
        querystring: LatestFixQuery,
        response: {
          200: inBothForms(refTo(FixSchema), refTo(FeatureSchema)),
          304: NOT_MODIFIED,
          ...PROBLEMS,
        },
      },
    },
    (request, reply) => {
      const { run: asked, assurance } = request.query;
      const levels = levelsOf(assurance);
      if (wantsGeoJson(request, reply)) {
        const { id: run } = selectRun(store, asked);
        const fix = store.fixes.latest(run, levels);
        if (fix === null) throw new ProblemError(noFix(store, run, levels));
        return sendText(reply, GEOJSON_TYPE, JSON.stringify(featureOf(fix)));
      }
      const latest = representations.get(`latest ${asked ?? ""} ${assurance ?? ""}`, () => {
        const { id: run } = selectRun(store, asked);
        const fix = store.fixes.latestJson(run, levels);
        if (fix === null) throw new ProblemError(noFix(store, run, levels));
        return fix;
      });
      return sendRepresentation(request, reply, latest);
    },
  );
  app.get(
    "/v1/fixes/:id",
    {
      config,
      schema: {
        tags: ["Fixes"],
        summary: "One fix, of any level",
        params: FixParams,
        querystring: NoQuery,
        response: { 200: inBothForms(refTo(FixSchema), refTo(FeatureSchema)), ...PROBLEMS },
      },
    },
    (request, reply) => {
      const { id } = request.params;
      if (wantsGeoJson(request, reply)) {
        const fix = store.fixes.get(Number(id));
        if (fix === null) throw noSuchFix(id);
        return sendText(reply, GEOJSON_TYPE, JSON.stringify(featureOf(fix)));
      }
      const fix = store.fixes.json(Number(id));
      if (fix === null) throw noSuchFix(id);
      return sendText(reply, JSON_TYPE, fix);
    },
  );
  app.get(
    "/v1/fixes/:id/evidence",
    {
      config,
      schema: {
        tags: ["Fixes"],
        summary: "Everything that the fix follows from: a bundle for osnmad verify",
        params: FixParams,
        querystring: NoQuery,
        response: { 200: sentAs({ [JSON_TYPE]: refTo(EvidenceSchema) }), ...PROBLEMS },
      },
    },
    (request, reply) => {
      const { id } = request.params;
      const evidence = store.evidence.ofFix(Number(id));
      if (evidence === null) {
        if (store.fixes.json(Number(id)) === null) throw noSuchFix(id);
        throw new OsnmadError(
          "OSN_NOT_FOUND",
          `Fix ${Number(id)} has no evidence: it is unverified, or its own position was smoothed over epochs.`,
        );
      }
      return sendText(reply, JSON_TYPE, bundleText(evidence.mode, evidence.root, evidence.objects));
    },
  );
  done();
};
