import fc from "fast-check";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  BLOCK_HEADER_BYTES,
  BLOCK_TYPES,
  encodeBlock,
  encodeEntry,
  entryBytes,
} from "../../src/recorder/format.js";
import { RecordingReader, type RecordingItem } from "../../src/recorder/reader.js";
import { Recorder, systemFiles, type RecorderOptions } from "../../src/recorder/recorder.js";
import { openCapture, type CaptureStamp } from "../../src/source/capture-file.js";
import type { Arrival } from "../../src/time/types.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "osnmad-recorder-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const START = Date.UTC(2026, 10, 26, 10);
const at = (seconds: number, trusted: Arrival["trusted"] = null): Arrival => ({
  unixMs: START + seconds * 1000,
  monotonicMs: 1000 + seconds * 1000,
  trusted,
});
const known = (gst: number): Arrival["trusted"] => ({
  gst,
  boundSeconds: 0.0123456789,
  assurance: "independent",
});

function recorder(more: Partial<RecorderOptions> = {}): Recorder {
  return new Recorder({
    folder,
    mode: "live",
    softwareVersion: "osnmad test",
    blockSeconds: 1000,
    fsync: "never",
    ...more,
  });
}

function files(): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".osnr"))
    .sort();
}

function itemsOf(bytes: Uint8Array, chunk = 1000): { items: RecordingItem[]; reader: RecordingReader } {
  const reader = new RecordingReader();
  const items: RecordingItem[] = [];
  const keep = (item: RecordingItem): void => {
    items.push(item.kind === "bytes" ? { ...item, bytes: Uint8Array.from(item.bytes) } : item);
  };
  for (let i = 0; i < bytes.length; i += chunk) {
    for (const item of reader.push(bytes.subarray(i, i + chunk))) keep(item);
  }
  for (const item of reader.end()) keep(item);
  return { items, reader };
}

function joined(items: readonly RecordingItem[]): Buffer {
  return Buffer.concat(items.flatMap((item) => (item.kind === "bytes" ? [item.bytes] : [])));
}

async function readBack(path: string): Promise<{ chunk: Buffer; stamp: CaptureStamp | undefined }[]> {
  const chunks: { chunk: Buffer; stamp: CaptureStamp | undefined }[] = [];
  await openCapture(path).read((chunk, stamp) => {
    chunks.push({ chunk: Buffer.from(chunk), stamp });
  });
  return chunks;
}

/** Bytes that do not compress, so that blocks have their size. */
function noise(length: number, seed: number): Uint8Array {
  let state = seed * 2654435761 + 12345;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 24;
  });
}

describe("a recording", () => {
  it("gives back every chunk as it came, with its times, bit for bit (property)", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            bytes: fc.uint8Array({ maxLength: 300 }),
            unixMs: fc.double({ noDefaultInfinity: true, noNaN: true, min: 0, max: 4e12 }),
            monotonicMs: fc.double({ noDefaultInfinity: true, noNaN: true }),
            trusted: fc.option(
              fc.record({
                gst: fc.double({ noNaN: true }),
                boundSeconds: fc.double({ noNaN: true }),
                assurance: fc.constant("independent" as const),
              }),
            ),
          }),
          { minLength: 1, maxLength: 40 },
        ),
        fc.integer({ min: 1, max: 5000 }),
        async (chunks, cut) => {
          const name = mkdtempSync(join(folder, "p"));
          const recording = recorder({ folder: name, blockBytes: 1024 });
          for (const { bytes, ...arrival } of chunks) recording.write(bytes, arrival);
          await recording.close();
          const written = readdirSync(name).map((file) => readFileSync(join(name, file)));
          const { items, reader } = itemsOf(Buffer.concat(written), cut);
          const expected = chunks.filter(({ bytes }) => bytes.length > 0);
          const got = items.flatMap((item) =>
            item.kind === "bytes" ? [{ bytes: item.bytes, ...item.arrival }] : [],
          );
          expect(got).toEqual(expected);
          if (expected.length > 0) {
            expect(reader.counts).toMatchObject({ files: 1, endedFiles: 1, badBlocks: 0, skippedBytes: 0 });
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it("says of itself what it is, and keeps notes at their place", async () => {
    const recording = recorder({ source: "ttyACM0", receiverId: "abc" });
    recording.write(Uint8Array.of(1), at(0));
    recording.note({ note: "reconnect", why: "unplugged" }, at(1));
    recording.write(Uint8Array.of(2), at(2));
    await recording.close();
    const { items } = itemsOf(readFileSync(join(folder, files()[0])));
    expect(items.map(({ kind }) => kind)).toEqual(["head", "bytes", "note", "bytes"]);
    expect(items[0]).toMatchObject({
      head: {
        mode: "live",
        trustedTime: true,
        part: 0,
        source: "ttyACM0",
        receiverId: "abc",
        softwareVersion: "osnmad test",
        startedAt: "2026-11-26T10:00:00.000Z",
      },
    });
    expect(items[2]).toMatchObject({ note: { note: "reconnect", why: "unplugged" }, arrival: at(1) });
  });

  it("is for its owner's eyes", async () => {
    const recording = recorder({ folder: join(folder, "new") });
    recording.write(Uint8Array.of(1), at(0));
    await recording.close();
    expect(statSync(join(folder, "new")).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, "new", readdirSync(join(folder, "new"))[0])).mode & 0o777).toBe(0o600);
  });

  it("writes nothing where nothing came", async () => {
    await recorder().close();
    expect(files()).toEqual([]);
  });
});

