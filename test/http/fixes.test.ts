import { describe, expect, it } from "vitest";
import { RunRecorder } from "../../src/http/run-recorder.js";
import { eventAt, fixAt, GST, unverifiedFixAt } from "../store/records.js";
import { get, recorderOptions, setup, type Setup } from "./support.js";

function withFixes(): Setup {
  const made = setup();
  const { recorder } = made;
  recorder.push(unverifiedFixAt(0));
  recorder.push(fixAt(1));
  recorder.push(fixAt(2, { assurance: "nav-authenticated", reasons: [] }));
  recorder.push(fixAt(3));
  recorder.push(unverifiedFixAt(4));
  recorder.flush();
  return made;
}

async function secondsOf(app: Setup["app"], url: string): Promise<number[]> {
  const { status, body } = await get(app, url);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.items.map((fix) => (fix["gst"] as number) - GST);
}

describe("GET /v1/fixes", () => {
  it("gives the newest first and leaves unverified ones out unless they are asked for", async () => {
    const { app } = withFixes();
    expect(await secondsOf(app, "/v1/fixes")).toEqual([3, 2, 1]);
    expect(await secondsOf(app, "/v1/fixes?assurance=corroborated")).toEqual([3, 1]);
    expect(await secondsOf(app, "/v1/fixes?assurance=nav-authenticated")).toEqual([2]);
    expect(await secondsOf(app, "/v1/fixes?assurance=unverified")).toEqual([4, 0]);
    expect(await secondsOf(app, "/v1/fixes?assurance=all")).toEqual([4, 3, 2, 1, 0]);
  });

  it("gives the record as the pipeline made it", async () => {
    const { app, recorder } = withFixes();
    const { body } = await get(app, "/v1/fixes?limit=1");
    expect(body).toEqual({
      run: recorder.runId,
      items: [{ ...fixAt(3), id: 4, run: recorder.runId }],
      nextCursor: expect.any(String) as string,
    });
  });

  it("bounds by UTC, by another zone and by GST", async () => {
    const { app } = withFixes();
    for (const query of [
      "from=2025-04-25T10:00:01Z&to=2025-04-25T10:00:03Z",
      "from=2025-04-25T12:00:01%2B02:00&to=2025-04-25T10:00:02.5Z",
      `from=${GST + 1}&to=${GST + 2.5}`,
      `from=${GST + 1}&to=2025-04-25T10:00:03Z`,
    ]) {
      expect(await secondsOf(app, `/v1/fixes?${query}`), query).toEqual([2, 1]);
    }
  });

  it("walks by cursor over what was there at the first page, while fixes and even a run arrive", async () => {
    const { app, recorder, store } = setup();
    for (let second = 0; second < 25; second += 1) {
      recorder.push(second % 3 === 0 ? unverifiedFixAt(second) : fixAt(second));
    }
    recorder.flush();
    const expected = Array.from({ length: 25 }, (_, n) => 24 - n).filter((second) => second % 3 !== 0);
    const seen: number[] = [];
    let cursor: string | null = null;
    let arriving = 100;
    do {
      const page = await get(app, `/v1/fixes?limit=4${cursor === null ? "" : `&cursor=${cursor}`}`);
      seen.push(...page.body.items.map((fix) => (fix["gst"] as number) - GST));
      cursor = page.body.nextCursor;
      recorder.push(fixAt((arriving += 1)));
      recorder.flush();
      if (arriving === 103) new RunRecorder(store, recorderOptions).push(fixAt(1));
    } while (cursor !== null);
    expect(seen).toEqual(expected);
  });

  it("has no further page after one that was just full", async () => {
    const { app } = withFixes();
    expect((await get(app, "/v1/fixes?limit=3")).body.nextCursor).toBeNull();
    expect((await get(app, "/v1/fixes?limit=2")).body.nextCursor).not.toBeNull();
  });

  it("serves the newest run, and an older one by number, never both", async () => {
    const { app, recorder, store } = withFixes();
    const second = new RunRecorder(store, recorderOptions);
    second.push(fixAt(50));
    second.flush();
    expect(await secondsOf(app, "/v1/fixes")).toEqual([50]);
    expect(await secondsOf(app, `/v1/fixes?run=${recorder.runId}`)).toEqual([3, 2, 1]);
    expect(await get(app, "/v1/fixes?run=99")).toMatchObject({
      status: 404,
      body: { code: "OSN_NOT_FOUND" },
    });
  });

  it("refuses cursors that it did not give", async () => {
    const { app, recorder } = withFixes();
    recorder.push(eventAt(0));
    recorder.push(eventAt(1));
    recorder.flush();
    const { nextCursor } = (await get(app, "/v1/fixes?limit=1")).body;
    const ofEvents = (await get(app, "/v1/events?limit=1")).body.nextCursor;
    for (const cursor of [`${nextCursor}A`, ofEvents, "", "%00", "AAAA", `${nextCursor}&run=99`]) {
      const answer = await get(app, `/v1/fixes?cursor=${cursor}`);
      expect(answer, String(cursor)).toMatchObject({ status: 400, body: { code: "OSN_USAGE" } });
    }
  });

  it("refuses what it does not understand, naming it", async () => {
    const { app } = withFixes();
    for (const [query, named] of [
      ["limit=0", "limit"],
      ["limit=1001", "limit"],
      ["limit=1.5", "limit"],
      ["limit=", "limit"],
      ["limit=1&limit=2", "limit"],
      ["assurance=authenticated", "assurance: .*corroborated"],
      ["assurances=all", "assurances"],
      ["from=yesterday", "from"],
      ["to=2025-04-25T10:00:00", "to"],
      ["run=0", "run"],
      ["run=1e999", "run"],
      ["limit=1e999", "limit"],
      ["limit=0x10", "limit"],
      ["limit=%201", "limit"],
      ["__proto__=1", "__proto__"],
      [`cursor=${"A".repeat(101)}`, "cursor"],
    ]) {
      const { status, type, body } = await get(app, `/v1/fixes?${query}`);
      expect([status, type], query).toEqual([400, "application/problem+json"]);
      expect(body.detail, query).toMatch(new RegExp(`^${named}`));
    }
  });
});

