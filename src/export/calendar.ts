/** Dates of GST's own calendar, as file names and RINEX write them: no leap seconds. */
const MS_PER_SECOND = 1000;
/** GST 0 on its own calendar: 1999-08-22 (OS SIS ICD 2.1 section 5.1.2). */
const GST_EPOCH_MS = Date.UTC(1999, 7, 22);
const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

export interface CalendarTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

/** Calendar date and time of day of whole GST seconds. */
export function calendarOf(gst: number): CalendarTime {
  const date = new Date(GST_EPOCH_MS + Math.floor(gst) * MS_PER_SECOND);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
  };
}

export function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

/** `06_OCT_2023_GST_16_45_01.csv`, as the official vectors are named. */
export function vectorName(gst: number): string {
  const { year, month, day, hour, minute, second } = calendarOf(gst);
  const time = [hour, minute, second].map(twoDigits).join("_");
  return `${twoDigits(day)}_${MONTHS[month - 1]}_${year}_GST_${time}.csv`;
}