describe("rotation and retention", () => {
  it("begins a new part by size; parts together hold every byte, and each is readable alone", async () => {
    const recording = recorder({ maxFileBytes: 64 * 1024, blockBytes: 8192 });
    const sent: Uint8Array[] = [];
    for (let i = 0; i < 40; i++) {
      sent.push(noise(5000, i));
      recording.write(sent[i], at(i, known(i)));
      await recording.flush();
    }
    await recording.close();
    const parts = files().map((name) => readFileSync(join(folder, name)));
    expect(parts.length).toBeGreaterThan(2);
    for (const [i, part] of parts.entries()) {
      expect(part.length).toBeLessThan(64 * 1024 + 16 * 1024);
      const { items, reader } = itemsOf(part);
      expect(items[0]).toMatchObject({ kind: "head", head: { part: i } });
      expect(reader.counts).toMatchObject({ endedFiles: 1, skippedBytes: 0, missingBlocks: 0 });
    }
    expect(joined(itemsOf(Buffer.concat(parts)).items).equals(Buffer.concat(sent))).toBe(true);
  });

  it("begins a new part by age", async () => {
    let now = 0;
    const recording = recorder({ maxFileSeconds: 60, now: () => now });
    for (let i = 0; i < 5; i++) {
      recording.write(Uint8Array.of(i), at(i));
      now += 61_000;
      await recording.flush();
    }
    await recording.close();
    expect(files()).toHaveLength(3);
  });

  it("lets the oldest go, and nothing that is no recording", async () => {
    writeFileSync(join(folder, "notes.txt"), "keep");
    writeFileSync(join(folder, "20200101T000000Z-older000-0000.osnr"), noise(100_000, 1));
    const recording = recorder({ maxFileBytes: 64 * 1024, maxTotalBytes: 200 * 1024, blockBytes: 8192 });
    for (let i = 0; i < 100; i++) {
      recording.write(noise(5000, i), at(i));
      await recording.flush();
    }
    await recording.close();
    const total = files().reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    expect(total).toBeLessThanOrEqual(200 * 1024 + 16 * 1024);
    expect(files().some((name) => name.includes("older000"))).toBe(false);
    expect(readdirSync(folder)).toContain("notes.txt");
    // The newest bytes are there.
    const last = itemsOf(readFileSync(join(folder, files().at(-1)!))).items.filter(
      ({ kind }) => kind === "bytes",
    );
    expect(Buffer.from((last.at(-1) as { bytes: Uint8Array }).bytes).equals(noise(5000, 99))).toBe(true);
  });
});

