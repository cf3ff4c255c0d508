import { fastify } from "fastify";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Transport } from "../../src/emit/delivery.js";
import { isSealedBy, openEnvelope, openJws } from "../../src/emit/envelope.js";
import { emissionRoutes } from "../../src/emit/routes.js";
import { buildServer, type ServerOptions } from "../../src/http/server.js";
import { stationRoutes } from "../../src/station/routes.js";
import type { Station } from "../../src/station/station.js";
import { createToken, readTokens, type Scope } from "../../src/store/token-file.js";
import { temporaryFolder, temporaryStore } from "../store/folder.js";
import { emit, FEDERATION_KEYS, fill } from "./emitting.js";
import { testFolder } from "./folder.js";
import { addSubframes } from "./logs.js";

describe("routes", () => {
  async function served() {
    const { emission, log } = emit(testFolder(), {
      consumers: [{ name: "p", purpose: "prover", transport: null }],
    });
    await fill(emission);
    const app = fastify({ forceCloseConnections: true });
    app.decorateRequest("token", null);
    emissionRoutes(app, { emission });
    onTestFinished(() => app.close());
    return { emission, log, app };
  }
  interface Page {
    messages: { seq: number; key: string; envelope: string; jws: string }[];
  }

  it("gives a federation pages from any number on, in both forms", async () => {
    const { app, log } = await served();
    const get = async (query: string) =>
      (await app.inject({ url: `/v1/federation/messages${query}` })).json<Page>().messages;
    const first = await get("?limit=4");
    const rest = await get(`?after=${first[3].seq}`);
    expect([...first, ...rest].map(({ key }) => key)).toEqual(FEDERATION_KEYS);
    const [{ jws }] = await get("?limit=1&form=jws");
    const opened = openJws(jws)!;
    expect(isSealedBy(opened, log.key.publicKey)).toBe(true);
    expect(opened.statement).toEqual(openEnvelope(Buffer.from(first[0].envelope, "base64"))!.statement);
  });

  it("answers a long poll as soon as there is something", async () => {
    const { app, emission, log } = await served();
    const poll = app.inject({ url: "/v1/federation/messages?after=7&wait=25" });
    await addSubframes(log, 3, 1);
    emission.notify();
    expect((await poll).json<Page>().messages[0].key).toBe("leaf/4");
  });

  it("lets go of what a prover says it has, and of nothing because it asks", async () => {
    const { app, emission } = await served();
    const get = (query: string) => app.inject({ url: `/v1/prover/fixes?consumer=p${query}` });
    const post = (payload: object) => app.inject({ method: "POST", url: "/v1/prover/taken", payload });
    const all = (await get("")).json<Page>().messages;
    expect(all.map(({ key }) => key)).toContain("openings/2");
    const { seq } = all[2];
    await get(`&after=${seq}`);
    expect(emission.outbox.state("p")!.seq).toBe(0);
    const taken = await post({ consumer: "p", seq });
    expect(taken.json()).toEqual({ consumer: "p", seq, backlog: all.length - 3 });
    expect(emission.outbox.state("p")).toMatchObject({ seq: all[2].seq });
    expect((await get("")).json<Page>().messages).toEqual(all.slice(3));
    expect((await app.inject({ url: "/v1/prover/fixes?consumer=q" })).statusCode).toBe(404);
    for (const [body, status] of [
      [{ consumer: "q", seq: 1 }, 404],

      [{ consumer: "p" }, 400],
      [{ seq: 1 }, 400],
    ] as const) {
      expect((await post(body)).statusCode, JSON.stringify(body)).toBe(status);
    }
    expect(emission.outbox.state("p")!.seq).toBe(seq);
  });

  it("gives places to nobody beyond this machine without a token", async () => {
    const { app } = await served();
    const from = async (remoteAddress: string, url: string) =>
      (await app.inject({ url, remoteAddress })).statusCode;
    expect(await from("203.0.113.9", "/v1/prover/fixes?consumer=p")).toBe(401);
    expect(await from("127.0.0.1", "/v1/prover/fixes?consumer=p")).toBe(200);
    expect(await from("203.0.113.9", "/v1/federation/messages")).toBe(200);
  });

  it("streams, and goes on after the last id", async () => {
    const { app, emission, log } = await served();
    const url = await app.listen({ host: "127.0.0.1", port: 0 });
    const names = async (lastId: string, count: number) => {
      const abort = new AbortController();
      const response = await fetch(`${url}/v1/federation/stream`, {
        headers: { "last-event-id": lastId },
        signal: abort.signal,
      });
      let text = "";
      for await (const chunk of response.body!) {
        text += Buffer.from(chunk as Uint8Array).toString();
        if ((text.match(/^id: /gm)?.length ?? 0) >= count) break;
      }
      abort.abort();
      return [...text.matchAll(/^id: (\d+)\nevent: (\w+)$/gm)].map(([, id, event]) => `${id} ${event}`);
    };
    const whole = FEDERATION_KEYS.map((key, at) => `${at + 1} ${key.split("/")[0]}`);
    expect(await names("", 8)).toEqual(["0 position", ...whole]);
    const rest = names("6", 4);
    await addSubframes(log, 3, 1);
    emission.notify();
    expect(await rest).toEqual(["6 position", "7 checkpoint", "8 leaf", "9 checkpoint"]);
    for (const lost of ["999999999999999", "9".repeat(30), "-1", "x"]) {
      expect((await names(lost, 2)).slice(0, 2), lost).toEqual(["0 reset", "1 leaf"]);
    }
  });
});

