/**
 * What the API answers and takes, as TypeBox schemas: the one source of the checks, the static types and the
 * OpenAPI description. The shapes are those of src/pipeline/records.ts; a test holds the two together.
 */
import type { Static, TSchema } from "typebox";
import Type from "typebox";
import { MAX_PAGE } from "../store/paging.js";

const list = <Item extends TSchema>(item: Item, options: { description?: string } = {}) =>
  Type.Immutable(Type.Array(item, options));
const nullable = <Value extends TSchema>(value: Value) => Type.Union([value, Type.Null()]);
const oneOf = <Word extends string>(words: readonly Word[], options: { description?: string } = {}) =>
  Type.Unsafe<Word>({ type: "string", enum: [...words], ...options });

/** A reference to a schema that the server knows by its `$id`. */
export const refTo = <Target extends TSchema & { readonly $id: string }>(target: Target) =>
  Type.Unsafe<Static<Target>>({ $ref: `${target.$id}#` });

const Svid = Type.Integer({ minimum: 1, maximum: 36 });
const Count = Type.Integer({ minimum: 0 });
const gst = (description: string) =>
  Type.Number({ minimum: 0, description: `${description}, linear GST seconds` });

const Mode = oneOf(["live", "replay", "simulated"]);
const TimeAssurance = oneOf(["capture", "independent", "none"]);
const DataRule = oneOf(["guideline", "aggressive"]);
const State = oneOf(["cold", "warm", "hot", "authenticating", "suspended", "alert"]);
const NmaStatus = oneOf(["test", "operational", "dont-use"]);
const Cpks = oneOf(["nominal", "eoc", "crev", "npk", "pkrev", "nmt", "am"]);
const Health = oneOf(["healthy", "marginal", "unhealthy"]);
const Assurance = oneOf(["nav-authenticated", "corroborated", "unverified"], {
  description: "What may be said of the position; see the threat model.",
});

const withId = <Id extends string, Schema extends TSchema>($id: Id, schema: Schema) =>
  Object.assign(schema, { $id } as const);

export const FixSchema = withId(
  "Fix",
  Type.Object(
    {
      id: Type.Integer({ description: "Order of arrival" }),
      run: Type.Integer(),
      type: Type.Literal("fix"),
      wn: Count,
      tow: Type.Number({ minimum: 0, maximum: 604_800 }),
      gst: gst("Epoch"),
      utc: Type.String({ format: "date-time" }),
      assurance: Assurance,
      reasons: list(Type.String(), { description: "What lowered the grade." }),
      mode: Mode,
      timeAssurance: TimeAssurance,
      receiver: Type.Object(
        {
          latitudeE7: Type.Integer({ description: "1e-7 degree" }),
          longitudeE7: Type.Integer({ description: "1e-7 degree" }),
          heightMm: Type.Integer({ description: "Above the ellipsoid, mm" }),
          horizontalAccuracyMm: Count,
          verticalAccuracyMm: Count,
          velocityNorthMmS: Type.Integer(),
          velocityEastMmS: Type.Integer(),
          velocityDownMmS: Type.Integer(),
          fixType: Count,
          satellitesUsed: Count,
        },
        { description: "The receiver's own solution (NAV-PVT)." },
      ),
      authenticatedSatellites: list(Svid),
      agreeingSatellites: list(Svid),
      softwareVersion: Type.String(),
    },
    { description: "A fix of one epoch. `assurance` says what it may be taken for." },
  ),
);

export const EventSchema = withId(
  "Event",
  Type.Object(
    {
      id: Type.Integer({ description: "Order of arrival" }),
      run: Type.Integer(),
      type: Type.Literal("event"),
      name: Type.String(),
      wn: nullable(Count),
      tow: nullable(Type.Number({ minimum: 0 })),
      at: nullable(gst("When")),
      severity: oneOf(["info", "notice", "warning", "alarm"]),
      message: Type.String(),
    },
    {
      additionalProperties: true,
      description: "Something that happened; further members depend on its name.",
    },
  ),
);

export const SatelliteSchema = withId(
  "Satellite",
  Type.Object({
    svid: Svid,
    lastPage: nullable(gst("Newest page")),
    pages: Count,
    transmitsOsnma: Type.Boolean(),
    authenticated: nullable(
      Type.Object({
        iodNav: Count,
        health: Health,
        byAdkd: list(Type.Integer()),
        tagBits: Count,
        verifiedAt: gst("When"),
        rule: DataRule,
      }),
    ),
    timingAuthenticatedAt: nullable(gst("When")),
  }),
);

