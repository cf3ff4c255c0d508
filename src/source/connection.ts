/**
 * Keeps a receiver connected: opens what the configuration names, watches the line, and opens it again after every
 * kind of end. The decisions are those of connection-logic.ts; this gives them links and timers. Edge.
 */
import { encodeFrame, Framer, type FrameSink } from "gnss-ubx";
import { OsnmadError } from "../errors.js";
import type { ByteLink } from "./byte-link.js";
import {
  ConnectionLogic,
  type Command,
  type ConnectionPhase,
  type ConnectionTimes,
} from "./connection-logic.js";
import { LineWatch, type LineFinding } from "./line-watch.js";
import { NmeaTexts } from "./nmea-texts.js";

export interface ConnectionListener {
  /** Every byte as it came. Valid during the call only. */
  data(chunk: Uint8Array): void;
  /** A link is open; whole frames have come of it. The second and later times for one link never happen. */
  connected(link: ByteLink, downMs: number | null): void;
  /** The link ended. `why` is what is told to people; null where it was stopped. */
  lost(link: ByteLink | null, why: string | null, waitMs: number | null): void;
  /** An attempt to open failed; called for each, so the listener keeps repeats apart. */
  openFailed(error: Error, waitMs: number): void;
  finding(finding: LineFinding): void;
  /** A finite source (a capture) came to its end. */
  ended(): void;
}

export interface ConnectionOptions {
  /** Opens a link, or throws what openLink throws. Asked anew for each attempt: the port may have another name. */
  readonly open: () => Promise<ByteLink>;
  /** Whether the port is there; asked about once a second while waiting. Absent for what cannot appear (TCP). */
  readonly isPresent?: () => boolean;
  /** A source with an end: it is not opened again. */
  readonly finite?: boolean;
  /** Rates to try where a serial line gives no frame, in order; none for USB and TCP. */
  readonly baudRates?: readonly number[];
  readonly times?: Partial<ConnectionTimes>;
  readonly random?: () => number;
}

/** How long a rate is listened to: more than an epoch at 1 Hz. */
const RATE_MS = 1_300;
const POLL_VERSION = encodeFrame(0x0a, 0x04, new Uint8Array(0));
/** Between two looks whether the port is there. */
const PRESENCE_MS = 1_000;

