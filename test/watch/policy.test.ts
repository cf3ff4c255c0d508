import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  gradeOwn,
  gradeReceiver,
  type Circumstances,
  type Grade,
  type OwnGradeInput,
  type ReceiverGradeInput,
} from "../../src/watch/policy.js";
import { SIGN_NAMES, type SignName } from "../../src/watch/signs.js";

type Signs = Circumstances["signs"];
const both = (...names: SignName[]): Signs => names.map((name) => ({ name, subject: "both" }));

const GOOD: Circumstances = {
  policy: "default",
  mode: "live",
  state: "authenticating",
  nmaStatus: "operational",
  chainVerified: true,
  timeAssurance: "independent",
  timeGateReason: null,
  slowMacOnly: false,
  slowMacAllowed: false,
  authenticatedSatellites: 6,
  signs: [],
};
const OWN: OwnGradeInput = {
  ...GOOD,
  own: { raim: "passed", satellitesUsed: 6, authenticatedUsed: 6 },
};
const RECEIVER: ReceiverGradeInput = { ...GOOD, solution: true, disagreements: [] };

describe("the best grades", () => {
  it("are nav-authenticated for our own position, corroborated for the receiver's, without reasons", () => {
    expect(gradeOwn(OWN)).toEqual({ assurance: "nav-authenticated", reasons: [], notes: [] });
    expect(gradeReceiver(RECEIVER)).toEqual({ assurance: "corroborated", reasons: [], notes: [] });
  });

  it("are given in replay on the capture's own timeline, and under NMA status test", () => {
    const replay = { mode: "replay", timeAssurance: "capture", nmaStatus: "test" } as const;
    expect(gradeOwn({ ...OWN, ...replay }).assurance).toBe("nav-authenticated");
    expect(gradeReceiver({ ...RECEIVER, ...replay }).assurance).toBe("corroborated");
  });

  it("are given with four satellites, saying that RAIM was unavailable", () => {
    const four = { raim: "unavailable", satellitesUsed: 4, authenticatedUsed: 4 } as const;
    expect(gradeOwn({ ...OWN, authenticatedSatellites: 4, own: four })).toEqual({
      assurance: "nav-authenticated",
      reasons: [],
      notes: ["raim-unavailable"],
    });
  });

  it("are given on ADKD 12 alone when the clock allows no more", () => {
    const slow = { timeGateReason: "bound-too-wide", slowMacAllowed: true, slowMacOnly: true } as const;
    expect(gradeOwn({ ...OWN, ...slow }).assurance).toBe("nav-authenticated");
    expect(gradeOwn({ ...OWN, ...slow, slowMacOnly: false }).reasons).toEqual(["clock-bound-too-wide"]);
    expect(gradeOwn({ ...OWN, ...slow, slowMacAllowed: false }).reasons).toEqual(["clock-bound-too-wide"]);
    expect(gradeOwn({ ...OWN, ...slow, timeGateReason: "time-contradiction" }).reasons).toEqual([
      "time-contradiction",
    ]);
  });
});

/** Every condition that lowers both grades, by the threat model, with the reason it must name. */
const LOWERS_BOTH: readonly [string, Partial<Circumstances>, string][] = [
  ["a verified alert", { state: "alert" }, "osnma-alert"],
  ["NMA suspended", { state: "suspended" }, "nma-status-dont-use"],
  ["NMA status don't use", { nmaStatus: "dont-use" }, "nma-status-dont-use"],
  ["an unverified chain", { chainVerified: false }, "osnma-chain-unverified"],
  ["no NMA status", { nmaStatus: null }, "osnma-chain-unverified"],
  ["a cold start", { state: "cold" }, "osnma-chain-unverified"],
  ["no trusted time", { timeGateReason: "no-trusted-time" }, "no-trusted-time"],
  ["no time assurance", { timeAssurance: "none" }, "no-trusted-time"],
  ["a capture's time in a live run", { timeAssurance: "capture" }, "time-not-independent"],
  ["a clock bound too wide", { timeGateReason: "bound-too-wide" }, "clock-bound-too-wide"],
  ["a late signal", { timeGateReason: "late" }, "signal-late"],
  ["an early signal", { timeGateReason: "early" }, "signal-early"],
  ["a clock against the signal", { timeGateReason: "time-contradiction" }, "time-contradiction"],
  ["three satellites", { authenticatedSatellites: 3 }, "fewer-than-4-authenticated-satellites"],
  ...SIGN_NAMES.filter(
    (name) => !name.startsWith("receiver-reports-") && name !== "receiver-osnma-disagrees",
  ).map((name): [string, Partial<Circumstances>, string] => [
    `the sign ${name}`,
    { signs: both(name) },
    name,
  ]),
  [
    "a flag under strict",
    { policy: "strict", signs: both("receiver-reports-jamming") },
    "receiver-reports-jamming",
  ],
  [
    "a flag with another sign",
    { signs: both("receiver-reports-spoofing", "agc-step") },
    "receiver-reports-spoofing",
  ],
];

