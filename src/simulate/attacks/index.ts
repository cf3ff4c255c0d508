/** All kinds of attack that a scenario may name. One file per kind, or per family. */
import type { AttackKind } from "../attack.js";
import { BIT_ATTACKS } from "./bits.js";
import { DSM_ATTACKS } from "./dsm-attacks.js";
import { FORGED_ALERT } from "./forged-alert.js";
import { FORGED_EPHEMERIS } from "./forged-ephemeris.js";
import { TAG_ATTACKS } from "./forged-tags.js";
import { LATE_SIGNALS } from "./late-signals.js";
import { RANGE_ATTACKS } from "./ranges.js";
import { RECEIVER_CHANGES } from "./receiver-changes.js";

export const ATTACK_KINDS: readonly AttackKind[] = [
  ...BIT_ATTACKS,
  FORGED_EPHEMERIS,
  ...TAG_ATTACKS,
  FORGED_ALERT,
  ...DSM_ATTACKS,
  ...LATE_SIGNALS,
  ...RANGE_ATTACKS,
  ...RECEIVER_CHANGES,
];

export function attackKind(kind: string): AttackKind | undefined {
  return ATTACK_KINDS.find((one) => one.kind === kind);
}
