import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, it } from "vitest";

const root = process.env["OSNMAD_SHARED"] ?? fileURLToPath(new URL("../../../shared", import.meta.url));

/** Path of a file of the shared reference material, or null where that is not on this machine. */
export function sharedPath(...parts: string[]): string | null {
  const path = join(root, ...parts);
  return existsSync(path) ? path : null;
}

/**
 * A `describe` for tests that need the shared reference material (real captures, official vectors). Without
 * it they fail in CI, and say that they skip elsewhere: a check that did not run must not look green.
 */
export function describeShared(name: string, body: () => void): void {
  if (existsSync(root)) {
    describe(name, body);
    return;
  }
  if (process.env["CI"]) {
    describe(name, () => {
      it("finds the shared reference material", () => {
        throw new Error(`No shared reference material at ${root}; set OSNMAD_SHARED.`);
      });
    });
    return;
  }
  describe.skip(`${name} (skipped: no shared reference material; set OSNMAD_SHARED to its folder)`, body);
}