describe("GET /v1/fixes/latest", () => {
  it("gives the newest fix that is at least corroborated", async () => {
    const { app } = withFixes();
    expect((await get(app, "/v1/fixes/latest")).body).toMatchObject({
      gst: GST + 3,
      assurance: "corroborated",
    });
    expect((await get(app, "/v1/fixes/latest?assurance=all")).body).toMatchObject({ gst: GST + 4 });
    expect((await get(app, "/v1/fixes/latest?assurance=nav-authenticated")).body).toMatchObject({
      gst: GST + 2,
    });
  });

  it("says what is missing where there is none, without a coordinate", async () => {
    const { app, recorder } = setup();
    const before = await get(app, "/v1/fixes/latest");
    expect(before).toMatchObject({
      status: 404,
      type: "application/problem+json",
      body: { code: "OSN_NO_FIX" },
    });
    expect(before.body.detail).toBe(
      `None of the 0 fixes of run ${recorder.runId} is nav-authenticated or corroborated.`,
    );
    recorder.push(unverifiedFixAt(0));
    recorder.push(unverifiedFixAt(1));
    recorder.flush();
    const { status, body } = await get(app, "/v1/fixes/latest");
    expect(status).toBe(404);
    expect(body.detail).toBe(
      `No fix of run ${recorder.runId} is nav-authenticated or corroborated; 2 are unverified, ` +
        "the newest of them (WN 1339 TOW 468019) because: fewer than 4 authenticated satellites.",
    );
    expect(body["reasons"]).toEqual(["fewer than 4 authenticated satellites"]);
    expect(JSON.stringify(body)).not.toMatch(/472468|598875|latitude/);
    expect(await get(app, "/v1/fixes/latest?assurance=unverified")).toMatchObject({
      status: 200,
      body: { assurance: "unverified" },
    });
  });
});

describe("GET /v1/events", () => {
  it("gives the newest first, since a GST, page by page", async () => {
    const { app, recorder } = setup();
    for (let second = 0; second < 5; second += 1) recorder.push(eventAt(second));
    recorder.flush();
    expect((await get(app, "/v1/events")).body.items.map((event) => event["at"])).toEqual(
      [4, 3, 2, 1, 0].map((second) => GST + second),
    );
    const first = (await get(app, `/v1/events?since=${GST + 1}&limit=3`)).body;
    expect(first.items[0]).toEqual({ ...eventAt(4), id: 5, run: recorder.runId });
    const second = (await get(app, `/v1/events?since=${GST + 1}&limit=3&cursor=${first.nextCursor}`)).body;
    expect(second).toMatchObject({ items: [{ at: GST + 1 }], nextCursor: null });
    for (const since of ["2025-04-25T10:00:00Z", "-1", "1e999", "99999999999"]) {
      expect((await get(app, `/v1/events?since=${since}`)).status, since).toBe(400);
    }
  });
});
