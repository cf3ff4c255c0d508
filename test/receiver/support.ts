/** A client at a virtual receiver without sockets or processes, and a link that can be played by hand. */
import { encodeFrame } from "gnss-ubx";
import { builtInProfiles } from "../../src/receiver/profile-files.js";
import type { Profile } from "../../src/receiver/profile.js";
import type { UbxClientOptions } from "../../src/receiver/ubx-client.js";
import { UbxClient } from "../../src/receiver/ubx-client.js";
import type { VirtualReceiverOptions } from "../../src/simulate/receiver/receiver.js";
import { VirtualReceiver } from "../../src/simulate/receiver/receiver.js";
import type { ByteLink } from "../../src/source/byte-link.js";

/** What the client writes goes to `onWrite`; what it hears is pushed. */
export class ScriptedLink implements ByteLink {
  readonly name = "scripted";
  readonly written: Uint8Array[] = [];
  onWrite: (bytes: Uint8Array) => void = () => undefined;
  setBaudRate?: (baud: number) => Promise<void>;
  readonly #data: ((chunk: Uint8Array) => void)[] = [];
  readonly #close: ((why: Error | null) => void)[] = [];

  write(bytes: Uint8Array): Promise<void> {
    this.written.push(bytes);
    this.onWrite(bytes);
    return Promise.resolve();
  }
  onData(listener: (chunk: Uint8Array) => void): void {
    this.#data.push(listener);
  }
  onClose(listener: (why: Error | null) => void): void {
    this.#close.push(listener);
  }
  push(bytes: Uint8Array): void {
    for (const listener of this.#data) listener(bytes);
  }
  end(why: Error | null): void {
    for (const listener of this.#close) listener(why);
  }
  close(): Promise<void> {
    this.end(null);
    return Promise.resolve();
  }
}

export interface Bench {
  readonly receiver: VirtualReceiver;
  readonly link: ScriptedLink;
  readonly client: UbxClient;
  /** Lets the receiver's time pass: its stream comes. */
  readonly pass: (milliseconds: number) => void;
}

/** A receiver that answers at once. On a UART half a second passes with every request. */
export function bench(
  options: Partial<VirtualReceiverOptions> = {},
  clientOptions: UbxClientOptions = { timeoutMs: 50 },
): Bench {
  const receiver = new VirtualReceiver({ model: "F9P", feed: [], ...options });
  const link = new ScriptedLink();
  let now = 0;
  const pass = (milliseconds: number): void => {
    now += milliseconds;
    const bytes = receiver.advance(now);
    if (bytes.length > 0) link.push(bytes);
  };
  link.onWrite = (bytes) => {
    receiver.receive(bytes, now);
    // The answer comes after the write, as it does on any line.
    queueMicrotask(() => {
      pass(receiver.port === "UART1" ? 500 : 0);
    });
  };
  if (receiver.port === "UART1") {
    receiver.setHostBaud(receiver.baudRate);
    link.setBaudRate = (baud) => {
      pass(100);
      receiver.setHostBaud(baud);
      return Promise.resolve();
    };
  }
  return { receiver, link, client: new UbxClient(link, clientOptions), pass };
}

export const POLL_VERSION = encodeFrame(0x0a, 0x04, new Uint8Array(0));

export function profileNamed(name: string): Profile {
  const found = builtInProfiles().find((profile) => profile.name === name);
  if (found === undefined) throw new Error(`no profile ${name}`);
  return found;
}
