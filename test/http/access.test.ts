import { createHash } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { negotiate } from "../../src/http/accept.js";
import { MAX_CLIENTS, RateLimit } from "../../src/http/rate-limit.js";
import { buildServer, listen } from "../../src/http/server.js";
import type { Scope } from "../../src/store/token-file.js";
import {
  createToken,
  matchToken,
  readTokens,
  revokeToken,
  SCOPES,
  TOKEN_FILE,
  TokenWatch,
} from "../../src/store/token-file.js";
import { temporaryFolder, temporaryStore } from "../store/folder.js";
import { coldOsnma, fixAt } from "../store/records.js";
import { get, setup } from "./support.js";

const NOW = new Date("2026-01-02T03:04:05Z");

describe("tokens", () => {
  it("are 256 random bits, shown once and kept as their hash in a private file", () => {
    const folder = temporaryFolder();
    const { token, secret } = createToken(folder, "dashboard", ["read:fixes"], NOW);
    expect(secret).toMatch(/^osn_[A-Za-z0-9_-]{43}$/);
    expect(Buffer.from(secret.slice(4), "base64url")).toHaveLength(32);
    const path = join(folder, TOKEN_FILE);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const text = readFileSync(path, "utf8");
    expect(text).not.toContain(secret.slice(4, 20));
    expect(text).toContain(createHash("sha256").update(secret).digest("hex"));
    expect(readTokens(folder)).toEqual([token]);
    expect(createToken(folder, "other", ["admin"], NOW).secret).not.toBe(secret);
  });

  it("are matched whole, and no more after they were revoked", () => {
    const folder = temporaryFolder();
    const made = ["a", "b", "c"].map((name) => createToken(folder, name, ["admin"], NOW));
    for (const { token, secret } of made) expect(matchToken(readTokens(folder), secret)).toEqual(token);
    const { secret } = made[1];
    for (const wrong of [
      "",
      "osn_",
      secret.slice(0, -1),
      `${secret}A`,
      secret.toLowerCase(),
      made[1].token.sha256,
    ]) {
      expect(matchToken(readTokens(folder), wrong), wrong).toBeNull();
    }
    expect(revokeToken(folder, "b")?.id).toBe(made[1].token.id);
    expect(revokeToken(folder, made[2].token.id)?.name).toBe("c");
    expect(revokeToken(folder, "b")).toBeNull();
    expect(matchToken(readTokens(folder), secret)).toBeNull();
    expect(readTokens(folder).map(({ name }) => name)).toEqual(["a"]);
  });

  it("have names that can be shown, each once, and at least one scope", () => {
    const folder = temporaryFolder();
    createToken(folder, "a", ["admin"], NOW);
    for (const name of ["", "a", "x".repeat(61), "\u001b[31m", "a\nb"]) {
      expect(() => createToken(folder, name, ["admin"], NOW), JSON.stringify(name)).toThrow(
        expect.objectContaining({ code: "OSN_USAGE" }),
      );
    }
    expect(() => createToken(folder, "b", [], NOW)).toThrow(expect.objectContaining({ code: "OSN_USAGE" }));
  });

  it("of a file that is not theirs let nobody in", () => {
    for (const text of ["", "{}", '{"format":"osnmad-tokens-1","tokens":[{"id":"a"}]}', "[]"]) {
      const folder = temporaryFolder();
      writeFileSync(join(folder, TOKEN_FILE), text);
      expect(() => readTokens(folder), text).toThrow(expect.objectContaining({ code: "OSN_STATE_CORRUPT" }));
      expect(() => new TokenWatch(folder).tokens()).toThrow();
    }
  });

  it("that come or go are noticed by a server within a second", () => {
    const folder = temporaryFolder();
    let now = 0;
    const watch = new TokenWatch(folder, () => now);
    expect(watch.tokens()).toEqual([]);
    createToken(folder, "a", ["admin"], NOW);
    now = 999;
    expect(watch.tokens()).toEqual([]);
    now = 1000;
    expect(watch.tokens()).toHaveLength(1);
    revokeToken(folder, "a");
    now = 2000;
    expect(watch.tokens()).toEqual([]);
  });
});

/** A server that asks for tokens, with a token for each scope. */
function guarded() {
  const folder = temporaryFolder();
  const secrets = Object.fromEntries(
    SCOPES.map((scope) => [scope, createToken(folder, scope, [scope], NOW).secret]),
  ) as Record<Scope, string>;
  const made = setup();
  made.recorder.push(fixAt(1));
  made.recorder.osnma(coldOsnma);
  made.recorder.flush();
  const app = buildServer({
    store: made.store,
    status: () => made.recorder.status(),
    version: "0.1.0",
    requireToken: true,
    tokens: () => readTokens(folder),
  });
  onTestFinished(() => app.close());
  const ask = (url: string, secret?: string) =>
    app.inject({ url, headers: secret === undefined ? {} : { authorization: `Bearer ${secret}` } });
  return { app, ask, secrets, folder, store: made.store };
}

