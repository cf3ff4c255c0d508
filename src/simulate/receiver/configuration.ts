/**
 * The configuration of a receiver in its layers, and what CFG-VALSET, CFG-VALGET and CFG-VALDEL do to it: u-blox
 * ZED-F9P interface description (UBX-18010854), "Configuration interface" and the messages' own pages.
 */
import type { ConfigItem, ConfigKeyName, MessageOf } from "gnss-ubx";
import { CONFIG_KEYS, configKeyName, configValueSize, encodeMessage } from "gnss-ubx";
import type { ReceiverModel } from "./models.js";
import { factoryDefault } from "./models.js";

type StoredLayer = "bbr" | "flash";
type Values = Map<ConfigKeyName, number>;

interface Layers {
  readonly ram?: boolean;
  readonly bbr?: boolean;
  readonly flash?: boolean;
}

interface Transaction {
  readonly kind: "set" | "delete";
  readonly layers: Layers;
  readonly items: { readonly key: ConfigKeyName; readonly value: number }[];
}

/** Items in one message, and keys in one request. */
const MAX_ITEMS = 64;
const BAUD_RATES = new Set([9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600]);
const SHORTEST_MEASUREMENT_MS = 25;
const LAYER_NUMBER = { 0: "ram", 1: "bbr", 2: "flash", 7: "default" } as const;
/** Wildcards of a request: every item of a group, and every item of every group. */
const ANY_ITEM = 0xffff;
const ANY_GROUP = 0xfff;

export class Configuration {
  readonly #model: ReceiverModel;
  readonly #keys: readonly ConfigKeyName[];
  readonly #stored: Record<StoredLayer, Values> = { bbr: new Map(), flash: new Map() };
  readonly #ram: Values = new Map();
  #transaction: Transaction | null = null;

  constructor(model: ReceiverModel) {
    this.#model = model;
    this.#keys = [...(model.keys ?? [])].sort((a, b) => CONFIG_KEYS[a].id - CONFIG_KEYS[b].id);
    this.restart(true);
  }

  /** The value in force, as the unsigned integer that is sent; 0 for a key that this receiver does not know. */
  value(key: ConfigKeyName): number {
    return this.#ram.get(key) ?? 0;
  }

  knows(key: ConfigKeyName): boolean {
    return this.#ram.has(key);
  }

  /** RAM is made anew from flash and, over it, BBR; BBR is lost where there is no battery. */
  restart(batteryHeld: boolean): void {
    this.#transaction = null;
    if (!batteryHeld) this.#stored.bbr.clear();
    this.#rebuild();
  }

  /** As if this had been set by CFG-VALSET in the given layers. A key that is not known is a mistake of the caller. */
  preset(values: ReadonlyMap<ConfigKeyName, number>, layers: Layers): void {
    for (const [key, value] of values) {
      if (!this.knows(key)) throw new RangeError(`${this.#model.name} does not know ${key}`);
      this.#write(key, value, layers);
    }
  }

  /** Whether it was taken (ACK-ACK) or refused as a whole (ACK-NAK). */
  valset(message: MessageOf<"CFG-VALSET">): boolean {
    const action = actionOf(message);
    const items = message.cfgData.length > MAX_ITEMS ? null : this.#known(message.cfgData);
    return this.#run("set", message.layers, action, items);
  }

  valdel(message: MessageOf<"CFG-VALDEL">): boolean {
    const keys = message.keys.map((key) => ({ key, value: 0 }));
    const items = keys.length > MAX_ITEMS ? null : this.#known(keys);
    return this.#run("delete", message.layers, actionOf(message), items);
  }

