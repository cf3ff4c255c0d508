/** A station whose folder was restored from a backup: it looks whole, and must sign no second history. */
import { cpSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { Emission } from "../../src/emit/emission.js";
import { leavesTold, Outbox } from "../../src/emit/outbox.js";
import { Station } from "../../src/station/station.js";
import { StationLog } from "../../src/station/station-log.js";
import { Witnesses, type WitnessPeer } from "../../src/station/witness-client.js";
import { WitnessBook } from "../../src/witness/book.js";
import { witnessService } from "../../src/witness/service.js";
import { testFolder } from "./folder.js";
import { testKey, witnessKey } from "./keys.js";

const NOW = 1_790_000_000_000;

/** Witnesses in this process, by host name; those in `away` do not answer. */
class Net {
  readonly away = new Set<string>();
  readonly books = new Map<string, WitnessBook>();
  readonly #apps = new Map<string, ReturnType<typeof witnessService>>();

  witness(name: string, log: StationLog): WitnessPeer {
    const signer = testKey(name);
    const book = new WitnessBook(testFolder(), [log.key]);
    const clock = { boundSeconds: 1, source: "test" };
    const time = { now: () => NOW, monotonic: () => 0, perSecond: 0 };
    this.#apps.set(name, witnessService({ book, name: `${name}/w`, signer, clock, ...time }));
    this.books.set(name, book);
    onTestFinished(() => {
      book.close();
    });
    return { url: `http://${name}`, key: witnessKey(`${name}/w`, signer) };
  }

  readonly fetch: typeof fetch = async (input, init) => {
    const url = new URL(String(input));
    if (this.away.has(url.hostname)) throw new Error(`${url.hostname} is away`);
    const { statusCode, body, headers } = await this.#apps.get(url.hostname)!.inject({
      method: init?.method === "POST" ? "POST" : "GET",
      url: `${url.pathname}${url.search}`,
      headers: { "content-type": "text/plain" },
      ...(init?.body == null ? {} : { payload: init.body as string }),
    });
    return new Response(body, {
      status: statusCode,
      headers: { "content-type": String(headers["content-type"]) },
    });
  };
}

interface Made {
  readonly net: Net;
  readonly peers: readonly WitnessPeer[];
  readonly faults: unknown[];
  readonly start: (folder: string, softwareVersion?: string) => Station;
}

/** A folder with an empty log, and witnesses that know its key. */
function made(folder: string, names: readonly string[], needed: number): Made {
  const net = new Net();
  const log = StationLog.open({ directory: folder, mode: "live", flush: false });
  const peers = names.map((name) => net.witness(name, log));
  log.close();
  const faults: unknown[] = [];
  const start = (directory: string, softwareVersion = "t"): Station => {
    const station = new Station({
      directory,
      mode: "live",
      flush: false,
      softwareVersion,
      receiver: null,
      witnesses: { peers, needed, fetch: net.fetch },
      onFault: (error) => faults.push(error),
    });
    onTestFinished(() => station.close());
    return station;
  };
  return { net, peers, faults, start };
}

async function settle(station: Station): Promise<void> {
  await station.signed();
  await station.witnessed();
}

let unit = 0;
/** Leaves that say that the receiver became another. */
async function grow(station: Station, count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    station.receiver(`unit ${++unit}`);
    await settle(station);
  }
}

/** A log of 9 leaves that all but the absent witnesses saw, and a backup of its folder with 6, which all saw. */
async function restored(names: readonly string[], needed: number, absent: readonly string[] = []) {
  const [before, after] = [6, 9];
  const folder = testFolder();
  const all = made(folder, names, needed);
  const first = all.start(folder);
  await settle(first);
  await grow(first, before - first.log.size);
  await first.close();
  const backup = testFolder();
  cpSync(folder, backup, { recursive: true });
  for (const name of absent) all.net.away.add(name);
  const second = all.start(folder, "later");
  await settle(second);
  await grow(second, after - second.log.size);
  for (const name of names) {
    expect(all.net.books.get(name)!.logs()).toMatchObject([{ size: absent.includes(name) ? before : after }]);
  }
  all.net.away.clear();
  const { checkpoint } = second.log;
  await second.close();
  return { ...all, folder, backup, checkpoint: checkpoint! };
}