export class Connection {
  readonly watch: LineWatch;
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  readonly #logic: ConnectionLogic;
  readonly #sink: FrameSink;
  readonly #texts: NmeaTexts;
  #link: ByteLink | null = null;
  #framer = new Framer();
  #told = false;
  #baud: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  #rateTimer: NodeJS.Timeout | null = null;
  #presenceTimer: NodeJS.Timeout | null = null;
  #wasPresent = true;
  #closeReason: string | null = null;
  #downSince: number | null = null;
  #stopped: (() => void) | null = null;

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    this.#logic = new ConnectionLogic(options.times, options.random);
    this.watch = new LineWatch((finding) => {
      listener.finding(finding);
    });
    this.#texts = new NmeaTexts((text) => {
      this.watch.text(text, performance.now());
    });
    this.#sink = {
      ubx: (messageClass, messageId, payload) => {
        this.watch.ubx(messageClass, messageId, payload, performance.now());
      },
      nmea: (line) => {
        this.watch.nmea(performance.now());
        this.#texts.write(line);
      },
    };
  }

  get phase(): ConnectionPhase {
    return this.#logic.phase;
  }

  get link(): ByteLink | null {
    return this.#link;
  }

  /** Rate that frames came at, of a serial line whose rate was searched for. */
  get baudRate(): number | null {
    return this.#baud;
  }

  start(): void {
    this.#happen("start");
  }

  /** Ends the link; resolves when it is closed. */
  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#stopped = resolve;
      this.#happen("stop");
    });
  }

  /** The line is known to be useless (a receiver that must be asked anew): closes it, and opens it again. */
  reopen(why: string): void {
    this.#closeReason = why;
    void this.#link?.close();
  }

  #happen(
    what: "start" | "opened" | "open-failed" | "frames" | "closed" | "appeared" | "time" | "stop",
  ): Command | null {
    const command = this.#logic.happen({ what }, performance.now());
    if (command?.do === "open") void this.#open();
    else if (command?.do === "close") {
      this.#closeReason =
        command.why === "silent"
          ? "it is silent"
          : command.why === "unreadable"
            ? "no whole frame came"
            : null;
      void this.#link?.close();
    }
    this.#schedule();
    if (this.#logic.phase === "stopped") {
      if (this.#presenceTimer !== null) clearInterval(this.#presenceTimer);
      this.#presenceTimer = null;
      this.#stopped?.();
      this.#stopped = null;
    }
    return command;
  }

  async #open(): Promise<void> {
    let link: ByteLink;
    try {
      link = await this.#options.open();
    } catch (error) {
      if (!(error instanceof OsnmadError)) throw error;
      const command = this.#happen("open-failed");
      if (command?.do === "wait") this.#listener.openFailed(error, command.ms);
      this.#watchPresence();
      return;
    }
    this.#link = link;
    this.#followRate(link);
    this.#framer = new Framer();
    this.#told = false;
    this.#closeReason = null;
    this.watch.opened(performance.now());
    const framer = this.#framer;
    link.onClose((why) => {
      this.#closed(link, framer, why);
    });
    this.#happen("opened");
    if (this.#logic.phase !== "settling") return;
    link.onData((chunk) => {
      if (this.#link !== link) return;
      const before = framer.counts.ubxFrames + framer.counts.nmeaSentences + framer.counts.rtcm3Frames;
      framer.push(chunk, this.#sink);
      const frames = framer.counts.ubxFrames + framer.counts.nmeaSentences + framer.counts.rtcm3Frames;
      if (frames > before) this.#frames(link);
      this.#listener.data(chunk);
    });
    this.#wake(link);
  }

  #frames(link: ByteLink): void {
    this.#happen("frames");
    if (this.#told) return;
    this.#told = true;
    if (this.#rateTimer !== null) clearTimeout(this.#rateTimer);
    this.#rateTimer = null;
    const down = this.#downSince === null ? null : performance.now() - this.#downSince;
    this.#downSince = null;
    this.#listener.connected(link, down);
  }

  #closed(link: ByteLink, framer: Framer, why: Error | null): void {
    if (this.#link !== link) return;
    framer.end(this.#sink);
    this.#link = null;
    if (this.#rateTimer !== null) clearTimeout(this.#rateTimer);
    this.#rateTimer = null;
    this.#downSince ??= performance.now();
    if (this.#options.finite === true && why === null && this.#closeReason === null) {
      this.#logic.happen({ what: "stop" }, performance.now());
      this.#happen("closed");
      this.#listener.ended();
      return;
    }
    const reason = why?.message ?? (this.#closeReason === null ? null : `${link.name}: ${this.#closeReason}`);
    const command = this.#happen("closed");
    this.#listener.lost(link, reason, command?.do === "wait" ? command.ms : null);
    this.#watchPresence();
  }

  /** Whoever raises the rate: after an interruption it is the first that is tried. */
  #followRate(link: ByteLink): void {
    const setRate = link.setBaudRate?.bind(link);
    if (setRate === undefined) return;
    link.setBaudRate = async (baud) => {
      await setRate(baud);
      this.#baud = baud;
    };
  }

  /**
   * Asks MON-VER, so that a receiver which was told to say nothing by itself is heard as well; where a rate is to be
   * found, at one rate after the other. Until a frame comes or the logic gives the line up.
   */
  #wake(link: ByteLink): void {
    if (this.#options.finite === true) return;
    const rates = link.setBaudRate === undefined ? [] : (this.#options.baudRates ?? []);
    // The rate that worked last comes first.
    const known = this.#baud;
    const order = known === null ? rates : [known, ...rates.filter((rate) => rate !== known)];
    let at = -1;
    const isDone = (): boolean => this.#link !== link || this.#told;
    const next = async (): Promise<void> => {
      if (isDone()) return;
      at++;
      if (order.length > 0) await link.setBaudRate?.(order[at % order.length]);
      await link.write(POLL_VERSION);
      if (!isDone()) this.#rateTimer = setTimeout(turn, RATE_MS);
    };
    // A link that breaks meanwhile tells so by itself.
    const turn = (): void => void next().catch(() => undefined);
    turn();
  }

  #schedule(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const { nextAt } = this.#logic;
    if (nextAt === null) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#happen("time");
      },
      Math.max(0, nextAt - performance.now()) + 1,
    );
  }

  #watchPresence(): void {
    const { isPresent } = this.#options;
    if (isPresent === undefined || this.#presenceTimer !== null || this.#logic.phase !== "waiting") return;
    this.#wasPresent = isPresent();
    this.#presenceTimer = setInterval(() => {
      if (this.#logic.phase !== "waiting") {
        if (this.#presenceTimer !== null) clearInterval(this.#presenceTimer);
        this.#presenceTimer = null;
        return;
      }
      const present = isPresent();
      const appeared = present && !this.#wasPresent;
      this.#wasPresent = present;
      if (appeared) this.#happen("appeared");
    }, PRESENCE_MS);
  }
}