describe("a disk that refuses", () => {
  it("stops the recording, says so once, and is tried again; what waited is not lost", async () => {
    let now = 0;
    let full = false;
    const faults: (string | null)[] = [];
    const recording = recorder({
      now: () => now,
      blockBytes: 1024,
      onFault: (fault) => faults.push(fault),
      files: {
        ...systemFiles,
        async open(path) {
          const file = await systemFiles.open(path);
          return {
            ...file,
            async append(bytes) {
              if (full) {
                // A full disk takes a part first.
                await file.append(bytes.subarray(0, 10));
                throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
              }
              await file.append(bytes);
            },
            sync: () => file.sync(),
            close: () => file.close(),
          };
        },
      },
    });
    const sent: Uint8Array[] = [];
    const send = async (i: number): Promise<void> => {
      sent.push(noise(900, i));
      expect(() => {
        recording.write(sent[i], at(i));
      }).not.toThrow();
      await recording.flush();
    };
    await send(0);
    full = true;
    for (let i = 1; i < 6; i++) await send(i);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain("ENOSPC");
    expect(recording.status()).toMatchObject({
      recording: false,
      bytesLost: 0,
      bytesRecorded: 900,
      bytesWaiting: 4500,
    });
    full = false;
    now += 6000;
    await send(6);
    expect(faults).toEqual([faults[0], null]);
    await recording.close();
    expect(recording.status()).toMatchObject({ bytesRecorded: 6300, bytesLost: 0, bytesWaiting: 0 });
    const all = files().map((name) => readFileSync(join(folder, name)));
    const { items, reader } = itemsOf(Buffer.concat(all));
    expect(joined(items).equals(Buffer.concat(sent))).toBe(true);
    expect(reader.counts.skippedBytes).toBe(10);
  });

  it("costs what does not fit into memory, which is counted and stands in the recording", async () => {
    let full = true;
    let now = 0;
    const recording = recorder({
      now: () => now,
      files: {
        ...systemFiles,
        open: (path) =>
          full ? Promise.reject(new Error("EROFS: read-only file system")) : systemFiles.open(path),
      },
    });
    const chunk = noise(60_000, 3);
    for (let i = 0; i < 200; i++) recording.write(chunk, at(i));
    await recording.flush();
    const { bytesLost, bytesReceived } = recording.status();
    expect(bytesReceived).toBe(12_000_000);
    expect(bytesLost).toBeGreaterThan(3_000_000);
    full = false;
    now += 6000;
    await recording.flush();
    recording.write(Uint8Array.of(7), at(300));
    await recording.close();
    const { items } = itemsOf(Buffer.concat(files().map((name) => readFileSync(join(folder, name)))));
    expect(items.filter(({ kind }) => kind === "note")).toEqual([
      expect.objectContaining({ note: { note: "gap", bytes: bytesLost } }),
    ]);
    expect(joined(items).length).toBe(bytesReceived + 1 - bytesLost);
  });

  it("does not make closing fail", async () => {
    const recording = recorder({ files: { ...systemFiles, open: () => Promise.reject(new Error("EIO")) } });
    recording.write(Uint8Array.of(1, 2, 3), at(0));
    await recording.close();
    expect(recording.status()).toMatchObject({ bytesLost: 3, bytesWaiting: 0, recording: false });
    recording.write(Uint8Array.of(4), at(1));
    await recording.close();
  });
});

