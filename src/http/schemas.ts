/**
 * What the API answers and takes, as TypeBox schemas: the one source of the checks, the static types and the
 * OpenAPI description. The shapes are those of src/pipeline/records.ts; a test holds the two together.
 */
import type { Static, TSchema } from "typebox";
import Type from "typebox";
import { GST_END } from "../inav/gst.js";
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

const E7 = (what: string) => Type.Integer({ description: `${what}, 1e-7 degree` });
const place = {
  latitudeE7: E7("Latitude"),
  longitudeE7: E7("Longitude"),
  heightMm: Type.Integer({ description: "Above the ellipsoid, mm" }),
};
const grade = {
  assurance: Assurance,
  reasons: list(Type.String(), { description: "What lowered the grade" }),
  notes: list(Type.String(), { description: "Said without lowering it" }),
};
const covariance = (unit: string) =>
  Type.Object(
    {
      ee: Type.Integer(),
      en: Type.Integer(),
      eu: Type.Integer(),
      nn: Type.Integer(),
      nu: Type.Integer(),
      uu: Type.Integer(),
    },
    { description: `Upper triangle in east, north, up; ${unit}` },
  );

const Adkd = Type.Unsafe<0 | 4 | 12>({ type: "integer", enum: [0, 4, 12] });

/** Why a datum may be believed. */
export const ProvenanceSchema = withId(
  "Provenance",
  Type.Object(
    {
      tags: list(
        Type.Object({
          prnA: Svid,
          wn: Count,
          tow: Count,
          ctr: Count,
          adkd: Adkd,
          cop: Count,
        }),
      ),
      tagBits: Count,
      key: Type.Object({ wn: Count, tow: Count, value: Type.String() }),
      chain: Type.Object({ cid: Count, alpha: Type.String() }),
      rootKey: Type.Object({ wn: Count, towh: Count, value: Type.String() }),
      publicKey: Type.Object({ root: Type.String(), pkid: Count }),
      nmaStatus: NmaStatus,
      rule: DataRule,
      timeAssurance: TimeAssurance,
    },
    { description: "The tags, the key that opened them, and what that key hangs from" },
  ),
);

const OwnPositionSchema = Type.Object(
  {
    ...grade,
    ...place,
    covarianceMm2: covariance("mm^2"),
    velocity: nullable(
      Type.Object({
        northMmS: Type.Integer(),
        eastMmS: Type.Integer(),
        downMmS: Type.Integer(),
        covarianceMm2S2: covariance("mm^2/s^2"),
      }),
    ),
    clockBiasNs: Type.Integer({ description: "Receiver clock minus GST" }),
    clockDriftPpt: nullable(Type.Integer({ description: "1e-12 s/s" })),
    dopCenti: Type.Object({ gdop: Count, pdop: Count, hdop: Count, vdop: Count, tdop: Count }),
    raim: oneOf(["passed", "detected", "unavailable"]),
    raimStatisticMilli: nullable(Type.Integer()),
    raimThresholdMilli: nullable(Type.Integer()),
    protectionLevelMm: nullable(Type.Object({ horizontal: Count, vertical: Count })),
    signals: oneOf(["E1", "E1+E5b"]),
    ionosphereFrom: nullable(Svid),
    satellites: list(
      Type.Object({
        svid: Svid,
        iodNav: Count,
        azimuthCdeg: Type.Integer({ description: "0.01 degree" }),
        elevationCdeg: Type.Integer({ description: "0.01 degree" }),
        residualMm: Type.Integer(),
        sigmaMm: Count,
        cnoDbHz: Count,
        authenticatedBy: refTo(ProvenanceSchema),
      }),
    ),
    excluded: list(Type.Object({ svid: Svid, reason: Type.String() })),
  },
  { description: "Computed here, from satellites whose data is authenticated" },
);

const ReceiverPositionSchema = Type.Object(
  {
    ...grade,
    ...place,
    horizontalAccuracyMm: Count,
    verticalAccuracyMm: Count,
    velocityNorthMmS: Type.Integer(),
    velocityEastMmS: Type.Integer(),
    velocityDownMmS: Type.Integer(),
    fixType: Count,
    satellitesUsed: Count,
  },
  { description: "The receiver's own solution (NAV-PVT)" },
);

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
      reasons: list(Type.String(), { description: "What kept both positions from a grade" }),
      mode: Mode,
      timeAssurance: TimeAssurance,
      own: nullable(OwnPositionSchema),
      ownFailure: nullable(Type.String({ description: "Why there is no position of our own" })),
      receiver: nullable(ReceiverPositionSchema),
      authenticatedSatellites: list(Svid),
      agreeingSatellites: list(Svid),
      signs: list(Type.String(), { description: "Signs of an attack that stood at this epoch" }),
      evidence: nullable(Type.String({ description: "Id of the root object of the evidence" })),
      softwareVersion: Type.String(),
    },
    {
      description:
        "A fix of one epoch. `assurance` says what it may be taken for: the better of its two grades.",
    },
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

