/**
 * A receiver behind TCP as a link: ser2net, str2str, a receiver's own server. The bytes are as they come: TCP
 * protects nothing, so who can reach the line can alter all but what Galileo signs (docs/operations.md).
 */
import { connect, type Socket } from "node:net";
import { OsnmadError } from "../errors.js";
import type { ByteLink } from "./byte-link.js";
import { linkLost, LinkListeners } from "./link-listeners.js";

const CONNECT_MS = 10_000;
/** A peer that vanished without a word is found out by the system after this and some probes. */
const KEEP_ALIVE_MS = 15_000;

export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

/** The address of `tcp://host:port`. Throws OSN_USAGE. */
export function tcpAddress(text: string): TcpAddress {
  const match = /^tcp:\/\/(?:\[([0-9a-fA-F:.]+)\]|([^\s:/@[\]]+)):(\d{1,5})\/?$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535) {
    throw new OsnmadError("OSN_USAGE", `"${text}" is not of the form tcp://host:port.`);
  }
  return { host: match[1] ?? match[2], port };
}

/** Connects. Throws OSN_LINK_LOST where nothing answers within `timeoutMs`. */
export function openTcp({ host, port }: TcpAddress, timeoutMs = CONNECT_MS): Promise<ByteLink> {
  const name = `tcp://${host.includes(":") ? `[${host}]` : host}:${port}`;
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    });
    const refuse = (cause: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(linkLost(name, cause));
    };
    const timer = setTimeout(() => {
      refuse(new Error(`no answer within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    socket.once("error", refuse);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeListener("error", refuse);
      resolve(new TcpLink(name, socket));
    });
  });
}

class TcpLink implements ByteLink {
  readonly name: string;
  readonly #socket: Socket;
  readonly #listeners: LinkListeners;
  #closing = false;
  #error: Error | null = null;

  constructor(name: string, socket: Socket) {
    this.name = name;
    this.#socket = socket;
    this.#listeners = new LinkListeners(() => {
      socket.on("data", (chunk: Buffer) => {
        this.#listeners.data(chunk);
      });
    });
    socket.on("error", (error) => {
      this.#error ??= error;
    });
    socket.on("end", () => {
      this.#error ??= new Error("the other side ended the connection");
    });
    socket.on("close", () => {
      this.#listeners.end(
        this.#closing ? null : linkLost(name, this.#error ?? new Error("the connection was closed")),
      );
    });
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#closing || this.#listeners.closed) {
      return Promise.reject(linkLost(this.name, "the connection is closed"));
    }
    return new Promise((resolve, reject) => {
      this.#socket.write(Buffer.from(bytes), (error) => {
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
    this.#closing = true;
    return new Promise((resolve) => {
      this.#listeners.onClose(() => {
        resolve();
      });
      this.#socket.destroy();
    });
  }
}
