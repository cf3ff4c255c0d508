/** `osnmad station check`: reads, changes nothing, and finds what is not as it was signed. */
import Database from "better-sqlite3";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { folderWithRoom, type Place } from "../../src/station/copy-room.js";
import { receiverCommitment } from "../../src/station/leaf.js";
import { checkLog } from "../../src/station/log-check.js";
import { openLogSnapshot } from "../../src/station/log-database.js";
import { StationLog } from "../../src/station/station-log.js";
import { testFolder } from "./folder.js";
import { GST, subframeContent } from "./leaves.js";

async function written(directory: string, leaves: number): Promise<StationLog> {
  const log = StationLog.open({ directory, mode: "replay" });
  const receiver = receiverCommitment(log.receiverSalt, "test receiver");
  log.begin({ softwareVersion: "0.0.0-test", time: { assurance: "none", boundMs: null }, receiver });
  for (let at = 0; at < leaves; at++) {
    log.append([{ content: { ...subframeContent(GST + 30 * at, at), receiver } }]);
    if (at % 3 === 0) await log.sign();
  }
  return log;
}

const entries = (folder: string): string[] =>
  readdirSync(folder)
    .sort()
    .map((name) => {
      const { mtimeNs, size } = statSync(join(folder, name), { bigint: true });
      return `${name} ${size} ${mtimeNs}`;
    });

describe("a station's log that is checked", () => {
  it("is read as it stands while a station writes it, and nothing in its folder changes", async () => {
    const folder = testFolder();
    const log = await written(folder, 10);
    try {
      const before = entries(folder);
      expect(checkLog(folder)).toEqual({
        mode: "replay",
        size: 11,
        origin: log.origin,
        checkpoints: 4,
        signed: 11,
      });
      expect(entries(folder)).toEqual(before);
    } finally {
      log.close();
    }
    // And so when nobody has it any more.
    const before = entries(folder);
    expect(checkLog(folder).size).toBe(11);
    expect(entries(folder)).toEqual(before);
  });

  it("is copied where there is room, and that copy has no name while it is read", async () => {
    const folder = testFolder();
    const log = await written(folder, 10);
    const place = join(folder, "temporary");
    mkdirSync(place);
    vi.stubEnv("TMPDIR", place);
    onTestFinished(() => {
      vi.unstubAllEnvs();
      log.close();
    });
    const { database, close } = openLogSnapshot(folder);
    try {
      expect(readdirSync(place)).toEqual([]);
      expect(database.prepare("SELECT count(*) FROM leaf").pluck().get()).toBe(11);
    } finally {
      close();
    }
    expect(readdirSync(place)).toEqual([]);
  });

  it("is not begun to be copied where there is no room for it", () => {
    const folder = testFolder();
    const { bavail, bsize } = statfsSync(folder);
    const path = join(folder, "station.sqlite");
    writeFileSync(path, "");
    // A hole: it takes no room itself.
    truncateSync(path, bavail * bsize + 1e9);
    vi.stubEnv("TMPDIR", folder);
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    expect(() => checkLog(folder)).toThrow(expect.objectContaining({ code: "OSN_NO_ROOM" }));
    expect(readdirSync(folder)).toEqual(["station.sqlite"]);
  });

  it("is refused where there is none, and none is made", () => {
    const folder = testFolder();
    const missing = join(folder, "missing");
    const empty = join(folder, "empty");
    mkdirSync(empty);
    for (const none of [missing, empty, folder]) {
      expect(() => checkLog(none)).toThrow(
        expect.objectContaining({
          code: "OSN_USAGE",
          message: expect.stringContaining("holds no station log; a station's is DATA/station"),
        }),
      );
    }
    expect(existsSync(missing)).toBe(false);
    expect(readdirSync(empty)).toEqual([]);
  });

  it("is unsound where a leaf, a hash, a checkpoint or its signature was changed", async () => {
    const folder = testFolder();
    (await written(folder, 6)).close();
    for (const change of [
      "UPDATE leaf SET body = zeroblob(300) WHERE idx = 2",
      "UPDATE leaf SET nodes = zeroblob(96) WHERE idx = 3",
      "DELETE FROM leaf WHERE idx = 4",
      "DELETE FROM leaf WHERE idx >= 4",
      "UPDATE checkpoint SET root = zeroblob(32) WHERE size = 2",
      "DELETE FROM checkpoint WHERE size = (SELECT max(size) FROM checkpoint)",
      // Another byte in the middle of the signature, in Base64.
      "UPDATE checkpoint SET note = substr(note, 1, length(note) - 40) || " +
        "CASE substr(note, length(note) - 39, 1) WHEN 'A' THEN 'B' ELSE 'A' END || substr(note, length(note) - 38)",
      "UPDATE meta SET value = CAST('live' AS BLOB) WHERE name = 'mode'",
    ]) {
      const copy = join(testFolder(), "log");
      cpSync(folder, copy, { recursive: true });
      expect(checkLog(copy).size, change).toBe(7);
      const database = new Database(join(copy, "station.sqlite"));
      expect(database.prepare(change).run().changes, change).toBeGreaterThan(0);
      database.close();
      expect(() => checkLog(copy), change).toThrow(
        expect.objectContaining({ code: "OSN_STATION_LOG_CONTRADICTS" }),
      );
    }
  });
});

describe("the folder of a copy", () => {
  const memory: Place = { folder: "/tmp", freeBytes: 2e9, isMemory: true };
  const disk: Place = { folder: "/var/tmp", freeBytes: 9e9, isMemory: false };

  it("is the first for a small one, and on a disk for a large one where there is room", () => {
    expect(folderWithRoom(1e6, "it", [memory, disk])).toBe("/tmp");
    expect(folderWithRoom(1e9, "it", [memory, disk])).toBe("/var/tmp");
    expect(folderWithRoom(1e9, "it", [memory, { ...disk, freeBytes: 1e9 }])).toBe("/tmp");
    expect(folderWithRoom(1e6, "it", [{ ...memory, freeBytes: 1e6 }, disk])).toBe("/var/tmp");
  });

  it("is none where none has room, and each is named with what it has", () => {
    expect(() => folderWithRoom(9e9, "the log", [{ ...memory, freeBytes: null }, disk])).toThrow(
      expect.objectContaining({
        code: "OSN_NO_ROOM",
        message: "the log takes a copy of 9.1 GB: /tmp cannot be written, /var/tmp has 9.0 GB.",
      }),
    );
  });
});
