import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Check } from "typebox/value";
import { afterAll, describe, expect, it } from "vitest";
import { readWatchConfig } from "../../src/cli/watch-config.js";
import { OsnmadError } from "../../src/errors.js";
import { parseWatchThresholds, WatchThresholdsSchema } from "../../src/watch/threshold-schema.js";
import { DEFAULT_THRESHOLDS, THRESHOLD_RANGES } from "../../src/watch/thresholds.js";

const folder = mkdtempSync(join(tmpdir(), "osnmad-watch-"));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});
const written = (text: string | Uint8Array): string => {
  const path = join(folder, "watch.toml");
  writeFileSync(path, text);
  return path;
};
const usage = (message: RegExp): unknown =>
  expect.objectContaining({ code: "OSN_USAGE", message: expect.stringMatching(message) as unknown });
const thrown = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    expect(error).toBeInstanceOf(OsnmadError);
    return error;
  }
};

describe("thresholds as configuration", () => {
  it("have each default in its range, and the schema takes what the parser takes", () => {
    expect(Object.keys(THRESHOLD_RANGES)).toEqual(Object.keys(DEFAULT_THRESHOLDS));
    for (const [name, [from, to]] of Object.entries(THRESHOLD_RANGES)) {
      const value = DEFAULT_THRESHOLDS[name as keyof typeof DEFAULT_THRESHOLDS];
      expect(value, name).toBeGreaterThanOrEqual(from);
      expect(value, name).toBeLessThanOrEqual(to);
      for (const [tried, good] of [
        [from, true],
        [to, true],
        [from * 0.999, false],
        [to * 1.001, false],
        [0, false],
        [-1, false],
        [Number.NaN, false],
        [Number.POSITIVE_INFINITY, false],
        ["1", false],
        [null, false],
      ] as const) {
        const table = { [name]: tried };
        expect(Check(WatchThresholdsSchema, table), `${name} ${String(tried)}`).toBe(good);
        const parsed = thrown(() => parseWatchThresholds(table));
        if (good) expect(parsed).toEqual({ ...DEFAULT_THRESHOLDS, ...table });
        else expect(parsed).toEqual(usage(new RegExp(`^watch: ${name} must be`)));
      }
    }
    expect(Check(WatchThresholdsSchema, {})).toBe(true);
    expect(Check(WatchThresholdsSchema, { maximumspeed: 1 })).toBe(false);
    expect(thrown(() => parseWatchThresholds({ maximumspeed: 1 }))).toEqual(usage(/no threshold is named/));
    for (const none of [null, [], "x", 1]) {
      expect(thrown(() => parseWatchThresholds(none))).toEqual(usage(/expected a table/));
    }
  });

  it("come out of the table [watch] of a file, whatever else is in it", () => {
    const path = written('[receiver]\nport = "/dev/x"\n[watch]\nmaximumSpeed = 1\njumpHoldSeconds = 600.5\n');
    expect(readWatchConfig(path)).toEqual({ ...DEFAULT_THRESHOLDS, maximumSpeed: 1, jumpHoldSeconds: 600.5 });
  });

  it("are refused with the file and the fault", () => {
    expect(thrown(() => readWatchConfig(join(folder, "none")))).toEqual(usage(/none cannot be read/));
    expect(thrown(() => readWatchConfig(written("[watch\n")))).toEqual(usage(/cannot be read as TOML/));
    expect(thrown(() => readWatchConfig(written(Uint8Array.of(0x5b, 0xff))))).toEqual(
      usage(/cannot be read/),
    );
    expect(thrown(() => readWatchConfig(written("maximumSpeed = 1\n")))).toEqual(usage(/no table \[watch\]/));
    expect(thrown(() => readWatchConfig(written("[watch]\nmaximumSpeed = 0\n")))).toEqual(
      usage(/\[watch\]: maximumSpeed must be 0\.1 to 12000 m\/s\./),
    );
    expect(thrown(() => readWatchConfig(written("[watch]\nmaximumSpeed = nan\n")))).toEqual(
      usage(/maximumSpeed/),
    );
    expect(thrown(() => readWatchConfig(written("watch = 1\n")))).toEqual(usage(/expected a table/));
  });
});
