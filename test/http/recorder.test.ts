import { describe, expect, it } from "vitest";
import { RunRecorder } from "../../src/http/run-recorder.js";
import { openDatabase } from "../../src/store/database.js";
import { Store } from "../../src/store/store.js";
import { temporaryFolder, temporaryStore } from "../store/folder.js";
import {
  authenticatedAt,
  authenticatingOsnma,
  coldOsnma,
  eventAt,
  evidenceOf,
  fixAt,
  GST,
  ownFixAt,
  satellite,
  summary,
  unverifiedFixAt,
} from "../store/records.js";
import { get, recorderOptions, setup } from "./support.js";

describe("the run recorder", () => {
  it("writes a batch when it is full and the rest when told", () => {
    const store = temporaryStore();
    const recorder = new RunRecorder(store, { ...recorderOptions, batchRecords: 3 });
    const onDisk = (): number => store.fixes.counts(recorder.runId).corroborated;
    for (let second = 0; second < 3; second += 1) recorder.push(fixAt(second));
    expect(onDisk()).toBe(0);
    recorder.push(fixAt(3));
    expect(onDisk()).toBe(3);
    recorder.flush();
    expect(onDisk()).toBe(4);
    recorder.flush();
    expect(onDisk()).toBe(4);
  });

  it("shows in its status what is on disk", async () => {
    const { app, recorder } = setup();
    recorder.push(fixAt(0));
    recorder.push(unverifiedFixAt(1));
    recorder.push(eventAt(0));
    recorder.push(authenticatedAt(0));
    recorder.osnma(coldOsnma);
    recorder.progress(0.25);
    expect(recorder.status().counts).toMatchObject({ events: 0, authenticated: 0 });
    recorder.flush();
    expect((await get(app, "/v1/status")).body).toEqual({
      software: "osnmad",
      version: "0.1.0",
      mode: "replay",
      run: recorder.runId,
      source: "a.ubx",
      timeAssurance: "capture",
      state: "cold",
      ttfafSeconds: null,
      counts: {
        fixes: { "nav-authenticated": 0, corroborated: 1, unverified: 1 },
        events: 1,
        authenticated: 1,
      },
      queue: { waiting: 0, refused: 0 },
      replay: { progress: 0.25, finished: false },
      live: null,
      startedAt: "2026-01-02T00:00:00.000Z",
    });
    recorder.osnma(authenticatingOsnma);
    recorder.push(summary);
    expect((await get(app, "/v1/status")).body).toMatchObject({
      state: "authenticating",
      ttfafSeconds: 91,
      replay: { progress: 1, finished: true },
    });
  });

  it("keeps the newest satellites and OSNMA status, and the summary", async () => {
    const { app, recorder, store } = setup();
    expect(await get(app, "/v1/osnma")).toMatchObject({ status: 404, body: { code: "OSN_NOT_FOUND" } });
    expect((await get(app, "/v1/satellites")).body.items).toEqual([]);
    recorder.satellites([satellite(5)]);
    recorder.satellites([satellite(9), satellite(3)]);
    recorder.osnma(authenticatingOsnma);
    recorder.finish(summary);
    expect((await get(app, "/v1/osnma")).body).toEqual(authenticatingOsnma);
    expect((await get(app, "/v1/satellites")).body.items).toEqual([satellite(3), satellite(9)]);
    expect(store.runs.get(recorder.runId)).toMatchObject({ summary, finishedAtMs: recorderOptions.now() });
    expect(() => recorder.push(fixAt(0))).toThrow("finished");
  });

  it("marks a run that was cut off as ended without summary", () => {
    const { recorder, store } = setup();
    recorder.progress(0.5);
    recorder.finish(null);
    expect(store.runs.get(recorder.runId)).toMatchObject({
      summary: null,
      finishedAtMs: recorderOptions.now(),
    });
    expect(recorder.status().replay).toEqual({ progress: 0.5, finished: true });
  });

  it("costs no old run before it brought something, and leaves no trace when discarded", () => {
    const store = temporaryStore({ keepRuns: 1 });
    const first = new RunRecorder(store, recorderOptions);
    first.push(fixAt(0));
    first.finish(summary);
    const failing = new RunRecorder(store, recorderOptions);
    expect(failing.isEmpty).toBe(true);
    failing.discard();
    expect(store.runs.newest()?.id).toBe(first.runId);
    const second = new RunRecorder(store, recorderOptions);
    second.push(fixAt(1));
    expect(second.isEmpty).toBe(false);
    second.flush();
    expect(store.runs.get(first.runId)).toBeNull();
    expect(store.runs.newest()?.id).toBe(second.runId);
  });

  it("holds what the disk refuses up to a bound, says so once, and writes it when there is room", async () => {
    const database = openDatabase(temporaryFolder());
    const store = new Store(database);
    const faults: (string | null)[] = [];
    const recorder = new RunRecorder(store, {
      ...recorderOptions,
      batchRecords: 100,
      queueRecords: 200,
      onFault: (fault) => faults.push(fault),
    });
    const pages = database.pragma("page_count", { simple: true }) as number;
    database.pragma(`max_page_count = ${pages}`);
    const taken = Array.from({ length: 250 }, (_, second) => recorder.push(fixAt(second)));
    expect(taken.lastIndexOf(true)).toBe(199);
    expect(recorder.isBehind).toBe(true);
    expect(recorder.status()).toMatchObject({
      counts: { fixes: { corroborated: 0 } },
      queue: { waiting: 200, refused: 50 },
    });
    expect(recorder.tryFlush()).toBe(false);
    expect(() => {
      recorder.flush();
    }).toThrow(expect.objectContaining({ code: "OSN_STATE_UNWRITABLE" }));
    expect(faults).toEqual([expect.stringMatching(/full/)]);
    let hasRoom = false;
    const room = recorder.room(new AbortController().signal).then(() => (hasRoom = true));
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(hasRoom).toBe(false);
    database.pragma("max_page_count = 100000");
    await room;
    expect(faults).toHaveLength(2);
    expect(faults[1]).toBeNull();
    expect(recorder.push(fixAt(300))).toBe(true);
    recorder.flush();
    const seconds = store.fixes
      .page(recorder.runId, { assurance: ["corroborated"] }, { limit: 1000 })
      .items.map(({ gst }) => gst - GST);
    expect(seconds.reverse()).toEqual([...Array(200).keys(), 300]);
    store.close();
  });

  it("stops waiting for room when it is told to", async () => {
    const database = openDatabase(temporaryFolder());
    const store = new Store(database);
    const recorder = new RunRecorder(store, { ...recorderOptions, batchRecords: 100 });
    database.pragma(`max_page_count = ${database.pragma("page_count", { simple: true }) as number}`);
    for (let second = 0; second <= 100; second += 1) recorder.push(fixAt(second));
    const stop = new AbortController();
    const room = recorder.room(stop.signal);
    stop.abort();
    await expect(room).rejects.toThrow(/abort/);
    store.close();
  });

  it("puts evidence on disk with its fix and not without", () => {
    const store = temporaryStore();
    const recorder = new RunRecorder(store, recorderOptions);
    const [first, second] = [ownFixAt(1), ownFixAt(2)];
    const evidence = [evidenceOf(first), evidenceOf(second)];
    recorder.evidence(evidence[0]);
    recorder.push({ ...first, evidence: evidence[0].root });
    recorder.evidence(evidence[1]);
    recorder.flush();
    const stored = store.evidence.ofFix(1);
    expect(stored).toMatchObject({ root: evidence[0].root, mode: "replay" });
    expect(new Map(stored?.objects)).toEqual(new Map(evidence[0].objects));
    const shared = store.evidence.count();
    expect(shared).toBe([...evidence[0].shared].length);
    recorder.push({ ...second, evidence: evidence[1].root });
    recorder.flush();
    // Words, tag, keys are the same objects.
    expect(store.evidence.count()).toBe(shared);
    expect(store.evidence.ofFix(2)?.root).toBe(evidence[1].root);
  });

  it("checks its arguments", () => {
    const store = temporaryStore();
    for (const batchRecords of [0, 10_001]) {
      expect(() => new RunRecorder(store, { ...recorderOptions, batchRecords })).toThrow(RangeError);
    }
    const recorder = new RunRecorder(store, recorderOptions);
    for (const fraction of [-0.1, 1.1, Number.NaN]) {
      expect(() => {
        recorder.progress(fraction);
      }).toThrow(RangeError);
    }
    expect(() => {
      recorder.ttfaf(-1);
    }).toThrow(RangeError);
  });
});
