/** Folders that go away with their test. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import type { StoreOptions } from "../../src/store/store.js";
import { openStore, type Store } from "../../src/store/store.js";

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), "osnmad-test-"));
  cleanups.push(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

export function temporaryStore(options: StoreOptions = {}, directory = temporaryFolder()): Store {
  const store = openStore(directory, options);
  cleanups.push(() => {
    store.close();
  });
  return store;
}
