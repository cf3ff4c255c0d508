/** The proleptic Gregorian calendar without a clock (Hinnant, "chrono-compatible date algorithms"). */

/** A day in years that begin on March 1, so that a leap day is a year's last. */
export interface MarchDate {
  /** Calendar year of the March it began in. */
  readonly year: number;
  /** 0 is March 1; to 364, or 365 where a February 29 ends the year. */
  readonly day: number;
}

/** The day that is `days` after 1970-01-01. */
export function marchDateOf(days: number): MarchDate {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const day = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  return { year: yearOfEra + era * 400, day };
}
