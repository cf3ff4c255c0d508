/** An emission over a log of its own, filled, for tests. */
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { Emission, type EmissionOptions } from "../../src/emit/emission.js";
import { addSubframes, openLog, witnessAt } from "./logs.js";

export function emit(directory: string, options: Partial<EmissionOptions> = {}) {
  const log = openLog(join(directory, "log"));
  const emission = new Emission({ log, directory, consumers: [], flush: false, ...options });
  onTestFinished(async () => {
    await emission.close();
    log.close();
  });
  return { log, emission };
}

export const FEDERATION_KEYS = [
  "leaf/0",
  "leaf/1",
  "leaf/2",
  "checkpoint/3",
  "cosignature/3/witness.example/w",
  "leaf/3",
  "checkpoint/4",
];

export async function fill(emission: Emission): Promise<void> {
  const { log } = emission;
  await addSubframes(log, 0, 2);
  await witnessAt(log, 1_790_000_000);
  emission.notify();
  await emission.taken();
  await addSubframes(log, 2, 1);
  emission.notify();
  await emission.taken();
}