export const OsnmaSchema = withId(
  "Osnma",
  Type.Object({
    state: State,
    nmaStatus: nullable(NmaStatus),
    cpks: nullable(Cpks),
    alert: Type.Boolean(),
    chain: nullable(
      Type.Object({
        cid: Count,
        alpha: Type.String(),
        hash: Type.String(),
        mac: Type.String(),
        keyBits: Count,
        tagBits: Count,
        maclt: Count,
        newestKeyAt: nullable(gst("Newest verified key")),
      }),
    ),
    nextChain: nullable(Type.Object({ cid: Count, alpha: Type.String(), inForceAt: gst("From") })),
    rootKeyVerifiedAt: nullable(gst("When")),
    publicKeyInForce: nullable(Type.Object({ root: Type.String(), pkid: Count })),
    publicKeys: list(
      Type.Object({ root: Type.String(), pkid: Count, type: Type.String(), status: Type.String() }),
    ),
    roots: list(Type.String()),
  }),
);

export const StatusSchema = withId(
  "Status",
  Type.Object({
    software: Type.Literal("osnmad"),
    version: Type.String(),
    mode: Mode,
    run: Type.Integer(),
    source: Type.String({ description: "Name of what is read, without its folder" }),
    timeAssurance: TimeAssurance,
    state: State,
    ttfafSeconds: nullable(Type.Number()),
    counts: Type.Object({
      fixes: Type.Object({ "nav-authenticated": Count, corroborated: Count, unverified: Count }),
      events: Count,
      authenticated: Count,
    }),
    replay: nullable(
      Type.Object({ progress: Type.Number({ minimum: 0, maximum: 1 }), finished: Type.Boolean() }),
    ),
    startedAt: Type.String({ format: "date-time" }),
  }),
);
/** What `GET /v1/status` answers. */
export type StatusRecord = Static<typeof StatusSchema>;

export const ProblemSchema = withId(
  "Problem",
  Type.Object(
    {
      type: Type.String({ format: "uri", description: "urn:osnmad:error:<code>" }),
      title: Type.String(),
      status: Type.Integer(),
      detail: Type.String(),
      code: Type.String({ description: "A code of docs/errors.md" }),
      remedy: Type.String(),
    },
    { additionalProperties: true, description: "RFC 9457 problem details." },
  ),
);

/** Schemas that routes refer to by name. */
export const SHARED_SCHEMAS = [
  FixSchema,
  EventSchema,
  SatelliteSchema,
  OsnmaSchema,
  StatusSchema,
  ProblemSchema,
];

const problem = (description: string) => ({
  description,
  content: { "application/problem+json": { schema: refTo(ProblemSchema) } },
});
/** What any route may answer instead of what was asked for. */
export const PROBLEMS = {
  "4xx": problem("The request is refused, or nothing is there."),
  "5xx": problem("The server cannot answer."),
};

const strict = { additionalProperties: false } as const;
const RunParameter = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description: "Number of a run; the newest by default",
  }),
);
const AssuranceParameter = Type.Optional(
  oneOf(["nav-authenticated", "corroborated", "unverified", "all"], {
    description: "Exactly this level. By default all but `unverified`, which is no authenticated fix.",
  }),
);
const LimitParameter = Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_PAGE, default: 100 }));
const CursorParameter = Type.Optional(
  Type.String({
    maxLength: 100,
    description: "`nextCursor` of the page before; keep the other parameters as they were",
  }),
);
const instantParameter = (which: string) =>
  Type.Optional(
    Type.String({ maxLength: 40, description: `${which}: RFC 3339 date-time, or linear GST in seconds` }),
  );

export const NoQuery = Type.Object({}, strict);
export const RunQuery = Type.Object({ run: RunParameter }, strict);
export const LatestFixQuery = Type.Object({ run: RunParameter, assurance: AssuranceParameter }, strict);
export const FixesQuery = Type.Object(
  {
    run: RunParameter,
    assurance: AssuranceParameter,
    from: instantParameter("From this epoch on"),
    to: instantParameter("Until before this epoch"),
    limit: LimitParameter,
    cursor: CursorParameter,
  },
  strict,
);
export const EventsQuery = Type.Object(
  {
    run: RunParameter,
    since: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 4096 * 604_800,
        description: "Linear GST in seconds. Events that have no time are always among the answer.",
      }),
    ),
    limit: LimitParameter,
    cursor: CursorParameter,
  },
  strict,
);

const NextCursor = nullable(Type.String());
export const FixPage = Type.Object({
  run: Type.Integer(),
  items: list(refTo(FixSchema)),
  nextCursor: NextCursor,
});
export const EventPage = Type.Object({
  run: Type.Integer(),
  items: list(refTo(EventSchema)),
  nextCursor: NextCursor,
});
export const SatelliteList = Type.Object({ run: Type.Integer(), items: list(refTo(SatelliteSchema)) });
export const Health200 = Type.Object({ status: Type.Literal("ok") });
