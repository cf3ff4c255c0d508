/** The receiver's place in a bundle, held against satellites and own position again; a liar makes all ids anew. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { fixEvidence } from "../../src/cli/fix-evidence.js";
import { givenOf } from "../../src/cli/trust-options.js";
import { bundleText, ownObjects, type FixEvidence } from "../../src/evidence/bundle.js";
import { verifyBundle, type Verdict } from "../../src/evidence/verify.js";
import { fixesWith } from "../../src/fix/fix-stage.js";
import { Pipeline } from "../../src/pipeline/pipeline.js";
import type { FixRecord, ReceiverPosition } from "../../src/pipeline/records.js";
import { rootsOf, testMaterial } from "./support.js";

const material = testMaterial();
const roots = rootsOf(material);

interface Made {
  readonly record: FixRecord;
  readonly evidence: FixEvidence;
}

/** The fixes of a simulated capture that are graded so. */
function gradedFixes(capture: string, own: string | null): Made[] {
  const found: Made[] = [];
  let evidence: FixEvidence | null = null;
  const mode = "simulated";
  const fixes = fixesWith({
    mode,
    softwareVersion: "test",
    evidence: fixEvidence((made) => (evidence = made)),
  });
  const pipeline = new Pipeline({ ...givenOf(material), mode, softwareVersion: "test", fixes }, (record) => {
    if (record.type !== "fix" || evidence === null) return;
    const isOf = (record.own?.assurance ?? null) === own && record.receiver?.assurance === "corroborated";
    if (isOf) found.push({ record, evidence });
    evidence = null;
  });
  pipeline.push(readFileSync(capture));
  pipeline.end();
  return found;
}

/** With an own position beside it, and alone. */
let both: Made;
let alone: Made;
beforeAll(() => {
  both = gradedFixes("captures/nominal.ubx", "nav-authenticated").at(-1)!;
  alone = gradedFixes("captures/cmac-sha3-lt28.ubx", null).at(-1)!;
});

type Message = "NAV-PVT" | "NAV-SAT";
interface Lie {
  readonly pvt?: (payload: DataView) => void;
  readonly sat?: (payload: DataView) => void;
  readonly without?: Message;
  readonly record?: Partial<FixRecord>;
}

function judge({ record, evidence }: Made, { pvt, sat, without, record: change }: Lie = {}): Verdict {
  const receiver = evidence.receiver
    .filter(({ message }) => message !== without)
    .map(({ message, payload }) => {
      const copy = Uint8Array.from(payload);
      (message === "NAV-PVT" ? pvt : sat)?.(new DataView(copy.buffer));
      return { message, payload: copy };
    });
  const shown = receiver.find(({ message }) => message === "NAV-PVT");
  // The record says what NAV-PVT says.
  const said = shown === undefined ? {} : placeOf(new DataView(shown.payload.buffer));
  const lied = { ...record, receiver: { ...record.receiver!, ...said }, ...change };
  const own = ownObjects(lied, { ...evidence, receiver });
  const text = bundleText("simulated", own[0][0], [...own, ...evidence.shared]);
  return verifyBundle(text, { roots, locateDamage: false });
}

/** UBX-NAV-PVT: latitude, longitude, height, accuracies, fix type. */
const placeOf = (view: DataView): Partial<ReceiverPosition> => ({
  longitudeE7: view.getInt32(24, true),
  latitudeE7: view.getInt32(28, true),
  heightMm: view.getInt32(32, true),
  horizontalAccuracyMm: view.getUint32(40, true),
  verticalAccuracyMm: view.getUint32(44, true),
  fixType: view.getUint8(20),
});

const METERS_PER_DEGREE = 111_200;
const northBy =
  (meters: number) =>
  (view: DataView): void => {
    view.setInt32(28, view.getInt32(28, true) + Math.round((meters / METERS_PER_DEGREE) * 1e7), true);
  };
const upBy =
  (meters: number) =>
  (view: DataView): void => {
    view.setInt32(32, view.getInt32(32, true) + meters * 1000, true);
  };

/** Of each satellite of Galileo in UBX-NAV-SAT that is used, where its block of 12 bytes begins. */
function usedIn(view: DataView): number[] {
  const found: number[] = [];
  for (let at = 8; at + 12 <= view.byteLength; at += 12) {
    if (view.getUint8(at) === 2 && (view.getUint32(at + 8, true) & 8) !== 0) found.push(at);
  }
  return found;
}

const failures = ({ lines }: Verdict): string[] =>
  lines.filter(({ ok }) => !ok).map(({ check, field, detail }) => `${check}, ${field ?? "-"}: ${detail}`);
const saidOf = ({ lines }: Verdict): string[] =>
  lines.flatMap(({ check, ok, detail }) => (check === "corroboration" && ok ? [detail] : []));

