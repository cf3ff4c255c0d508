/** The stream as a client sees it: nothing missed, nothing twice, nothing that is not on disk. */
import Database from "better-sqlite3";
import fc from "fast-check";
import { once } from "node:events";
import { connect } from "node:net";
import { Writable } from "node:stream";
import { describe, expect, it, onTestFinished } from "vitest";
import { EventStream } from "../../src/http/event-stream.js";
import { StreamSteps } from "../../src/http/stream-steps.js";
import { RunRecorder } from "../../src/http/run-recorder.js";
import { buildServer, listen } from "../../src/http/server.js";
import type { Store } from "../../src/store/store.js";
import { temporaryStore } from "../store/folder.js";
import { eventAt, fixAt, unverifiedFixAt } from "../store/records.js";
import { recorderOptions } from "./support.js";

interface Line {
  readonly id: string;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

function linesOf(text: string): Line[] {
  return [...text.matchAll(/id: (\S+)\nevent: (\S+)\ndata: (.*)\n\n/g)].map(([, id, event, data]) => ({
    id,
    event,
    data: JSON.parse(data) as Line["data"],
  }));
}

/** A socket that takes everything, or (slow) only when it is told to. */
class Client extends Writable {
  text = "";
  readonly #slow: boolean;
  #go: (() => void) | null = null;
  constructor(slow = false) {
    super({ highWaterMark: 16 * 1024 });
    this.#slow = slow;
  }
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    if (this.#slow) this.#go = done;
    else done();
  }
  drain(): void {
    const go = this.#go;
    this.#go = null;
    go?.();
  }
}

const options = {
  levels: ["nav-authenticated", "corroborated"],
  withEvents: true,
  from: { fix: 0, event: 0 },
  reset: null,
  keepAliveMs: 60_000,
  stalledMs: 60_000,
  onFault: (error: unknown) => {
    throw error;
  },
} as const;

const turns = async (count = 20): Promise<void> => {
  for (let n = 0; n < count; n += 1) await new Promise((resolve) => setImmediate(resolve));
};

function streaming(
  store: Store,
  over: Partial<ConstructorParameters<typeof EventStream>[2]> = {},
  client = new Client(),
) {
  const stream = new EventStream(store, client, { ...options, ...over });
  onTestFinished(() => {
    stream.end();
  });
  return { stream, client };
}

describe("the stream", () => {
  it("says a fix when it is on disk and not before", async () => {
    const store = temporaryStore();
    const recorder = new RunRecorder(store, recorderOptions);
    const { client } = streaming(store);
    recorder.push(fixAt(1));
    await turns();
    expect(linesOf(client.text).map(({ event }) => event)).toEqual(["position"]);
    recorder.flush();
    await turns();
    const [, line] = linesOf(client.text);
    expect(line).toMatchObject({ event: "fix", data: { ...fixAt(1), id: 1, run: recorder.runId } });
    const disk = new Database(store.path, { readonly: true });
    expect(disk.prepare("SELECT count(*) FROM fixes").pluck().get()).toBe(1);
    disk.close();
  });

  it("leaves unverified fixes out unless they are asked for, and events where they are not wanted", async () => {
    const store = temporaryStore();
    const recorder = new RunRecorder(store, recorderOptions);
    const usual = streaming(store).client;
    const all = streaming(store, {
      levels: ["nav-authenticated", "corroborated", "unverified"],
      withEvents: false,
    }).client;
    const events = streaming(store, { levels: [] }).client;
    recorder.push(unverifiedFixAt(1));
    recorder.push(fixAt(2));
    recorder.push(eventAt(2));
    recorder.flush();
    await turns();
    const kinds = (client: Client): string[] =>
      linesOf(client.text)
        .slice(1)
        .map(({ event, data }) => `${event} ${String(data["assurance"] ?? data["name"])}`);
    expect(kinds(usual)).toEqual(["event tesla-key-verified", "fix corroborated"]);
    expect(kinds(all)).toEqual(["fix unverified", "fix corroborated"]);
    expect(kinds(events)).toEqual(["event tesla-key-verified"]);
  });

  it("says the same to readers who share their steps as to one who reads alone, whatever each asks for", async () => {
    const store = temporaryStore();
    const recorder = new RunRecorder(store, recorderOptions);
    const steps = new StreamSteps(store);
    const wishes = [
      {},
      { withEvents: false },
      { levels: [] },
      { levels: ["corroborated"] },
      { levels: ["nav-authenticated", "corroborated", "unverified"] },
    ] as const;
    const pairs = wishes.map((wish) => [
      streaming(store, wish).client,
      streaming(store, { ...wish, steps }).client,
      streaming(store, { ...wish, steps }).client,
    ]);
    for (let n = 1; n <= 12; n += 1) {
      recorder.push(fixAt(n));
      if (n % 2 === 0) recorder.push(unverifiedFixAt(n));
      if (n % 3 === 0) recorder.push(eventAt(n));
      // Now and then several at once, and now and then nothing is read between two commits.
      if (n % 4 !== 1) recorder.flush();
      if (n % 5 !== 0) await turns(3);
    }
    recorder.flush();
    // One who comes late, to where others were long ago.
    const late = streaming(store, { steps }).client;
    await turns();
    const counts = pairs.map(([alone, ...sharing]) => {
      for (const client of sharing) expect(client.text).toBe(alone.text);
      return linesOf(alone.text).length - 1;
    });
    expect(counts).toEqual([16, 12, 4, 16, 22]);
    // Events of a step come first, so the order is the step's, and the rows are the same.
    const rows = (client: Client): string[] =>
      linesOf(client.text)
        .map(({ event, data }) => `${event} ${String(data["id"])}`)
        .sort();
    expect(rows(late)).toEqual(rows(pairs[0][0]));
  });

  it("goes on from any line without gap or repeat, whatever arrives and wherever it is cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 130 }), fc.integer({ min: 0, max: 130 }), fc.nat()), {
          minLength: 1,
          maxLength: 5,
        }),
        async (steps) => {
          const store = temporaryStore();
          const recorder = new RunRecorder(store, recorderOptions);
          const seen: string[] = [];
          let from = options.from as { fix: number; event: number };
          let fixes = 0;
          let events = 0;
          for (const [newFixes, newEvents, cut] of [...steps, [0, 0, Number.MAX_SAFE_INTEGER] as const]) {
            const client = new Client();
            const stream = new EventStream(store, client, { ...options, from });
            for (let n = 0; n < newFixes; n += 1) recorder.push(fixAt((fixes += 1)));
            for (let n = 0; n < newEvents; n += 1) recorder.push(eventAt((events += 1)));
            recorder.flush();
            await turns(10);
            stream.end();
            // The connection breaks after some line.
            const lines = linesOf(client.text);
            const got = cut === Number.MAX_SAFE_INTEGER ? lines : lines.slice(0, 1 + (cut % lines.length));
            for (const { event, data } of got)
              if (event !== "position") seen.push(`${event} ${String(data["id"])}`);
            const [, fix, event] = got[got.length - 1].id.split("-").map(Number);
            from = { fix, event };
          }
          expect(seen.filter((line) => line.startsWith("fix"))).toEqual(
            Array.from({ length: fixes }, (_, n) => `fix ${n + 1}`),
          );
          expect(seen.filter((line) => line.startsWith("event"))).toEqual(
            Array.from({ length: events }, (_, n) => `event ${n + 1}`),
          );
        },
      ),
      { numRuns: 20 },
    );
  });

  it("holds no more than a step for a client that does not read, and gives it all when it does", async () => {
    const store = temporaryStore();
    const recorder = new RunRecorder(store, { ...recorderOptions, batchRecords: 1000 });
    for (let second = 0; second < 5000; second += 1) recorder.push(fixAt(second));
    recorder.flush();
    const { client } = streaming(store, {}, new Client(true));
    await turns(50);
    // 100 rows of some 900 bytes are one step.
    expect(client.writableLength).toBeLessThan(200_000);
    for (let n = 0; n < 400 && linesOf(client.text).length < 5001; n += 1) {
      client.drain();
      await turns(2);
      expect(client.writableLength).toBeLessThan(200_000);
    }
    expect(
      linesOf(client.text)
        .slice(1)
        .map(({ data }) => data["id"]),
    ).toEqual(Array.from({ length: 5000 }, (_, n) => n + 1));
  });

  it("lets a client go that takes nothing for too long", async () => {
    const store = temporaryStore();
    const recorder = new RunRecorder(store, { ...recorderOptions, batchRecords: 1000 });
    for (let second = 0; second < 500; second += 1) recorder.push(fixAt(second));
    recorder.flush();
    const { client } = streaming(store, { stalledMs: 50 }, new Client(true));
    await once(client, "close");
    expect(client.destroyed).toBe(true);
    recorder.push(fixAt(501));
    recorder.flush();
    await turns();
    expect(client.text).not.toContain('"id":501');
  });

  it("keeps a silent connection alive with comments", async () => {
    const store = temporaryStore();
    const { client } = streaming(store, { keepAliveMs: 20 });
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(client.text.match(/^: keep-alive$/gm)?.length).toBeGreaterThanOrEqual(2);
  });
});

