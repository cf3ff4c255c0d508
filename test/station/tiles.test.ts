/** C2SP tlog-tiles: names and widths as the document's examples have them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { leafHash, nodeHash, rootOf, storeLeaf, type SubtreeHash } from "../../src/station/merkle.js";
import {
  decodeEntries,
  encodeEntries,
  parseTilePath,
  subtreeFromTiles,
  tileBytes,
  tileIsIn,
  tilePath,
  tilesOf,
} from "../../src/station/tiles.js";

describe("names of tiles", () => {
  it("follow the examples of the document", () => {
    expect(tilePath({ level: 0, index: 1_234_067, width: 256 })).toBe("tile/0/x001/x234/067");
    expect(tilePath({ level: 1, index: 0, width: 17 })).toBe("tile/1/000.p/17");
    expect(tilePath({ level: "entries", index: 273, width: 112 })).toBe("tile/entries/273.p/112");
  });

  it("read back as they were written, and in no other spelling", () => {
    const level = fc.oneof(fc.integer({ min: 0, max: 63 }), fc.constant("entries" as const));
    const index = fc.nat({ max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(level, index, fc.integer({ min: 1, max: 256 }), (l, n, width) => {
        const name = { level: l, index: n, width };
        expect(parseTilePath(tilePath(name))).toEqual(name);
      }),
    );
    for (const path of [
      "tile/0/x000/001",
      "tile/00/001",
      "tile/64/001",
      "tile/0/001.p/256",
      "tile/0/001.p/0",
      "tile/0/001.p/01",
      "tile/0/1",
      "tile/0/x001/x234/067/",
      "tile/0/../../station.key",
      "/tile/0/000",
      "tile/-1/000",
    ]) {
      expect(parseTilePath(path), path).toBeNull();
    }
  });
});

describe("the tiles of a tree", () => {
  it("of 70,000 leaves are those of the document", () => {
    const tiles = tilesOf(70_000);
    const of = (level: number) => tiles.filter((tile) => tile.level === level);
    expect(of(0).filter(({ width }) => width === 256)).toHaveLength(273);
    expect(of(0).at(-1)).toEqual({ level: 0, index: 273, width: 112 });
    expect(of(1)).toEqual([
      { level: 1, index: 0, width: 256 },
      { level: 1, index: 1, width: 17 },
    ]);
    expect(of(2)).toEqual([{ level: 2, index: 0, width: 1 }]);
    expect(of(3)).toEqual([]);
  });

  it("of 256 leaves are one full tile and one of a single hash above it", () => {
    expect(tilesOf(256)).toEqual([
      { level: 0, index: 0, width: 256 },
      { level: "entries", index: 0, width: 256 },
      { level: 1, index: 0, width: 1 },
    ]);
    expect(tileIsIn({ level: 0, index: 1, width: 1 }, 256)).toBe(false);
    expect(tileIsIn({ level: "entries", index: 0, width: 255 }, 255)).toBe(true);
  });

  it("are enough to make the root again", () => {
    const nodes = new Map<string, Uint8Array>();
    const subtree: SubtreeHash = (level, index) => nodes.get(`${level}/${index}`)!;
    const size = 70_001;
    for (let index = 0; index < size; index++) {
      storeLeaf(index, leafHash(Buffer.from(String(index))), subtree, (level, at, hash) => {
        nodes.set(`${level}/${at}`, hash);
      });
    }
    const published = new Map(
      tilesOf(size)
        .filter((name): name is typeof name & { level: number } => name.level !== "entries")
        .map((name) => [`${name.level}/${name.index}`, tileBytes(name, subtree)]),
    );
    const fromTiles = subtreeFromTiles((level, index) => published.get(`${level}/${index}`)!, nodeHash);
    expect(rootOf(size, fromTiles)).toEqual(rootOf(size, subtree));
  });
});

describe("entry bundles", () => {
  it("give back what was put in, whatever its bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 256 }), (entries) => {
        expect(decodeEntries(encodeEntries(entries))?.map((entry) => [...entry])).toEqual(
          entries.map((entry) => [...entry]),
        );
      }),
    );
  });

  it("are refused where they are cut or too long", () => {
    const bundle = encodeEntries([Buffer.from("one"), Buffer.from("two")]);
    expect([...bundle.subarray(0, 5)]).toEqual([0, 3, ...Buffer.from("one")]);
    for (const end of [1, 4, 6, 9]) expect(decodeEntries(bundle.subarray(0, end))).toBeNull();
    expect(decodeEntries(encodeEntries(Array.from({ length: 257 }, () => Buffer.from("x"))))).toBeNull();
    expect(() => encodeEntries([new Uint8Array(65_536)])).toThrow(RangeError);
  });
});
