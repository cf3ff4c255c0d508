/**
 * NMEA sentences that say what UBX does not, or what a receiver without UBX output says: NMEA 0183 (IEC 61162-1)
 * GGA, RMC, ZDA and TXT. A position in them is the receiver's word and nothing else: never more than `unverified`.
 * Pure; any line is survived.
 */

/** Sentences longer than this are not read; NMEA allows 82, receivers send more. */
const MAX_CHARACTERS = 1024;

export interface NmeaPosition {
  readonly latitudeDeg: number;
  readonly longitudeDeg: number;
}

export type NmeaSentence =
  | {
      readonly type: "GGA";
      readonly talker: string;
      /** UTC, seconds of day; null where not known. */
      readonly secondsOfDay: number | null;
      readonly position: NmeaPosition | null;
      /** 0 none, 1 autonomous, 2 differential, 4 RTK fixed, 5 RTK float, 6 dead reckoning. */
      readonly quality: number;
      readonly satellites: number | null;
      readonly hdop: number | null;
      /** Above mean sea level, and geoid above ellipsoid, metres. */
      readonly altitudeMeters: number | null;
      readonly geoidSeparationMeters: number | null;
    }
  | {
      readonly type: "RMC";
      readonly talker: string;
      /** Unix seconds, UTC; null where the receiver does not know. */
      readonly unix: number | null;
      /** The receiver calls its data valid. */
      readonly valid: boolean;
      readonly position: NmeaPosition | null;
      readonly speedKnots: number | null;
    }
  | { readonly type: "ZDA"; readonly talker: string; readonly unix: number | null }
  | {
      readonly type: "TXT";
      readonly talker: string;
      readonly severity: "error" | "warning" | "notice" | "user" | "other";
      readonly text: string;
    };

/** What a text of u-blox means for a daemon; null where it means nothing to it. */
export type TextMeaning =
  "transmit-buffer-full" | "antenna-open" | "antenna-short" | "antenna-ok" | "receiver-started" | null;

/** The sentence of a line (with or without its line end), or null: another type, a wrong checksum, or no sentence. */
export function parseNmea(line: string): NmeaSentence | null {
  const text = line.replace(/\r?\n$/, "");
  if (text.length > MAX_CHARACTERS) return null;
  const match = /^\$([A-Z]{2})(GGA|RMC|ZDA|TXT),([^*$]*)\*([0-9A-Fa-f]{2})$/.exec(text);
  if (match === null || checksumOf(text.slice(1, -3)) !== parseInt(match[4], 16)) return null;
  const [, talker, type, rest] = match;
  const fields = rest.split(",");
  switch (type) {
    case "GGA":
      return gga(talker, fields);
    case "RMC":
      return rmc(talker, fields);
    case "ZDA":
      return zda(talker, fields);
    default:
      return txt(talker, fields);
  }
}

export function meaningOf(text: string): TextMeaning {
  if (/txbuf alloc/i.test(text)) return "transmit-buffer-full";
  const antenna = /^ANTSTATUS=(\w+)/i.exec(text)?.[1].toUpperCase();
  if (antenna === "OPEN") return "antenna-open";
  if (antenna === "SHORT") return "antenna-short";
  if (antenna === "OK") return "antenna-ok";
  // The first lines after a start: "u-blox AG - www.u-blox.com", "HW UBX 9 00190000", "ROM BASE 0x…".
  return /^u-blox AG - www\.u-blox\.com/.test(text) ? "receiver-started" : null;
}

function checksumOf(text: string): number {
  let sum = 0;
  for (let i = 0; i < text.length; i++) sum ^= text.charCodeAt(i) & 0xff;
  return sum;
}