describe("damage", () => {
  /** Three data blocks of 40 bytes each, chunks of 20. */
  function small(): { bytes: Buffer; blocks: number[] } {
    const parts = [
      encodeBlock(
        BLOCK_TYPES.head,
        0,
        Buffer.from('{"format":"osnmad-recording","version":1,"mode":"live"}'),
      ),
    ];
    for (let block = 0; block < 3; block++) {
      const content = new Uint8Array(2 * entryBytes(at(0, known(1)), 20));
      let next = 0;
      for (let i = 0; i < 2; i++)
        next = encodeEntry(content, next, "bytes", at(block, known(block)), noise(20, 10 * block + i));
      parts.push(encodeBlock(BLOCK_TYPES.data, block + 1, content));
    }
    parts.push(encodeBlock(BLOCK_TYPES.end, 4, new Uint8Array(0)));
    const blocks: number[] = [];
    let offset = 0;
    for (const part of parts) blocks.push((offset += part.length));
    return { bytes: Buffer.concat(parts), blocks };
  }
  const original = joined(itemsOf(small().bytes).items);

  it("by a cut at every byte costs the block that was cut and nothing before it", () => {
    const { bytes, blocks } = small();
    for (let length = 0; length <= bytes.length; length++) {
      const { items, reader } = itemsOf(bytes.subarray(0, length), 7);
      const whole = blocks.filter((end) => end <= length).length;
      const data = Math.max(0, Math.min(3, whole - 1));
      expect(joined(items).equals(original.subarray(0, data * 40)), `cut at ${length}`).toBe(true);
      expect(reader.counts.totalBytes).toBe(length);
      expect(reader.counts.skippedBytes).toBe(length - (whole === 0 ? 0 : blocks[whole - 1]));
    }
  });

  it("by a flipped bit at every position costs that block alone, and never gives other bytes", () => {
    const { bytes, blocks } = small();
    for (let i = 0; i < bytes.length; i++) {
      const damaged = Buffer.from(bytes);
      damaged[i] ^= 1 << (i % 8);
      const { items, reader } = itemsOf(damaged, 64);
      const block = blocks.findIndex((end) => i < end);
      const expected =
        block >= 1 && block <= 3
          ? Buffer.concat([original.subarray(0, (block - 1) * 40), original.subarray(block * 40)])
          : original;
      expect(joined(items).equals(expected), `bit of byte ${i}`).toBe(true);
      expect(reader.counts.skippedBytes).toBe(blocks[block] - (block === 0 ? 0 : blocks[block - 1]));
      if (block >= 1 && block <= 3) expect(reader.counts.missingBlocks).toBe(1);
    }
  });

  it("of any kind is survived (property)", () => {
    const { bytes } = small();
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length), fc.nat(60), fc.uint8Array({ maxLength: 60 })), {
          maxLength: 5,
        }),
        fc.integer({ min: 1, max: 200 }),
        (edits, chunk) => {
          let damaged: Buffer = Buffer.from(bytes);
          for (const [from, gone, put] of edits) {
            damaged = Buffer.concat([damaged.subarray(0, from), put, damaged.subarray(from + gone)]);
          }
          const { items, reader } = itemsOf(damaged, chunk);
          for (const item of items) {
            if (item.kind === "bytes") expect(original.includes(Buffer.from(item.bytes))).toBe(true);
          }
          expect(reader.counts.totalBytes).toBe(damaged.length);
        },
      ),
    );
  });

  it("does not make a reader slow: headers that hold and contents that do not", () => {
    const header = encodeBlock(BLOCK_TYPES.data, 1, noise(900_000, 1)).subarray(0, BLOCK_HEADER_BYTES);
    const made = Buffer.concat(Array.from({ length: 60_000 }, () => header));
    const before = performance.now();
    const { reader } = itemsOf(made, 256 * 1024);
    // Without a bound this is 25 GB of checksums; the bound is generous for a loaded machine.
    expect(performance.now() - before).toBeLessThan(15_000);
    expect(reader.counts.skippedBytes).toBe(made.length);
  });

  it("a block does not unpack to more than it says", () => {
    const block = encodeBlock(BLOCK_TYPES.data, 1, new Uint8Array(1 << 20));
    expect(block.length).toBeLessThan(10_000);
    expect(() => encodeBlock(BLOCK_TYPES.data, 1, new Uint8Array((1 << 20) + 1))).toThrow(RangeError);
  });
});

