/**
 * A serial port as a link, by serialport. One reader at a time: the port is held by a lock file that names its
 * holder, and by flock(2) on the device (serialport's `lock`), which the kernel lets go with the process.
 */
import { realpathSync } from "node:fs";
import { SerialPort } from "serialport";
import { OsnmadError } from "../errors.js";
import type { ByteLink } from "./byte-link.js";
import { linkLost, LinkListeners } from "./link-listeners.js";
import { lockPort } from "./port-lock.js";

/** Rates that u-blox receivers offer on UART1, most likely first: the default of generation 9, of M8, common raised ones. */
export const BAUD_RATES = [38_400, 9_600, 115_200, 460_800, 921_600, 230_400, 57_600, 19_200] as const;
export const DEFAULT_BAUD_RATE = 38_400;
/** Closing waits for the driver no longer than this. */
const CLOSE_MS = 2_000;

export interface SerialOptions {
  /** Ignored by USB devices. Default 38400. */
  readonly baudRate?: number;
  /** Folder of lock files; see `lockFolder`. */
  readonly lockDir?: string;
}

/**
 * Opens the port at `path`. Throws OSN_PORT_NOT_FOUND, OSN_PORT_DENIED, OSN_PORT_BUSY, or OSN_LINK_LOST for
 * anything else that the system says.
 */
export async function openSerial(path: string, options: SerialOptions = {}): Promise<ByteLink> {
  let device: string;
  try {
    device = realpathSync(path);
  } catch (cause) {
    throw new OsnmadError("OSN_PORT_NOT_FOUND", `${path}: there is no such device.`, { cause });
  }
  const release = lockPort(device, options.lockDir);
  try {
    const port = new SerialPort({
      path: device,
      baudRate: options.baudRate ?? DEFAULT_BAUD_RATE,
      lock: true,
      autoOpen: false,
    });
    await new Promise<void>((resolve, reject) => {
      port.open((error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
    return new SerialLink(path, port, release);
  } catch (cause) {
    release();
    throw openError(path, cause);
  }
}

function openError(path: string, cause: unknown): OsnmadError {
  const text = cause instanceof Error ? cause.message : String(cause);
  if (/lock port|busy/i.test(text)) {
    return new OsnmadError("OSN_PORT_BUSY", `${path}: another program holds the port.`, { cause });
  }
  if (/permission denied|not permitted/i.test(text)) {
    return new OsnmadError("OSN_PORT_DENIED", `${path}: this user may not open it.`, { cause });
  }
  if (/no such (file|device)/i.test(text)) {
    return new OsnmadError("OSN_PORT_NOT_FOUND", `${path}: there is no such device.`, { cause });
  }
  return linkLost(path, cause);
}

class SerialLink implements ByteLink {
  readonly name: string;
  readonly #port: SerialPort;
  readonly #release: () => void;
  readonly #listeners: LinkListeners;
  readonly #waiting = new Set<(error: Error) => void>();
  #closing: Promise<void> | null = null;
  #settle: (() => void) | null = null;

  constructor(name: string, port: SerialPort, release: () => void) {
    this.name = name;
    this.#port = port;
    this.#release = release;
    this.#listeners = new LinkListeners(() => {
      port.on("data", (chunk: Buffer) => {
        this.#listeners.data(chunk);
      });
    });
    port.on("error", (error) => {
      this.#broken(error);
    });
    port.on("close", (error: Error | null) => {
      this.#ended(error);
    });
    // A hung-up terminal may read as an end of file instead of an error.
    port.on("end", () => {
      this.#broken(new Error("the device is gone"));
    });
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#listeners.closed || this.#closing !== null) {
      return Promise.reject(linkLost(this.name, "the port is closed"));
    }
    return new Promise((resolve, reject) => {
      // A write that waits for a port which closed meanwhile is never answered by serialport.
      this.#waiting.add(reject);
      this.#port.write(Buffer.from(bytes), (error) => {
        this.#waiting.delete(reject);
        if (error == null) resolve();
        else reject(linkLost(this.name, error));
      });
    });
  }

  onData(listener: (chunk: Uint8Array) => void): void {
    this.#listeners.onData(listener);
  }

  onClose(listener: (why: Error | null) => void): void {
    this.#listeners.onClose(listener);
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      if (this.#listeners.closed) {
        resolve();
        return;
      }
      const timer = setTimeout(() => {
        this.#ended(null);
      }, CLOSE_MS);
      this.#settle = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#port.isOpen) this.#port.close();
      else if (!this.#port.closing) this.#ended(null);
    });
    return this.#closing;
  }

  async setBaudRate(baudRate: number): Promise<void> {
    const port = this.#port;
    const call = (work: (done: (error: Error | null) => void) => void): Promise<void> =>
      new Promise((resolve, reject) => {
        if (!port.isOpen) {
          reject(linkLost(this.name, "the port is closed"));
          return;
        }
        work((error) => {
          if (error === null) resolve();
          else reject(linkLost(this.name, error));
        });
      });
    await call((done) => {
      port.drain(done);
    });
    await call((done) => {
      port.update({ baudRate }, done);
    });
  }

  #broken(error: Error): void {
    if (this.#port.isOpen) this.#port.close(undefined, error);
    else if (!this.#port.closing) this.#ended(error);
  }

  #ended(error: Error | null): void {
    this.#release();
    // The word of a terminal whose other end is gone is that of a read which nothing can answer.
    const isHangUp = error !== null && /bad file descriptor|input\/output error/i.test(error.message);
    const why = error === null ? null : linkLost(this.name, isHangUp ? "hung up" : error);
    for (const reject of this.#waiting) reject(why ?? linkLost(this.name, "the port is closed"));
    this.#waiting.clear();
    this.#listeners.end(why);
    this.#settle?.();
  }
}
