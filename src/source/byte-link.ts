/**
 * A two-way stream of bytes to a receiver, whatever it runs over: serial port, TCP, a file played back. Every
 * source gives this shape and passes the one suite in test/source/compliance.ts.
 */
export interface ByteLink {
  /** What is connected, for people and logs: a device path, `tcp://host:port`, a file's name. */
  readonly name: string;
  /**
   * Sends bytes to the receiver, in the order of the calls; resolves when the system has taken them. Rejects with
   * OSN_LINK_LOST where the link is closed or breaks meanwhile. A source that is read only takes them and drops them.
   */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Calls `listener` with what arrives, in order. Nothing is read before the first listener is there, so the first
   * gets every byte since the opening. A chunk is not empty, and valid during the call only: copy what is kept.
   */
  onData(listener: (chunk: Uint8Array) => void): void;
  /**
   * Calls `listener` once, after the last data: with null where `close` was called or a finite source came to its
   * end, with the reason where the link broke. Whoever asks after the end is told the same.
   */
  onClose(listener: (why: Error | null) => void): void;
  /** Ends the link; no data comes afterwards. Resolves when everything is let go, however often it is called. */
  close(): Promise<void>;
  /** UART only: what has been written goes out at the old rate, then both directions change. */
  setBaudRate?(baud: number): Promise<void>;
}
