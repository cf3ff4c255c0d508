/**
 * Asks a receiver and sets it, over the link that its stream comes by: u-blox interface descriptions, UBX-CFG-VALSET,
 * -VALGET, -VALDEL and UBX-ACK. An acknowledgement names the message it is for and no more, so one request is under
 * way at a time, and after one whose acknowledgement may still come the next waits for the answer to a question: the
 * receiver answers in order. Edge: timers.
 */
import type { ConfigItem, ConfigKeyName, MessageOf, RawMessage, UbxMessage } from "gnss-ubx";
import {
  CONFIG_KEYS,
  configItem,
  configItemValue,
  configKeyName,
  decodeMessage,
  encodeFrame,
  encodeMessage,
  Framer,
  MESSAGES,
} from "gnss-ubx";
import { OsnmadError } from "../errors.js";
import type { ByteLink } from "../source/byte-link.js";

export type SettingValue = boolean | number;

export interface Setting {
  readonly key: ConfigKeyName;
  readonly value: SettingValue;
}

/** Where a setting is kept: until power is off, while a battery lasts, for ever. */
export type Layer = "ram" | "bbr" | "flash";

export type Acknowledgement = "ack" | "nak";

export interface UbxClientOptions {
  /** How long an answer may take, ms. Default 1000. */
  readonly timeoutMs?: number;
  /** How often a request is sent before the receiver counts as silent. Default 3. */
  readonly attempts?: number;
}

/** Messages that can be asked for by their name. */
export type PollName =
  "MON-VER" | "MON-COMMS" | "MON-RF" | "MON-SYS" | "SEC-UNIQID" | "NAV-STATUS" | "NAV-PVT";

/** Keys in one VALGET, and items in one VALSET. */
export const MAX_ITEMS = 64;

const LAYER_NUMBER: Readonly<Record<Layer, number>> = { ram: 0, bbr: 1, flash: 2 };
const CFG = 0x06;
const VALSET = 0x8a;
const VALGET = 0x8b;
const VALDEL = 0x8c;

/** What a message means for the request under way: its result, or undefined if it is not for it. */
type Judge<T> = (message: UbxMessage) => T | undefined;

interface UnderWay {
  readonly judge: (message: UbxMessage) => boolean;
  readonly fail: (why: Error) => void;
}

export class UbxClient {
  readonly link: ByteLink;
  readonly #timeoutMs: number;
  readonly #attempts: number;
  readonly #framer = new Framer();
  #underWay: UnderWay | null = null;
  #queue: Promise<unknown> = Promise.resolve();
  #closed: Error | null = null;
  /** An acknowledgement of an earlier request may still come. */
  #unsettled = false;

  /** Listens to the link from now on; the link stays the caller's. */
  constructor(link: ByteLink, options: UbxClientOptions = {}) {
    this.link = link;
    this.#timeoutMs = options.timeoutMs ?? 1_000;
    this.#attempts = options.attempts ?? 3;
    link.onData((chunk) => {
      this.#receive(chunk);
    });
    link.onClose((why) => {
      this.#closed = why ?? new OsnmadError("OSN_LINK_LOST", `${link.name}: the link was closed.`);
      this.#underWay?.fail(this.#closed);
    });
  }

