/** `osnmad export pages`: what is written reads back to the very pages, and gives the very verdicts. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exportPages } from "../../src/export/export-pages.js";
import { VectorFiles, type VectorFile } from "../../src/export/pages.js";
import { gstOf } from "../../src/inav/gst.js";
import { Pipeline } from "../../src/pipeline/pipeline.js";
import type { SummaryRecord } from "../../src/pipeline/records.js";
import { readScenario } from "../../src/simulate/captures.js";
import { forEachPage, gstOfVectorName, readVectorCsv } from "../../src/source/vector-csv.js";
import { keyOfFile, rootOfTree } from "../support/osnma.js";
import { describeShared, sharedPath } from "../support/shared.js";

const captures = fileURLToPath(new URL("../../captures", import.meta.url));
const tree = rootOfTree(join(captures, "trust/TEST_OSNMA_MerkleTree_A.xml"));
const trust = {
  roots: [{ root: tree }],
  keys: [keyOfFile(join(captures, "trust/TEST_OSNMA_PublicKey_2.xml"), tree)],
  mode: "simulated",
  softwareVersion: "test",
} as const;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "osnmad-export-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function verdicts(summary: SummaryRecord) {
  const { tags, macseq, keysVerified, rootKeysVerified, alertVerified, pages, ttfafSeconds, state } = summary;
  return { tags, macseq, keysVerified, rootKeysVerified, alertVerified, pages, ttfafSeconds, state };
}

function replayed(capture: string): SummaryRecord {
  const pipeline = new Pipeline(trust, () => undefined);
  pipeline.push(readFileSync(join(captures, `${capture}.ubx`)));
  return pipeline.end();
}

function reread(path: string): SummaryRecord {
  const pipeline = new Pipeline(trust, () => undefined);
  forEachPage(readVectorCsv(path), (page, gst) => {
    pipeline.vectorPage(page, gst);
  });
  return pipeline.end();
}

describe("a scenario with the parameters of the official vector configuration_2", () => {
  it("gives a vector of the same name, in which every tag verifies and the DSM-PKR proves the key", async () => {
    const scenario = readScenario(join(captures, "vectors/configuration-2.toml"), { durationSeconds: 600 });
    const capture = join(folder, "configuration-2.ubx");
    writeFileSync(capture, Buffer.concat([...scenario.frames()].map(({ bytes }) => bytes)));
    const [file, ...more] = await exportPages(capture, join(folder, "configuration-2"), false);
    expect(more).toEqual([]);
    expect(basename(file.path)).toBe("27_JUL_2023_GST_00_00_01.csv");

    // From the tree's root alone, as a receiver that starts cold.
    const pipeline = new Pipeline({ ...trust, keys: [] }, () => undefined);
    forEachPage(readVectorCsv(file.path), (page, gst) => {
      pipeline.vectorPage(page, gst);
    });
    const summary = pipeline.end();
    expect(summary).toMatchObject({ nmaStatus: "operational", cpks: "nominal", chainId: 0 });
    expect(summary.tags.failed).toEqual({ 0: 0, 4: 0, 12: 0 });
    expect(summary.macseq.failed).toBe(0);
    expect(summary.publicKeysVerified).toHaveLength(1);
    // As often as in the official vector: 7788 and 2669 in its hour, slow tags from 330 s on.
    expect(summary.tags.verified[0]).toBeGreaterThan((7788 * 570) / 3570);
    expect(summary.tags.verified[12]).toBeGreaterThan((2669 * 270) / 3270);
  });
});

describe("export pages of simulated captures", () => {
  it.each(["nominal", "week-rollover", "alert"])(
    "%s: the file gives the verdicts of the capture",
    async (name) => {
      const [file, ...more] = await exportPages(join(captures, `${name}.ubx`), join(folder, name), false);
      expect(more).toEqual([]);
      expect(verdicts(reread(file.path))).toEqual(verdicts(replayed(name)));
    },
  );

  it("damaged: pages that were lost are zeros, and what is there gives the same verdicts", async () => {
    const [file] = await exportPages(join(captures, "damaged.ubx"), join(folder, "damaged"), false);
    expect(file.missing).toBeGreaterThan(10);
    const vector = readVectorCsv(file.path);
    let zeros = 0;
    for (const { bits, pages } of vector.satellites) {
      expect(pages).toBe(file.pages);
      for (let i = 0; i < pages; i++)
        if (bits.subarray(30 * i, 30 * i + 30).every((byte) => byte === 0)) zeros++;
    }
    expect(zeros).toBe(file.missing);
    // A page that came twice is counted twice in the stream, and has one place in the file.
    const replay = replayed("damaged");
    const { repeated } = replay["pageTimes"] as { readonly repeated: number };
    expect(verdicts(reread(file.path))).toEqual({ ...verdicts(replay), pages: replay.pages - repeated });
  });

  it("has the published form: header, rows of equal length in order of SVID, no line end at the end", async () => {
    const [file] = await exportPages(join(captures, "nominal.ubx"), join(folder, "form"), false);
    const lines = readFileSync(file.path, "latin1").split("\n");
    expect(lines[0]).toBe("SVID,NumNavBits,NavBitsHEX");
    const rows = lines.slice(1).map((line) => /^(\d\d),(\d+),([0-9A-F]+)$/.exec(line)!);
    expect(rows.map(([, svid]) => Number(svid))).toEqual(file.satellites);
    for (const [, , bits, hex] of rows) {
      expect(Number(bits)).toBe(240 * file.pages);
      expect(hex.length).toBe(60 * file.pages);
    }
  });

  it("does not replace a file unless told to", async () => {
    const target = join(folder, "twice");
    await exportPages(join(captures, "nominal.ubx"), target, false);
    await expect(exportPages(join(captures, "nominal.ubx"), target, false)).rejects.toMatchObject({
      code: "OSN_OUTPUT_UNWRITABLE",
    });
    await exportPages(join(captures, "nominal.ubx"), target, true);
    expect(readdirSync(target)).toHaveLength(1);
  });
});

describe("vector files", () => {
  const gathered = (pages: readonly (readonly [svid: number, gst: number])[]): VectorFile[] => {
    const files: VectorFile[] = [];
    const vectors = new VectorFiles((file) => files.push(file));
    for (const [svid, gst] of pages) vectors.page(svid, gst, new Uint8Array(30).fill(svid));
    vectors.end();
    return files;
  };

  it("begin at the first page of any satellite, and all rows with them", () => {
    const start = gstOf(1385, 1);
    const [file] = gathered([
      [7, start],
      [3, start + 4],
    ]);
    expect(gstOfVectorName(file.name)).toBe(start);
    expect([...file.lines()].slice(1)).toEqual([
      `03,720,${"0".repeat(120)}${"03".repeat(30)}`,
      `07,720,${"07".repeat(30)}${"0".repeat(120)}`,
    ]);
    expect(file.missing).toBe(4);
  });

  it("begin anew after an hour without pages, when time goes back, and after a day", () => {
    const start = gstOf(1385, 1);
    expect(gathered([1, 3602].map((at) => [7, start + at - 1] as const)).map(({ pages }) => pages)).toEqual([
      1, 1,
    ]);
    expect(
      gathered([
        [7, start + 10],
        [7, start],
      ]),
    ).toHaveLength(2);
    const day = Array.from({ length: 26 }, (_, hour) => [7, start + 3600 * hour] as const);
    expect(gathered(day).map(({ pages }) => pages)).toEqual([23 * 1800 + 1, 1801]);
  });
});

describeShared("export pages of the Leuven capture", () => {
  it("all pages of 15 satellites over 79 minutes read back bit by bit", async () => {
    const [file] = await exportPages(
      sharedPath("captures", "f9t-2026-03-09-leuven.ubx")!,
      join(folder, "l"),
      false,
    );
    expect(file).toMatchObject({ pages: 2376 });
    expect(file.satellites).toHaveLength(15);
    const defects: string[] = [];
    let pages = 0;
    forEachPage(readVectorCsv(file.path), (page) => {
      if (typeof page === "string") defects.push(page);
      else pages++;
    });
    // A page of zeros has no odd half: it reads as no page at all.
    expect(new Set(defects)).toEqual(new Set(["halves"]));
    expect(defects).toHaveLength(file.missing);
    expect(pages).toBe(28_085);
  });
});
