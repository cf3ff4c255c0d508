/** What is written beside a simulated capture: where it comes from, what to trust, what must come out. */
import type { AttackExpect } from "./format.js";
import type { DamageReport } from "./link.js";
import type { ChainParameters } from "./tesla-chain.js";

/** Raised when a scenario comes out with other bytes. */
export const GENERATOR_VERSION = "osnmad-simulate 2";

/** What must come out of a capture; the words are for people, the fields for tests. */
export interface ExpectedVerdict {
  readonly summary: string;
  /** NMAS, CPKS and CID of the last verified NMA header. */
  readonly nmas: number;
  readonly cpks: number;
  readonly cid: number;
  /** PKID of the key in force at the end. */
  readonly pkid: number;
  /** An alert message was authenticated. */
  readonly alert: boolean;
  /** Satellites that must have authenticated ephemeris and clock (ADKD 0 or 12) at some time. */
  readonly authenticated: readonly number[];
  /** Satellites heard that never may. */
  readonly neverAuthenticated: readonly number[];
}

/** Header of a capture, written beside it as JSON. */
export interface CaptureHeader {
  readonly name: string;
  readonly what: string;
  readonly warning: string;
  readonly generator: string;
  readonly seed: string;
  readonly start: { readonly wn: number; readonly towSeconds: number };
  readonly end: { readonly wn: number; readonly towSeconds: number };
  readonly place: {
    readonly latitudeDeg: number;
    readonly longitudeDeg: number;
    readonly heightMeters: number;
  };
  readonly satellites: readonly number[];
  /** Of the chain in force at the start. */
  readonly chain: ChainParameters & { readonly cid: number; readonly alpha: string };
  /** Files of `captures/` to start with. */
  readonly trust: {
    readonly merkleTree: readonly string[];
    readonly publicKeys: readonly string[];
    readonly rootKey: string | null;
  };
  readonly damage?: DamageReport;
  /** Attacks with their time in seconds after the start. */
  readonly attacks?: readonly {
    readonly kind: string;
    readonly from: number;
    readonly to: number;
    readonly expect?: AttackExpect;
  }[];
  readonly expected: ExpectedVerdict;
}

export const WARNING =
  "Simulated. Test keys and a test Merkle tree of osnmad; nothing in here is signed by Galileo.";

/** JSON with short arrays on one line, as the formatter of this repository wants it. */
export function headerJson(header: CaptureHeader): string {
  const text = JSON.stringify(header, null, 2);
  return `${text.replace(/\[\s+([^[\]{}]*?)\s+\]/g, (_, items: string) => `[${items.replace(/\s*\n\s*/g, " ")}]`)}\n`;
}
