/** A virtual receiver behind TCP, as ser2net would offer it: one client, the newest one. Edge. */
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer } from "node:net";
import { OsnmadError } from "../../errors.js";
import type { LineListeners, ReceiverLine } from "./line.js";

/** A client that takes nothing: beyond this the receiver's own buffer fills up. */
const HIGH_WATER_BYTES = 64 * 1024;

export class TcpLine implements ReceiverLine {
  readonly listeners: LineListeners;
  readonly #host: string;
  #port: number;
  #server: Server | null = null;
  #client: Socket | null = null;

  /** Port 0 takes a free one, and the same again after an unplug. */
  constructor(listeners: LineListeners, port = 0, host = "127.0.0.1") {
    this.listeners = listeners;
    this.#port = port;
    this.#host = host;
  }

  /** `name` is another port number. */
  plug(name: string | null): Promise<string> {
    const port = name === null ? this.#port : Number(name);
    const server = createServer({ noDelay: true }, (socket) => {
      this.#accept(socket);
    });
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once("error", (cause) => {
        reject(new OsnmadError("OSN_LISTEN_FAILED", `${this.#host}:${port}: ${cause.message}.`, { cause }));
      });
      server.listen(port, this.#host, () => {
        this.#port = (server.address() as AddressInfo).port;
        resolve(`tcp://${this.#host}:${this.#port}`);
      });
    });
  }

  async unplug(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    const closed = new Promise<void>((resolve) => {
      server.close(() => {
        resolve();
      });
    });
    this.#client?.resetAndDestroy();
    this.#client = null;
    await closed;
  }

  send(bytes: Uint8Array): boolean {
    const client = this.#client;
    if (client === null) return true;
    client.write(bytes);
    return client.writableLength < HIGH_WATER_BYTES;
  }

  #accept(socket: Socket): void {
    this.#client?.destroy();
    this.#client = socket;
    this.listeners.host(true);
    socket.on("data", (chunk) => {
      if (this.#client === socket) this.listeners.bytes(chunk);
    });
    socket.on("drain", () => {
      this.listeners.drain();
    });
    // A host that resets the connection has gone, no more.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      if (this.#client !== socket) return;
      this.#client = null;
      this.listeners.host(false);
      this.listeners.drain();
    });
  }
}
