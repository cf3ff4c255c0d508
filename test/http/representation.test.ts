import { describe, expect, it } from "vitest";
import {
  coldOsnma,
  authenticatingOsnma,
  evidenceOf,
  fixAt,
  LATITUDE_E7,
  LONGITUDE_E7,
  ownFixAt,
  satellite,
  summary,
  unverifiedFixAt,
  eventAt,
} from "../store/records.js";
import { readBundle } from "../../src/evidence/bundle.js";
import { RunRecorder } from "../../src/http/run-recorder.js";
import { get, recorderOptions, setup } from "./support.js";

describe("entity tags", () => {
  it("spare an answer that did not change, and only that", async () => {
    const { app, recorder } = setup();
    recorder.push(fixAt(1));
    recorder.osnma(coldOsnma);
    recorder.satellites([satellite(1)]);
    recorder.flush();
    for (const [url, change] of [
      ["/v1/fixes/latest", () => recorder.push(fixAt(2))],
      ["/v1/osnma", () => recorder.osnma(authenticatingOsnma)],
      ["/v1/satellites", () => recorder.satellites([satellite(2)])],
    ] as const) {
      const first = await app.inject({ url });
      const etag = String(first.headers["etag"]);
      expect(etag, url).toMatch(/^"[\w-]{16}"$/);
      for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
        const same = await app.inject({ url, headers: { "if-none-match": known } });
        expect([same.statusCode, same.body, same.headers["etag"]], known).toEqual([304, "", etag]);
      }
      const other = await app.inject({ url, headers: { "if-none-match": '"other"' } });
      expect([other.statusCode, other.body]).toEqual([200, first.body]);
      // A commit that is about something else changes nothing.
      recorder.push(eventAt(1));
      recorder.flush();
      expect((await app.inject({ url, headers: { "if-none-match": etag } })).statusCode, url).toBe(304);
      change();
      recorder.flush();
      const changed = await app.inject({ url, headers: { "if-none-match": etag } });
      expect(changed.statusCode, url).toBe(200);
      expect(changed.headers["etag"]).not.toBe(etag);
      expect(changed.body).not.toBe(first.body);
    }
  });
});

describe("GeoJSON", () => {
  it("is given to who prefers it, with the position that carries the grade", async () => {
    const { app, recorder } = setup();
    recorder.push(fixAt(1));
    recorder.push(ownFixAt(2));
    recorder.push(unverifiedFixAt(3));
    recorder.push(fixAt(4, { receiver: null, assurance: "unverified" }));
    recorder.flush();
    const headers = { accept: "application/geo+json" };
    const response = await app.inject({ url: "/v1/fixes?assurance=all&limit=3", headers });
    expect(response.headers["content-type"]).toBe("application/geo+json");
    expect(response.headers["vary"]).toBe("accept");
    const point = (east: number, north: number, height: number) => ({
      type: "Point",
      coordinates: [east / 1e7, north / 1e7, height / 1000],
    });
    const body = response.json<{ features: unknown[]; nextCursor: string }>();
    expect(body).toMatchObject({
      type: "FeatureCollection",
      features: [
        { type: "Feature", id: 4, geometry: null, properties: { position: null } },
        { id: 3, properties: { position: "receiver", assurance: "unverified" } },
        {
          id: 2,
          geometry: point(LONGITUDE_E7 - 7, LATITUDE_E7 + 7, 301_000),
          properties: { position: "own", assurance: "nav-authenticated", utc: fixAt(2).utc },
        },
      ],
    });
    const next = await app.inject({
      url: `/v1/fixes?assurance=all&limit=3&cursor=${body.nextCursor}`,
      headers,
    });
    expect(next.json()).toMatchObject({
      features: [
        { id: 1, geometry: point(LONGITUDE_E7, LATITUDE_E7, 300_001), properties: { position: "receiver" } },
      ],
      nextCursor: null,
    });
    expect((await app.inject({ url: "/v1/fixes/2", headers })).json()).toMatchObject({
      type: "Feature",
      id: 2,
    });
    expect((await app.inject({ url: "/v1/fixes/latest", headers })).json()).toMatchObject({ id: 2 });
    expect((await app.inject({ url: "/v1/fixes", headers: { accept: "text/csv" } })).statusCode).toBe(406);
  });
});

