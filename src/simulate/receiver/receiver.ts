/**
 * A u-blox receiver made of software: bytes in, bytes out, time as data. It has no clock, no socket and no timer;
 * serve.ts gives it those. Milliseconds are the receiver's own; whoever drives it may let them pass faster.
 */
import type { ConfigKeyName } from "gnss-ubx";
import { decodeMessage, encodeFrame, encodeMessage, Framer, MESSAGES } from "gnss-ubx";
import { seededBytes } from "../seeded.js";
import { sentence } from "../ubx-stream.js";
import { Configuration } from "./configuration.js";
import type { Fault, ScheduledFault } from "./faults.js";
import type { FeedEpoch, FeedFrame } from "./feed.js";
import { RXM_SFRBX } from "./feed.js";
import type { ModelName, PortName, ReceiverModel } from "./models.js";
import { receiverModel } from "./models.js";
import type { StartKind } from "./start-up.js";
import { asKnown, bootMs, hearsPages, timeKnowledge } from "./start-up.js";
import { TransmitBuffer } from "./transmit-buffer.js";

export interface VirtualReceiverOptions {
  readonly model: ModelName;
  /** What it hears; taken lazily. */
  readonly feed: Iterable<FeedEpoch>;
  /** The port of the receiver at which the host is. Default: USB where the model has it. */
  readonly port?: PortName;
  /** For its identity and for damage. Default "receiver". */
  readonly seed?: string;
  /** SEC-UNIQID, hexadecimal; made of the seed by default. */
  readonly uniqueId?: string;
  /** Settings in flash, as if somebody had configured it before. */
  readonly flash?: ReadonlyMap<ConfigKeyName, number>;
  /** How it wakes up first. Default: it knows everything already. */
  readonly start?: StartKind | "running";
  readonly schedule?: readonly ScheduledFault[];
  readonly transmitBufferBytes?: number;
}

/** What happens to the cable; the edge acts on it. */
export type CableEvent =
  { readonly kind: "unplugged" } | { readonly kind: "plugged"; readonly name: string | null };

const TRANSMIT_BUFFER_BYTES = 16_384;
const OVERFLOW_BUFFER_BYTES = 512;
const GARBLE_CHANCE = 0.01;
/** How long a receiver that restarts is away from the USB. */
const ENUMERATION_MS = 1_000;
const BITS_PER_BYTE = 10;
const MON_VER = 0x0a04;
const MON_COMMS = 0x0a36;
const MON_SYS = 0x0a39;
const NAV_STATUS = 0x0103;
const NAV_EOE = 0x0161;
const SEC_UNIQID = 0x2703;
const CFG_CLASS = 0x06;
const CFG_MSG = 0x0601;
const CFG_RST = 0x0604;
const CFG_VALSET = 0x068a;
const CFG_VALGET = 0x068b;
const CFG_VALDEL = 0x068c;
/** Portids of MON-COMMS as F9 receivers gave them. */
const PORT_ID: Readonly<Record<PortName, number>> = { UART1: 0x0100, USB: 0x0300 };

const NAME_OF = new Map<number, string>(MESSAGES.map((row) => [(row.class << 8) | row.id, row.name]));
/** Of the feed these are left out: the receiver tells of itself. */
const OWN_MESSAGES = new Set([MON_VER, MON_COMMS, MON_SYS, SEC_UNIQID]);

export class VirtualReceiver {
  #model: ReceiverModel;
  #port: PortName;
  readonly #seed: string;
  #uniqueId: Uint8Array;
  #configuration: Configuration;
  readonly #feed: Iterator<FeedEpoch>;
  #nextEpoch: FeedEpoch | null = null;
  #framer = new Framer();
  #buffer: TransmitBuffer;
  readonly #bufferBytes: number;
  readonly #schedule: ScheduledFault[];
  #cable: CableEvent[] = [];

