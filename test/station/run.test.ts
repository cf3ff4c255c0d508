/** The station of a running daemon: what it hears is committed to, witnessed over HTTP, and worth class A. */
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isSealedBy, openEnvelope } from "../../src/emit/envelope.js";
import { HttpSource } from "../../src/emit/http-source.js";
import { OsnmadError } from "../../src/errors.js";
import type { FixRecord } from "../../src/pipeline/records.js";
import type { ByteLink } from "../../src/source/byte-link.js";
import { parseCheckpoint, signerOf } from "../../src/station/checkpoint.js";
import { decodeLeaf } from "../../src/station/leaf.js";
import { checkLog } from "../../src/station/log-check.js";
import { formatVerifierKey } from "../../src/station/note.js";
import { FixFollower, type ProverVerdict } from "../../src/proof/fix-follower.js";
import { followProver } from "../../src/proof/follow-prover.js";
import { verifyProof } from "../../src/proof/verify-proof.js";
import { StationLog } from "../../src/station/station-log.js";
import { decodeEntries } from "../../src/station/tiles.js";
import { fixTiming } from "../../src/station/timing.js";
import { WitnessBook } from "../../src/witness/book.js";
import { witnessService } from "../../src/witness/service.js";
import { startBench, type Bench } from "../daemon/support.js";
import { testKey, witnessKey } from "./keys.js";
import { frames, policyFor, START_GST, TEST_ROOT, TEST_TRUST, timingInput, unixOf } from "./sky.js";

const material = { ...TEST_TRUST, rootKey: null, snapshot: null, warnings: [], simulated: true };

/** A line of which `feed` gets the listener. */
function linkOf(feed: (listener: (chunk: Uint8Array) => void) => void): ByteLink {
  let closed: (why: Error | null) => void = () => undefined;
  return {
    name: "sky",
    write: () => Promise.resolve(),
    onData: feed,
    onClose: (listener) => {
      closed = listener;
    },
    close: () => {
      closed(null);
      return Promise.resolve();
    },
  };
}

/** The sky at the pace at which leaves are signed and witnessed. */
async function playTo(listener: (chunk: Uint8Array) => void, bench: () => Bench | null): Promise<void> {
  let size = 0;
  for (const frame of frames()) {
    listener(frame);
    const station = bench()?.daemon.station;
    if (station == null || station.log.size === size) continue;
    size = station.log.size;
    await station.signed();
    await station.witnessed();
  }
}