const LOWERS_OWN: readonly [string, Partial<OwnGradeInput>, string][] = [
  ["no solution", { own: null }, "no-own-solution"],
  ["RAIM detected", { own: { raim: "detected", satellitesUsed: 6, authenticatedUsed: 6 } }, "raim-detected"],
  [
    "RAIM detected with five",
    { own: { raim: "detected", satellitesUsed: 5, authenticatedUsed: 5 } },
    "raim-detected",
  ],
  [
    "RAIM unavailable with six",
    { own: { raim: "unavailable", satellitesUsed: 6, authenticatedUsed: 6 } },
    "raim-unavailable",
  ],
  [
    "an unauthenticated satellite",
    { own: { raim: "passed", satellitesUsed: 6, authenticatedUsed: 5 } },
    "unauthenticated-satellite-used",
  ],
  [
    "three satellites in it",
    { own: { raim: "unavailable", satellitesUsed: 3, authenticatedUsed: 3 } },
    "fewer-than-4-satellites-used",
  ],
  ["its own jump", { signs: [{ name: "position-jump", subject: "own" }] }, "position-jump"],
];

describe("what lowers", () => {
  it.each(LOWERS_BOTH)("%s lowers both grades and is named", (_, change, reason) => {
    for (const grade of [gradeOwn({ ...OWN, ...change }), gradeReceiver({ ...RECEIVER, ...change })]) {
      expect(grade.assurance).toBe("unverified");
      expect(grade.reasons).toContain(reason);
    }
  });

  it.each(LOWERS_OWN)("%s lowers our own grade", (_, change, reason) => {
    const grade = gradeOwn({ ...OWN, ...change });
    expect(grade.assurance).toBe("unverified");
    expect(grade.reasons).toContain(reason);
  });

  it("directions that disagree, or no solution, lower the receiver's", () => {
    expect(gradeReceiver({ ...RECEIVER, disagreements: ["satellite-direction-disagrees"] })).toEqual({
      assurance: "unverified",
      reasons: ["satellite-direction-disagrees"],
      notes: [],
    });
    expect(gradeReceiver({ ...RECEIVER, solution: false }).reasons).toEqual(["no-receiver-solution"]);
  });

  it("a jump of one position leaves the other's grade alone", () => {
    const jump = (subject: "own" | "receiver"): Signs => [{ name: "position-jump", subject }];
    expect(gradeOwn({ ...OWN, signs: jump("receiver") }).assurance).toBe("nav-authenticated");
    expect(gradeReceiver({ ...RECEIVER, signs: jump("own") }).assurance).toBe("corroborated");
    expect(gradeReceiver({ ...RECEIVER, signs: jump("receiver") }).reasons).toEqual(["position-jump"]);
  });
});

describe("a receiver that cries wolf", () => {
  const wolf = both("receiver-reports-jamming", "receiver-reports-spoofing");

  it("lowers nothing under default, and both its flags are reported", () => {
    for (const grade of [gradeOwn({ ...OWN, signs: wolf }), gradeReceiver({ ...RECEIVER, signs: wolf })]) {
      expect(grade.assurance).not.toBe("unverified");
      expect(grade.reasons).toEqual([]);
      expect(grade.notes).toEqual(["receiver-reports-jamming", "receiver-reports-spoofing"]);
    }
  });

  it("lowers both grades under strict", () => {
    expect(gradeOwn({ ...OWN, policy: "strict", signs: wolf }).reasons).toEqual([
      "receiver-reports-jamming",
      "receiver-reports-spoofing",
    ]);
    expect(gradeReceiver({ ...RECEIVER, policy: "strict", signs: wolf }).assurance).toBe("unverified");
  });

  it("lowers under default once another sign stands, even one of the other position", () => {
    const { reasons } = gradeOwn({
      ...OWN,
      signs: [...wolf, { name: "position-jump", subject: "receiver" }],
    });
    expect(reasons).toEqual(["receiver-reports-jamming", "receiver-reports-spoofing"]);
    expect(gradeOwn({ ...OWN, signs: both("receiver-osnma-disagrees") }).reasons).toEqual([]);
    expect(
      gradeOwn({ ...OWN, signs: both("receiver-osnma-disagrees", "receiver-reports-spoofing") }).reasons,
    ).toEqual(["receiver-osnma-disagrees", "receiver-reports-spoofing"]);
  });
});

