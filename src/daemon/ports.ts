/** What the daemon is composed of, as far as it needs to know it. */
import type { ByteLink } from "../source/byte-link.js";
import type { Arrival, TimeSource, TimeStatus } from "../time/types.js";

export type { Arrival };

/** The trusted clock of this machine, as far as the daemon uses it. */
export type TrustedClock = Pick<
  TimeSource,
  "arrival" | "status" | "onEvent" | "authenticatedLeapSeconds" | "start" | "stop"
>;
export type TimeState = Pick<
  TimeStatus,
  "state" | "reason" | "detail" | "source" | "boundSeconds" | "allows"
>;

/** Keeps every received byte. */
export interface ByteRecorder {
  write(chunk: Uint8Array, arrival: Arrival): void;
  /** Puts a note at this place among the bytes. */
  note(note: { readonly note: string }): void;
  status(): {
    readonly recording: boolean;
    readonly fault: string | null;
    readonly bytesRecorded: number;
    readonly bytesLost: number;
  };
  close(): Promise<void>;
}

export interface ReceiverIdentity {
  readonly model: string | null;
  readonly firmware: string | null;
  readonly protocol: string | null;
  /** SEC-UNIQID, hexadecimal. */
  readonly uniqueId: string | null;
}

export interface SetupReport {
  readonly identity: ReceiverIdentity | null;
  readonly configuration: "none" | "applied" | "partly" | "refused";
  /** For people: what was left out, or why nothing was done. */
  readonly detail: string | null;
}

/** Asks a receiver who it is and configures it. What a receiver says or leaves unsaid is in the report. */
export type ReceiverSetup = (
  link: ByteLink,
  how: {
    /** The line or the receiver's buffer is too small: messages that are worth least are switched off. */
    readonly fewer: boolean;
    /** USB, as far as the system tells; null where it does not. */
    readonly usb: boolean | null;
  },
) => Promise<SetupReport>;
