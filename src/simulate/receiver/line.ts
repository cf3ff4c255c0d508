/** How the bytes of a virtual receiver get to a host: the shape that pseudo-terminal and TCP give alike. Edge. */

export interface ReceiverLine {
  /**
   * Plugs in; resolves to what the host is to open (a device path, tcp://host:port). `name` is the name to come
   * back under; null: the same as before.
   */
  plug(name: string | null): Promise<string>;
  /** Pulls the cable: the host's end hangs up. */
  unplug(): Promise<void>;
  /** Hands bytes to the host; false while it takes no more (`onDrain` tells when it does again). */
  send(bytes: Uint8Array): boolean;
  readonly listeners: LineListeners;
}

export interface LineListeners {
  bytes(chunk: Uint8Array): void;
  drain(): void;
  /** A host has opened the port, or let it go. */
  host(present: boolean): void;
  /** The rate at which the host drives its UART. */
  baud(rate: number): void;
  /** The line broke by itself. */
  broken(why: Error): void;
}