  /** The answering frame, or null for ACK-NAK. */
  valget(message: MessageOf<"CFG-VALGET">): Uint8Array | null {
    this.#transaction = null;
    if (message.version !== 0 || message.keys.length > MAX_ITEMS) return null;
    const layer = LAYER_NUMBER[message.layer as keyof typeof LAYER_NUMBER] as
      (typeof LAYER_NUMBER)[keyof typeof LAYER_NUMBER] | undefined;
    if (layer === undefined) return null;
    const asked: ConfigKeyName[] = [];
    for (const key of message.keys) {
      const matching = this.#matching(key);
      if (matching.length === 0) return null;
      asked.push(...matching);
    }
    const there: ConfigItem[] = [];
    for (const key of asked) {
      const value =
        layer === "ram"
          ? this.#ram.get(key)
          : layer === "default"
            ? factoryDefault(this.#model, key)
            : this.#stored[layer].get(key);
      if (value !== undefined) there.push({ key: CONFIG_KEYS[key].id, value });
    }
    // Nothing of it is stored in that layer.
    if (there.length === 0) return null;
    return encodeMessage("CFG-VALGET", {
      version: 1,
      layer: message.layer,
      position: message.position,
      cfgData: there.slice(message.position, message.position + MAX_ITEMS),
    });
  }

  /** Any other CFG message ends a transaction. */
  cancel(): void {
    this.#transaction = null;
  }

  #run(
    kind: Transaction["kind"],
    layers: Layers,
    action: number,
    items: Transaction["items"] | null,
  ): boolean {
    const open = this.#transaction;
    this.#transaction = null;
    const anyLayer = layers.ram === true || layers.bbr === true || layers.flash === true;
    if (!anyLayer || items === null) return false;
    if (action === 0) return this.#apply(kind, layers, items);
    if (action === 1) {
      this.#transaction = { kind, layers, items };
      return true;
    }
    if (open === null || open.kind !== kind || !sameLayers(open.layers, layers)) return false;
    open.items.push(...items);
    if (action === 2) {
      this.#transaction = open;
      return true;
    }
    return this.#apply(kind, layers, open.items);
  }

  #apply(kind: Transaction["kind"], layers: Layers, items: Transaction["items"]): boolean {
    if (kind === "delete") {
      for (const { key } of items) {
        if (layers.bbr === true) this.#stored.bbr.delete(key);
        if (layers.flash === true) this.#stored.flash.delete(key);
      }
      return true;
    }
    // Values are judged only where they would come into force.
    if (layers.ram === true && items.some(({ key, value }) => !this.#valid(key, value))) return false;
    for (const { key, value } of items) this.#write(key, value, layers);
    return true;
  }

  #write(key: ConfigKeyName, value: number, layers: Layers): void {
    if (layers.ram === true) this.#ram.set(key, value);
    if (layers.bbr === true) this.#stored.bbr.set(key, value);
    if (layers.flash === true) this.#stored.flash.set(key, value);
  }

  #valid(key: ConfigKeyName, value: number): boolean {
    if (CONFIG_KEYS[key].type === "L" && value > 1) return false;
    if (key === "CFG-UART1-BAUDRATE" && !BAUD_RATES.has(value)) return false;
    if (key === "CFG-RATE-MEAS" && value < SHORTEST_MEASUREMENT_MS) return false;
    if (key === "CFG-RATE-NAV" && value < 1) return false;
    return !this.#model.refuses(key, value);
  }

  /** The items by name, or null if one is not known. */
  #known(items: readonly ConfigItem[]): Transaction["items"] | null {
    const known: Transaction["items"] = [];
    for (const { key, value } of items) {
      const name = configKeyName(key);
      if (name === null || !this.knows(name)) return null;
      known.push({ key: name, value: Number(value) });
    }
    return known;
  }

  #matching(key: number): readonly ConfigKeyName[] {
    const group = (key >>> 16) & ANY_GROUP;
    if ((key & ANY_ITEM) === ANY_ITEM) {
      return this.#keys.filter(
        (name) => group === ANY_GROUP || ((CONFIG_KEYS[name].id >>> 16) & ANY_GROUP) === group,
      );
    }
    if (configValueSize(key) === 0) return [];
    const name = configKeyName(key);
    return name !== null && this.knows(name) ? [name] : [];
  }

  #rebuild(): void {
    for (const key of this.#keys) {
      const stored = this.#stored.bbr.get(key) ?? this.#stored.flash.get(key);
      this.#ram.set(key, stored ?? factoryDefault(this.#model, key));
    }
  }
}

function actionOf(message: MessageOf<"CFG-VALSET"> | MessageOf<"CFG-VALDEL">): number {
  return message.version === 1 ? message.transaction.action : 0;
}

function sameLayers(a: Layers, b: Layers): boolean {
  return a.ram === b.ram && a.bbr === b.bbr && a.flash === b.flash;
}