describe("one fix", () => {
  it("is given by its number with its evidence, which can be read as a bundle", async () => {
    const { app, recorder } = setup();
    const fix = ownFixAt(2);
    const evidence = evidenceOf(fix);
    recorder.push(unverifiedFixAt(1));
    recorder.evidence(evidence);
    recorder.push({ ...fix, evidence: evidence.root });
    recorder.flush();
    expect((await get(app, "/v1/fixes/1")).body).toMatchObject({ id: 1, assurance: "unverified" });
    expect((await get(app, "/v1/fixes/2")).body).toEqual({
      ...fix,
      evidence: evidence.root,
      id: 2,
      run: recorder.runId,
    });
    const bundle = readBundle((await app.inject({ url: "/v1/fixes/2/evidence" })).rawPayload);
    if (typeof bundle === "string") throw new Error(bundle);
    expect(bundle.root).toBe(evidence.root);
    expect([...bundle.entries.keys()].sort()).toEqual([...evidence.objects.keys()].sort());
    expect((await get(app, "/v1/fixes/1/evidence")).body).toMatchObject({ code: "OSN_NOT_FOUND" });
    for (const [path, status] of [
      ["/v1/fixes/3", 404],
      ["/v1/fixes/3/evidence", 404],
      ["/v1/fixes/x", 400],
      ["/v1/fixes/-1", 400],
      ["/v1/fixes/1e3", 400],
      [`/v1/fixes/${"9".repeat(16)}`, 400],
    ] as const) {
      expect((await get(app, path)).status, path).toBe(status);
    }
  });
});

describe("captures", () => {
  it("are the runs with what came of them, newest first, page by page", async () => {
    const { app, recorder, store } = setup();
    recorder.push(fixAt(1));
    recorder.finish(summary);
    const second = new RunRecorder(store, { ...recorderOptions, source: "b.ubx" });
    second.push(unverifiedFixAt(1));
    second.flush();
    const first = (await get(app, "/v1/captures?limit=1")).body;
    expect(first.items).toEqual([
      {
        run: second.runId,
        source: "b.ubx",
        mode: "replay",
        timeAssurance: "capture",
        softwareVersion: "0.1.0",
        startedAt: "2026-01-02T00:00:00.000Z",
        finishedAt: null,
        state: null,
        ttfafSeconds: null,
        fixes: { "nav-authenticated": 0, corroborated: 0, unverified: 1 },
      },
    ]);
    const rest = (await get(app, `/v1/captures?limit=1&cursor=${first.nextCursor}`)).body;
    expect(rest.items).toMatchObject([
      { run: recorder.runId, source: "a.ubx", ttfafSeconds: 91, state: "authenticating" },
    ]);
    expect(rest.nextCursor).toBeNull();
    expect((await get(app, "/v1/captures?cursor=AAAA")).status).toBe(400);
  });
});

describe("the history of OSNMA", () => {
  it("is what changed keys, chain or state, and nothing else", async () => {
    const { app, recorder } = setup();
    for (const name of ["kroot-verified", "cn0-step", "chain-switched", "tag-failed", "nma-status"]) {
      recorder.push(eventAt(1, { name }));
    }
    recorder.flush();
    const names = (await get(app, "/v1/osnma/history")).body.items.map((event) => event["name"]);
    expect(names).toEqual(["nma-status", "chain-switched", "kroot-verified"]);
  });
});

describe("the description to be browsed", () => {
  it("is where the bare address leads, with every route below one of its headings", async () => {
    const { app } = setup();
    const { statusCode, headers } = await app.inject({ url: "/" });
    expect([statusCode, headers.location]).toEqual([302, "/docs"]);
    const { tags, paths } = (await app.inject({ url: "/openapi.json" })).json<{
      tags: { name: string }[];
      paths: Record<string, Record<string, { tags?: string[] }>>;
    }>();
    const used = Object.values(paths).flatMap((methods) => Object.values(methods).map((route) => route.tags));
    expect(used.filter((route) => route?.length !== 1)).toEqual([]);
    expect(new Set(used.flat())).toEqual(new Set(tags.map(({ name }) => name)));
  });

  it("is made of files of this server alone, under a policy that allows no others", async () => {
    const { app } = setup();
    const page = await app.inject({ url: "/docs/" });
    expect(page.statusCode).toBe(200);
    const policy = String(page.headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    const sources = [...page.body.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, source]) => source);
    expect(sources.length).toBeGreaterThan(4);
    for (const source of sources) {
      expect(source).not.toMatch(/^(https?:)?\/\//);
      const file = await app.inject({ url: new URL(source, "http://localhost/docs/").pathname });
      expect(file.statusCode, source).toBe(200);
      expect(file.headers["content-security-policy"], source).toBe(policy);
    }
    const missing = await get(app, "/docs/static/nothing.js");
    expect([missing.status, missing.type, missing.body.code]).toEqual([
      404,
      "application/problem+json",
      "OSN_NOT_FOUND",
    ]);
    // Nothing stands in the page that the policy would have to allow.
    expect(page.body).not.toMatch(/<style|style="|<script>|on\w+="/);
  });
});
