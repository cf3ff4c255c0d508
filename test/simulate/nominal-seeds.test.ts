/**
 * The long suite (`npm run test:simulate-long`): nominal scenarios of half an hour, one per seed, through the whole
 * pipeline. Stated rate: no failed tag and no OSNMA event of an attack at all, and signs of the watch in at most one
 * epoch of ten thousand. OSNMAD_SEEDS says how many seeds; none, as by default, skips it.
 */
import { describe, expect, it } from "vitest";
import { fixesWith } from "../../src/fix/fix-stage.js";
import { Pipeline, type PipelineRecord } from "../../src/pipeline/pipeline.js";
import { Scenario } from "../../src/simulate/scenario-file.js";
import { TestAuthority } from "../../src/simulate/test-authority.js";
import { trustOf } from "../support/osnma.js";

const SEEDS = Number(process.env["OSNMAD_SEEDS"] ?? 0);
const MAX_ALARM_RATE = 1e-4;
const ALARMS = [
  "tag-failed",
  "macseq-failed",
  "key-rejected",
  "alert",
  "kroot-rejected",
  "ced-contradiction",
];

function rootKeyOf(scenario: Scenario): { dsm: Uint8Array; nmaHeader: number } {
  const [dsm, header] = scenario.trustFiles.get("trust/TEST_root-key_seed.txt")!.split("\n") as [
    string,
    string,
  ];
  return { dsm: Uint8Array.from(Buffer.from(dsm, "hex")), nmaHeader: Number.parseInt(header, 16) };
}

describe.skipIf(SEEDS === 0)("nominal scenarios of half an hour", () => {
  const authority = new TestAuthority("osnmad captures, tree A", { curves: { 9: "P-521" } });
  let epochs = 0;
  let alarms = 0;

  it.each(Array.from({ length: SEEDS }, (_, i) => `seed ${i + 1}`))(
    "%s keeps authenticating, without alarm",
    (seed) => {
      const latitude = -60 + ((7 * Number(seed.slice(5))) % 120);
      const longitude = -170 + ((37 * Number(seed.slice(5))) % 340);
      const scenario = Scenario.parse(
        `name = "seed"\nwhat = "nominal"\n[time]\nwn = 1400\ntow = ${30 * ((Number(seed.slice(5)) * 397) % 20_000)}\n` +
          `duration = 1800\n[receiver]\nplace = { latitude = ${latitude}, longitude = ${longitude}, height = 50 }\n`,
        { seed },
      );
      const records: PipelineRecord[] = [];
      const pipeline = new Pipeline(
        {
          ...trustOf(authority, [2]),
          // A hot start: in a DSM-PKR window the root key alone may take seven minutes to come round.
          rootKey: rootKeyOf(scenario),
          mode: "simulated",
          fixes: fixesWith({ mode: "simulated", softwareVersion: "test" }),
          softwareVersion: "test",
        },
        (record) => records.push(record),
      );
      for (const { bytes } of scenario.frames()) pipeline.push(bytes);
      const summary = pipeline.end();
      expect(summary.tags.failed).toEqual({ "0": 0, "4": 0, "12": 0 });
      const events = records.filter((record) => record.type === "event").map(({ name }) => name);
      for (const name of ALARMS) expect(events).not.toContain(name);
      const fixes = records.filter((record) => record.type === "fix");
      const graded = fixes.findIndex(({ own }) => own?.assurance === "nav-authenticated");
      expect(graded).toBeGreaterThan(0);
      expect(graded).toBeLessThan(240);
      epochs += fixes.length - graded;
      alarms += fixes.slice(graded).filter(({ own }) => own?.assurance !== "nav-authenticated").length;
    },
  );

  it("and over all of them fewer epochs were lowered than stated", () => {
    expect(epochs).toBeGreaterThan(1000 * SEEDS);
    expect(alarms / epochs).toBeLessThanOrEqual(MAX_ALARM_RATE);
  });
});
