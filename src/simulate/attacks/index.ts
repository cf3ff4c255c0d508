/** All kinds of attack that a scenario may name. One file per kind, or per family. */
import type { AttackKind } from "../attack.js";
import { BIT_ATTACKS } from "./bits.js";
import { FORGED_ALERT } from "./forged-alert.js";
import { FORGED_EPHEMERIS } from "./forged-ephemeris.js";

export const ATTACK_KINDS: readonly AttackKind[] = [...BIT_ATTACKS, FORGED_EPHEMERIS, FORGED_ALERT];

export function attackKind(kind: string): AttackKind | undefined {
  return ATTACK_KINDS.find((one) => one.kind === kind);
}