const count = fc.integer({ min: 0, max: 12 });
const circumstances = {
  policy: fc.constantFrom("default", "strict"),
  mode: fc.constantFrom("live", "replay", "simulated"),
  state: fc.constantFrom("cold", "warm", "hot", "authenticating", "suspended", "alert"),
  nmaStatus: fc.constantFrom(null, "test", "operational", "dont-use"),
  chainVerified: fc.boolean(),
  timeAssurance: fc.constantFrom("capture", "independent", "none"),
  timeGateReason: fc.constantFrom(
    null,
    "no-trusted-time",
    "bound-too-wide",
    "late",
    "early",
    "time-contradiction",
  ),
  slowMacOnly: fc.boolean(),
  slowMacAllowed: fc.boolean(),
  authenticatedSatellites: count,
  signs: fc.array(
    fc.record({
      name: fc.constantFrom(...SIGN_NAMES),
      subject: fc.constantFrom("own", "receiver", "both"),
    } as const),
    { maxLength: 4 },
  ),
} as const;
const own = fc.option(
  fc.record({
    raim: fc.constantFrom("passed", "detected", "unavailable"),
    satellitesUsed: count,
    authenticatedUsed: count,
  } as const),
);
const anyOwn = fc.record({ ...circumstances, own }) as fc.Arbitrary<OwnGradeInput>;
const anyReceiver = fc.record({
  ...circumstances,
  solution: fc.boolean(),
  disagreements: fc.array(fc.constantFrom("satellite-direction-disagrees", "no-satellite-report"), {
    maxLength: 1,
  }),
}) as fc.Arbitrary<ReceiverGradeInput>;
/** Mostly good, so that what lowers stands alone often enough. */
const mostlyGoodOwn = fc
  .tuple(anyOwn, fc.subarray(Object.keys(OWN) as (keyof OwnGradeInput)[], { minLength: 9 }))
  .map(([any, kept]): OwnGradeInput => ({
    ...any,
    ...Object.fromEntries(kept.map((key) => [key, OWN[key]])),
  }));

const isBest = ({ assurance }: Grade): boolean => assurance !== "unverified";