const STATUS_ROUTES = [
  "/v1/status",
  "/v1/osnma",
  "/v1/osnma/history",
  "/v1/satellites",
  "/v1/events",
  "/v1/authenticated",
  "/v1/captures",
];
const FIX_ROUTES = ["/v1/fixes", "/v1/fixes/latest", "/v1/fixes/1"];

describe("a server that asks for tokens", () => {
  it("lets each scope see its routes and no others, and admin all", async () => {
    const { ask, secrets } = guarded();
    for (const [routes, scope, other] of [
      [STATUS_ROUTES, "read:status", "read:fixes"],
      [FIX_ROUTES, "read:fixes", "read:status"],
    ] as const) {
      for (const route of routes) {
        expect((await ask(route, secrets[scope])).statusCode, route).toBe(200);
        expect((await ask(route, secrets.admin)).statusCode, route).toBe(200);
        const forbidden = await ask(route, secrets[other]);
        expect(forbidden.statusCode, route).toBe(403);
        expect(forbidden.headers["www-authenticate"]).toBe(
          `Bearer realm="osnmad", error="insufficient_scope", scope="${scope}"`,
        );
        expect(forbidden.json()).toMatchObject({ code: "OSN_FORBIDDEN", status: 403 });
        const unknown = await ask(route);
        expect(unknown.statusCode, route).toBe(401);
        expect(unknown.headers["www-authenticate"]).toBe('Bearer realm="osnmad"');
        expect(unknown.json()).toMatchObject({ code: "OSN_UNAUTHORIZED" });
        expect(unknown.body + forbidden.body).not.toMatch(/472468|latitude/);
      }
    }
    expect((await ask("/v1/stream", secrets["read:status"])).statusCode).toBe(403);
    expect((await ask("/v1/stream")).statusCode).toBe(401);
  });

  it("leaves open what says nothing of the store, and there tells no path", async () => {
    const { ask, store, secrets } = guarded();
    for (const route of ["/healthz", "/readyz", "/openapi.json", "/docs/"]) {
      expect((await ask(route)).statusCode, route).toBe(200);
    }
    store.close();
    expect((await ask("/readyz")).json()).toMatchObject({ detail: "The store does not take data." });
    expect((await ask("/readyz", secrets["read:status"])).json()).toMatchObject({
      detail: "The store is closed.",
    });
  });

  it("has no route without a scope but those", async () => {
    const { app, ask } = guarded();
    const { paths } = (await get(app, "/openapi.json")).body as unknown as { paths: Record<string, unknown> };
    for (const path of Object.keys(paths)) {
      const open = ["/healthz", "/readyz", "/openapi.json"].includes(path);
      expect((await ask(path.replace("{id}", "1"))).statusCode, path).toBe(open ? 200 : 401);
    }
  });

  it("refuses what is no bearer token, and a revoked one", async () => {
    const { app, ask, secrets, folder } = guarded();
    for (const authorization of [
      "",
      "Bearer",
      "Bearer ",
      "Basic b3NuOng=",
      secrets.admin,
      `Bearer ${secrets.admin}x`,
      `Bearer ${secrets.admin} x`,
    ]) {
      const response = await app.inject({ url: "/v1/fixes", headers: { authorization } });
      expect(response.statusCode, authorization).toBe(401);
    }
    expect((await ask("/v1/fixes", secrets.admin)).statusCode).toBe(200);
    revokeToken(folder, "admin");
    const revoked = await ask("/v1/fixes", secrets.admin);
    expect(revoked.statusCode).toBe(401);
    expect(revoked.headers["www-authenticate"]).toContain('error="invalid_token"');
  });

  it("lets nobody in while its tokens cannot be read", async () => {
    const { ask, secrets, folder } = guarded();
    writeFileSync(join(folder, TOKEN_FILE), "{");
    expect((await ask("/v1/fixes", secrets.admin)).statusCode).toBe(401);
  });

  it("answers to any name: a foreign page has no token", async () => {
    const { app, secrets } = guarded();
    const headers = { host: "receiver.example:4747", authorization: `Bearer ${secrets.admin}` };
    expect((await app.inject({ url: "/v1/fixes", headers })).statusCode).toBe(200);
  });
});