export const LiveSchema = withId(
  "Live",
  Type.Object(
    {
      why: nullable(
        Type.String({ description: "Why nothing is authenticated now, in words; null while something is" }),
      ),
      receiver: Type.Object({
        state: oneOf(["idle", "opening", "settling", "alive", "closing", "waiting", "stopped"]),
        port: nullable(Type.String({ description: "What is connected, or was last" })),
        reason: nullable(Type.String({ description: "Why it is not connected" })),
        model: nullable(Type.String()),
        firmware: nullable(Type.String()),
        protocol: nullable(Type.String()),
        configuration: oneOf(["none", "pending", "applied", "partly", "refused"]),
        connections: Count,
      }),
      time: Type.Object({
        state: oneOf(["trusted", "holdover", "untrusted"]),
        reason: nullable(Type.String()),
        detail: nullable(Type.String()),
        source: nullable(Type.String()),
        boundSeconds: nullable(Type.Number()),
        allows: oneOf(["all", "slow", "none"], { description: "Which tags the bound alone lets through" }),
      }),
      line: Type.Object(
        {
          bytes: Count,
          frames: Count,
          skippedBytes: Count,
          badChecksums: Count,
          pages: Count,
          epochs: Type.Integer({ minimum: 0, description: "Fixes given, of any grade" }),
          epochsReceived: Type.Integer({
            minimum: 0,
            description:
              "Epochs of measurements or of the receiver's solution: those fixed and those dropped",
          }),
          epochsDropped: Type.Object(
            {
              beforeTime: Type.Integer({ minimum: 0, description: "Galileo's time was not known yet" }),
              notNewer: Type.Integer({ minimum: 0, description: "Not after the newest fix" }),
              refused: Type.Integer({ minimum: 0, description: "Measurements that cannot be used" }),
            },
            { description: "Epochs of which no fix was made, by reason" },
          ),
        },
        { description: "What arrived since the start" },
      ),
      station: nullable(
        Type.Object(
          {
            fault: nullable(Type.String({ description: "Why there is no log in this run" })),
            leaves: Count,
            witnesses: Count,
            witnessesReached: Type.Integer({ minimum: 0, description: "That cosigned and answer" }),
            consumers: Type.Integer({ minimum: 0, description: "That are pushed to" }),
            consumersDead: Type.Integer({ minimum: 0, description: "That take nothing now" }),
          },
          { description: "The station's log; null where the configuration has none" },
        ),
      ),
      recording: nullable(
        Type.Object({
          recording: Type.Boolean(),
          fault: nullable(Type.String()),
          bytesRecorded: Count,
          bytesLost: Count,
        }),
      ),
    },
    { description: "The receiver, the clock and the line of a live run" },
  ),
);
export type LiveStatus = Static<typeof LiveSchema>;

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
    queue: Type.Object(
      { waiting: Count, refused: Count },
      { description: "Records that wait for the disk, and that were refused because too many did" },
    ),
    replay: nullable(
      Type.Object({ progress: Type.Number({ minimum: 0, maximum: 1 }), finished: Type.Boolean() }),
    ),
    live: nullable(refTo(LiveSchema)),
    startedAt: Type.String({ format: "date-time" }),
  }),
);
/** What `GET /v1/status` answers. */
export type StatusRecord = Static<typeof StatusSchema>;

export const AuthenticatedSchema = withId(
  "Authenticated",
  Type.Object(
    {
      id: Type.Integer({ description: "Order of arrival" }),
      run: Type.Integer(),
      type: Type.Literal("authenticated"),
      wn: Count,
      tow: Count,
      at: gst("When it was decided"),
      data: oneOf(["ced", "timing"]),
      svid: Svid,
      iodNav: nullable(Count),
      byAdkd: Adkd,
      health: nullable(Health),
      words: Type.Immutable(Type.Record(Type.String(), Type.String())),
      rebuilt: list(Type.Integer()),
      evidence: refTo(ProvenanceSchema),
    },
    { description: "Navigation data that became authenticated: words 1-5 (`ced`) or 6 and 10 (`timing`)." },
  ),
);