async function served(over: { maxClients?: number } = {}) {
  const store = temporaryStore();
  const recorder = new RunRecorder(store, recorderOptions);
  const app = buildServer({ store, status: () => recorder.status(), version: "0.1.0", stream: over });
  onTestFinished(() => app.close());
  const url = await listen(app, "127.0.0.1", 0);
  /** What a client that sends this position is told first, and what follows up to `count` lines. */
  const read = async (headers: Record<string, string>, count: number): Promise<Line[]> => {
    const stop = new AbortController();
    const response = await fetch(`${url}/v1/stream`, { headers, signal: stop.signal });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("cache-control")).toBe("no-store");
    let text = "";
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString();
      if (linesOf(text).length >= count) break;
    }
    stop.abort();
    return linesOf(text);
  };
  return { store, recorder, app, url, read };
}

describe("GET /v1/stream", () => {
  it("begins with what comes next, or where Last-Event-ID says", async () => {
    const { recorder, read } = await served();
    for (let second = 0; second < 3; second += 1) recorder.push(fixAt(second));
    recorder.flush();
    const [hello] = await read({}, 1);
    expect(hello).toMatchObject({
      event: "position",
      id: expect.stringMatching(/^[0-9a-f]{16}-3-0$/) as string,
    });
    const rest = await read({ "last-event-id": hello.id.replace("-3-0", "-1-0") }, 3);
    expect(rest.map(({ event, data }) => [event, data["id"]])).toEqual([
      ["position", undefined],
      ["fix", 2],
      ["fix", 3],
    ]);
  });

  it("says when a position is worth nothing, and gives what there is", async () => {
    const { store, recorder, read } = await served();
    for (let second = 0; second < 4; second += 1) recorder.push(fixAt(second));
    recorder.flush();
    const { identity } = store.arrivals;
    for (const id of ["nonsense", `${"0".repeat(16)}-1-0`, `${identity}-99-0`]) {
      const lines = await read({ "last-event-id": id }, 5);
      expect(
        lines.map(({ event }) => event),
        id,
      ).toEqual(["reset", "fix", "fix", "fix", "fix"]);
    }
    store.write(() => store.fixes.counts(1));
    const other = new Database(store.path);
    other.exec("DELETE FROM fixes WHERE id <= 2");
    other.close();
    const lines = await read({ "last-event-id": `${identity}-1-0` }, 3);
    expect(lines.map(({ event }) => event)).toEqual(["reset", "fix", "fix"]);
    expect(lines[0].data["reason"]).toMatch(/let go/);
  });

  it("is refused to more clients than there is room for, and to those who take another type", async () => {
    const { url } = await served({ maxClients: 1 });
    const stop = new AbortController();
    await fetch(`${url}/v1/stream`, { signal: stop.signal });
    const second = await fetch(`${url}/v1/stream`);
    expect([second.status, second.headers.get("retry-after")]).toEqual([503, "10"]);
    expect(await second.json()).toMatchObject({ code: "OSN_RATE_LIMITED" });
    stop.abort();
    const html = await fetch(`${url}/v1/stream`, { headers: { accept: "text/html" } });
    expect(html.status).toBe(406);
    for (;;) {
      const again = new AbortController();
      const { status } = await fetch(`${url}/v1/stream`, { signal: again.signal });
      again.abort();
      if (status === 200) break;
    }
  });

  it("ends in order when the server closes, and holds it up no longer", async () => {
    const { app, url } = await served();
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString()));
    socket.write("GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
    while (!text.includes("event: position")) await once(socket, "data");
    const closed = once(socket, "close");
    const start = performance.now();
    await app.close();
    await closed;
    expect(text).toContain(": the server stops");
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
