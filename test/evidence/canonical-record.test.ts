import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/evidence/canonical-json.js";
import { canonicalRecord } from "../../src/evidence/canonical-record.js";
import { encodeRecord } from "../../src/evidence/objects.js";

describe("the canonical text of a record", () => {
  it("is that of the record encoded first, for whatever JSON can carry", () => {
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        fc.constantFrom(null, true, false, 0, -0, 1e21, 2 ** 53, -(2 ** 53) + 1, 0.1, 5e-324),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.integer(),
        fc.string({ unit: "binary" }),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(
          fc.oneof(fc.string(), fc.constantFrom("b", "a", "decimal", "__proto__", "10", "9")),
          tie("value"),
          {
            maxKeys: 5,
          },
        ),
      ),
    })).value;
    fc.assert(
      fc.property(fc.dictionary(fc.string(), value, { maxKeys: 6 }), (record) => {
        expect(canonicalRecord(record)).toBe(canonicalJson(encodeRecord(record)));
        const said = { ...record };
        delete said["evidence"];
        expect(canonicalRecord({ ...said, evidence: 1 }, "evidence")).toBe(canonicalJson(encodeRecord(said)));
      }),
      { numRuns: 2000 },
    );
  });

  it("refuses what JSON would drop or change", () => {
    for (const bad of [
      Number.NaN,
      Number.POSITIVE_INFINITY,
      1n,
      new Date(0),
      new Map(),
      () => 0,
      Symbol("x"),
    ]) {
      expect(() => canonicalRecord({ bad }), String(bad)).toThrow(TypeError);
    }
    expect(canonicalRecord({ a: undefined, b: 1 })).toBe('{"b":1}');
    let deep: object = {};
    for (let i = 0; i < 70; i += 1) deep = { deep };
    expect(() => canonicalRecord(deep)).toThrow(RangeError);
  });
});
