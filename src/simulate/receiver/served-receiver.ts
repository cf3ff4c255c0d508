/**
 * Drives a virtual receiver by the clock of this machine and connects it to a line. The one place where its time
 * comes from. Edge.
 */
import type { Fault } from "./faults.js";
import type { LineListeners, ReceiverLine } from "./line.js";
import type { VirtualReceiver } from "./receiver.js";

export interface ServeOptions {
  /**
   * Seconds of the receiver in one of ours. 1 is real time: a host that does not read makes the receiver's buffer
   * overflow, as it would. At any other pace time waits for the host, so that nothing is lost by haste.
   */
  readonly speed?: number;
  /** Time stands still until a host opens the port for the first time. */
  readonly waitForHost?: boolean;
  /** Reading of the monotonic clock (performance.now) at which the receiver's time is 0; else when it is plugged. */
  readonly timeZeroMs?: number;
  readonly onEvent?: (event: ServeEvent) => void;
}

export type ServeEvent =
  | { readonly event: "plugged"; readonly port: string }
  | { readonly event: "unplugged" }
  | { readonly event: "host"; readonly present: boolean }
  | { readonly event: "baud"; readonly host: number; readonly receiver: number }
  | { readonly event: "fault"; readonly fault: Fault }
  | { readonly event: "end" }
  | { readonly event: "broken"; readonly message: string };

/** The clock is looked at no more often and no less often than this. */
const SHORTEST_TICK_MS = 1;
const LONGEST_TICK_MS = 50;
/** At a fast pace the host's requests are looked at in between. */
const LONGEST_WORK_MS = 10;

export class ServedReceiver {
  readonly receiver: VirtualReceiver;
  readonly #line: ReceiverLine;
  readonly #speed: number;
  readonly #timeZeroMs: number | null;
  readonly #onEvent: (event: ServeEvent) => void;
  #waiting: boolean;
  #virtualMs = 0;
  #lastWallMs = 0;
  #blocked = false;
  #timer: NodeJS.Timeout | null = null;
  #cable: Promise<void> = Promise.resolve();
  #ended = false;
  #stopped = false;

  constructor(
    receiver: VirtualReceiver,
    makeLine: (listeners: LineListeners) => ReceiverLine,
    options: ServeOptions = {},
  ) {
    this.receiver = receiver;
    this.#speed = options.speed ?? 1;
    this.#timeZeroMs = options.timeZeroMs ?? null;
    this.#waiting = options.waitForHost ?? false;
    this.#onEvent = options.onEvent ?? (() => undefined);
    this.#line = makeLine({
      bytes: (chunk) => {
        if (this.#stopped) return;
        this.#catchUp();
        receiver.receive(chunk, this.#virtualMs);
        this.#flush();
      },
      drain: () => {
        // The time that was waited does not count.
        this.#virtualMs = this.#due();
        this.#blocked = false;
      },
      host: (present) => {
        if (present && this.#waiting) {
          this.#waiting = false;
          this.#lastWallMs = performance.now();
        }
        this.#onEvent({ event: "host", present });
      },
      baud: (rate) => {
        this.#tick();
        receiver.setHostBaud(rate === 0 ? null : rate);
        if (receiver.port === "UART1") {
          this.#onEvent({ event: "baud", host: rate, receiver: receiver.baudRate });
        }
      },
      broken: (why) => {
        this.#onEvent({ event: "broken", message: why.message });
      },
    });
  }

  /** Plugs it in and lets its time run; resolves to what the host is to open. */
  async start(): Promise<string> {
    const port = await this.#line.plug(null);
    this.#onEvent({ event: "plugged", port });
    this.#lastWallMs = this.#timeZeroMs ?? performance.now();
    this.#schedule();
    return port;
  }

  fault(fault: Fault): void {
    this.#catchUp();
    this.receiver.fault(fault, this.#virtualMs);
    this.#onEvent({ event: "fault", fault });
    this.#flush();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#cable;
    await this.#line.unplug();
  }

  /** How far the receiver's time should have come. */
  #due(): number {
    const wall = performance.now();
    const elapsed = wall - this.#lastWallMs;
    this.#lastWallMs = wall;
    const stands = this.#waiting || (this.#blocked && this.#speed !== 1);
    return stands ? this.#virtualMs : this.#virtualMs + elapsed * this.#speed;
  }

  /**
   * Lets time pass event by event, so that a host which falls behind is waited for, and no long stretch of a fast
   * sky is made at once.
   */
  #catchUp(): void {
    const due = this.#due();
    const stop = performance.now() + LONGEST_WORK_MS;
    for (;;) {
      const next = this.receiver.nextAtMs();
      const last = next === null || next >= due;
      this.#virtualMs = last ? due : Math.max(next, this.#virtualMs);
      this.#flush();
      if (last || this.#stopped) return;
      if (this.#speed !== 1 && (this.#blocked || performance.now() > stop)) return;
    }
  }

  #schedule(): void {
    if (this.#stopped) return;
    const next = this.receiver.nextAtMs();
    const wait = next === null ? LONGEST_TICK_MS : (next - this.#virtualMs) / this.#speed;
    this.#timer = setTimeout(
      () => {
        this.#tick();
        this.#schedule();
      },
      Math.min(LONGEST_TICK_MS, Math.max(SHORTEST_TICK_MS, wait)),
    );
  }

  #tick(): void {
    if (!this.#stopped) this.#catchUp();
  }

  #flush(): void {
    const bytes = this.receiver.advance(this.#virtualMs, !this.#blocked);
    if (bytes.length > 0 && !this.#line.send(bytes)) this.#blocked = true;
    for (const { kind, ...event } of this.receiver.cableEvents()) {
      const name = "name" in event ? event.name : null;
      this.#cable = this.#cable.then(() => this.#move(kind, name));
    }
    if (this.receiver.ended && !this.#ended) {
      this.#ended = true;
      this.#onEvent({ event: "end" });
    }
  }

  async #move(kind: "plugged" | "unplugged", name: string | null): Promise<void> {
    if (kind === "unplugged") {
      await this.#line.unplug();
      this.#blocked = false;
      this.#onEvent({ event: "unplugged" });
      return;
    }
    if (this.#stopped) return;
    try {
      this.#onEvent({ event: "plugged", port: await this.#line.plug(name) });
    } catch (error) {
      this.#onEvent({ event: "broken", message: error instanceof Error ? error.message : String(error) });
    }
  }
}
