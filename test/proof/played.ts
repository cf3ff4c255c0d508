/** Stations that heard the sky of sky.ts, and their witnesses; several tests look at one. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { ProofSource } from "../../src/proof/source.js";
import type { ProofParts } from "../../src/proof/package.js";
import { proofText } from "../../src/proof/package.js";
import type { ProofVerdict } from "../../src/proof/verdict.js";
import { verifyProof, type VerifyProofOptions } from "../../src/proof/verify-proof.js";
import type { Station } from "../../src/station/station.js";
import { LEAP_SECONDS, TestWitness } from "../station/test-witness.js";
import { openStation, play, ROOTS } from "./sky.js";

export interface Played {
  readonly station: Station;
  readonly witnesses: readonly TestWitness[];
}

const folders: string[] = [];
const all: Played[] = [];

export function folder(): string {
  folders.push(mkdtempSync(join(tmpdir(), "osnmad-proof-")));
  return folders.at(-1)!;
}

afterAll(async () => {
  for (const { station, witnesses } of all.splice(0)) {
    await station.close();
    for (const { book } of witnesses) book.close();
  }
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

/** Each witness sees each leaf so many seconds after the stream came to it; null where it does not come at all. */
export async function played(
  delays: readonly ((leaf: number) => number | null)[],
  onLeaf: (station: Station) => Promise<void> = () => Promise.resolve(),
): Promise<Played> {
  const station = openStation(folder());
  const witnesses = delays.map((_, at) => new TestWitness(`w${at}`, station, folder()));
  all.push({ station, witnesses });
  await play(station, async (gst) => {
    for (const [at, witness] of witnesses.entries()) {
      const delay = delays[at](station.log.size - 1);
      if (delay !== null) await witness.see(station, gst + delay);
    }
    await onLeaf(station);
  });
  return { station, witnesses };
}

export function optionsFor(
  { station, witnesses }: Played,
  change: Partial<VerifyProofOptions> = {},
): VerifyProofOptions {
  return {
    roots: ROOTS,
    locateDamage: false,
    station: station.log.station,
    witnesses: witnesses.map(({ key }) => ({ key, boundSeconds: 1 })),
    needed: Math.max(1, witnesses.length),
    marginSeconds: 5,
    leapSeconds: LEAP_SECONDS,
    ...change,
  };
}

export const judge = (proof: ProofParts | Uint8Array | string, options: VerifyProofOptions): ProofVerdict =>
  verifyProof(typeof proof === "string" || proof instanceof Uint8Array ? proof : proofText(proof), options);

export const failures = ({ lines }: ProofVerdict): string[] =>
  lines
    .filter(({ ok }) => !ok)
    .map(({ check, name, field, detail }) => `${check}: ${name}, ${field ?? "-"}: ${detail}`);

/** What the station had when the log was of this size. */
export function upTo(source: ProofSource, size: number): ProofSource {
  return {
    ...source,
    size,
    checkpointsWith: (index) => source.checkpointsWith(index).filter((each) => each.size <= size),
  };
}
