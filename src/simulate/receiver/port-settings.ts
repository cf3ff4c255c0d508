/** What the configuration says of the port at which the host is: which messages go out, and how often. */
import type { ConfigKeyName } from "gnss-ubx";
import { MESSAGES } from "gnss-ubx";
import type { Configuration } from "./configuration.js";
import type { FeedFrame } from "./feed.js";
import type { PortName, ReceiverModel } from "./models.js";

const NAME_OF = new Map<number, string>(MESSAGES.map((row) => [(row.class << 8) | row.id, row.name]));
const PROTOCOL = { ubx: "UBX", nmea: "NMEA", rtcm3: "RTCM3X" } as const;
const NMEA_CLASS = 0xf0;

/** Severity of a text for people, as bits of CFG-INFMSG and numbers of GNTXT. */
export const TEXT_TYPES = { error: 0, warning: 1, notice: 2 } as const;

export class PortSettings {
  readonly #model: ReceiverModel;
  readonly #port: PortName;
  readonly #configuration: Configuration;
  /** Receivers without keys: output rates by message, set with CFG-MSG. */
  readonly #legacyRates = new Map<number, number>();

  constructor(model: ReceiverModel, port: PortName, configuration: Configuration) {
    this.#model = model;
    this.#port = port;
    this.#configuration = configuration;
  }

  /** A message that this firmware does not have. */
  lacks(message: number): boolean {
    const name = NAME_OF.get(message);
    return name === undefined || this.#model.withoutMessages.has(name);
  }

  /** Epochs between two of a message; 0: never. */
  rate(message: number): number {
    if (this.#model.keys === null) return this.#legacyRates.get(message) ?? 0;
    return this.#value(`CFG-MSGOUT-UBX_${keyPart(NAME_OF.get(message) ?? "")}_${this.#port}`);
  }

  /** Feed epochs of this step, in ms, to one navigation epoch. */
  everyEpoch(stepMs: number): number {
    if (this.#model.keys === null) return 1;
    const period = this.#value("CFG-RATE-MEAS") * Math.max(1, this.#value("CFG-RATE-NAV"));
    return Math.max(1, Math.round(period / Math.max(1, stepMs)));
  }

  /** A sentence or an RTCM3 frame of the feed. */
  plainWanted({ kind, sentence }: FeedFrame): boolean {
    if (kind === "rtcm3" || this.#model.keys === null) return true;
    const key = `CFG-MSGOUT-NMEA_ID_${sentence}_${this.#port}` as ConfigKeyName;
    return !this.#configuration.knows(key) || this.#configuration.value(key) > 0;
  }

  outputAllowed(kind: FeedFrame["kind"]): boolean {
    return this.#model.keys === null || this.#value(`CFG-${this.#port}OUTPROT-${PROTOCOL[kind]}`) > 0;
  }

  inputTaken(): boolean {
    return this.#model.keys === null || this.#value(`CFG-${this.#port}INPROT-UBX`) > 0;
  }

  textWanted(protocol: "UBX" | "NMEA", type: keyof typeof TEXT_TYPES): boolean {
    if (this.#model.keys === null) return protocol === "NMEA";
    return ((this.#value(`CFG-INFMSG-${protocol}_${this.#port}`) >> TEXT_TYPES[type]) & 1) === 1;
  }

  /**
   * CFG-MSG: class, id and a rate for this port, or six rates (I2C, UART1, UART2, USB, SPI, none). False where it is
   * refused.
   */
  setLegacyRate(payload: Uint8Array): boolean {
    if (payload.length !== 3 && payload.length !== 8) return false;
    const message = (payload[0] << 8) | payload[1];
    if (payload[0] !== NMEA_CLASS && this.lacks(message)) return false;
    this.#legacyRates.set(message, payload.length === 3 ? payload[2] : payload[this.#port === "USB" ? 5 : 3]);
    return true;
  }

  /** A receiver without keys keeps its rates in a form of its own; what stands for it here is the keys' names. */
  presetLegacyRates(values: ReadonlyMap<ConfigKeyName, number>): void {
    for (const [message, name] of NAME_OF) {
      const rate = values.get(`CFG-MSGOUT-UBX_${keyPart(name)}_${this.#port}` as ConfigKeyName);
      if (rate !== undefined) this.#legacyRates.set(message, rate);
    }
  }

  forgetLegacyRates(): void {
    this.#legacyRates.clear();
  }

  #value(key: string): number {
    return this.#configuration.value(key as ConfigKeyName);
  }
}

/** NAV-PVT stands as NAV_PVT in the names of keys. */
function keyPart(name: string): string {
  return name.replace("-", "_");
}
