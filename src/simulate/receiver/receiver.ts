/**
 * A u-blox receiver made of software: bytes in, bytes out, time as data. It has no clock, no socket and no timer;
 * served-receiver.ts gives it those. Milliseconds are the receiver's own; whoever drives it may let them pass faster.
 */
import type { ConfigKeyName } from "gnss-ubx";
import { decodeMessage, encodeMessage, Framer } from "gnss-ubx";
import { seededBytes } from "../seeded.js";
import { sentence } from "../ubx-stream.js";
import { Configuration } from "./configuration.js";
import { Damage } from "./damage.js";
import type { Fault, ScheduledFault } from "./faults.js";
import type { FeedEpoch, FeedFrame } from "./feed.js";
import { RXM_SFRBX } from "./feed.js";
import { HostLine } from "./host-line.js";
import type { ModelName, PortName, ReceiverModel } from "./models.js";
import { receiverModel } from "./models.js";
import { monComms, monSys, monVer, navStatus, secUniqid, withUptime } from "./own-messages.js";
import { PortSettings, TEXT_TYPES } from "./port-settings.js";
import type { StartKind, TimeKnowledge } from "./start-up.js";
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
/** Of the feed these are left out: the receiver tells of itself. */
const OWN_MESSAGES = new Set([MON_VER, MON_COMMS, MON_SYS, SEC_UNIQID]);

export class VirtualReceiver {
  readonly #model: ReceiverModel;
  readonly #port: PortName;
  readonly #seed: string;
  #uniqueId: Uint8Array;
  #configuration: Configuration;
  #settings: PortSettings;
  readonly #damage: Damage;
  readonly #line: HostLine;
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
  #overflowUntil = 0;
  #acksToDrop = 0;
  #gnssRunning = true;
  #feedEnded = false;

  #receivedBytes = 0;
  #skippedBytes = 0;
  /** Epochs of the feed, and those of them that it navigated at, since its start. */
  #heard = 0;
  #epochs = 0;
  #allocFailed = false;
  #allocUntold = false;
  /** The last of each message, to answer polls. */
  readonly #latest = new Map<number, Uint8Array>();

