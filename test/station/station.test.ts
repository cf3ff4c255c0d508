/** What a station does where its disk is full and where the clock of its machine goes wrong. */
import type Database from "better-sqlite3";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { OsnmadError } from "../../src/errors.js";
import type { InavPage } from "../../src/inav/page.js";
import type { TrustedTime } from "../../src/osnma/time-gate.js";
import type { Leaf } from "../../src/station/leaf.js";
import { checkLog } from "../../src/station/log-check.js";
import { Station } from "../../src/station/station.js";
import { testFolder } from "./folder.js";

/** The databases that are opened here, so that one of them can be given a full disk. */
const opened = vi.hoisted(() => [] as unknown[]);
vi.mock("better-sqlite3", async (original) => {
  const { default: Opened } = await original<{ default: typeof Database }>();
  return {
    default: class extends Opened {
      constructor(...given: ConstructorParameters<typeof Database>) {
        super(...given);
        opened.push(this);
      }
    },
  };
});

const GST = 1_400 * 604_800;

class Bench {
  readonly faults: OsnmadError[] = [];
  readonly leaves: Leaf[] = [];
  readonly station: Station;
  readonly database: Database.Database;

  constructor(directory = testFolder()) {
    this.station = new Station({
      directory,
      mode: "live",
      softwareVersion: "test",
      receiver: "r",
      flush: false,
      onLeaf: ({ leaf }) => this.leaves.push(leaf),
      onFault: (error) => this.faults.push(error as OsnmadError),
    });
    this.database = opened.at(-1) as Database.Database;
    onTestFinished(() => this.station.close());
  }

  /** What a receiver heard in the seconds from `from` up to `to`, by a clock that is `off` seconds wrong. */
  hear(from: number, to: number, off = 0): void {
    for (let gst = from; gst < to; gst++) {
      const trusted = timeAt(gst + off);
      if (gst % 2 === 1) for (const svid of [3, 8, 13]) this.station.page(page(svid, gst), gst, trusted);
      this.station.tick(trusted);
    }
  }

  /** Kind and times of each leaf so far. */
  get told(): string[] {
    return this.leaves.map((leaf) => {
      if (leaf.kind === "subframe") return `subframe ${leaf.gst - GST}`;
      if (leaf.kind !== "gap") return leaf.kind;
      return `gap ${leaf.fromGst - GST} ${leaf.toGst - GST} ${leaf.reason}`;
    });
  }
}

function timeAt(gst: number): TrustedTime {
  return { gst: gst + 2, boundSeconds: 0.04, assurance: "independent" } as TrustedTime;
}

function page(svid: number, gst: number): InavPage {
  const word = new Uint8Array(16).fill((svid + gst) & 0xff);
  return { svid, band: "E1-B", wordType: 2, word, hasOsnma: true, hkroot: 1, mack: gst >>> 0 } as InavPage;
}

describe("a station whose disk is full", () => {
  it("goes on hearing, says which subframes it lost, and signs one whole history when there is room again", async () => {
    const bench = new Bench();
    const { station, database } = bench;
    bench.hear(GST, GST + 70);
    await station.signed();
    expect(bench.told).toEqual(["start", "subframe 0", "subframe 30"]);

    const pages = database.pragma("page_count", { simple: true }) as number;
    database.pragma(`max_page_count = ${pages}`);
    // Free pages and the log of changes take some more before nothing goes any more.
    let gst = GST + 70;
    while (bench.faults.length < 3 && gst < GST + 7200) bench.hear(gst, (gst += 30));
    await station.signed();
    expect(bench.faults.length).toBeGreaterThanOrEqual(3);
    for (const fault of bench.faults) expect(fault.code).toBe("OSN_STATE_UNWRITABLE");
    expect(station.log.refusal).toBeNull();
    const stored = station.log.size;
    expect(bench.leaves).toHaveLength(stored);

    database.pragma("max_page_count = 1000000");
    bench.hear(gst, gst + 60);
    await station.signed();
    const lost = bench.told.filter((told) => told.endsWith("lost"));
    expect(lost).toHaveLength(1);
    const [, from, to] = lost[0].split(" ").map(Number);
    expect(to).toBeGreaterThan(from);
    // All before and after it is there, one after the other.
    const heard = bench.told.flatMap((told) =>
      told.startsWith("subframe") ? [Number(told.split(" ")[1])] : [],
    );
    const expected = Array.from({ length: heard.at(-1)! / 30 + 1 }, (_, at) => 30 * at);
    expect(heard).toEqual(expected.filter((at) => at < from || at >= to));
    expect(checkLog(station.log.directory).size).toBe(station.log.size);
    expect(station.log.checkpoint!.size).toBe(station.log.size);
  });
});

describe("a station whose clock jumps", () => {
  it("does not follow it ahead before pages of that time come, and then says that it was not there", async () => {
    const bench = new Bench();
    const { station } = bench;
    bench.hear(GST, GST + 70);
    // An hour ahead: the clock alone, then pages that contradict it.
    for (let i = 0; i < 40; i++) station.tick(timeAt(GST + 70 + 3600 + i));
    bench.hear(GST + 70, GST + 130, 3600);
    expect(bench.told).toEqual(["start", "subframe 0", "subframe 30"]);
    expect(station.counts.strayPages).toBeGreaterThan(0);
    // Set right again, the log goes on; what nobody can vouch for is a gap.
    bench.hear(GST + 130, GST + 200);
    expect(bench.told.slice(3)).toEqual([
      "subframe 60",
      "gap 90 120 stopped",
      "subframe 120",
      "subframe 150",
    ]);
    // Where sky and clock both are an hour later, the machine slept.
    bench.hear(GST + 3900, GST + 3970);
    await station.signed();
    expect(bench.told.slice(7)).toEqual([
      "subframe 180",
      "gap 210 3900 stopped",
      "subframe 3900",
      "subframe 3930",
    ]);
    expect(checkLog(station.log.directory).size).toBe(station.log.size);
  });

  it("takes nothing for a time that was", async () => {
    const bench = new Bench();
    const { station } = bench;
    bench.hear(GST, GST + 130);
    const { told } = bench;
    // Pages of minutes ago, by a clock that was set back to them: a replay.
    bench.hear(GST, GST + 100);
    expect(bench.told).toEqual(told);
    expect(station.counts.latePages).toBeGreaterThan(0);
    bench.hear(GST + 130, GST + 170);
    await station.signed();
    expect(bench.told.slice(told.length)).toEqual(
      ["subframe 90", "subframe 120"].slice(2 - (bench.leaves.length - told.length)),
    );
    expect(checkLog(station.log.directory).size).toBe(station.log.size);
  });

  it("says that it had no time", async () => {
    const bench = new Bench();
    const { station } = bench;
    bench.hear(GST, GST + 70);
    for (let gst = GST + 70; gst < GST + 190; gst++) {
      station.page(page(3, gst), gst, { ...timeAt(gst), assurance: "capture" });
      station.tick(null);
    }
    bench.hear(GST + 190, GST + 260);
    await station.signed();
    expect(bench.told.slice(3)).toEqual([
      "subframe 60",
      "gap 90 180 no-time",
      "subframe 180",
      "subframe 210",
    ]);
    expect(checkLog(station.log.directory).size).toBe(station.log.size);
  });
});