describe("a server that asks for none", () => {
  it("still judges a token that is sent", async () => {
    const folder = temporaryFolder();
    const { secret } = createToken(folder, "a", ["read:status"], NOW);
    const { store, recorder } = setup();
    recorder.push(fixAt(1));
    recorder.flush();
    const app = buildServer({
      store,
      status: () => recorder.status(),
      version: "0.1.0",
      tokens: () => readTokens(folder),
    });
    onTestFinished(() => app.close());
    const statusFor = async (authorization?: string): Promise<number> =>
      (await app.inject({ url: "/v1/fixes", headers: authorization === undefined ? {} : { authorization } }))
        .statusCode;
    expect(await statusFor()).toBe(200);
    expect(await statusFor("Bearer wrong")).toBe(401);
    expect(await statusFor(`Bearer ${secret}`)).toBe(403);
  });
});

describe("the rate limit", () => {
  it("gives a client its rate and a burst, and tells how long to wait", () => {
    let now = 0;
    const limit = new RateLimit({ perSecond: 10, now: () => now });
    const taken = (client: string): number => {
      let count = 0;
      while (limit.take(client) === 0) count += 1;
      return count;
    };
    expect(taken("a")).toBe(40);
    expect(limit.take("a")).toBe(1);
    expect(taken("b")).toBe(40);
    now = 1000;
    expect(taken("a")).toBe(10);
    now = 1_000_000;
    expect(taken("a")).toBe(40);
  });

  it("remembers a bounded number of clients, the active ones first", () => {
    const limit = new RateLimit({ perSecond: 1, now: () => 0 });
    while (limit.take("active") === 0);
    for (let n = 0; n < MAX_CLIENTS * 2; n += 1) {
      limit.take(`passing ${n}`);
      if (n % 1000 === 0) limit.take("active");
    }
    expect(limit.take("active")).toBeGreaterThan(0);
    expect(limit.take("passing 0")).toBe(0);
  });

  it("is none on loopback unless asked for, and answers 429 with Retry-After", async () => {
    const { store, recorder } = setup();
    for (const limitLoopback of [false, true]) {
      const app = buildServer({
        store,
        status: () => recorder.status(),
        version: "0.1.0",
        requestsPerSecond: 1,
        limitLoopback,
      });
      onTestFinished(() => app.close());
      const answers = await Promise.all(Array.from({ length: 6 }, () => app.inject("/healthz")));
      expect(answers.map(({ statusCode }) => statusCode)).toEqual(
        limitLoopback ? [200, 200, 200, 200, 429, 429] : Array(6).fill(200),
      );
      if (limitLoopback) {
        expect(answers[5].headers["retry-after"]).toBe("1");
        expect(answers[5].json()).toMatchObject({ code: "OSN_RATE_LIMITED" });
      }
    }
  });
});

describe("listening beyond loopback", () => {
  it("is possible where it is allowed, on an address and not on a name", async () => {
    const { app } = guarded();
    await expect(listen(app, "example.org", 0, true)).rejects.toMatchObject({ code: "OSN_LISTEN_REFUSED" });
    const url = await listen(app, "0.0.0.0", 0, true);
    const [address] = Object.values(networkInterfaces())
      .flat()
      .filter((found) => found?.family === "IPv4" && !found.internal);
    if (address === undefined) return;
    const answer = await fetch(`http://${address.address}:${new URL(url).port}/v1/fixes`);
    expect(answer.status).toBe(401);
  });
});

describe("content negotiation", () => {
  const offered = ["application/json", "application/geo+json"] as const;
  it("takes the type that is preferred, by the most specific range", () => {
    for (const [field, type] of [
      [undefined, "application/json"],
      ["*/*", "application/json"],
      ["application/*", "application/json"],
      ["application/geo+json", "application/geo+json"],
      ["application/json;q=0.5, application/geo+json", "application/geo+json"],
      ["application/geo+json;q=0.9, */*", "application/json"],
      ["application/json;q=0, */*;q=0.1", "application/geo+json"],
      ["Application/GEO+JSON", "application/geo+json"],
      ["text/html", null],
      ["*/*;q=0", null],
      ["application/json;q=2", null],
      [`${"text/x,".repeat(100)}application/json`, null],
    ] as const) {
      expect(negotiate(field, offered), String(field)).toBe(type);
    }
  });
});

describe("a store that is not there", () => {
  it("has no tokens", () => {
    expect(readTokens(join(temporaryFolder(), "new"))).toEqual([]);
    expect(temporaryStore().fault).toBeNull();
  });
});