describe("a daemon with two witnesses", () => {
  const folder = mkdtempSync(join(tmpdir(), "osnmad-live-station-"));
  const dataDirectory = join(folder, "data");
  // As `osnmad key make` does: witnesses need the key before the station starts.
  const log = StationLog.open({
    directory: join(dataDirectory, "station-simulated"),
    mode: "simulated",
  });
  const { key: stationKey, origin } = log;
  log.close();
  let bench: Bench | null = null;
  const now = (): number => {
    const gst = bench?.daemon.live.pipeline.engine.now;
    return Number.isFinite(gst) ? gst! : START_GST;
  };
  const witnesses = ["w0", "w1"].map((name) => {
    const signer = testKey(name);
    const book = new WitnessBook(join(folder, name), [stationKey]);
    const app = witnessService({
      book,
      name: `${name}.example/w`,
      signer,
      clock: { boundSeconds: 1, source: "test" },
      now: () => unixOf(now()) * 1000,
      monotonic: () => unixOf(now()) * 1000,
      perSecond: 0,
    });
    return { key: witnessKey(`${name}.example/w`, signer), book, app };
  });
  const url = (path: string): string => `${bench!.daemon.url}${path}`;

  beforeAll(async () => {
    const lines = [];
    for (const witness of witnesses) {
      await witness.app.listen({ host: "127.0.0.1", port: 0 });
      const { port } = witness.app.server.address() as AddressInfo;
      lines.push(`http://127.0.0.1:${port} ${formatVerifierKey(witness.key)}`);
    }
    let done = (): void => undefined;
    const whole = new Promise<void>((resolve) => (done = resolve));
    bench = await startBench({
      material,
      dataDirectory,
      config: {
        "receiver.port": "tcp://sky:1",
        "station.witnesses": lines,
        "station.needed": 2,
        "emit.prover_pull": ["prover"],
      },
      // The link starts when the bench is there to be asked.
      open: async () => {
        while (bench === null) await new Promise((resolve) => setTimeout(resolve, 5));
        return linkOf((listener) => void playTo(listener, () => bench).then(done));
      },
    });
    await whole;
  }, 120_000);
  afterAll(async () => {
    await bench?.stop();
    for (const { app, book } of witnesses) {
      await app.close();
      book.close();
    }
    rmSync(folder, { recursive: true, force: true });
  });

  it("has fixes of class A that both witnesses saw in time", () => {
    const station = bench!.daemon.station!;
    expect(station.witnessStatus().map(({ lastError }) => lastError)).toEqual([null, null]);
    const graded = bench!.records.filter(
      (record): record is FixRecord => record.type === "fix" && record.own?.assurance === "nav-authenticated",
    );
    const policy = policyFor(station, witnesses, 2);
    expect(fixTiming(timingInput(station, graded[graded.length - 40]), policy)).toMatchObject({
      class: "A",
      reason: "in-time",
    });
  });

  it("publishes the log to anybody: checkpoint, entries, state", async () => {
    const checkpoint = parseCheckpoint(await (await fetch(url("/checkpoint"))).text())!;
    expect(signerOf(checkpoint, [stationKey])).not.toBeNull();
    const { size } = checkpoint;
    const answer = await fetch(url(`/tile/entries/000.p/${size}`));
    const entries = decodeEntries(Buffer.from(await answer.arrayBuffer()))!;
    expect(entries.map((bytes) => decodeLeaf(bytes)!.index)).toEqual([...Array(size).keys()]);
    const kinds = entries.map((bytes) => decodeLeaf(bytes)!.kind);
    expect(kinds[0]).toBe("start");
    expect(new Set(kinds.slice(1))).toEqual(new Set(["subframe"]));
    expect((await fetch(url(`/tile/entries/000.p/${size + 1}`))).status).toBe(404);
    expect((await fetch(url("/tile/0/../0"))).status).toBe(404);
    const state = (await (await fetch(url("/v1/station"))).json()) as Record<string, unknown>;
    expect(state).toMatchObject({ origin, mode: "simulated", size, refusal: null });
    // How many pages or fixes there were, or came late, is nobody's business.
    expect(Object.keys(state).sort()).toEqual(
      ["key", "mode", "origin", "refusal", "held", "signedSize", "size", "station", "witnesses"].sort(),
    );
  });

  it("takes a challenge and answers it after the next leaf", async () => {
    const challenge = Buffer.alloc(32, 7);
    const post = (body: unknown): Promise<Response> =>
      fetch(url("/v1/challenges"), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    expect((await post({ challenge: "AAAA" })).status).toBe(400);
    expect((await post(7)).status).toBe(400);
    expect((await post({ challenge: challenge.toString("base64"), proof: "" })).status).toBe(202);
    const asked = async (): Promise<Record<string, unknown>> =>
      (await (await fetch(url(`/v1/challenges/${challenge.toString("hex")}`))).json()) as never;
    expect(await asked()).toMatchObject({ leafIndex: null, answer: null });
    const station = bench!.daemon.station!;
    station.receiver("unit 01");
    await station.signed();
    expect(await asked()).toMatchObject({
      leafIndex: station.log.size - 1,
      answer: { audited: [{}, {}, {}, {}] },
    });
    expect((await fetch(url(`/v1/challenges/${"00".repeat(32)}`))).status).toBe(404);
  });

  it("hands leaves, checkpoints and cosignatures to federations, and fixes to its prover alone", async () => {
    interface Page {
      readonly messages: readonly { readonly key: string; readonly envelope: string }[];
    }
    const statements = async (path: string) => {
      const { messages } = (await (await fetch(url(path))).json()) as Page;
      return messages.map(({ envelope }) => {
        const opened = openEnvelope(Buffer.from(envelope, "base64"))!;
        expect(isSealedBy(opened, stationKey.publicKey)).toBe(true);
        expect(opened.mode).toBe("simulated");
        return opened.statement;
      });
    };
    const federation = await statements("/v1/federation/messages?limit=1024");
    const leaves = federation.flatMap((one) => (one.kind === "leaf" ? [one.index] : []));
    expect(leaves).toEqual([...leaves.keys()]);
    expect(leaves.length).toBeGreaterThan(3);
    expect(new Set(federation.map(({ kind }) => kind))).toEqual(
      new Set(["leaf", "checkpoint", "cosignature"]),
    );
    const prover = await statements("/v1/prover/fixes?consumer=prover&limit=1024");
    const given = prover.flatMap((one) => (one.kind === "fix" ? [one] : []));
    expect(given.length).toBeGreaterThan(0);
    const { record, evidence } = given.at(-1)!;
    expect((JSON.parse(Buffer.from(record).toString()) as FixRecord).own).not.toBeNull();
    expect(evidence).not.toBeNull();
    expect((await fetch(url("/v1/prover/fixes?consumer=other"))).status).toBe(404);
    expect(await (await fetch(url("/v1/emission"))).json()).toMatchObject({
      consumers: [{ consumer: "prover" }],
    });
  });

  it("gives a proof of a fix, which others judge with their own witnesses", async () => {
    const { items } = (await (
      await fetch(url("/v1/fixes?limit=200&assurance=nav-authenticated"))
    ).json()) as {
      items: { id: number; gst: number }[];
    };
    // Late enough for fast tags over the data of every satellite, with their keys, to have come since.
    const { id } = items.find(({ gst }) => gst < items[0].gst - 120)!;
    const answer = await fetch(url(`/v1/fixes/${id}/proof`));
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/vnd.osnmad.proof+json");
    const options = {
      roots: [{ root: TEST_ROOT, standing: "test", label: "test" }],
      station: bench!.daemon.station!.log.station,
      witnesses: witnesses.map(({ key: of }) => ({ key: of, boundSeconds: 1 })),
      needed: 2,
      marginSeconds: 5,
      leapSeconds: 18,
    } as const;
    const verdict = verifyProof(await answer.text(), options);
    expect(verdict.lines.filter(({ ok }) => !ok)).toEqual([]);
    // The sky ends before the slow keys are out.
    expect(verdict.timing).toMatchObject({ class: "B", reason: "in-time" });
    expect((await fetch(url("/v1/fixes/999999999/proof"))).status).toBe(404);
    expect((await fetch(url("/v1/fixes/x/proof"))).status).toBe(400);
  });

  it("describes all that it serves, below headings", async () => {
    const { paths } = (await (await fetch(url("/openapi.json"))).json()) as {
      paths: Record<string, Record<string, { tags?: string[]; summary?: string }>>;
    };
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.values(methods).map(({ tags, summary }) => ({ path, tags, summary })),
    );
    expect(routes.filter(({ tags, summary }) => tags?.length !== 1 || summary === undefined)).toEqual([]);
    const below = (tag: string): string[] =>
      routes.filter(({ tags }) => tags?.includes(tag)).map(({ path }) => path);
    expect(below("Station")).toContain("/checkpoint");
    expect(below("Emission")).toContain("/v1/federation/messages");
    expect(below("Fixes")).toContain("/v1/fixes/{id}/proof");
  });

  it("gives its prover what it takes to have the class of each fix", async () => {
    const fixes = new FixFollower({
      key: stationKey,
      witnesses: witnesses.map(({ key: of }) => ({ key: of, boundSeconds: 1 })),
      needed: 2,
      marginSeconds: 5,
      leapSeconds: 18,
      keyOffsetSeconds: 22,
      evidence: { roots: [{ root: TEST_ROOT, standing: "test", label: "test" }] },
    });
    const enough = new AbortController();
    const verdicts: ProverVerdict[] = [];
    await followProver(fixes, new HttpSource({ url: bench!.daemon.url!, prover: "prover" }), {
      signal: enough.signal,
      once: true,
      onVerdict: (verdict) => {
        verdicts.push(verdict);
        // One that is in time is enough.
        if (verdict.type === "fix" && verdict.class !== "C") enough.abort();
      },
      onFault: (error) => {
        throw error;
      },
    });
    expect(verdicts.filter(({ type }) => type === "lie")).toEqual([]);
    const told = verdicts.filter(({ type }) => type === "fix");
    for (const fix of told) expect(fix).toMatchObject({ genuine: true });
    // The first look comes before the fast keys are out.
    expect(told.find((fix) => fix.type === "fix" && fix.class !== "C")).toMatchObject({
      class: "B",
      reason: "in-time",
    });
  });

  it("forgets what opens old leaves, and nothing else", () => {
    const station = bench!.daemon.station!;
    const { size } = station.log;
    const opened = (): number[] => [...Array(size).keys()].filter((at) => station.log.openings(at) !== null);
    const before = opened();
    expect(station.prune(1)).toBe(0);
    // A day is 2880 subframes; two and a half of them are kept.
    expect(station.prune(2.5 / 2880)).toBe(before.length - 2);
    expect(opened()).toEqual(before.slice(-2));
    expect(checkLog(station.log.directory)).toMatchObject({ size, mode: "simulated", origin });
  });

  it("goes on with the same log after a restart, and says that it was one", async () => {
    const { size, checkpoint } = bench!.daemon.station!.log;
    await bench!.stop();
    bench = await startBench({
      material,
      dataDirectory,
      open: () => Promise.resolve(linkOf(() => undefined)),
    });
    const { log } = bench.daemon.station!;
    expect(log.checkpointAt(checkpoint!.size)?.root).toEqual(checkpoint!.root);
    expect(log.size).toBeGreaterThan(size);
    expect(decodeLeaf(log.leaves(log.size - 1, log.size)[0])).toMatchObject({ kind: "start", first: false });
  });

  it("is not started with witnesses that cannot be", async () => {
    const start = (config: Record<string, unknown>): Promise<Bench> => startBench({ material, config });
    await expect(start({ "station.witnesses": ["http://a.example nokey"] })).rejects.toBeInstanceOf(
      OsnmadError,
    );
    const line = `http://a.example ${formatVerifierKey(witnesses[0].key)}`;
    await expect(start({ "station.witnesses": [line], "station.needed": 2 })).rejects.toMatchObject({
      code: "OSN_CONFIG_INVALID",
    });
  });
});