describe("a corroborated place", () => {
  it("holds, and the verdict says against what it was held", () => {
    const verdict = judge(both);
    expect(failures(verdict)).toEqual([]);
    expect(saidOf(verdict)).toEqual([
      expect.stringMatching(
        /^from the receiver's place (?:E\d+ ?){4,}are where it saw them, within 2 degrees$/,
      ),
      expect.stringMatching(/apart, .*: \d+\.\d m of 15\.0 m across, \d+\.\d m of 30\.0 m in height$/),
    ]);
    const [only, ...more] = saidOf(judge(alone));
    expect(only).toMatch(/^from the receiver's place/);
    expect(more).toEqual([]);
    expect(judge(alone).genuine).toBe(true);
  });

  it("needs the NAV-PVT that it comes from, and the NAV-SAT that it was held against", () => {
    for (const made of [both, alone]) {
      for (const without of ["NAV-PVT", "NAV-SAT"] as const) {
        const said = failures(judge(made, { without }));
        expect(said).toEqual([
          expect.stringMatching(
            new RegExp(`^corroboration, record\\.receiver: is corroborated, .*${without}.* is not here`),
          ),
        ]);
      }
    }
  });

  it("is bounded by the own position and the uncertainty of both", () => {
    for (const pvt of [northBy(6), northBy(-6), upBy(12), upBy(-12)])
      expect(failures(judge(both, { pvt }))).toEqual([]);
    for (const pvt of [northBy(40), northBy(-40), northBy(3000), upBy(80), upBy(-80)]) {
      const said = failures(judge(both, { pvt }));
      expect(said).toEqual([
        expect.stringMatching(/^corroboration, record\.own\.assurance: own and receiver's place are apart/),
      ]);
    }
    // A receiver that says how little it knows its place may be further off, and the verdict says how far.
    const vague = judge(both, {
      pvt: (view) => {
        northBy(200)(view);
        view.setUint32(40, 100_000, true);
      },
    });
    expect(failures(vague)).toEqual([]);
    expect(saidOf(vague)[1]).toMatch(/: (?:19|20)\d\.\d m of 5\d\d\.\d m across/);
  });

  it("is bounded by the directions of satellites where there is no own position", () => {
    expect(failures(judge(alone, { pvt: northBy(20_000) }))).toEqual([]);
    for (const pvt of [northBy(300_000), northBy(-300_000), northBy(2_000_000), upBy(2_000_000)]) {
      const [first] = failures(judge(alone, { pvt }));
      expect(first).toMatch(/^corroboration, record\.receiver\.assurance: held against the satellites again/);
    }
  });

  it("is none where a satellite stands elsewhere, or fewer than four were used", () => {
    for (const made of [both, alone]) {
      const turned = (view: DataView): void => {
        const [at] = usedIn(view);
        view.setInt16(at + 4, (view.getInt16(at + 4, true) + 90) % 360, true);
        view.setInt8(at + 3, 30);
      };
      expect(failures(judge(made, { sat: turned }))[0]).toMatch(/satellite-direction-disagrees/);
      const three = (view: DataView): void => {
        for (const at of usedIn(view).slice(3))
          view.setUint32(at + 8, view.getUint32(at + 8, true) & ~8, true);
      };
      expect(failures(judge(made, { sat: three }))[0]).toMatch(/fewer-than-4-satellites-agree/);
    }
  });

  it("agrees with exactly the satellites that the record names", () => {
    for (const made of [both, alone]) {
      const { agreeingSatellites } = made.record;
      expect(agreeingSatellites.length).toBeGreaterThan(4);
      const fewer = judge(made, { record: { agreeingSatellites: agreeingSatellites.slice(1) } });
      expect(failures(fewer)).toEqual([
        expect.stringMatching(
          /^corroboration, record\.agreeingSatellites: held against the satellites again: E/,
        ),
      ]);
      // One that the receiver did not use agrees with nothing.
      const unused = (view: DataView): void => {
        const [at] = usedIn(view);
        view.setUint32(at + 8, view.getUint32(at + 8, true) & ~8, true);
      };
      expect(failures(judge(made, { sat: unused }))[0]).toMatch(/^corroboration, record\.agreeingSatellites/);
    }
  });

  it("is none where NAV-PVT claims no position or time, or is of another epoch", () => {
    const cases: readonly (readonly [string, (view: DataView) => void])[] = [
      [
        "no position",
        (view) => {
          view.setUint8(21, view.getUint8(21) & ~1);
        },
      ],
      [
        "no position",
        (view) => {
          view.setUint8(20, 5);
        },
      ],
      [
        "no position",
        (view) => {
          view.setUint16(78, view.getUint16(78, true) | 1, true);
        },
      ],
      [
        "no position",
        (view) => {
          view.setInt32(28, 91e7, true);
        },
      ],
      [
        "no valid time",
        (view) => {
          view.setUint8(11, view.getUint8(11) & ~1);
        },
      ],
      [
        "no valid time",
        (view) => {
          view.setUint8(11, view.getUint8(11) & ~2);
        },
      ],
      [
        "other epochs",
        (view) => {
          view.setUint32(0, view.getUint32(0, true) + 200, true);
        },
      ],
    ];
    for (const [why, pvt] of cases) expect(failures(judge(alone, { pvt }))[0], why).toMatch(new RegExp(why));
    const sat = (view: DataView): void => {
      view.setUint32(0, view.getUint32(0, true) + 200, true);
    };
    expect(failures(judge(alone, { sat }))[0]).toMatch(/other epochs/);
  });
});

describe("an own position", () => {
  it("is not graded beside a receiver's place that it contradicts, though that one claims no grade", () => {
    const receiver = (made: Made): ReceiverPosition => ({
      ...made.record.receiver!,
      assurance: "unverified",
      reasons: ["x"],
    });
    const far = (view: DataView): void => {
      northBy(500)(view);
    };
    const said = (pvt?: (view: DataView) => void): string[] => {
      const record = { ...both.record, receiver: receiver(both) };
      return failures(judge({ ...both, record }, pvt === undefined ? {} : { pvt }));
    };
    expect(said()).toEqual([]);
    expect(said(far)).toEqual([expect.stringMatching(/^corroboration, record\.own\.assurance/)]);
    // What claims no position contradicts nothing.
    expect(
      said((view) => {
        far(view);
        view.setUint8(21, 0);
      }),
    ).toEqual([]);
  });
});