describe("a process that is killed", () => {
  it("leaves a recording that is readable to its last whole block", async () => {
    const dist = fileURLToPath(new URL("../../dist/recorder/recorder.js", import.meta.url));
    const script = `
      import { Recorder } from ${JSON.stringify(dist)};
      const recorder = new Recorder({ folder: ${JSON.stringify(folder)}, mode: "live", softwareVersion: "t", blockBytes: 4096, blockSeconds: 0.01 });
      let n = 0;
      setInterval(() => {
        for (let i = 0; i < 20; i++, n++) {
          const chunk = Buffer.alloc(200);
          for (let k = 0; k < 50; k++) chunk.writeUInt32LE(n * 50 + k, 4 * k);
          recorder.write(chunk, { unixMs: 1.8e12 + n, monotonicMs: n, trusted: null });
        }
        if (recorder.status().bytesRecorded > 200_000) process.stdout.write("x");
      }, 1);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
    const { items, reader } = itemsOf(readFileSync(join(folder, files()[0])));
    const bytes = joined(items);
    expect(bytes.length).toBeGreaterThanOrEqual(200_000);
    for (let i = 0; i < bytes.length / 4; i++)
      if (bytes.readUInt32LE(4 * i) !== i) throw new Error(`gap at ${i}`);
    expect(reader.counts).toMatchObject({ endedFiles: 0, badBlocks: 0, missingBlocks: 0 });
  });
});

describe("opened as a capture", () => {
  async function record(): Promise<string> {
    const recording = recorder({ blockBytes: 1024 });
    for (let i = 0; i < 30; i++) recording.write(noise(100 + i, i), at(i, i % 3 === 0 ? null : known(i)));
    await recording.close();
    return join(folder, files()[0]);
  }
  const all = Buffer.concat(Array.from({ length: 30 }, (_, i) => noise(100 + i, i)));

  it("is known by its first bytes, also behind gzip, and gives chunks with their stamps", async () => {
    const path = await record();
    const zipped = join(folder, "zipped");
    writeFileSync(zipped, gzipSync(readFileSync(path)));
    for (const file of [path, zipped]) {
      const chunks = await readBack(file);
      expect(chunks).toHaveLength(30);
      expect(chunks.map(({ stamp }) => stamp?.trusted)).toEqual(
        Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? null : known(i))),
      );
      expect(Buffer.concat(chunks.map(({ chunk }) => chunk)).equals(all)).toBe(true);
    }
  });

  it("without a clock in the run has no trusted time to hand on", async () => {
    const recording = recorder({ mode: "replay", trustedTime: false });
    recording.write(Uint8Array.of(1), at(0));
    await recording.close();
    expect((await readBack(join(folder, files()[0])))[0].stamp?.trusted).toBeUndefined();
  });

  it("a plain capture behind gzip gives its bytes, a cut one what is there", async () => {
    const plain = Buffer.concat([Buffer.from([0xb5, 0x62]), noise(700_000, 5)]);
    const zipped = gzipSync(plain);
    writeFileSync(join(folder, "a.ubx.gz"), zipped);
    const whole = await readBack(join(folder, "a.ubx.gz"));
    expect(whole.every(({ stamp }) => stamp === undefined)).toBe(true);
    expect(Buffer.concat(whole.map(({ chunk }) => chunk)).equals(plain)).toBe(true);
    writeFileSync(join(folder, "b.ubx.gz"), zipped.subarray(0, zipped.length / 2));
    const cut = Buffer.concat((await readBack(join(folder, "b.ubx.gz"))).map(({ chunk }) => chunk));
    expect(cut.length).toBeGreaterThan(100_000);
    expect(plain.subarray(0, cut.length).equals(cut)).toBe(true);
  });

  it("a damaged gzip file ends with a reason", async () => {
    const zipped = gzipSync(noise(300_000, 5));
    zipped.fill(0xff, 150_000, 150_100);
    zipped.fill(0, zipped.length - 8);
    writeFileSync(join(folder, "c.gz"), zipped);
    const source = openCapture(join(folder, "c.gz"));
    await source.read(() => undefined);
    expect(source.cut).toMatch(/gzip data is damaged/);
  });

  it.each([0, 1, 2, 3, 4, 5])("a plain file of %i bytes gives them", async (length) => {
    writeFileSync(join(folder, "s"), noise(length, 1));
    const chunks = await readBack(join(folder, "s"));
    expect(Buffer.concat(chunks.map(({ chunk }) => chunk)).equals(Buffer.from(noise(length, 1)))).toBe(true);
  });

  it("a failing consumer ends the reading of a gzip file", async () => {
    writeFileSync(join(folder, "d.gz"), gzipSync(noise(3_000_000, 5)));
    await expect(
      openCapture(join(folder, "d.gz")).read(() => {
        throw new Error("enough");
      }),
    ).rejects.toThrow("enough");
  });
});
