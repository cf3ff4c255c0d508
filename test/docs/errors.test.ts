import { describe, expect, it } from "vitest";
import { ERRORS } from "../../src/errors.js";
import { docPages, docText, rowsAfter } from "./markdown.js";

describe("docs/errors.md", () => {
  it("has exactly the codes of src/errors.ts, in their order, with exit, status, cause and remedy", () => {
    const rows = rowsAfter(docText("errors.md"), "## The table");
    const documented = rows.map(([code, ...rest]) => [code.replaceAll("`", ""), ...rest]);
    const expected = Object.entries(ERRORS).map(([code, { exit, http, cause, remedy }]) => [
      code,
      String(exit),
      String(http),
      cause,
      remedy,
    ]);
    expect(documented).toEqual(expected);
  });

  it("keeps to codes that the table has, in every page", () => {
    for (const page of docPages()) {
      for (const [code] of docText(page).matchAll(/\bOSN_[A-Z_]+\b/g)) {
        expect(Object.keys(ERRORS), `${code} in docs/${page}`).toContain(code);
      }
    }
  });
});