describe("properties", () => {
  it("no combination with a lowering condition is nav-authenticated or corroborated", () => {
    const lowering = fc.constantFrom(...LOWERS_BOTH.map(([, change]) => change));
    fc.assert(
      fc.property(mostlyGoodOwn, anyReceiver, lowering, (ownInput, receiverInput, change) => {
        // A capture's time lowers in a live run only, wide bounds unless slow MAC is enough.
        const where = { mode: "live", slowMacOnly: false } as const;
        const merge = (signs: Signs) => [...signs, ...(change.signs ?? [])];
        expect(gradeOwn({ ...ownInput, ...where, ...change, signs: merge(ownInput.signs) }).assurance).toBe(
          "unverified",
        );
        expect(
          gradeReceiver({ ...receiverInput, ...where, ...change, signs: merge(receiverInput.signs) })
            .assurance,
        ).toBe("unverified");
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(mostlyGoodOwn, fc.constantFrom(...LOWERS_OWN), (input, [, change]) => {
        expect(isBest(gradeOwn({ ...input, ...change }))).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });

  it("nav-authenticated is given exactly when the threat model's conditions hold together", () => {
    const wordOf = ["receiver-reports-jamming", "receiver-reports-spoofing", "receiver-osnma-disagrees"];
    fc.assert(
      fc.property(fc.oneof(anyOwn, mostlyGoodOwn), (input) => {
        const { own: solution, signs } = input;
        const slow =
          input.slowMacOnly &&
          input.slowMacAllowed &&
          ["bound-too-wide", "late", "early"].includes(input.timeGateReason ?? "");
        const others = signs.filter(({ name }) => !wordOf.includes(name));
        const osnma = signs.some(({ name }) => name === "receiver-osnma-disagrees");
        const flags = signs.some(({ name }) => name.startsWith("receiver-reports-"));
        const spoken = signs.some(({ name, subject }) => wordOf.includes(name) && subject !== "receiver");
        const expected =
          solution !== null &&
          solution.satellitesUsed >= 4 &&
          solution.authenticatedUsed >= solution.satellitesUsed &&
          (solution.raim === "passed" ||
            (solution.raim === "unavailable" && solution.satellitesUsed === 4)) &&
          (input.state === "authenticating" || input.state === "hot") &&
          (input.nmaStatus === "operational" || input.nmaStatus === "test") &&
          input.chainVerified &&
          (input.timeAssurance === "independent" ||
            (input.timeAssurance === "capture" && input.mode !== "live")) &&
          (input.timeGateReason === null || slow) &&
          input.authenticatedSatellites >= 4 &&
          others.every(({ subject }) => subject === "receiver") &&
          !(spoken && (input.policy === "strict" || others.length > 0 || (osnma && flags)));
        expect(isBest(gradeOwn(input))).toBe(expected);
      }),
      { numRuns: 5000 },
    );
  });

  it("is monotone: one more sign, or any lowering condition more, never raises a grade nor drops a reason", () => {
    const more = fc.record({
      name: fc.constantFrom(...SIGN_NAMES),
      subject: fc.constantFrom("own", "receiver", "both"),
    } as const);
    const not = (before: Grade, after: Grade): void => {
      if (!isBest(before)) expect(isBest(after)).toBe(false);
      expect(after.reasons).toEqual(expect.arrayContaining([...before.reasons]));
    };
    fc.assert(
      fc.property(fc.oneof(anyOwn, mostlyGoodOwn), anyReceiver, more, (ownInput, receiverInput, sign) => {
        not(gradeOwn(ownInput), gradeOwn({ ...ownInput, signs: [...ownInput.signs, sign] }));
        not(
          gradeReceiver(receiverInput),
          gradeReceiver({ ...receiverInput, signs: [...receiverInput.signs, sign] }),
        );
        // From default to strict nothing is raised either.
        not(gradeOwn({ ...ownInput, policy: "default" }), gradeOwn({ ...ownInput, policy: "strict" }));
      }),
      { numRuns: 3000 },
    );
    const worse: readonly Partial<OwnGradeInput>[] = [
      { chainVerified: false },
      { authenticatedSatellites: 0 },
      { timeAssurance: "none" },
      { own: null },
    ];
    fc.assert(
      fc.property(fc.oneof(anyOwn, mostlyGoodOwn), fc.constantFrom(...worse), (input, change) => {
        if (!isBest(gradeOwn(input))) expect(isBest(gradeOwn({ ...input, ...change }))).toBe(false);
        expect(isBest(gradeOwn({ ...input, ...change }))).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it("every sign that stands is told, as a reason or as a note, for the positions it speaks of", () => {
    fc.assert(
      fc.property(anyOwn, (input) => {
        const { reasons, notes } = gradeOwn(input);
        for (const { name, subject } of input.signs)
          if (subject !== "receiver") expect([...reasons, ...notes]).toContain(name);
        expect(new Set(reasons).size).toBe(reasons.length);
        for (const note of notes) expect(reasons).not.toContain(note);
      }),
    );
  });
});

describe("arguments", () => {
  it("of the wrong kind or range are refused", () => {
    expect(() => gradeOwn({ ...OWN, policy: "lenient" as "default" })).toThrow(RangeError);
    expect(() => gradeOwn({ ...OWN, authenticatedSatellites: Number.NaN })).toThrow(RangeError);
    expect(() => gradeOwn({ ...OWN, authenticatedSatellites: "6" as unknown as number })).toThrow(TypeError);
    expect(() =>
      gradeOwn({ ...OWN, own: { raim: "passed", satellitesUsed: -1, authenticatedUsed: 0 } }),
    ).toThrow(RangeError);
  });

  it("a RAIM verdict that is none of the three does not pass", () => {
    const own = { raim: "fine" as "passed", satellitesUsed: 6, authenticatedUsed: 6 };
    expect(isBest(gradeOwn({ ...OWN, own }))).toBe(false);
  });
});