describe("a restored backup", () => {
  it("signs nothing where a witness has more of the log, and never again", async () => {
    const { start, backup, faults } = await restored(["a"], 1);
    const station = start(backup, "restored");
    await settle(station);
    expect(station.log.checkpoint!.size).toBe(6);
    expect(station.log.refusal).toMatch(/a\/w holds a checkpoint of 9 leaves/);
    expect(faults).toMatchObject([{ code: "OSN_STATION_LOG_CONTRADICTS" }]);
    await station.close();
    expect(() => start(backup)).toThrow(expect.objectContaining({ code: "OSN_STATION_LOG_CONTRADICTS" }));
  });

  it("that outgrew the log while the witness was away has signed nothing meanwhile", async () => {
    const { net, start, backup, faults } = await restored(["a"], 1);
    net.away.add("a");
    const station = start(backup, "restored");
    await grow(station, 10);
    expect(station.log.size).toBeGreaterThan(9);
    expect(station.log.checkpoint!.size).toBe(6);
    expect(station.held).toMatch(/0 of the 1 .*a is away/);
    expect(faults[0]).toMatchObject({ code: "OSN_STATION_UNCONFIRMED" });
    net.away.clear();
    await grow(station, 1);
    expect(station.log.refusal).toMatch(/not those of the log/);
    expect(station.log.checkpoint!.size).toBe(6);
    expect(net.books.get("a")!.evidence()).toEqual([]);
  });

  it("is found out by any so many witnesses that one of them saw what was witnessed", async () => {
    const { net, start, backup } = await restored(["a", "b", "c"], 2, ["c"]);
    net.away.add("a").add("b");
    const held = start(backup, "restored");
    await settle(held);
    // Where two of three make it witnessed, one may be the one that was left out.
    expect(held.log.checkpoint!.size).toBe(6);
    expect(held.held).toMatch(/1 of the 2 .*a\/w: a is away; b\/w: b is away/);
    net.away.delete("a");
    await grow(held, 1);
    expect(held.log.refusal).not.toBeNull();
  });

  it("is told by the answer to a checkpoint, of the same size and of a larger one", async () => {
    for (const size of [9, 14]) {
      const { net, peers, backup } = await restored(["a"], 1);
      // As a program that does not ask first.
      const log = StationLog.open({ directory: backup, mode: "live", flush: false });
      const { receiver } = log.history!;
      const time = { assurance: "none", boundMs: null } as const;
      while (log.size < size) log.begin({ softwareVersion: "restored", time, receiver });
      const witnesses = new Witnesses(log, { peers, needed: 1, fetch: net.fetch });
      witnesses.announce(await log.sign());
      await witnesses.settled();
      expect(witnesses.status()[0].state).toBe("contradicts");
      expect(log.refusal).toMatch(/with this station's signature/);
      await expect(log.sign()).rejects.toMatchObject({ code: "OSN_STATION_LOG_CONTRADICTS" });
      await witnesses.close();
      log.close();
    }
  });

  it("with the newer outbox is told by that", async () => {
    const { folder, backup } = await restored(["a"], 1);
    const log = StationLog.open({ directory: folder, mode: "live", flush: false });
    const emission = new Emission({ log, directory: folder, consumers: [], flush: false });
    await emission.taken();
    await emission.close();
    log.close();
    expect(leavesTold(folder)).toBe(9);
    const older = StationLog.open({ directory: backup, mode: "live", flush: false });
    expect(() => new Emission({ log: older, directory: folder, consumers: [], flush: false })).toThrow(
      expect.objectContaining({ code: "OSN_STATION_LOG_CONTRADICTS" }),
    );
    expect(older.refusal).toMatch(/others were told of 9 leaves, but 6 are signed/);
    older.close();
    // The outbox was let go, and can be opened.
    new Outbox({ directory: folder }).close();
  });

  it("that is the newest is gone on with", async () => {
    const { start, folder, checkpoint } = await restored(["a", "b"], 2);
    const station = start(folder);
    await settle(station);
    expect(station.held).toBeNull();
    expect(station.log.checkpoint!.size).toBe(checkpoint.size + 1);
    expect(station.log.cosignatures(checkpoint.size + 1)).toHaveLength(2);
  });
});

it("a cosignature whose answer was lost is fetched again, as it was made", async () => {
  const folder = testFolder();
  const { net, start } = made(folder, ["a"], 1);
  let lose = true;
  const station = new Station({
    directory: folder,
    mode: "live",
    flush: false,
    softwareVersion: "t",
    receiver: null,
    witnesses: {
      peers: [{ url: "http://a", key: witnessKey("a/w", testKey("a")) }],
      needed: 1,
      fetch: async (input, init) => {
        const response = await net.fetch(input, init);
        if (lose && init?.method === "POST") throw new Error("cut off");
        return response;
      },
    },
  });
  await settle(station);
  const lost = station.log.checkpoint!;
  expect(net.books.get("a")!.logs()).toMatchObject([{ size: lost.size }]);
  expect(station.log.cosignatures(lost.size)).toEqual([]);
  // Killed before it asked again.
  await station.close();
  lose = false;
  const again = start(folder);
  await settle(again);
  expect(again.log.checkpoint!.size).toBe(lost.size + 1);
  expect(again.log.cosignatures(lost.size)).toMatchObject([{ witness: "a/w", timestamp: NOW / 1000 }]);
});
