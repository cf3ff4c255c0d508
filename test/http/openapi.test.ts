/**
 * The description, and the answers held against it: every object schema is closed first, so that a member the
 * description does not name is found as well.
 */
import { describe, expect, expectTypeOf, it } from "vitest";
import type { Static } from "typebox";
import { Compile } from "typebox/schema";
import type { OsnmaStatusRecord, SatelliteRecord } from "../../src/pipeline/records.js";
import type { FixSchema, OsnmaSchema, SatelliteSchema } from "../../src/http/schemas.js";
import type { StoredFix } from "../../src/store/fix-store.js";
import {
  authenticatedAt,
  authenticatingOsnma,
  coldOsnma,
  eventAt,
  evidenceOf,
  fixAt,
  ownFixAt,
  satellite,
  unverifiedFixAt,
} from "../store/records.js";
import { get, setup } from "./support.js";

interface Description {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, { get: { parameters?: { name: string }[]; responses: Record<string, Response> } }>;
  components: { schemas: Record<string, unknown> };
}
interface Response {
  content: Record<string, { schema: unknown }>;
}

const PATHS = [
  "/healthz",
  "/openapi.json",
  "/readyz",
  "/v1/authenticated",
  "/v1/captures",
  "/v1/events",
  "/v1/fixes",
  "/v1/fixes/latest",
  "/v1/fixes/{id}",
  "/v1/fixes/{id}/evidence",
  "/v1/osnma",
  "/v1/osnma/history",
  "/v1/satellites",
  "/v1/status",
  "/v1/stream",
];
const SCHEMAS = [
  "Authenticated",
  "Capture",
  "Event",
  "Evidence",
  "Feature",
  "Fix",
  "Live",
  "Osnma",
  "Problem",
  "Provenance",
  "Satellite",
  "Status",
];

async function descriptionOf(app: Parameters<typeof get>[0]): Promise<Description> {
  const { status, body } = await get(app, "/openapi.json");
  expect(status).toBe(200);
  return body as unknown as Description;
}

function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const members = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]));
  return "properties" in members ? { additionalProperties: false, ...members } : members;
}

/** Checks a body against the response schema of a path. */
function validatorOf(
  description: Description,
): (path: string, status: string, type: string, body: unknown) => void {
  const components = closed(description.components);
  return (path, status, type, body) => {
    const { schema } = description.paths[path].get.responses[status].content[type];
    const [valid, errors] = Compile({ ...(closed(schema) as object), components }).Errors(body);
    if (!valid) throw new Error(`${path}: ${JSON.stringify(errors)}`);
  };
}

describe("the OpenAPI description", () => {
  it("names every path, with a schema for what it answers and what it refuses", async () => {
    const { app } = setup();
    const description = await descriptionOf(app);
    expect(description.openapi).toBe("3.1.0");
    expect(description.info).toMatchObject({ title: "osnmad", version: "0.1.0" });
    expect(Object.keys(description.paths).sort()).toEqual(PATHS);
    for (const path of PATHS) {
      const { responses } = description.paths[path].get;
      const type = path === "/v1/stream" ? "text/event-stream" : "application/json";
      expect(responses["200"].content[type].schema, path).toBeDefined();
      for (const refused of ["4XX", "5XX"]) {
        expect(responses[refused].content["application/problem+json"].schema, path).toEqual({
          $ref: "#/components/schemas/Problem",
        });
      }
    }
  });

  it("names every parameter", async () => {
    const { app } = setup();
    const { paths } = await descriptionOf(app);
    const parameters = (path: string): string[] =>
      (paths[path].get.parameters ?? []).map(({ name }) => name).sort();
    expect(parameters("/v1/fixes")).toEqual(["assurance", "cursor", "from", "limit", "run", "to"]);
    expect(parameters("/v1/events")).toEqual(["cursor", "limit", "run", "since"]);
    expect(parameters("/v1/fixes/latest")).toEqual(["assurance", "run"]);
    expect(parameters("/v1/status")).toEqual([]);
  });

  it("resolves every reference inside itself", async () => {
    const { app } = setup();
    const description = await descriptionOf(app);
    const names = [...JSON.stringify(description).matchAll(/"\$ref":"([^"]*)"/g)].map(([, target]) => target);
    expect(new Set(names)).toEqual(new Set(SCHEMAS.map((name) => `#/components/schemas/${name}`)));
    expect(Object.keys(description.components.schemas).sort()).toEqual(SCHEMAS);
  });

  it("is what every route answers, in every state of the run", async () => {
    const { app, recorder } = setup();
    const check = validatorOf(await descriptionOf(app));
    const fix = ownFixAt(2);
    const evidence = evidenceOf(fix);
    const fixWithEvidence = { ...fix, evidence: evidence.root };
    const states = [
      () => {
        recorder.osnma(coldOsnma);
        recorder.satellites([satellite(1, { authenticated: null, lastPage: null, transmitsOsnma: false })]);
        recorder.push(unverifiedFixAt(0));
        recorder.push(eventAt(null, { severity: "alarm" }));
      },
      () => {
        recorder.osnma(authenticatingOsnma);
        recorder.satellites([satellite(1), satellite(36, { timingAuthenticatedAt: 1 })]);
        recorder.push(fixAt(1));
        recorder.evidence(evidence);
        recorder.push(fixWithEvidence);
        recorder.push(eventAt(1));
        recorder.push(authenticatedAt(1));
        recorder.ttfaf(91);
      },
    ];
    for (const enter of states) {
      enter();
      recorder.flush();
      for (const path of PATHS) {
        if (path === "/v1/stream") continue;
        const { status, type, body } = await get(app, path.replace("{id}", enter === states[0] ? "1" : "3"));
        if (["/v1/fixes/latest", "/v1/fixes/{id}/evidence"].includes(path) && enter === states[0]) {
          expect(status).toBe(404);
          check(path, "4XX", type.split(";")[0], body);
          continue;
        }
        expect(status, path).toBe(200);
        if (path !== "/openapi.json") check(path, "200", type.split(";")[0], body);
      }
      for (const path of ["/v1/fixes", "/v1/fixes/{id}"]) {
        const response = await app.inject({
          url: path.replace("{id}", "1"),
          headers: { accept: "application/geo+json" },
        });
        check(path, "200", String(response.headers["content-type"]), response.json());
      }
    }
  });

  it("would notice a member that it does not name", async () => {
    const { app, recorder } = setup();
    const check = validatorOf(await descriptionOf(app));
    const extra = { ...satellite(1), secret: 1 };
    recorder.satellites([extra]);
    recorder.flush();
    const { body } = await get(app, "/v1/satellites");
    expect(() => {
      check("/v1/satellites", "200", "application/json", body);
    }).toThrow(/additionalProperties/);
  });

  it("has the types of the pipeline's records", () => {
    type Plain<Type> = { -readonly [Member in keyof Type]: Type[Member] };
    expectTypeOf<Plain<StoredFix>>().toExtend<Static<typeof FixSchema>>();
    expectTypeOf<Static<typeof FixSchema>>().toExtend<StoredFix>();
    expectTypeOf<SatelliteRecord>().toExtend<Static<typeof SatelliteSchema>>();
    expectTypeOf<Static<typeof SatelliteSchema>>().toExtend<SatelliteRecord>();
    expectTypeOf<OsnmaStatusRecord>().toExtend<Static<typeof OsnmaSchema>>();
    expectTypeOf<Static<typeof OsnmaSchema>>().toExtend<OsnmaStatusRecord>();
  });
});
