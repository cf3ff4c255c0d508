import Database from "better-sqlite3";
import fc from "fast-check";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:net";
import { pino } from "pino";
import { describe, expect, it, onTestFinished } from "vitest";
import { ERRORS } from "../../src/errors.js";
import { addressOf, listen } from "../../src/http/server.js";
import { authenticatedAt, coldOsnma, eventAt, fixAt, unverifiedFixAt } from "../store/records.js";
import { get, setup } from "./support.js";

const HEADERS = {
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
};

/** Sends bytes to a listening server and gives all that comes back until it closes. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.on("data", (chunk) => (answer += chunk.toString("latin1")));
    socket.on("close", () => {
      resolve(answer);
    });
    socket.on("error", reject);
  });
}

describe("what the server refuses", () => {
  it("answers with problem documents made of the error table", async () => {
    const { app } = setup();
    const { status, type, body } = await get(app, "/v1/nothing");
    expect([status, type]).toEqual([404, "application/problem+json"]);
    expect(body).toEqual({
      type: "urn:osnmad:error:OSN_NOT_FOUND",
      title: ERRORS.OSN_NOT_FOUND.cause,
      status: 404,
      detail: "There is nothing at this path.",
      code: "OSN_NOT_FOUND",
      remedy: ERRORS.OSN_NOT_FOUND.remedy,
    });
  });

  it("is any other method than GET and HEAD, whatever it brings", async () => {
    const { app } = setup();
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const) {
      const response = await app.inject({
        method,
        url: "/v1/fixes",
        headers: { "content-type": "text/strange" },
        payload: "x".repeat(5000),
      });
      // A page of another site is not even told which methods there are.
      const foreign = await app.inject({
        method,
        url: "/v1/fixes",
        headers: { origin: "https://example.org" },
      });
      expect([foreign.statusCode, foreign.json<{ code: string }>().code]).toEqual([
        403,
        "OSN_ORIGIN_REFUSED",
      ]);
      expect(foreign.headers["access-control-allow-origin"]).toBeUndefined();
      expect(response.statusCode, method).toBe(405);
      expect(response.headers["allow"]).toBe("GET, HEAD");
      expect(response.headers["content-type"]).toBe("application/problem+json");
      expect(response.headers["access-control-allow-origin"]).toBeUndefined();
    }
    const head = await app.inject({ method: "HEAD", url: "/healthz" });
    expect([head.statusCode, head.body]).toEqual([200, ""]);
  });

  it("is unknown parameters on every route", async () => {
    const { app } = setup();
    for (const path of [
      "/healthz",
      "/readyz",
      "/openapi.json",
      "/v1/status",
      "/v1/osnma",
      "/v1/satellites",
      "/v1/events",
      "/v1/osnma/history",
      "/v1/authenticated",
      "/v1/captures",
      "/v1/stream",
      "/v1/fixes/1",
    ]) {
      const { status, body } = await get(app, `${path}?colour=red`);
      expect([status, body.detail], path).toEqual([400, "colour: there is no such parameter."]);
    }
  });

  it("never is a fault of its own, whatever the query says", async () => {
    const { app, recorder } = setup();
    recorder.push(fixAt(0));
    recorder.push(eventAt(0));
    recorder.osnma(coldOsnma);
    recorder.flush();
    const name = fc.constantFrom("run", "limit", "cursor", "from", "to", "since", "assurance");
    const value = fc.oneof(
      fc.string({ unit: "binary", maxLength: 50 }),
      fc.double().map(String),
      fc.integer().map(String),
      fc.constantFrom(
        "1e999",
        "Infinity",
        "-0",
        "00000000001",
        "9".repeat(16),
        "all",
        "2025-04-25T10:00:00Z",
      ),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(
          "/v1/fixes",
          "/v1/fixes/latest",
          "/v1/fixes/1",
          "/v1/events",
          "/v1/satellites",
          "/v1/osnma",
          "/v1/authenticated",
          "/v1/captures",
        ),
        fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 3 }),
        async (path, query) => {
          const response = await app.inject(`${path}?${new URLSearchParams(query).toString()}`);
          expect([200, 400, 404]).toContain(response.statusCode);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("is a Host that is not this machine", async () => {
    const { app } = setup();
    const statusFor = async (host: string): Promise<number> =>
      (await app.inject({ url: "/v1/fixes", headers: { host } })).statusCode;
    for (const host of [
      "localhost",
      "localhost:4747",
      "LOCALHOST:1",
      "127.0.0.1:4747",
      "127.9.9.9",
      "[::1]:4747",
    ]) {
      expect(await statusFor(host), host).toBe(200);
    }
    for (const host of [
      "evil.example",
      "evil.example:4747",
      "127.0.0.1.evil.example",
      "localhost.evil.example",
      "192.168.1.5:4747",
      "0.0.0.0:4747",
      "[::]:4747",
      "localhost:4747:1",
      "localhost@evil.example",
    ]) {
      expect(await statusFor(host), host).toBe(421);
    }
  });

  it("is an address that cannot be decoded", async () => {
    const { app } = setup();
    const response = await app.inject({ url: "/v1/%zz" });
    expect(response.statusCode).toBe(400);
    expect(response.headers).toMatchObject({ "content-type": "application/problem+json", ...HEADERS });
  });

  it("carries the security headers, refused or not", async () => {
    const { app } = setup();
    for (const url of ["/v1/fixes", "/v1/fixes/latest", "/healthz", "/nothing", "/v1/fixes?x=1"]) {
      expect((await app.inject({ url })).headers, url).toMatchObject(HEADERS);
    }
  });

  it("says nothing of what failed inside", async () => {
    const { app, recorder, store } = setup();
    recorder.push(fixAt(0));
    recorder.flush();
    store.fixes.jsonPage = () => {
      throw new Error("secret at 47.2468135");
    };
    const { status, body } = await get(app, "/v1/fixes");
    expect(status).toBe(500);
    expect(body).toMatchObject({ code: "OSN_INTERNAL", detail: "The request failed inside; see the log." });
  });
});

describe("readiness", () => {
  it("is 503 with the reason while the store cannot take anything; health does not depend on it", async () => {
    const { app, store } = setup();
    expect(await get(app, "/readyz")).toMatchObject({ status: 200, body: { status: "ok" } });
    const other = new Database(store.path);
    other.exec("BEGIN IMMEDIATE");
    const locked = await get(app, "/readyz");
    expect(locked).toMatchObject({ status: 503, type: "application/problem+json", body: { status: 503 } });
    expect(locked.body.detail).toMatch(/locked/);
    other.exec("COMMIT");
    other.close();
    expect((await get(app, "/readyz")).status).toBe(200);
    store.close();
    expect((await get(app, "/readyz")).body.detail).toBe("The store is closed.");
    expect((await get(app, "/healthz")).status).toBe(200);
  });
});

describe("listening", () => {
  it("is refused beyond this machine", async () => {
    const { app } = setup();
    for (const host of [
      "0.0.0.0",
      "::",
      "192.168.1.5",
      "example.org",
      "",
      "127.0.0.1.example.org",
      "2130706433",
    ]) {
      await expect(listen(app, host, 0), host).rejects.toMatchObject({ code: "OSN_LISTEN_REFUSED" });
    }
    expect(app.server.listening).toBe(false);
    expect(addressOf("localhost")).toBe("127.0.0.1");
    expect(addressOf("127.0.0.2")).toBe("127.0.0.2");
    expect(addressOf("[::1]")).toBe("::1");
  });

  it("binds the loopback address and answers there", async () => {
    const { app } = setup();
    const url = await listen(app, "localhost", 0);
    expect((app.server.address() as AddressInfo).address).toBe("127.0.0.1");
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: "ok" });
  });

  it("says OSN_LISTEN_FAILED for a port in use", async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void holder.close());
    const { app } = setup();
    const { port } = holder.address() as AddressInfo;
    await expect(listen(app, "127.0.0.1", port)).rejects.toMatchObject({ code: "OSN_LISTEN_FAILED" });
    await expect(listen(app, "127.0.0.1", 65536)).rejects.toThrow(RangeError);
  });

  it("does not answer a request without Host", async () => {
    const { app } = setup();
    const port = Number(new URL(await listen(app, "127.0.0.1", 0)).port);
    expect(await exchange(port, "GET /v1/fixes HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.1 421 /);
    expect(await exchange(port, "GET /v1/fixes HTTP/1.1\r\nConnection: close\r\n\r\n")).toMatch(
      /^HTTP\/1\.1 400 /,
    );
  });

  it("answers bytes that are no HTTP with a problem document and closes", async () => {
    const { app } = setup();
    const port = Number(new URL(await listen(app, "127.0.0.1", 0)).port);
    for (const [bytes, status] of [
      ["\xb5\x62\x01\x07garbage\r\n\r\n", 400],
      ["GET / HTTP/9.9\r\n\r\n", 400],
      [`GET / HTTP/1.1\r\nhost: localhost\r\nx: ${"y".repeat(100_000)}\r\n\r\n`, 431],
    ] as const) {
      const answer = await exchange(port, bytes);
      expect(answer, bytes.slice(0, 20)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      expect(answer).toContain("application/problem+json");
      expect(answer).toContain("OSN_USAGE");
    }
    expect((await app.inject("/healthz")).statusCode).toBe(200);
  });
});

describe("the log", () => {
  it("holds no coordinate at info level, and at debug the route instead of the address", async () => {
    const lines: string[] = [];
    const logger = pino({ level: "debug" }, { write: (line: string) => void lines.push(line) });
    const { app, recorder, store } = setup({ logger });
    recorder.push(fixAt(0));
    recorder.push(unverifiedFixAt(1));
    recorder.push(eventAt(0));
    recorder.push(authenticatedAt(0));
    recorder.osnma(coldOsnma);
    recorder.flush();
    for (const path of [
      "/v1/fixes?assurance=all",
      "/v1/fixes/latest",
      "/v1/events",
      "/v1/x?lat=47.2468135",
      "/v1/fixes?lat=47.2468135",
    ]) {
      await app.inject(path);
    }
    const other = new Database(store.path);
    other.exec("UPDATE fixes SET body = replace(body, '{', '')");
    other.close();
    expect((await app.inject("/v1/fixes")).statusCode).toBe(500);
    expect(lines.join("")).toContain("request failed");
    expect(lines.join("")).toContain('"route":"/v1/fixes"');
    expect(lines.join("")).not.toMatch(/47\.?24|5\.?9887|latitude|longitude/i);
  });
});
