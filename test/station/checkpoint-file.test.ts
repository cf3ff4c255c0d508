import { closeSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CheckpointFile, readCheckpointFile } from "../../src/station/checkpoint-file.js";
import { signCheckpoint } from "../../src/station/checkpoint.js";
import { ED25519, verifierKey } from "../../src/station/note.js";
import { testFolder } from "./folder.js";
import { testKey } from "./keys.js";

const signer = testKey("checkpoint file");
const origin = `osnmad-station/${"ab".repeat(32)}`;
const key = verifierKey(origin, ED25519, signer.publicKey);
const noteOf = (size: number): Promise<string> =>
  signCheckpoint({ origin, size, root: new Uint8Array(32).fill(size), extensions: [] }, [
    { key, sign: (text) => signer.sign(text) },
  ]);

/** A file with the checkpoints of sizes 1 to 5, written over two openings. */
async function written(): Promise<string> {
  const path = join(testFolder(), "checkpoint");
  for (const sizes of [[1, 2], [3, 4, 5], []]) {
    const file = new CheckpointFile(path);
    expect(file.isNew).toBe(sizes[0] === 1);
    for (const size of sizes) file.write(await noteOf(size));
    file.close();
  }
  return path;
}

/** Ones in place of the bytes from `from` to `to`, as where a write was cut off. */
function tear(path: string, from: number, to: number): void {
  const descriptor = openSync(path, "r+");
  writeSync(descriptor, Buffer.alloc(to - from, 0x31), 0, to - from, from);
  closeSync(descriptor);
}

const placeOf = (path: string, size: number): number =>
  Math.floor(readFileSync(path).indexOf(`\n${size}\n`) / 4096) * 4096;

describe("file of the last checkpoint", () => {
  it("has the newest, for nobody else to read, and does not grow", async () => {
    const path = await written();
    expect(readCheckpointFile(path)?.size).toBe(5);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(path).size).toBe(8192);
  });

  it("has the one before where the newest was torn at any byte of it, and goes on over the torn one", async () => {
    const { length } = await noteOf(5);
    for (const at of [0, 1, 70, 100, length - 3, length + 20]) {
      const path = await written();
      const torn = placeOf(path, 5);
      tear(path, torn + at, torn + at + 40);
      const file = new CheckpointFile(path);
      expect(file.newest?.size, `torn at ${at}`).toBe(4);
      expect(file.isNew).toBe(false);
      file.write(await noteOf(6));
      file.close();
      expect(readCheckpointFile(path)?.size).toBe(6);
      expect(placeOf(path, 6)).toBe(torn);
      expect(placeOf(path, 4)).toBe(4096 - torn);
    }
  });

  it("is new where the first write of all was torn", async () => {
    const path = join(testFolder(), "checkpoint");
    new CheckpointFile(path).close();
    tear(path, 0, 300);
    const file = new CheckpointFile(path);
    expect(file.newest).toBeNull();
    expect(file.isNew).toBe(true);
    file.write(await noteOf(1));
    file.close();
    expect(readCheckpointFile(path)?.size).toBe(1);
  });

  it("says that it was damaged where neither is whole", async () => {
    const path = await written();
    tear(path, 100, 140);
    tear(path, 4196, 4236);
    const file = new CheckpointFile(path);
    expect(file.newest).toBeNull();
    expect(file.isNew).toBe(false);
    file.close();
  });
});
