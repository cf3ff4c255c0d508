/** A station on a machine that fails it: a disk that is full, a clock that is set. */
import { expect, it, onTestFinished, vi } from "vitest";
import { OsnmadError } from "../../src/errors.js";
import type { InavPage } from "../../src/inav/page.js";
import { follow, type History } from "../../src/station/history.js";
import { decodeLeaf, type Leaf } from "../../src/station/leaf.js";
import { checkLog } from "../../src/station/log-check.js";
import { Station } from "../../src/station/station.js";
import { testFolder } from "./folder.js";
import { GST } from "./leaves.js";

const page: InavPage = {
  svid: 7,
  band: "E1-B",
  wordType: 2,
  word: new Uint8Array(16),
  hasOsnma: false,
  hkroot: 0,
  mack: 0,
};
const trusted = (gst: number) => ({ gst, boundSeconds: 0.05, assurance: "independent" }) as const;

function opened(): {
  station: Station;
  faults: unknown[];
  leaves: () => Leaf[];
} {
  const faults: unknown[] = [];
  const station = new Station({
    directory: testFolder(),
    mode: "live",
    flush: false,
    softwareVersion: "t",
    receiver: "r",
    onFault: (error) => faults.push(error),
  });
  onTestFinished(() => station.close());
  return {
    station,
    faults,
    leaves: () => station.log.leaves(0, station.log.size).map((bytes) => decodeLeaf(bytes)!),
  };
}

/** The seconds from `from` up to, not including, `to`, with a page in every second one. */
function live(station: Station, from: number, to: number): void {
  for (let gst = from; gst < to; gst++) {
    if (gst % 2 === 1) station.page(page, gst - 2, trusted(gst));
    station.tick(trusted(gst + 0.5));
  }
}

async function isSound(station: Station): Promise<void> {
  await station.signed();
  expect(station.log.checkpoint!.size).toBe(station.log.size);
  expect(checkLog(station.log.directory).size).toBe(station.log.size);
  let history: History | null = null;
  for (const bytes of station.log.leaves(0, station.log.size)) {
    history = follow(history, decodeLeaf(bytes)!, bytes) as History;
    expect(typeof history).toBe("object");
  }
}

it("a full disk costs leaves, which the next one says, and stops nothing", async () => {
  const { station, faults, leaves } = opened();
  live(station, GST, GST + 64);
  const { size } = station.log;
  const append = vi.spyOn(station.log, "append").mockImplementation(() => {
    throw new OsnmadError("OSN_STATE_UNWRITABLE", "database or disk is full");
  });
  live(station, GST + 64, GST + 124);
  expect(faults).toHaveLength(2);
  expect(faults[0]).toMatchObject({ code: "OSN_STATE_UNWRITABLE" });
  expect(station.log.size).toBe(size);
  append.mockRestore();
  live(station, GST + 124, GST + 190);
  const [lost, ...after] = leaves().slice(size);
  expect(lost).toMatchObject({
    kind: "gap",
    reason: "lost",
    fromGst: GST + 60,
    toGst: GST + 120,
  });
  expect(after.map((leaf) => [leaf.kind, "gst" in leaf ? leaf.gst : null])).toEqual([
    ["subframe", GST + 120],
    ["subframe", GST + 150],
  ]);
  await isSound(station);
});

it("a clock that is set ahead for a moment leaves no trace in the log", async () => {
  const { station, faults, leaves } = opened();
  live(station, GST, GST + 70);
  const { size } = station.log;
  for (const ahead of [61, 3600, 3e8]) station.tick(trusted(GST + 70 + ahead));
  // A page of the right time contradicts that clock.
  station.page(page, GST + 69, trusted(GST + 3600));
  expect(station.log.size).toBe(size);
  live(station, GST + 70, GST + 130);
  expect(leaves().map((leaf) => ("gst" in leaf ? leaf.gst - GST : leaf.kind))).toEqual([
    "start",
    0,
    30,
    60,
    90,
  ]);
  expect(faults).toEqual([]);
  await isSound(station);
});

it("a clock that is set ahead for good, and pages with it, is a gap; one set back adds nothing", async () => {
  const { station, leaves } = opened();
  live(station, GST, GST + 70);
  live(station, GST + 7200, GST + 7270);
  const { size } = station.log;
  expect(leaves().map(({ kind }) => kind)).toContain("gap");
  live(station, GST + 100, GST + 200);
  expect(station.log.size).toBe(size);
  live(station, GST + 7270, GST + 7340);
  expect(station.log.size).toBeGreaterThan(size);
  await isSound(station);
});