function gga(talker: string, f: readonly string[]): NmeaSentence | null {
  if (f.length < 14) return null;
  const quality = whole(f[5], 0, 9);
  if (quality === null) return null;
  return {
    type: "GGA",
    talker,
    secondsOfDay: secondsOfDay(f[0]),
    position: quality === 0 ? null : positionOf(f[1], f[2], f[3], f[4]),
    quality,
    satellites: whole(f[6], 0, 99),
    hdop: decimal(f[7]),
    altitudeMeters: f[9] === "M" ? decimal(f[8]) : null,
    geoidSeparationMeters: f[11] === "M" ? decimal(f[10]) : null,
  };
}

function rmc(talker: string, f: readonly string[]): NmeaSentence | null {
  if (f.length < 9) return null;
  const day = /^(\d\d)(\d\d)(\d\d)$/.exec(f[8]);
  return {
    type: "RMC",
    talker,
    unix:
      day === null ? null : unixOf(2000 + Number(day[3]), Number(day[2]), Number(day[1]), secondsOfDay(f[0])),
    valid: f[1] === "A",
    position: f[1] === "A" ? positionOf(f[2], f[3], f[4], f[5]) : null,
    speedKnots: decimal(f[6]),
  };
}

function zda(talker: string, f: readonly string[]): NmeaSentence | null {
  if (f.length < 4) return null;
  const [day, month, year] = [whole(f[1], 1, 31), whole(f[2], 1, 12), whole(f[3], 1980, 9999)];
  return {
    type: "ZDA",
    talker,
    unix:
      day === null || month === null || year === null ? null : unixOf(year, month, day, secondsOfDay(f[0])),
  };
}

function txt(talker: string, f: readonly string[]): NmeaSentence | null {
  if (f.length < 4) return null;
  const severities: Readonly<Record<string, "error" | "warning" | "notice" | "user">> = {
    "00": "error",
    "01": "warning",
    "02": "notice",
    "07": "user",
  };
  return {
    type: "TXT",
    talker,
    severity: severities[f[2]] ?? "other",
    // It goes to terminals and logs: nothing in it may be taken for a command.
    text: f
      .slice(3)
      .join(",")
      .replace(/[^\x20-\x7e]/g, "?"),
  };
}

/** `5053.12345`, `N`, `00442.98765`, `E`. */
function positionOf(latitude: string, ns: string, longitude: string, ew: string): NmeaPosition | null {
  const a = /^(\d\d)(\d\d(?:\.\d{1,10})?)$/.exec(latitude);
  const b = /^(\d\d\d)(\d\d(?:\.\d{1,10})?)$/.exec(longitude);
  if (a === null || b === null || !/^[NS]$/.test(ns) || !/^[EW]$/.test(ew)) return null;
  const latitudeDeg = (Number(a[1]) + Number(a[2]) / 60) * (ns === "S" ? -1 : 1);
  const longitudeDeg = (Number(b[1]) + Number(b[2]) / 60) * (ew === "W" ? -1 : 1);
  if (Number(a[2]) >= 60 || Number(b[2]) >= 60) return null;
  if (Math.abs(latitudeDeg) > 90 || Math.abs(longitudeDeg) > 180) return null;
  return { latitudeDeg, longitudeDeg };
}

function secondsOfDay(field: string): number | null {
  const match = /^(\d\d)(\d\d)(\d\d(?:\.\d{1,9})?)$/.exec(field);
  if (match === null) return null;
  const [hour, minute, second] = [Number(match[1]), Number(match[2]), Number(match[3])];
  return hour < 24 && minute < 60 && second < 61 ? hour * 3600 + minute * 60 + second : null;
}

function unixOf(year: number, month: number, day: number, seconds: number | null): number | null {
  if (seconds === null) return null;
  const midnight = Date.UTC(year, month - 1, day);
  return new Date(midnight).getUTCDate() === day ? midnight / 1000 + seconds : null;
}

function decimal(field: string): number | null {
  return /^-?\d{1,9}(\.\d{1,9})?$/.test(field) ? Number(field) : null;
}

function whole(field: string, lowest: number, highest: number): number | null {
  const value = /^\d{1,4}$/.test(field) ? Number(field) : Number.NaN;
  return value >= lowest && value <= highest ? value : null;
}