  /**
   * Asks for a message. One that the receiver sends by itself meanwhile is taken for the answer, as it may be.
   * Throws OSN_RECEIVER_SILENT, OSN_LINK_LOST.
   */
  poll<N extends PollName>(name: N, options: UbxClientOptions = {}): Promise<MessageOf<N>> {
    const row = MESSAGES.find((each) => each.name === name);
    if (row === undefined) throw new RangeError(`no message is named ${name}`);
    return this.#exclusive(() =>
      this.#exchange<MessageOf<N>>(
        name,
        encodeFrame(row.class, row.id, new Uint8Array(0)),
        (message) => (message.name === name ? (message as MessageOf<N>) : undefined),
        options,
      ),
    );
  }

  /**
   * CFG-VALSET, at most 64 settings: taken as a whole or refused as a whole. Throws OSN_RECEIVER_SILENT where no
   * acknowledgement came: the settings may have been made.
   */
  valset(settings: readonly Setting[], layers: readonly Layer[]): Promise<Acknowledgement> {
    return this.#acknowledged(VALSET, valsetFrame(settings, layers));
  }

  /** CFG-VALSET whose acknowledgement cannot be waited for, since it changes how the line is heard. */
  async sendSettings(settings: readonly Setting[], layers: readonly Layer[]): Promise<void> {
    await this.send(valsetFrame(settings, layers));
    this.#unsettled = true;
  }

  /** CFG-VALDEL: the keys are stored in these layers no more. */
  valdel(keys: readonly ConfigKeyName[], layers: readonly Exclude<Layer, "ram">[]): Promise<Acknowledgement> {
    return this.#acknowledged(
      VALDEL,
      encodeMessage("CFG-VALDEL", {
        version: 0,
        layers: { bbr: layers.includes("bbr"), flash: layers.includes("flash") },
        keys: keys.map((key) => CONFIG_KEYS[key].id),
      }),
    );
  }

  /**
   * CFG-VALGET, at most 64 keys. The values there are; "nak" where the receiver does not know one of the keys, or
   * (BBR, flash) has none of them stored.
   */
  valget(
    keys: readonly ConfigKeyName[],
    layer: Layer,
  ): Promise<ReadonlyMap<ConfigKeyName, SettingValue> | "nak"> {
    if (keys.length > MAX_ITEMS) throw new RangeError(`at most ${MAX_ITEMS} keys at a time`);
    const request = encodeMessage("CFG-VALGET", {
      version: 0,
      layer: LAYER_NUMBER[layer],
      position: 0,
      keys: keys.map((key) => CONFIG_KEYS[key].id),
    });
    const asked = new Set(keys);
    return this.#exclusive(async () => {
      await this.#settle();
      return this.#exchange<ReadonlyMap<ConfigKeyName, SettingValue> | "nak">(
        "CFG-VALGET",
        request,
        (message) => {
          if (isAcknowledgement(message, VALGET) === "nak") return "nak";
          if (message.name !== "CFG-VALGET" || message.version !== 1) return undefined;
          if (message.layer !== LAYER_NUMBER[layer] || message.position !== 0) return undefined;
          return valuesOf(message.cfgData, asked);
        },
        {},
        true,
      );
    });
  }

  /** Sends a frame that nobody answers (CFG-RST, or a VALSET whose answer cannot be heard). */
  send(frame: Uint8Array): Promise<void> {
    return this.#exclusive(() => this.link.write(frame));
  }

  #acknowledged(id: number, frame: Uint8Array): Promise<Acknowledgement> {
    return this.#exclusive(async () => {
      await this.#settle();
      return this.#exchange(
        id === VALSET ? "CFG-VALSET" : "CFG-VALDEL",
        frame,
        (message) => isAcknowledgement(message, id),
        {},
        true,
      );
    });
  }

  /** Asks something whose answer cannot be confused, and lets old acknowledgements go by until it comes. */
  async #settle(): Promise<void> {
    if (!this.#unsettled) return;
    await this.#exchange(
      "MON-VER",
      encodeFrame(0x0a, 0x04, new Uint8Array(0)),
      (message) => (message.name === "MON-VER" ? true : undefined),
      {},
    );
    this.#unsettled = false;
  }

  /** One request after the other; one that fails does not hold up the next. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  async #exchange<T>(
    what: string,
    frame: Uint8Array,
    judge: Judge<T>,
    { timeoutMs = this.#timeoutMs, attempts = this.#attempts }: UbxClientOptions,
    leavesAcknowledgement = false,
  ): Promise<T> {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      if (this.#closed !== null) throw this.#closed;
      const answer = await this.#once(frame, judge, timeoutMs);
      if (answer !== null) {
        if (attempt > 1 && leavesAcknowledgement) this.#unsettled = true;
        return answer.value;
      }
    }
    if (leavesAcknowledgement) this.#unsettled = true;
    throw new OsnmadError(
      "OSN_RECEIVER_SILENT",
      `${this.link.name}: no answer to ${what}, asked ${attempts === 1 ? "once" : `${attempts} times`}.`,
    );
  }

  /** Sends once and waits; null: no answer in time. */
  #once<T>(frame: Uint8Array, judge: Judge<T>, timeoutMs: number): Promise<{ readonly value: T } | null> {
    return new Promise((resolve, reject) => {
      let finished = false;
      const done = (): void => {
        finished = true;
        clearTimeout(timer);
        this.#underWay = null;
      };
      const timer = setTimeout(() => {
        done();
        resolve(null);
      }, timeoutMs);
      const fail = (why: Error): void => {
        // A write may fail after its answer came; the next request is none of its business.
        if (finished) return;
        done();
        reject(why);
      };
      this.#underWay = {
        fail,
        judge: (message) => {
          const value = judge(message);
          if (value === undefined) return false;
          done();
          resolve({ value });
          return true;
        },
      };
      this.link.write(frame).catch((cause: unknown) => {
        fail(cause instanceof Error ? cause : new Error(String(cause)));
      });
    });
  }

  #receive(chunk: Uint8Array): void {
    this.#framer.push(chunk, {
      ubx: (messageClass, id, payload) => {
        if (this.#underWay === null) return;
        const message: UbxMessage | RawMessage = decodeMessage(messageClass, id, payload);
        if (message.name !== "raw") this.#underWay.judge(message);
      },
    });
  }
}

function valsetFrame(settings: readonly Setting[], layers: readonly Layer[]): Uint8Array {
  return encodeMessage("CFG-VALSET", {
    version: 0,
    layers: { ram: layers.includes("ram"), bbr: layers.includes("bbr"), flash: layers.includes("flash") },
    cfgData: settings.map(({ key, value }) => configItem(key, value as never)),
  });
}

function isAcknowledgement(message: UbxMessage, id: number): Acknowledgement | undefined {
  if (message.name !== "ACK-ACK" && message.name !== "ACK-NAK") return undefined;
  if (message.clsID !== CFG || message.msgID !== id) return undefined;
  return message.name === "ACK-ACK" ? "ack" : "nak";
}

/** The values by name; undefined (not an answer to this) where there is one that was not asked for. */
function valuesOf(
  items: readonly ConfigItem[],
  asked: ReadonlySet<ConfigKeyName>,
): ReadonlyMap<ConfigKeyName, SettingValue> | undefined {
  const values = new Map<ConfigKeyName, SettingValue>();
  for (const item of items) {
    const key = configKeyName(item.key);
    const value = configItemValue(item);
    if (key === null || value === null || !asked.has(key)) return undefined;
    values.set(key, value);
  }
  return values;
}