/** Takes nothing. */
const away: Transport = {
  send: () => Promise.reject(new Error("away")),
  close: () => Promise.resolve(),
};

const WITNESS = {
  name: "w.example/w",
  url: "https://10.0.0.17/private",
  state: "waiting",
  size: 3,
  cosignedAt: null,
  failures: 2,
  lastError: "EHOSTUNREACH 10.0.0.17",
} as const;

describe("routes on the server of a station", () => {
  async function guarded(options: Partial<ServerOptions> = { requireToken: true }) {
    const { emission, log } = emit(testFolder(), {
      consumers: [
        { name: "p", purpose: "prover", transport: null },
        { name: "https://prover.example", purpose: "prover", transport: away },
        { name: "nats", purpose: "federation", transport: away },
      ],
    });
    await fill(emission);
    const folder = temporaryFolder();
    const app = buildServer({
      store: temporaryStore(),
      status: () => ({}) as never,
      version: "0",
      tokens: () => readTokens(folder),
      ...options,
    });
    const routes: { method: string; url: string; scope: Scope | undefined }[] = [];
    app.addHook("onRoute", ({ method, url, config }) => {
      for (const each of [method].flat()) routes.push({ method: each, url, scope: config?.scope });
    });
    emissionRoutes(app, { emission });
    stationRoutes(app, { station: { log, witnessStatus: () => [WITNESS] } as unknown as Station });
    onTestFinished(() => app.close());
    await app.ready();
    const token = (name: string, ...scopes: Scope[]) => createToken(folder, name, scopes, new Date()).secret;
    const ask = (method: "GET" | "POST", url: string, secret?: string, payload?: object) =>
      app.inject({
        method,
        url,
        ...(secret === undefined ? {} : { headers: { authorization: `Bearer ${secret}` } }),
        ...(payload === undefined ? {} : { payload }),
      });
    return { app, emission, routes, token, ask };
  }

  it("opens to a federation's token what is for federations, and nothing else that asks for one", async () => {
    const { routes, token, ask } = await guarded();
    const federation = token("node", "read:federation");
    const others = token("others", "read:status", "read:fixes");
    const scoped = routes.filter(({ method, scope }) => scope !== undefined && method !== "HEAD");
    expect(scoped.map(({ url }) => url)).toEqual(
      expect.arrayContaining(["/v1/satellites", "/v1/authenticated", "/v1/emission", "/v1/prover/taken"]),
    );
    const opened: string[] = [];
    for (const { method, url } of scoped.filter((route) => route.url !== "/v1/federation/stream")) {
      const { statusCode } = await ask(
        method as "GET" | "POST",
        url,
        federation,
        method === "POST" ? {} : undefined,
      );
      if (statusCode === 200) opened.push(url);
      else expect(statusCode, url).toBe(403);
    }
    expect(opened).toEqual(["/v1/federation/messages"]);
    const theirs = routes.filter(({ url }) => url.startsWith("/v1/federation/"));
    expect(new Set(theirs.map(({ scope }) => scope))).toEqual(new Set(["read:federation"]));
    expect((await ask("GET", "/v1/federation/messages", others)).statusCode).toBe(403);
    expect((await ask("GET", "/v1/emission", others)).statusCode).toBe(403);
  });

  it("moves the cursor of a prover that comes and asks, by a token of its own name, and nobody else's", async () => {
    const { emission, token, ask } = await guarded();
    const other = token("other", "read:fixes");
    const own = token("p", "read:fixes");
    const pushed = token("https://prover.example", "read:fixes");
    const nats = token("nats", "read:fixes", "read:federation", "admin");
    const taken = (secret: string, consumer: string) =>
      ask("POST", "/v1/prover/taken", secret, { consumer, seq: 3 });
    expect((await taken(other, "p")).statusCode).toBe(403);
    expect((await ask("GET", "/v1/prover/fixes?consumer=p", other)).statusCode).toBe(403);
    expect((await taken(pushed, "https://prover.example")).statusCode).toBe(404);
    expect((await taken(nats, "nats")).statusCode).toBe(404);
    const get = `/v1/prover/fixes?after=3&consumer=${encodeURIComponent("https://prover.example")}`;
    expect((await ask("GET", get, pushed)).statusCode).toBe(404);
    expect((await ask("GET", "/v1/federation/messages?after=3&consumer=nats", nats)).statusCode).toBe(400);
    expect(emission.outbox.states().map(({ seq }) => seq)).toEqual([0, 0, 0]);
    expect((await ask("POST", "/v1/prover/taken", own, { consumer: "p", seq: 999 })).statusCode).toBe(400);
    expect((await taken(own, "p")).statusCode).toBe(200);
    expect(emission.outbox.state("p")!.seq).toBe(3);
  });

  it("tells anybody which witnesses there are, and who runs the station where", async () => {
    const { token, ask } = await guarded();
    const { name, state } = WITNESS;
    expect((await ask("GET", "/v1/station")).json()).toMatchObject({ witnesses: [{ name, state }] });
    expect((await ask("GET", "/v1/station")).body).not.toContain("10.0.0.17");
    const others = token("others", "read:status", "read:fixes", "read:federation");
    expect((await ask("GET", "/v1/station/witnesses", others)).statusCode).toBe(403);
    const admin = await ask("GET", "/v1/station/witnesses", token("admin", "admin"));
    expect(admin.json()).toEqual({ witnesses: [WITNESS] });
  });

  it("waits longer than the server waits for a silent connection", async () => {
    const { app, token } = await guarded();
    const authorization = `Bearer ${token("node", "read:federation")}`;
    const url = await app.listen({ host: "127.0.0.1", port: 0 });
    app.server.setTimeout(200);
    const response = await fetch(`${url}/v1/federation/messages?after=7&wait=1`, {
      headers: { authorization },
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ last: 7, messages: [] });
  });

  it("keeps no place for one from another: neither clients nor purposes", async () => {
    const { app, token } = await guarded();
    const url = await app.listen({ host: "127.0.0.1", port: 0 });
    const [greedy, node] = [token("greedy", "read:federation"), token("node", "read:federation")];
    const prover = token("p", "read:fixes");
    const abort = new AbortController();
    const ask = (path: string, secret: string) =>
      fetch(url + path, { headers: { authorization: `Bearer ${secret}` }, signal: abort.signal });
    const stream = "/v1/federation/stream";
    const open = await Promise.all(Array.from({ length: 12 }, () => ask(stream, greedy)));
    const refused = open.filter(({ status }) => status === 503);
    expect(refused).toHaveLength(4);
    expect(refused[0].headers.get("retry-after")).toBe("10");
    expect((await ask(stream, node)).status).toBe(200);
    const polls = Array.from({ length: 20 }, () => ask("/v1/federation/messages?after=7&wait=2", greedy));
    const first = await Promise.race(polls);
    expect(first.status).toBe(503);
    expect((await ask("/v1/federation/messages?after=7&wait=1", node)).status).toBe(200);
    expect((await ask("/v1/prover/fixes?consumer=p&after=18&wait=1", prover)).status).toBe(200);
    await Promise.all(polls);
    abort.abort();
  });

  it("does nothing that a page of another site asks for", async () => {
    const { app, emission } = await guarded({});
    const send = (headers: Record<string, string>) =>
      app.inject({ method: "POST", url: "/v1/prover/taken", headers, payload: { consumer: "p", seq: 3 } });
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: "http://localhost:8080" },
      { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" },
      { "sec-fetch-site": "same-site", origin: "http://localhost" },
      { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" },
    ]) {
      const response = await send({ host: "localhost", ...headers });
      expect(response.statusCode, JSON.stringify(headers)).toBe(403);
      expect(response.json()).toMatchObject({ code: "OSN_ORIGIN_REFUSED" });
    }
    expect(emission.outbox.state("p")!.seq).toBe(0);
    const link = {
      "sec-fetch-site": "cross-site",
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "document",
    };
    expect((await app.inject({ url: "/healthz", headers: link })).statusCode).toBe(200);
    expect((await send({ host: "localhost", origin: "http://localhost" })).statusCode).toBe(200);
  });

  it("has nothing for provers where none is configured", async () => {
    const { emission } = emit(testFolder());
    await fill(emission);
    const app = fastify();
    app.decorateRequest("token", null);
    emissionRoutes(app, { emission });
    onTestFinished(() => app.close());
    for (const query of ["", "?consumer=p", "?after=0"]) {
      expect((await app.inject({ url: `/v1/prover/fixes${query}` })).statusCode).toBeGreaterThanOrEqual(400);
    }
  });
});
