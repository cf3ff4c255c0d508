/**
 * Takes out of a capture what gives the antenna's place away. Only whole frames of the kinds listed here go through:
 * what is unknown stays behind, and so does every byte between frames. What signed data says cannot be changed, only
 * left out: a page whose bits were shifted would fail its tag. Pure.
 *
 * What remains tells the place roughly all the same: which satellites are heard is seen from a part of the Earth only
 * (place.ts measures it).
 */
import { Framer } from "gnss-ubx";
import { encodeFrame } from "gnss-ubx";

export interface AnonymiseOptions {
  /** Galileo pages and Galileo time alone. */
  readonly pagesOnly?: boolean;
  /** Galileo satellites that are kept; all where it is left out. */
  readonly satellites?: ReadonlySet<number> | null;
}

export interface AnonymiseCounts {
  readonly kept: Readonly<Record<string, number>>;
  /** Frames left out, by message. */
  readonly removed: Readonly<Record<string, number>>;
  readonly removedBytes: number;
}

const RXM_SFRBX = 0x0213;
const NAV_TIMEGAL = 0x0125;
const GALILEO = 2;

/** Messages that say nothing of where: time, status of the receiver, its clock and its front end. */
const KEPT: Readonly<Record<number, string>> = {
  [RXM_SFRBX]: "RXM-SFRBX",
  [NAV_TIMEGAL]: "NAV-TIMEGAL",
  0x0103: "NAV-STATUS",
  0x0120: "NAV-TIMEGPS",
  0x0121: "NAV-TIMEUTC",
  0x0122: "NAV-CLOCK",
  0x0126: "NAV-TIMELS",
  0x0161: "NAV-EOE",
  0x0a36: "MON-COMMS",
  0x0a38: "MON-RF",
  0x0a39: "MON-SYS",
  0x2709: "SEC-SIG",
};

/** Names for the report, of what is left out most often. */
const REMOVED: Readonly<Record<number, string>> = {
  0x0101: "NAV-POSECEF",
  0x0102: "NAV-POSLLH",
  0x0104: "NAV-DOP",
  0x0107: "NAV-PVT",
  0x0111: "NAV-VELECEF",
  0x0112: "NAV-VELNED",
  0x0113: "NAV-HPPOSECEF",
  0x0114: "NAV-HPPOSLLH",
  0x0135: "NAV-SAT",
  0x013c: "NAV-RELPOSNED",
  0x0143: "NAV-SIG",
  0x0214: "RXM-MEASX",
  0x0215: "RXM-RAWX",
  0x0a04: "MON-VER",
  0x2703: "SEC-UNIQID",
};

export class Anonymiser {
  readonly #framer = new Framer();
  readonly #options: AnonymiseOptions;
  readonly #kept: Record<string, number> = {};
  readonly #removed: Record<string, number> = {};
  #keptBytes = 0;

  constructor(options: AnonymiseOptions = {}) {
    this.#options = options;
  }

  /** Takes in bytes; `out` gets the frames that stay, as they were. */
  push(chunk: Uint8Array, out: (frame: Uint8Array) => void): void {
    this.#framer.push(chunk, this.#sink(out));
  }

  end(out: (frame: Uint8Array) => void): void {
    this.#framer.end(this.#sink(out));
  }

  get counts(): AnonymiseCounts {
    return {
      kept: { ...this.#kept },
      removed: { ...this.#removed },
      removedBytes: this.#framer.counts.totalBytes - this.#keptBytes,
    };
  }

  #sink(out: (frame: Uint8Array) => void): Parameters<Framer["push"]>[1] {
    return {
      ubx: (messageClass, messageId, payload) => {
        const key = (messageClass << 8) | messageId;
        const name = this.#keeps(key, payload);
        if (name === null) {
          count(this.#removed, removedName(key, payload));
          return;
        }
        count(this.#kept, name);
        const frame = encodeFrame(messageClass, messageId, payload);
        this.#keptBytes += frame.length;
        out(frame);
      },
      nmea: () => {
        count(this.#removed, "NMEA");
      },
      rtcm3: () => {
        count(this.#removed, "RTCM3");
      },
    };
  }

  #keeps(key: number, payload: Uint8Array): string | null {
    if (!(key in KEPT)) return null;
    const { pagesOnly = false, satellites = null } = this.#options;
    if (pagesOnly && key !== RXM_SFRBX && key !== NAV_TIMEGAL) return null;
    if (key !== RXM_SFRBX) return KEPT[key];
    // Other constellations' subframes are of no use to OSNMA, and each satellite heard narrows the place.
    if (payload.length < 8 || payload[0] !== GALILEO) return null;
    return satellites === null || satellites.has(payload[1]) ? KEPT[key] : null;
  }
}

function removedName(key: number, payload: Uint8Array): string {
  if (key === RXM_SFRBX) return payload[0] === GALILEO ? "RXM-SFRBX (Galileo)" : "RXM-SFRBX (others)";
  return (
    REMOVED[key] ??
    KEPT[key] ??
    `UBX ${(key >> 8).toString(16).padStart(2, "0")} ${(key & 0xff).toString(16).padStart(2, "0")}`
  );
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}