  constructor(options: VirtualReceiverOptions) {
    this.#model = receiverModel(options.model);
    this.#port = options.port ?? this.#model.ports[0];
    if (!this.#model.ports.includes(this.#port)) {
      throw new RangeError(`${this.#model.name} has no ${this.#port}`);
    }
    this.#seed = options.seed ?? "receiver";
    this.#uniqueId = this.#identity(options.uniqueId);
    this.#damage = new Damage(this.#seed);
    this.#line = new HostLine({
      isUart: this.#port === "UART1",
      damage: this.#damage,
      baudRate: () => this.baudRate,
    });
    this.#configuration = new Configuration(this.#model);
    this.#settings = new PortSettings(this.#model, this.#port, this.#configuration);
    if (options.flash !== undefined) {
      if (this.#model.keys === null) this.#settings.presetLegacyRates(options.flash);
      else this.#configuration.preset(options.flash, { ram: true, flash: true });
    }
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
      damages: this.#damage.count,
      ended: this.#feedEnded,
    };
  }

  /** The host's UART runs at this rate from now on. */
  setHostBaud(rate: number | null): void {
    this.#line.hostBaud = rate;
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
    this.#framer.push(this.#line.heard(bytes), {
      ubx: (messageClass, id, payload) => {
        if (this.#settings.inputTaken()) this.#handle(messageClass, id, payload);
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
    this.#line.hostReads = hostReads;
    this.#runTo(nowMs);
    return hostReads ? this.#line.take() : new Uint8Array(0);
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

  #runTo(nowMs: number): void {
    while (nowMs >= this.#now) {
      const next = this.#nextEvent();
      const until = next === null || next.atMs > nowMs ? nowMs : Math.max(next.atMs, this.#now);
      const elapsed = until - this.#now;
      this.#now = until;
      this.#drain(elapsed);
      if (this.#overflowUntil !== 0 && this.#now >= this.#overflowUntil) {
        this.#overflowUntil = 0;
        this.#buffer.capacity = this.#bufferBytes;
      }
      if (next === null || next.atMs > nowMs) return;
      next.run();
      this.#drain(0);
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
        this.#line.garble(this.#now + fault.seconds * 1000, fault.chance ?? GARBLE_CHANCE);
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
        this.#settings = new PortSettings(this.#model, this.#port, this.#configuration);
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
    if (!batteryHeld) this.#settings.forgetLegacyRates();
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
    const knows = this.#knows();
    const pages = this.#start === null || hearsPages(this.#start, this.#sinceStart());
    let ownSent = false;
    const sendOwn = (): void => {
      if (ownSent || !due) return;
      ownSent = true;
      this.#sendOwn();
    };
    for (const frame of epoch.frames) {
      if (frame.kind !== "ubx") {
        if (knows === "all" && due && this.#settings.plainWanted(frame)) this.#send(frame.bytes, frame.kind);
        continue;
      }
      if (OWN_MESSAGES.has(frame.message) || this.#settings.lacks(frame.message)) continue;
      if (frame.message === RXM_SFRBX) {
        sendOwn();
        if (pages && this.#settings.rate(frame.message) > 0) this.#send(frame.bytes, "ubx");
        continue;
      }
      if (!due) continue;
      let bytes: Uint8Array | null = frame.bytes;
      if (knows !== "all") bytes = asKnown(frame.message, bytes, knows, this.#sinceStart());
      if (bytes === null) continue;
      if (frame.message === NAV_STATUS && this.#start !== null) bytes = withUptime(bytes, this.#sinceStart());
      this.#latest.set(frame.message, bytes);
      const rate = this.#settings.rate(frame.message);
      if (rate > 0 && this.#epochs % rate === 0) this.#send(bytes, "ubx");
      if (frame.message === NAV_EOE) sendOwn();
    }
    sendOwn();
  }

  /** CFG-RATE-MEAS and -NAV leave out epochs of the feed; more than it has they cannot make. */
  #measures(epoch: FeedEpoch): boolean {
    const stepMs = (this.#nextEpoch?.atMs ?? epoch.atMs + 1000) - epoch.atMs;
    return this.#heard % this.#settings.everyEpoch(stepMs) === 0;
  }

  /** MON-COMMS, MON-SYS, and NAV-STATUS where the feed has none. */
  #sendOwn(): void {
    for (const [message, make] of [
      [MON_COMMS, () => this.#monComms()],
      [MON_SYS, () => monSys(this.#sinceStart())],
      [NAV_STATUS, () => (this.#latest.has(NAV_STATUS) ? null : this.#navStatus())],
    ] as const) {
      if (this.#settings.lacks(message)) continue;
      const rate = this.#settings.rate(message);
      if (rate === 0 || this.#epochs % rate !== 0) continue;
      const frame = make();
      if (frame !== null) this.#tell(message, frame);
    }
  }

  /** MON-COMMS tells of failed allocations since it was last sent whole. */
  #tell(message: number, frame: Uint8Array): void {
    if (this.#send(frame, "ubx") && message === MON_COMMS) this.#allocFailed = false;
  }

  /** Puts a frame into the transmit buffer, if its protocol is let out. */
  #send(bytes: Uint8Array, kind: FeedFrame["kind"]): boolean {
    if (!this.#plugged || !this.#settings.outputAllowed(kind)) return false;
    if (this.#buffer.push(bytes)) {
      if (this.#allocUntold && this.#buffer.capacity - this.#buffer.pending > 64) {
        this.#allocUntold = false;
        this.#text("error", "txbuf alloc");
      }
      return true;
    }
    this.#allocFailed = true;
    this.#allocUntold = true;
    return false;
  }

  /** A text for people, as GNTXT and INF message, to whom it is switched on. */
  #text(type: keyof typeof TEXT_TYPES, text: string): void {
    if (this.#settings.textWanted("NMEA", type)) {
      this.#send(sentence(`GNTXT,01,01,0${TEXT_TYPES[type]},${text}`), "nmea");
    }
    if (this.#settings.textWanted("UBX", type)) {
      const name = ({ error: "INF-ERROR", warning: "INF-WARNING", notice: "INF-NOTICE" } as const)[type];
      this.#send(encodeMessage(name, { str: text }), "ubx");
    }
  }

  #banner(): void {
    this.#bannerDue = false;
    const { swVersion, hwVersion, extensions } = this.#model;
    for (const line of ["u-blox AG - www.u-blox.com", `HW UBX ${hwVersion}`, swVersion, ...extensions]) {
      this.#text("notice", line);
    }
  }

  #drain(elapsedMs: number): void {
    if (!this.#plugged || this.#now < this.#stalledUntil) return;
    this.#line.drain(this.#buffer, elapsedMs, this.#now);
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
    if (this.#settings.lacks(message)) return null;
    switch (message) {
      case MON_VER:
        return monVer(this.#model);
      case SEC_UNIQID:
        return this.#uniqueId.length === 0 ? null : secUniqid(this.#uniqueId);
      case MON_COMMS:
        return this.#monComms();
      case MON_SYS:
        return monSys(this.#sinceStart());
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
      this.#acknowledge(id, this.#settings.setLegacyRate(payload));
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
      if (taken && this.baudRate !== baudBefore) this.#line.restart();
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
    return monComms({
      port: this.#port,
      buffer: this.#buffer,
      receivedBytes: this.#receivedBytes,
      receivedFrames: this.#framer.counts.ubxFrames,
      skippedBytes: this.#skippedBytes,
      allocFailed: this.#allocFailed,
    });
  }

  #navStatus(): Uint8Array {
    return navStatus(this.#iTow(), this.#knows(), this.#sinceStart());
  }

  #knows(): TimeKnowledge {
    return this.#start === null ? "all" : timeKnowledge(this.#start, this.#sinceStart());
  }

  /** The time label of the last epoch. */
  #iTow(): number {
    const eoe = this.#latest.get(NAV_EOE);
    if (eoe === undefined) return 0;
    return new DataView(eoe.buffer, eoe.byteOffset + 6).getUint32(0, true);
  }

  #identity(uniqueId: string | undefined, label = "unique id"): Uint8Array {
    const length = this.#model.uniqueIdBytes;
    if (uniqueId === undefined) return seededBytes(this.#seed, label, length);
    const bytes = Buffer.from(uniqueId, "hex");
    if (bytes.length !== length) throw new RangeError(`uniqueId must have ${length} bytes`);
    return new Uint8Array(bytes);
  }
}