  #now = 0;
  #plugged = true;
  #plugAt: { readonly atMs: number; readonly name: string | null } | null = null;
  /** It lost its power with the cable, and starts like this when that comes back. */
  #startAtPlug: StartKind | null = null;
  /** Of the last start; null: it has been running for ever. */
  #start: StartKind | null = null;
  #startedAt = 0;
  #stalledUntil = 0;
  #garble = { untilMs: 0, chance: 0 };
  #overflowUntil = 0;
  #acksToDrop = 0;
  #gnssRunning = true;
  #feedEnded = false;

  /** The rate at which the host drives the UART, or null where there is none to tell. */
  #hostBaud: number | null = null;
  /** Bytes that may be on the line already, with fractions. */
  #lineCredit = 0;
  #out: Uint8Array[] = [];
  #outBytes = 0;
  #receivedBytes = 0;
  #skippedBytes = 0;
  #damaged = 0;
  /** Epochs of the feed, and those of them that it navigated at, since its start. */
  #heard = 0;
  #epochs = 0;
  #allocFailed = false;
  #allocUntold = false;
  /** The last of each message, to answer polls. */
  readonly #latest = new Map<number, Uint8Array>();
  /** M8: output rates by message, set with CFG-MSG. */
  readonly #legacyRates = new Map<number, number>();

  constructor(options: VirtualReceiverOptions) {
    this.#model = receiverModel(options.model);
    this.#port = options.port ?? this.#model.ports[0];
    if (!this.#model.ports.includes(this.#port)) {
      throw new RangeError(`${this.#model.name} has no ${this.#port}`);
    }
    this.#seed = options.seed ?? "receiver";
    this.#uniqueId = this.#identity(options.uniqueId);
    this.#configuration = new Configuration(this.#model);
    if (options.flash !== undefined) this.#presetFlash(options.flash);
    this.#bufferBytes = options.transmitBufferBytes ?? TRANSMIT_BUFFER_BYTES;
    this.#buffer = new TransmitBuffer(this.#bufferBytes);
    this.#schedule = [...(options.schedule ?? [])].sort((a, b) => a.at - b.at);
    this.#feed = options.feed[Symbol.iterator]();
    this.#pullEpoch();
    const start = options.start ?? "running";
    if (start !== "running") this.#boot(start, true);
  }

  get model(): ModelName {
    return this.#model.name;
  }

  get port(): PortName {
    return this.#port;
  }

  get plugged(): boolean {
    return this.#plugged;
  }

  /** Whether the feed has come to its end; commands are answered still. */
  get ended(): boolean {
    return this.#feedEnded;
  }

  get now(): number {
    return this.#now;
  }