export const CaptureSchema = withId(
  "Capture",
  Type.Object(
    {
      run: Type.Integer(),
      source: Type.String({ description: "Name of what was read, without its folder" }),
      mode: Mode,
      timeAssurance: TimeAssurance,
      softwareVersion: Type.String(),
      startedAt: Type.String({ format: "date-time" }),
      finishedAt: nullable(Type.String({ format: "date-time" })),
      state: nullable(State),
      ttfafSeconds: nullable(Type.Number()),
      fixes: Type.Object({ "nav-authenticated": Count, corroborated: Count, unverified: Count }),
    },
    { description: "One run over a source. `state` and `ttfafSeconds` are null until it ended whole." },
  ),
);
export type CaptureRecord = Static<typeof CaptureSchema>;

export const EvidenceSchema = withId(
  "Evidence",
  Type.Object(
    {
      format: Type.Literal("osnmad-evidence"),
      version: Type.Integer(),
      mode: Mode,
      root: Type.String({ description: "Id of the fix object" }),
      objects: Type.Record(
        Type.String(),
        Type.Object({ kind: Type.String() }, { additionalProperties: true }),
      ),
    },
    { description: "Everything that a fix follows from; `osnmad verify` judges it." },
  ),
);

export const FeatureSchema = withId(
  "Feature",
  Type.Object(
    {
      type: Type.Literal("Feature"),
      id: Type.Integer(),
      geometry: nullable(
        Type.Object({
          type: Type.Literal("Point"),
          coordinates: list(Type.Number(), { description: "Longitude, latitude (degree), height (m)" }),
        }),
      ),
      properties: Type.Object({
        run: Type.Integer(),
        gst: gst("Epoch"),
        utc: Type.String({ format: "date-time" }),
        assurance: Assurance,
        reasons: list(Type.String()),
        position: nullable(oneOf(["own", "receiver"])),
        mode: Mode,
        timeAssurance: TimeAssurance,
        evidence: nullable(Type.String()),
      }),
    },
    { description: "A fix as GeoJSON (RFC 7946): the position that carries its grade." },
  ),
);

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
  ProvenanceSchema,
  FixSchema,
  AuthenticatedSchema,
  CaptureSchema,
  EvidenceSchema,
  FeatureSchema,
  EventSchema,
  SatelliteSchema,
  OsnmaSchema,
  LiveSchema,
  StatusSchema,
  ProblemSchema,
];

const problem = (description: string) => ({
  description,
  content: { "application/problem+json": { schema: refTo(ProblemSchema) } },
});
/** An answer that is sent as text made elsewhere, so that its type is not that of a handler's result. */
export const sentAs = (contents: Readonly<Record<string, object>>) => ({
  description: "What was asked for",
  content: Object.fromEntries(Object.entries(contents).map(([type, schema]) => [type, { schema }])),
});
export const NOT_MODIFIED = { description: "What If-None-Match names is still so", type: "null" } as const;
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
export const FixParams = Type.Object({ id: Type.String({ pattern: "^[0-9]{1,15}$" }) }, strict);
export const PageQuery = Type.Object({ limit: LimitParameter, cursor: CursorParameter }, strict);
export const AuthenticatedQuery = Type.Object(
  {
    run: RunParameter,
    svid: Type.Optional(Type.Integer({ minimum: 1, maximum: 36, description: "Only of this satellite" })),
    limit: LimitParameter,
    cursor: CursorParameter,
  },
  strict,
);
export const StreamQuery = Type.Object(
  {
    assurance: AssuranceParameter,
    types: Type.Optional(oneOf(["fix", "event", "all"], { description: "What is streamed; all by default" })),
  },
  strict,
);
export const EventsQuery = Type.Object(
  {
    run: RunParameter,
    since: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: GST_END,
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
export const FeatureCollection = Type.Object({
  type: Type.Literal("FeatureCollection"),
  features: list(refTo(FeatureSchema)),
  run: Type.Integer(),
  nextCursor: NextCursor,
});
export const AuthenticatedPage = Type.Object({
  run: Type.Integer(),
  items: list(refTo(AuthenticatedSchema)),
  nextCursor: NextCursor,
});
export const CapturePage = Type.Object({ items: list(refTo(CaptureSchema)), nextCursor: NextCursor });
export const EventPage = Type.Object({
  run: Type.Integer(),
  items: list(refTo(EventSchema)),
  nextCursor: NextCursor,
});
export const SatelliteList = Type.Object({ run: Type.Integer(), items: list(refTo(SatelliteSchema)) });
export const Health200 = Type.Object({ status: Type.Literal("ok") });
