/** A virtual receiver for the length of a piece of work: what tests use. */
import { PtyLine } from "./pty-line.js";
import type { VirtualReceiverOptions } from "./receiver.js";
import { VirtualReceiver } from "./receiver.js";
import type { ServeOptions } from "./served-receiver.js";
import { ServedReceiver } from "./served-receiver.js";
import { TcpLine } from "./tcp-line.js";

export interface WithReceiverOptions extends VirtualReceiverOptions, ServeOptions {
  /** How the host gets at it. Default "tcp"; "pty" needs python3. */
  readonly over?: "tcp" | "pty";
  /** pty: a link with a name that stays the same. */
  readonly link?: string;
}

/** `port` is what the host opens: tcp://127.0.0.1:N, or a device path. The receiver is gone when `work` is done. */
export async function withVirtualReceiver<T>(
  options: WithReceiverOptions,
  work: (port: string, served: ServedReceiver) => Promise<T>,
): Promise<T> {
  const served = new ServedReceiver(
    new VirtualReceiver(options),
    (listeners) =>
      options.over === "pty" ? new PtyLine(listeners, options.link ?? null) : new TcpLine(listeners),
    options,
  );
  try {
    return await work(await served.start(), served);
  } finally {
    await served.stop();
  }
}
