/**
 * Nominal place of each word type in the 30 s I/NAV subframe, as page start TOW modulo 30. Indicative only: the
 * ICD does not guarantee the order, and nothing is decoded by it. It serves to cross-check a page's time.
 * Source: Galileo OS SIS ICD 2.1 section 4.3.3 (sub-frame layouts), and what satellites were seen to send.
 */

export type InavBand = "E1-B" | "E5b";

/** E1-B pages start at odd seconds. WT5 was also seen at 15 and 29, in satellites that send no WT16 there. */
const E1B_SLOTS: ReadonlyMap<number, readonly number[]> = new Map([
  [1, [21]],
  [2, [1]],
  [3, [23]],
  [4, [3]],
  [5, [25, 15, 29]],
  [6, [5]],
  [7, [7]],
  [8, [9]],
  [9, [7]],
  [10, [9]],
  [16, [15, 29]],
  [17, [11]],
  [18, [11]],
  [19, [13]],
  [20, [13]],
]);

/** E5b pages start at even seconds and carry none of the words 16 to 20. */
const E5B_SLOTS: ReadonlyMap<number, readonly number[]> = new Map([
  [1, [0]],
  [2, [20]],
  [3, [2]],
  [4, [22]],
  [5, [4]],
  [6, [24]],
  [7, [6]],
  [8, [8]],
  [9, [6]],
  [10, [8]],
]);

/**
 * Page start TOW modulo 30 at which this word type is nominally sent, the usual one first; null where it has no
 * fixed place (WT0, which fills gaps) or none is known. TypeError for a band that is neither E1-B nor E5b.
 */
export function nominalSlots(band: InavBand, wordType: number): readonly number[] | null {
  if (band !== "E1-B" && band !== "E5b") throw new TypeError(`band must be E1-B or E5b, not ${String(band)}`);
  return (band === "E1-B" ? E1B_SLOTS : E5B_SLOTS).get(wordType) ?? null;
}