  /** Hexadecimal. */
  get uniqueId(): string {
    return Buffer.from(this.#uniqueId).toString("hex");
  }

  /** The UART's rate as the receiver has it. */
  get baudRate(): number {
    return this.#configuration.value("CFG-UART1-BAUDRATE") || this.#model.uartBaud;
  }

  /** Present value of a key in RAM. */
  setting(key: ConfigKeyName): number {
    return this.#configuration.value(key);
  }

  /** Counts for people and tests. */
  status(): Readonly<Record<string, number | string | boolean>> {
    return {
      model: this.#model.name,
      port: this.#port,
      plugged: this.#plugged,
      uniqueId: this.uniqueId,
      baudRate: this.baudRate,
      seconds: this.#now / 1000,
      uptimeSeconds: (this.#now - this.#startedAt) / 1000,
      epochs: this.#epochs,
      sentBytes: this.#buffer.sentBytes,
      receivedBytes: this.#receivedBytes,
      overflows: this.#buffer.overflows,
      damagedBytes: this.#damaged,
      ended: this.#feedEnded,
    };
  }

  /** The host's UART runs at this rate from now on. */
  setHostBaud(rate: number | null): void {
    this.#hostBaud = rate;
  }

  /** What happened to the cable since the last call. */
  cableEvents(): readonly CableEvent[] {
    return this.#cable.splice(0);
  }

  /** Bytes from the host. */
  receive(bytes: Uint8Array, nowMs: number): void {
    this.#runTo(nowMs);
    if (!this.#plugged || this.#isSilent()) return;
    this.#receivedBytes += bytes.length;
    const heard = this.#baudMatches() ? bytes : this.#noise("in", bytes.length);
    this.#framer.push(heard, {
      ubx: (messageClass, id, payload) => {
        if (this.#inputTaken()) this.#handle(messageClass, id, payload);
      },
      skipped: (count) => {
        this.#skippedBytes += count;
      },
    });
    this.#drain(0);
  }

  /**
   * Lets time pass up to `nowMs` and returns what went over the line meanwhile. With `hostReads` false the host
   * takes nothing (its buffers are full): the transmit buffer fills up.
   */
  advance(nowMs: number, hostReads = true): Uint8Array {
    this.#runTo(nowMs, hostReads);
    if (!hostReads) return new Uint8Array(0);
    const out = new Uint8Array(this.#outBytes);
    let at = 0;
    for (const bytes of this.#out) {
      out.set(bytes, at);
      at += bytes.length;
    }
    this.#out = [];
    this.#outBytes = 0;
    return out;
  }

  /** When something will happen by itself, at the earliest; null: never. */
  nextAtMs(): number | null {
    const times: number[] = [];
    if (this.#nextEpoch !== null) times.push(this.#nextEpoch.atMs);
    if (this.#schedule.length > 0) times.push(this.#schedule[0].at * 1000);
    if (this.#plugAt !== null) times.push(this.#plugAt.atMs);
    if (this.#buffer.pending > 0) times.push(this.#now + 5);
    return times.length === 0 ? null : Math.max(this.#now, Math.min(...times));
  }

  /** Makes a fault happen now. */
  fault(fault: Fault, nowMs: number): void {
    this.#runTo(nowMs);
    this.#suffer(fault);
  }

  // Time

  #runTo(nowMs: number, hostReads = true): void {
    while (nowMs >= this.#now) {
      const next = this.#nextEvent();
      const until = next === null || next.atMs > nowMs ? nowMs : Math.max(next.atMs, this.#now);
      const elapsed = until - this.#now;
      this.#now = until;
      if (hostReads) this.#drain(elapsed);
      if (this.#overflowUntil !== 0 && this.#now >= this.#overflowUntil) {
        this.#overflowUntil = 0;
        this.#buffer.capacity = this.#bufferBytes;
      }
      if (next === null || next.atMs > nowMs) return;
      next.run();
      if (hostReads) this.#drain(0);
    }
  }

  #nextEvent(): { readonly atMs: number; readonly run: () => void } | null {
    const epoch = this.#nextEpoch;
    const fault = this.#schedule.length > 0 ? this.#schedule[0] : null;
    const plug = this.#plugAt;
    const candidates = [
      plug === null
        ? null
        : {
            atMs: plug.atMs,
            run: () => {
              this.#plugIn(plug.name);
            },
          },
      fault === null
        ? null
        : {
            atMs: fault.at * 1000,
            run: () => {
              this.#schedule.shift();
              this.#suffer(fault);
            },
          },
      epoch === null
        ? null
        : {
            atMs: epoch.atMs,
            run: () => {
              this.#pullEpoch();
              this.#sendEpoch(epoch);
            },
          },
    ].filter((candidate) => candidate !== null);
    return candidates.length === 0 ? null : candidates.reduce((a, b) => (b.atMs < a.atMs ? b : a));
  }

  #pullEpoch(): void {
    const next = this.#feed.next();
    this.#nextEpoch = next.done === true ? null : next.value;
    if (next.done === true) this.#feedEnded = true;
  }

  // Faults and the cable

  #suffer(fault: Fault): void {
    switch (fault.do) {
      case "unplug":
        this.#pull(fault.seconds, fault.name);
        if (this.#port === "USB" && fault.powered !== true) this.#startAtPlug = "hot";
        break;
      case "plug":
        this.#plugIn(fault.name ?? null);
        break;
      case "stall":
        this.#stalledUntil = this.#now + fault.seconds * 1000;
        this.#buffer.clear();
        break;
      case "overflow":
        this.#overflowUntil = this.#now + fault.seconds * 1000;
        this.#buffer.capacity = fault.bytes ?? OVERFLOW_BUFFER_BYTES;
        break;
      case "garble":
        this.#garble = {
          untilMs: this.#now + fault.seconds * 1000,
          chance: fault.chance ?? GARBLE_CHANCE,
        };
        break;
      case "restart":
        this.#restart(fault.start ?? "hot", fault.battery ?? true);
        break;
      case "baud":
        this.#configuration.preset(new Map([["CFG-UART1-BAUDRATE", fault.rate]]), { ram: true });
        break;
      case "replace":
        this.#uniqueId = this.#identity(fault.uniqueId, `replaced at ${this.#now}`);
        this.#configuration = new Configuration(this.#model);
        this.#legacyRates.clear();
        this.#pull(fault.seconds ?? 2, fault.name);
        this.#startAtPlug = "cold";
        break;
      case "drop-acks":
        this.#acksToDrop = fault.count;
        break;
    }
  }

  #pull(seconds: number | undefined, name: string | undefined): void {
    if (this.#plugged) this.#cable.push({ kind: "unplugged" });
    this.#plugged = false;
    this.#buffer.clear();
    this.#framer = new Framer();
    this.#plugAt = seconds === undefined ? null : { atMs: this.#now + seconds * 1000, name: name ?? null };
  }

  #plugIn(name: string | null): void {
    this.#plugAt = null;
    if (this.#plugged) return;
    this.#plugged = true;
    if (this.#startAtPlug !== null) {
      this.#configuration.restart(true);
      this.#boot(this.#startAtPlug, true);
      this.#startAtPlug = null;
    }
    this.#cable.push({ kind: "plugged", name });
  }

  #restart(start: StartKind, batteryHeld: boolean): void {
    this.#configuration.restart(batteryHeld);
    if (!batteryHeld) this.#legacyRates.clear();
    this.#boot(start, batteryHeld);
    // On USB the device goes and comes back; a UART stays where it is.
    if (this.#port === "USB") this.#pull(ENUMERATION_MS / 1000, undefined);
  }

  #boot(start: StartKind, batteryHeld: boolean): void {
    this.#start = batteryHeld ? start : "cold";
    this.#startedAt = this.#now;
    this.#buffer = new TransmitBuffer(this.#buffer.capacity);
    this.#framer = new Framer();
    this.#latest.clear();
    this.#stalledUntil = 0;
    this.#gnssRunning = true;
    this.#heard = 0;
    this.#epochs = 0;
    this.#allocFailed = false;
    this.#allocUntold = false;
    this.#skippedBytes = 0;
    this.#bannerDue = true;
  }
  #bannerDue = false;

  // Output

  #sinceStart(): number {
    return this.#now - this.#startedAt;
  }

  #isSilent(): boolean {
    if (this.#now < this.#stalledUntil) return true;
    return this.#start !== null && this.#sinceStart() < bootMs(this.#start);
  }

  #sendEpoch(epoch: FeedEpoch): void {
    if (this.#isSilent() || !this.#gnssRunning) return;
    if (this.#bannerDue) this.#banner();
    const due = this.#measures(epoch);
    this.#heard++;
    if (due) this.#epochs++;
    const knows = this.#start === null ? "all" : timeKnowledge(this.#start, this.#sinceStart());
    const pages = this.#start === null || hearsPages(this.#start, this.#sinceStart());
    let ownSent = false;
    const sendOwn = (): void => {
      if (ownSent || !due) return;
      ownSent = true;
      this.#sendOwn();
    };
    for (const frame of epoch.frames) {
      if (frame.kind !== "ubx") {
        if (knows === "all" && due && this.#plainWanted(frame)) this.#send(frame.bytes, frame.kind);
        continue;
      }
      if (OWN_MESSAGES.has(frame.message) || this.#lacks(frame.message)) continue;
      if (frame.message === RXM_SFRBX) {
        sendOwn();
        if (pages && this.#rate(frame.message) > 0) this.#send(frame.bytes, "ubx");
        continue;
      }
      if (!due) continue;
      let bytes: Uint8Array | null = frame.bytes;
      if (knows !== "all") bytes = asKnown(frame.message, bytes, knows, this.#sinceStart());
      if (bytes === null) continue;
      if (frame.message === NAV_STATUS) bytes = this.#withUptime(bytes);
      this.#latest.set(frame.message, bytes);
      const rate = this.#rate(frame.message);
      if (rate > 0 && this.#epochs % rate === 0) this.#send(bytes, "ubx");
      if (frame.message === NAV_EOE) sendOwn();
    }
    sendOwn();
  }

  /** CFG-RATE-MEAS and -NAV leave out epochs of the feed; more than it has they cannot make. */
  #measures(epoch: FeedEpoch): boolean {
    if (this.#model.keys === null) return true;
    const period = this.setting("CFG-RATE-MEAS") * Math.max(1, this.setting("CFG-RATE-NAV"));
    const step = (this.#nextEpoch?.atMs ?? epoch.atMs + 1000) - epoch.atMs;
    const every = Math.max(1, Math.round(period / Math.max(1, step)));
    return this.#heard % every === 0;
  }

  /** MON-COMMS, MON-SYS, and NAV-STATUS where the feed has none. */
  #sendOwn(): void {
    for (const [message, make] of [
      [MON_COMMS, () => this.#monComms()],
      [MON_SYS, () => this.#monSys()],
      [NAV_STATUS, () => (this.#latest.has(NAV_STATUS) ? null : this.#navStatus())],
    ] as const) {
      if (this.#lacks(message)) continue;
      const rate = this.#rate(message);
      if (rate === 0 || this.#epochs % rate !== 0) continue;
      const frame = make();
      if (frame !== null) this.#tell(message, frame);
    }
  }

  /** MON-COMMS tells of failed allocations since it was last sent whole. */
  #tell(message: number, frame: Uint8Array): void {
    if (this.#send(frame, "ubx") && message === MON_COMMS) this.#allocFailed = false;
  }

  #lacks(message: number): boolean {
    const name = NAME_OF.get(message);
    return name === undefined || this.#model.withoutMessages.has(name);
  }

  /** How often a message is asked for on this port: every so many epochs, 0 is never. */
  #rate(message: number): number {
    if (this.#model.keys === null) return this.#legacyRates.get(message) ?? 0;
    const name = NAME_OF.get(message)?.replace("-", "_");
    return this.#configuration.value(`CFG-MSGOUT-UBX_${name}_${this.#port}` as ConfigKeyName);
  }

  #plainWanted({ kind, sentence: letters }: FeedFrame): boolean {
    if (kind === "rtcm3" || this.#model.keys === null) return true;
    const key = `CFG-MSGOUT-NMEA_ID_${letters}_${this.#port}` as ConfigKeyName;
    return !this.#configuration.knows(key) || this.#configuration.value(key) > 0;
  }

  #outputAllowed(kind: FeedFrame["kind"]): boolean {
    if (this.#model.keys === null) return true;
    const protocol = { ubx: "UBX", nmea: "NMEA", rtcm3: "RTCM3X" }[kind];
    return this.setting(`CFG-${this.#port}OUTPROT-${protocol}` as ConfigKeyName) > 0;
  }

  #inputTaken(): boolean {
    return this.#model.keys === null || this.setting(`CFG-${this.#port}INPROT-UBX` as ConfigKeyName) > 0;
  }

  /** Puts a frame into the transmit buffer, if its protocol is let out. */
  #send(bytes: Uint8Array, kind: FeedFrame["kind"]): boolean {
    if (!this.#plugged || !this.#outputAllowed(kind)) return false;
    if (this.#buffer.push(bytes)) {
      if (this.#allocUntold && this.#buffer.capacity - this.#buffer.pending > 64) {
        this.#allocUntold = false;
        this.#text("00", "txbuf alloc");
      }
      return true;
    }
    this.#allocFailed = true;
    this.#allocUntold = true;
    return false;
  }

  /** A text for people, as GNTXT and INF message, to whom it is switched on. */
  #text(type: "00" | "01" | "02", text: string): void {
    const bit = 1 << Number(type);
    const wanted = (protocol: string): boolean =>
      this.#model.keys === null
        ? protocol === "NMEA"
        : (this.setting(`CFG-INFMSG-${protocol}_${this.#port}` as ConfigKeyName) & bit) !== 0;
    if (wanted("NMEA")) this.#send(sentence(`GNTXT,01,01,${type},${text}`), "nmea");
    if (wanted("UBX")) {
      const name = ({ "00": "INF-ERROR", "01": "INF-WARNING", "02": "INF-NOTICE" } as const)[type];
      this.#send(encodeMessage(name, { str: text }), "ubx");
    }
  }

  #banner(): void {
    this.#bannerDue = false;
    const { swVersion, hwVersion, extensions } = this.#model;
    for (const line of ["u-blox AG - www.u-blox.com", `HW UBX ${hwVersion}`, swVersion, ...extensions]) {
      this.#text("02", line);
    }
  }

  /** Moves bytes from the buffer to the line: all of them on USB, as the rate allows on a UART. */
  #drain(elapsedMs: number): void {
    if (!this.#plugged || this.#now < this.#stalledUntil) return;
    let count = this.#buffer.pending;
    if (this.#port === "UART1") {
      const perMs = this.baudRate / BITS_PER_BYTE / 1000;
      this.#lineCredit = Math.min(this.#lineCredit + elapsedMs * perMs, Math.max(count, 1));
      count = Math.min(count, Math.floor(this.#lineCredit));
      this.#lineCredit -= count;
    }
    if (count === 0) return;
    let bytes = this.#buffer.take(count);
    if (!this.#baudMatches()) bytes = this.#noise("out", bytes.length);
    else if (this.#now < this.#garble.untilMs) bytes = this.#garbled(bytes);
    this.#out.push(bytes);
    this.#outBytes += bytes.length;
  }

  #baudMatches(): boolean {
    return this.#port !== "UART1" || this.#hostBaud === null || this.#hostBaud === this.baudRate;
  }

  /** What is heard at the wrong rate: bytes without sense, more or fewer by the ratio of the rates. */
  #noise(direction: string, count: number): Uint8Array {
    const ratio = (this.#hostBaud ?? this.baudRate) / this.baudRate;
    const length = Math.max(1, Math.round(count * (direction === "out" ? ratio : 1 / ratio)));
    return seededBytes(this.#seed, `noise ${direction} ${this.#damaged++}`, Math.min(length, 65_536));
  }

  #garbled(bytes: Uint8Array): Uint8Array {
    const copy = bytes.slice();
    // Two bytes decide whether, a third one what becomes of it.
    const random = seededBytes(this.#seed, `garble ${this.#now} ${this.#damaged}`, 3 * copy.length);
    for (let i = 0; i < copy.length; i++) {
      if (((random[3 * i] << 8) | random[3 * i + 1]) / 65_536 >= this.#garble.chance) continue;
      copy[i] ^= random[3 * i + 2] || 1;
      this.#damaged++;
    }
    return copy;
  }

  // Requests

  #handle(messageClass: number, id: number, payload: Uint8Array): void {
    const message = (messageClass << 8) | id;
    if (messageClass === CFG_CLASS) {
      this.#configure(message, id, payload);
      return;
    }
    if (payload.length > 0) return;
    const answer = this.#polled(message);
    if (answer !== null) this.#tell(message, answer);
  }

  #polled(message: number): Uint8Array | null {
    if (this.#lacks(message)) return null;
    switch (message) {
      case MON_VER:
        return encodeMessage("MON-VER", {
          swVersion: this.#model.swVersion,
          hwVersion: this.#model.hwVersion,
          extension: [...this.#model.extensions],
        });
      case SEC_UNIQID: {
        if (this.#model.uniqueIdBytes === 0) return null;
        const version = this.#model.uniqueIdBytes === 5 ? 1 : 2;
        return encodeFrame(0x27, 0x03, Uint8Array.of(version, 0, 0, 0, ...this.#uniqueId));
      }
      case MON_COMMS:
        return this.#monComms();
      case MON_SYS:
        return this.#monSys();
      default: {
        const latest = this.#latest.get(message);
        if (latest !== undefined) return latest;
        return message === NAV_STATUS ? this.#navStatus() : null;
      }
    }
  }

  #configure(message: number, id: number, payload: Uint8Array): void {
    const decoded = decodeMessage(CFG_CLASS, id, payload);
    if (message === CFG_RST) {
      if (decoded.name === "CFG-RST") this.#reset(decoded.resetMode, decoded.navBbrMask);
      return;
    }
    if (message === CFG_MSG && this.#model.keys === null) {
      this.#acknowledge(id, this.#legacyRate(payload));
      return;
    }
    if (this.#model.keys === null) {
      this.#acknowledge(id, false);
      return;
    }
    if (message === CFG_VALSET) {
      const baudBefore = this.baudRate;
      const taken = decoded.name === "CFG-VALSET" && this.#configuration.valset(decoded);
      // What waits goes out at the old rate; the acknowledgement comes at the new one.
      if (taken && this.baudRate !== baudBefore) this.#lineCredit = 0;
      if (decoded.name !== "CFG-VALSET") this.#configuration.cancel();
      this.#acknowledge(id, taken);
    } else if (message === CFG_VALDEL) {
      if (decoded.name !== "CFG-VALDEL") this.#configuration.cancel();
      this.#acknowledge(id, decoded.name === "CFG-VALDEL" && this.#configuration.valdel(decoded));
    } else if (message === CFG_VALGET) {
      const answer = decoded.name === "CFG-VALGET" ? this.#configuration.valget(decoded) : null;
      if (answer !== null) this.#send(answer, "ubx");
      this.#acknowledge(id, answer !== null);
    } else {
      this.#configuration.cancel();
      this.#acknowledge(id, false);
    }
  }

  #acknowledge(id: number, taken: boolean): void {
    if (this.#acksToDrop > 0) {
      this.#acksToDrop--;
      return;
    }
    this.#send(encodeMessage(taken ? "ACK-ACK" : "ACK-NAK", { clsID: CFG_CLASS, msgID: id }), "ubx");
  }

  /** CFG-MSG: class, id and a rate for this port, or six rates (I2C, UART1, UART2, USB, SPI, none). */
  #legacyRate(payload: Uint8Array): boolean {
    if (payload.length !== 3 && payload.length !== 8) return false;
    const message = (payload[0] << 8) | payload[1];
    const isNmea = payload[0] === 0xf0;
    if (!isNmea && this.#lacks(message)) return false;
    const rate = payload.length === 3 ? payload[2] : payload[2 + (this.#port === "USB" ? 3 : 1)];
    this.#legacyRates.set(message, rate);
    return true;
  }

  /** Not acknowledged, as a real one does not. */
  #reset(mode: number, mask: Readonly<Record<string, boolean | number>>): void {
    if (mode === 8) this.#gnssRunning = false;
    else if (mode === 9) this.#gnssRunning = true;
    else if (mode === 0 || mode === 1 || mode === 2 || mode === 4) {
      const start = mask["pos"] === true ? "cold" : mask["eph"] === true ? "warm" : "hot";
      // Mode 2 restarts the satellites' tracking only: configuration and port stay.
      if (mode === 2) {
        this.#start = start;
        this.#startedAt = this.#now;
      } else this.#restart(start, true);
    }
  }

  // What the receiver says of itself

  #monComms(): Uint8Array {
    const own = PORT_ID[this.#port];
    const capacity = this.#buffer.capacity;
    const percent = (bytes: number): number => Math.min(100, Math.round((100 * bytes) / capacity));
    const failed = this.#allocFailed;
    return encodeMessage("MON-COMMS", {
      version: 0,
      txErrors: { alloc: failed },
      protIds: [0, 1, 5, 0xff],
      ports: Object.values(PORT_ID).map((portId) => {
        const isOwn = portId === own;
        return {
          portId,
          txPending: isOwn ? Math.min(0xffff, this.#buffer.pending) : 0,
          txBytes: isOwn ? this.#buffer.sentBytes : 0,
          txUsage: isOwn ? percent(this.#buffer.pending) : 0,
          txPeakUsage: isOwn ? percent(this.#buffer.peak) : 0,
          rxPending: 0,
          rxBytes: isOwn ? this.#receivedBytes : 0,
          rxUsage: 0,
          rxPeakUsage: 0,
          overrunErrs: 0,
          msgs: [isOwn ? this.#framer.counts.ubxFrames & 0xffff : 0, 0, 0, 0],
          reserved1: new Uint8Array(8),
          skipped: isOwn ? this.#skippedBytes : 0,
        };
      }),
    });
  }

  #monSys(): Uint8Array {
    return encodeMessage("MON-SYS", {
      msgVer: 1,
      bootType: this.#start === null ? 1 : 3,
      cpuLoad: 30,
      cpuLoadMax: 60,
      memUsage: 25,
      memUsageMax: 40,
      ioUsage: 5,
      ioUsageMax: 20,
      runTime: Math.floor(this.#sinceStart() / 1000),
      noticeCount: 0,
      warnCount: 0,
      errorCount: 0,
      tempValue: 35,
      reserved0: new Uint8Array(5),
    });
  }

  #navStatus(): Uint8Array {
    const knows = this.#start === null ? "all" : timeKnowledge(this.#start, this.#sinceStart());
    const fixed = knows === "all";
    return encodeMessage("NAV-STATUS", {
      iTOW: this.#iTow(),
      gpsFix: fixed ? 3 : 0,
      flags: { gpsFixOk: fixed, wknSet: fixed, towSet: knows !== "nothing" },
      fixStat: {},
      flags2: { spoofDetState: fixed ? 1 : 0 },
      ttff: fixed ? 1000 : 0,
      msss: Math.floor(this.#sinceStart()),
    });
  }

  /** The time label of the last epoch. */
  #iTow(): number {
    const eoe = this.#latest.get(NAV_EOE);
    if (eoe === undefined) return 0;
    return new DataView(eoe.buffer, eoe.byteOffset + 6).getUint32(0, true);
  }

  /** NAV-STATUS of the feed with this receiver's time since its start. */
  #withUptime(frame: Uint8Array): Uint8Array {
    if (this.#start === null || frame.length !== 24) return frame;
    const payload = frame.slice(6, 22);
    new DataView(payload.buffer).setUint32(12, Math.floor(this.#sinceStart()), true);
    return encodeFrame(0x01, 0x03, payload);
  }

  #identity(uniqueId: string | undefined, label = "unique id"): Uint8Array {
    const length = this.#model.uniqueIdBytes;
    if (uniqueId === undefined) return seededBytes(this.#seed, label, length);
    const bytes = Buffer.from(uniqueId, "hex");
    if (bytes.length !== length) throw new RangeError(`uniqueId must have ${length} bytes`);
    return new Uint8Array(bytes);
  }

  #presetFlash(values: ReadonlyMap<ConfigKeyName, number>): void {
    if (this.#model.keys !== null) {
      this.#configuration.preset(values, { ram: true, flash: true });
      return;
    }
    // An M8 keeps its rates in a form of its own; what stands for it is the same names.
    for (const [key, value] of values) {
      const match = /^CFG-MSGOUT-UBX_(.+)_(USB|UART1)$/.exec(key);
      if (match?.[2] !== this.#port) continue;
      for (const [message, name] of NAME_OF) {
        if (name.replace("-", "_") === match[1]) this.#legacyRates.set(message, value);
      }
    }
  }
}
