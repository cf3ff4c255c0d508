/** The log on disk: what is announced stays, one root for each size, and no signature where history disagrees. */
import Database from "better-sqlite3";
import { generateKeyPairSync } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { auditedLeaves } from "../../src/station/audit.js";
import { signerOf } from "../../src/station/checkpoint.js";
import { decodeLeaf, receiverCommitment } from "../../src/station/leaf.js";
import { checkLog } from "../../src/station/log-check.js";
import { leafHash, nodeHash, rootOf, verifyConsistency, verifyInclusion } from "../../src/station/merkle.js";
import { isSignedBy } from "../../src/station/note.js";
import { CheckpointFile, readCheckpointFile } from "../../src/station/checkpoint-file.js";
import { StationLog, type RunStart } from "../../src/station/station-log.js";
import { decodeEntries, subtreeFromTiles, tilesOf } from "../../src/station/tiles.js";
import { testFolder } from "./folder.js";
import { GST, subframeContent } from "./leaves.js";

const run = (log: StationLog): RunStart => ({
  softwareVersion: "0.0.0-test",
  time: { assurance: "independent", boundMs: 40 },
  receiver: receiverCommitment(log.receiverSalt, "test receiver"),
});

function opened(directory: string, mode: "live" | "replay" = "live"): StationLog {
  return StationLog.open({ directory, mode, flush: false });
}

/** Appends subframes of rising GST. */
function grow(log: StationLog, count: number): void {
  const from = log.history?.nextGst ?? GST;
  const { receiver } = run(log);
  log.append(
    Array.from({ length: count }, (_, at) => ({
      content: { ...subframeContent(from + 30 * at, log.size + at), receiver },
      openings: { secret: new Uint8Array(32).fill(at), items: new Uint8Array([0x80]) },
    })),
  );
}

async function begun(directory: string, leaves: number): Promise<StationLog> {
  const log = opened(directory);
  log.begin(run(log));
  grow(log, leaves);
  await log.sign();
  return log;
}

describe("a station's log", () => {
  it("has its key and database for the owner alone", async () => {
    const folder = join(testFolder(), "station");
    (await begun(folder, 1)).close();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of ["station.key", "station.sqlite", "checkpoint"]) {
      expect(statSync(join(folder, name)).mode & 0o777, name).toBe(0o600);
    }
  });

  it("goes on after a restart where it was, under the same name", async () => {
    const folder = testFolder();
    const log = await begun(folder, 5);
    const { origin, size } = log;
    const first = log.checkpoint!;
    log.close();
    const again = opened(folder);
    expect(again.origin).toBe(origin);
    expect(again.size).toBe(size);
    again.begin(run(again));
    grow(again, 300);
    const second = await again.sign();
    const proof = again.consistencyProof(first.size, second.size);
    expect(verifyConsistency(first.size, second.size, first.root, second.root, proof)).toBe(true);
    expect(checkLog(again.directory)).toMatchObject({
      size: size + 1 + 300,
      mode: again.mode,
      checkpoints: 2,
    });
    again.close();
  });

  it("opens a log longer than what it reads again, with the same history", async () => {
    const folder = testFolder();
    const log = await begun(folder, 3000);
    const { history } = log;
    log.close();
    const again = opened(folder);
    expect(again.history).toEqual(history);
    again.close();
  });

  it("signs a size once, and the signature is the station's", async () => {
    const log = await begun(testFolder(), 3);
    const checkpoint = log.checkpoint!;
    expect(signerOf(checkpoint, [log.key])).not.toBeNull();
    expect(await log.sign()).toBe(checkpoint);
    grow(log, 1);
    const [a, b] = await Promise.all([log.sign(), log.sign()]);
    expect(a).toBe(b);
    expect(a.size).toBe(checkpoint.size + 1);
    log.close();
  });

  it("proves each leaf and publishes tiles that make the same root", async () => {
    const log = await begun(testFolder(), 600);
    const { size, root } = log.checkpoint!;
    for (const index of [0, 1, 255, 256, size - 1]) {
      const [bytes] = log.leaves(index, index + 1);
      expect(decodeLeaf(bytes)?.index).toBe(index);
      expect(verifyInclusion(index, size, leafHash(bytes), log.inclusionProof(index, size), root)).toBe(true);
    }
    const tiles = new Map(tilesOf(size).map((name) => [`${name.level}/${name.index}`, log.tile(name)!]));
    const subtree = subtreeFromTiles((level, index) => tiles.get(`${level}/${index}`)!, nodeHash);
    expect(Buffer.from(rootOf(size, subtree))).toEqual(Buffer.from(root));
    const entries = decodeEntries(tiles.get("entries/1")!)!;
    expect(Buffer.from(entries[3])).toEqual(Buffer.from(log.leaves(259, 260)[0]));
    // What is not signed is not published.
    grow(log, 1);
    expect(log.tile({ level: 0, index: 2, width: size - 512 + 1 })).toBeNull();
    log.close();
  });

  it("appends no leaf that a follower would refuse, and all or none", async () => {
    const log = await begun(testFolder(), 2);
    const { receiver } = run(log);
    const { size, history } = log;
    const good = { content: { ...subframeContent(history!.nextGst!), receiver } };
    const back = { content: { ...subframeContent(GST), receiver } };
    expect(() => log.append([good, back])).toThrow(/time-backwards/);
    expect(log.size).toBe(size);
    expect(log.leaves(0, 99)).toHaveLength(size);
    grow(log, 1);
    expect(checkLog(log.directory).size).toBe(size + 1);
    log.close();
  });

  it("of one mode is none of another", async () => {
    const folder = testFolder();
    (await begun(folder, 1)).close();
    expect(() => opened(folder, "replay")).toThrow(expect.objectContaining({ code: "OSN_USAGE" }));
    const replay = opened(testFolder(), "replay");
    expect(replay.origin).toMatch(/^osnmad-station\/replay\/[0-9a-f]{64}$/);
    replay.close();
  });

  it("is open in one place at a time", async () => {
    const folder = testFolder();
    const log = await begun(folder, 1);
    expect(() => opened(folder)).toThrow(expect.objectContaining({ code: "OSN_STATION_LOG_IN_USE" }));
    log.close();
    opened(folder).close();
  });
});

