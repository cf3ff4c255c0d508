/**
 * The MAC look-up tables: which kind of tag stands in which slot of a MACK message (OSNMA SIS ICD 1.1, MAC
 * look-up table; osnma.md section 7). IDs 27, 28, 31 and 33 served the test phase, 34 serves today.
 */

export interface MacSlot {
  /** 0 for a flexible slot, whose ADKD is in the received Tag-Info. */
  readonly adkd: 0 | 4 | 12;
  /** PRN_D must be the transmitting satellite. */
  readonly self: boolean;
  /** FLX: the received Tag-Info decides, and MACSEQ protects it. */
  readonly flexible: boolean;
}

/**
 * ADKD in two digits, then S (self: PRN_D equals PRN_A) or E (cross: any satellite); FLX as received. First
 * message 1 (GST_SF mod 60 = 0), then message 2 (GST_SF mod 60 = 30).
 */
const TABLE: Readonly<Record<number, readonly [string, string]>> = {
  27: ["00S 00E 00E 00E 12S 00E", "00S 00E 00E 04S 12S 00E"],
  28: ["00S 00E 00E 00E 00S 00E 00E 12S 00E 00E", "00S 00E 00E 00S 00E 00E 04S 12S 00E 00E"],
  31: ["00S 00E 00E 12S 00E", "00S 00E 00E 12S 04S"],
  33: ["00S 00E 04S 00E 12S 00E", "00S 00E 00E 12S 00E 12E"],
  34: ["00S FLX 04S FLX 12S 00E", "00S FLX 00E 12S 00E 12E"],
  35: ["00S FLX 04S FLX 12S FLX", "00S FLX FLX 12S FLX FLX"],
  36: ["00S FLX 04S FLX 12S", "00S FLX 00E 12S 12E"],
  37: ["00S 00E 04S 00E 12S", "00S 00E 00E 12S 12E"],
  38: ["00S FLX 04S FLX 12S", "00S FLX FLX 12S FLX"],
  39: ["00S FLX 04S FLX", "00S FLX 00E 12S"],
  40: ["00S 00E 04S 12S", "00S 00E 00E 12E"],
  41: ["00S FLX 04S FLX", "00S FLX FLX 12S"],
};

const SLOTS: Readonly<Record<string, MacSlot>> = {
  "00S": { adkd: 0, self: true, flexible: false },
  "00E": { adkd: 0, self: false, flexible: false },
  "04S": { adkd: 4, self: true, flexible: false },
  "12S": { adkd: 12, self: true, flexible: false },
  "12E": { adkd: 12, self: false, flexible: false },
  FLX: { adkd: 0, self: false, flexible: true },
};

/** Parsed once, so that no string is compared while receiving and a typing error fails at start. */
const SEQUENCES: ReadonlyMap<number, readonly [readonly MacSlot[], readonly MacSlot[]]> = new Map(
  Object.entries(TABLE).map(([maclt, [first, second]]) => [
    Number(maclt),
    [sequenceOf(first), sequenceOf(second)] as const,
  ]),
);

function sequenceOf(text: string): readonly MacSlot[] {
  return text.split(" ").map((entry) => {
    const slot: MacSlot | undefined = SLOTS[entry];
    if (slot === undefined) {
      throw new RangeError(`no such entry of a MAC look-up table: ${entry}`);
    }
    return slot;
  });
}

/** Which of the two messages a subframe carries: 0 when GST_SF mod 60 = 0, else 1. */
export function messageIndexOf(gstSf: number): 0 | 1 {
  if (!Number.isInteger(gstSf) || gstSf % 30 !== 0) {
    throw new RangeError(`gstSf must be a multiple of 30 s, not ${gstSf}`);
  }
  return gstSf % 60 === 0 ? 0 : 1;
}

/** The slots of a message, slot 0 being Tag0; null where the table is reserved. */
export function macLookup(maclt: number, messageIndex: 0 | 1): readonly MacSlot[] | null {
  if (messageIndex !== 0 && messageIndex !== 1) {
    throw new RangeError(`messageIndex must be 0 or 1, not ${String(messageIndex)}`);
  }
  return SEQUENCES.get(maclt)?.[messageIndex] ?? null;
}