describe("a history that disagrees", () => {
  const refused = (folder: string) =>
    expect(() => opened(folder)).toThrow(expect.objectContaining({ code: "OSN_STATION_LOG_CONTRADICTS" }));
  const tamper = (folder: string, sql: string) => {
    const database = new Database(join(folder, "station.sqlite"));
    database.exec(sql);
    database.close();
  };

  it("is not signed: the database was set back to an older copy", async () => {
    const folder = testFolder();
    const log = await begun(folder, 3);
    log.close();
    const copy = join(testFolder(), "copy");
    copyFileSync(join(folder, "station.sqlite"), copy);
    const later = opened(folder);
    later.begin(run(later));
    await later.sign();
    later.close();
    for (const name of ["station.sqlite-wal", "station.sqlite-shm"])
      rmSync(join(folder, name), { force: true });
    copyFileSync(copy, join(folder, "station.sqlite"));
    refused(folder);
  });

  it.each([
    ["a leaf was altered", "UPDATE leaf SET body = zeroblob(300) WHERE idx = 2"],
    ["a leaf was taken out", "DELETE FROM leaf WHERE idx = 2"],
    ["the last leaf was taken out", "DELETE FROM leaf WHERE idx = 4"],
    ["a hash was altered", "UPDATE leaf SET nodes = zeroblob(96) WHERE idx = 3"],
    ["a leaf's hash was altered", "UPDATE leaf SET nodes = zeroblob(64) WHERE idx = 1"],
    ["the checkpoint was taken out", "DELETE FROM checkpoint"],
  ])("is not signed: %s", async (_what, sql) => {
    const folder = testFolder();
    (await begun(folder, 4)).close();
    tamper(folder, sql);
    refused(folder);
  });

  it("is noticed while it runs, before the next signature", async () => {
    const folder = testFolder();
    const log = await begun(folder, 4);
    log.refuse("a witness has more of it");
    await expect(log.sign()).rejects.toMatchObject({ code: "OSN_STATION_LOG_CONTRADICTS" });
    expect(() => grow(log, 1)).toThrow(/a witness has more/);
    log.close();
    refused(folder);
  });

  it("is one whose key is left without its log", async () => {
    const folder = testFolder();
    (await begun(folder, 2)).close();
    for (const name of ["station.sqlite", "station.sqlite-wal", "station.sqlite-shm", "checkpoint"])
      rmSync(join(folder, name), { force: true });
    const missing = () =>
      expect(() => opened(folder)).toThrow(expect.objectContaining({ code: "OSN_STATION_LOG_MISSING" }));
    missing();
    missing();
    // A new key is a new station.
    rmSync(join(folder, "station.key"));
    const anew = opened(folder);
    expect(anew.size).toBe(0);
    anew.close();
    // Key and empty log made before the first start belong together.
    opened(folder).close();
  });

  it("is one with fewer leaves than others were told of", async () => {
    const folder = testFolder();
    const log = await begun(folder, 4);
    const { size } = log;
    log.assertTold(size);
    log.close();
    const open = (toldSize: number) => StationLog.open({ directory: folder, mode: "live", toldSize });
    open(size).close();
    expect(() => open(size + 8)).toThrow(
      expect.objectContaining({
        code: "OSN_STATION_LOG_CONTRADICTS",
        message: expect.stringMatching(/set back/),
      }),
    );
    refused(folder);
  });

  it("is one whose key is another, gone, or readable by others", async () => {
    const folder = testFolder();
    (await begun(folder, 2)).close();
    const key = readFileSync(join(folder, "station.key"));
    chmodSync(join(folder, "station.key"), 0o640);
    const unusable = () =>
      expect(() => opened(folder)).toThrow(expect.objectContaining({ code: "OSN_STATION_KEY_UNUSABLE" }));
    unusable();
    rmSync(join(folder, "station.key"));
    unusable();
    expect(existsSync(join(folder, "station.key"))).toBe(false);
    const other = testFolder();
    (await begun(other, 1)).close();
    copyFileSync(join(other, "station.key"), join(folder, "station.key"));
    chmodSync(join(folder, "station.key"), 0o600);
    refused(folder);
    writeFileSync(join(folder, "station.key"), key);
    opened(folder).close();
  });
});

describe("a signer that is not the key file", () => {
  it("is held to what it signs: a signature that does not hold is no checkpoint", async () => {
    const folder = testFolder();
    const publicKey = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" }).x!;
    const signer = {
      publicKey: Uint8Array.from(Buffer.from(publicKey, "base64url")),
      sign: () => Promise.resolve(new Uint8Array(64)),
    };
    const log = StationLog.open({ directory: folder, mode: "live", signer });
    onTestFinished(() => {
      log.close();
    });
    log.begin({
      softwareVersion: "t",
      time: { assurance: "none", boundMs: null },
      receiver: new Uint8Array(32),
    });
    await expect(log.sign()).rejects.toThrow(expect.objectContaining({ code: "OSN_STATION_KEY_UNUSABLE" }));
    expect(log.checkpoint).toBeNull();
    expect(log.checkpointAt(log.size)).toBeNull();
  });
});

describe("rotation of the key", () => {
  it("is signed by both, in the log and on the checkpoint that has it, and by the new one after", async () => {
    const folder = testFolder();
    const log = await begun(folder, 2);
    const old = log.key;
    const station = log.station;
    const { leaf } = await log.rotate(run(log));
    expect(leaf.kind).toBe("rotation");
    // One rotation at a time: the old key has to sign for this one.
    await expect(log.rotate(run(log))).rejects.toMatchObject({ code: "OSN_USAGE" });
    const turn = await log.sign();
    expect(log.key.publicKey).not.toEqual(old.publicKey);
    expect(isSignedBy(turn.note, old) && isSignedBy(turn.note, log.key)).toBe(true);
    grow(log, 1);
    const after = await log.sign();
    expect(isSignedBy(after.note, old)).toBe(false);
    expect(signerOf(after, [log.key])).not.toBeNull();
    log.close();
    const again = opened(folder);
    expect(again.station).toEqual(station);
    expect(checkLog(folder).size).toBe(again.size);
    again.close();
  });

  it("that was cut off before its leaf is undone, and after it is finished", async () => {
    const folder = testFolder();
    const log = await begun(folder, 2);
    const before = readFileSync(join(folder, "station.key"));
    log.close();
    // Cut off before the leaf: a key that no leaf names.
    copyFileSync(join(folder, "station.key"), join(folder, "station.key.next"));
    const other = testFolder();
    (await begun(other, 1)).close();
    copyFileSync(join(other, "station.key"), join(folder, "station.key.next"));
    const undone = opened(folder);
    expect(existsSync(join(folder, "station.key.next"))).toBe(false);
    const old = undone.key;
    await undone.rotate(run(undone));
    undone.close();
    // Cut off after the leaf: both files are there still, and opening alone signs nothing.
    expect(readFileSync(join(folder, "station.key"))).toEqual(before);
    const finished = opened(folder);
    const { checkpoint } = finished;
    grow(finished, 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(finished.checkpoint).toBe(checkpoint);
    const { note } = await finished.sign();
    expect(isSignedBy(note, old) && isSignedBy(note, finished.key)).toBe(true);
    expect(existsSync(join(folder, "station.key.next"))).toBe(false);
    expect(readFileSync(join(folder, "station.key"))).not.toEqual(before);
    finished.close();
    opened(folder).close();
  });
});

describe("challenges", () => {
  it("go into the next leaf, once, and survive a restart while they wait", async () => {
    const folder = testFolder();
    const log = await begun(folder, 2);
    const challenge = new Uint8Array(32).fill(0xc1);
    log.challenge(challenge, Buffer.from("proof"), 1_790_000_000_000);
    log.close();
    const again = opened(folder);
    expect(again.challenge(challenge, Buffer.from("proof"), 1_790_000_000_001).receivedAt).toBe(
      1_790_000_000_000,
    );
    const [start] = again.begin(run(again));
    expect(start.leaf.challenges.map((each) => Buffer.from(each.challenge))).toEqual([
      Buffer.from(challenge),
    ]);
    grow(again, 1);
    expect(decodeLeaf(again.leaves(again.size - 1, again.size)[0])?.challenges).toEqual([]);
    expect(again.findChallenge(challenge)?.leafIndex).toBe(start.leaf.index);
    again.close();
  });

  it("are refused where they are none, and bounded in number and size", async () => {
    const log = await begun(testFolder(), 1);
    expect(() => log.challenge(new Uint8Array(31), new Uint8Array(0), 0)).toThrow(/32 bytes/);
    expect(() => log.challenge(new Uint8Array(32), new Uint8Array(5000), 0)).toThrow(/4096/);
    for (let at = 0; at < 64; at++) log.challenge(new Uint8Array(32).fill(at), new Uint8Array(0), 0);
    expect(() => log.challenge(new Uint8Array(32).fill(99), new Uint8Array(0), 0)).toThrow(/wait/);
    grow(log, 1);
    expect(decodeLeaf(log.leaves(log.size - 1, log.size)[0])?.challenges).toHaveLength(8);
    log.close();
  });

  it("draw leaves that nobody chose: all of them in time, none outside", () => {
    const drawn = new Set<number>();
    for (let at = 0; at < 200; at++) {
      const leaves = auditedLeaves(new Uint8Array(32).fill(at), 50);
      expect(new Set(leaves).size).toBe(4);
      for (const leaf of leaves) drawn.add(leaf);
    }
    expect([...drawn].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, at) => at));
    expect(auditedLeaves(new Uint8Array(32), 3)).toEqual([0, 1, 2]);
    expect(auditedLeaves(new Uint8Array(32), 50)).toEqual(auditedLeaves(new Uint8Array(32), 50));
  });
});

it("a stored checkpoint is the note that was returned", async () => {
  const folder = testFolder();
  const log = await begun(folder, 1);
  expect(readCheckpointFile(join(folder, "checkpoint"))).toEqual(log.checkpoint);
  expect(log.checkpointAt(log.size)).toEqual(log.checkpoint);
  log.close();
});

it("a signature whose file could not be written is finished, not made again", async () => {
  const folder = testFolder();
  const log = await begun(folder, 2);
  grow(log, 1);
  const full = Object.assign(new Error("ENOSPC: no space left on device"), {
    code: "ENOSPC",
    syscall: "write",
  });
  const write = vi.spyOn(CheckpointFile.prototype, "write").mockImplementationOnce(() => {
    throw full;
  });
  await expect(log.sign()).rejects.toMatchObject({ code: "OSN_STATE_UNWRITABLE" });
  const inDatabase = log.checkpointAt(log.size)!;
  expect(log.checkpoint!.size).toBeLessThan(log.size);
  expect(await log.sign()).toEqual(inDatabase);
  write.mockRestore();
  expect(log.checkpoint).toEqual(inDatabase);
  grow(log, 1);
  expect((await log.sign()).size).toBe(log.size);
  log.close();
  opened(folder).close();
});
