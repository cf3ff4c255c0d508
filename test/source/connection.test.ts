import { encodeMessage } from "gnss-ubx";
import { afterEach, describe, expect, it } from "vitest";
import { OsnmadError } from "../../src/errors.js";
import type { ByteLink } from "../../src/source/byte-link.js";
import { Connection, type ConnectionOptions } from "../../src/source/connection.js";
import { LinkListeners, linkLost } from "../../src/source/link-listeners.js";
import { openSerial } from "../../src/source/serial.js";
import { Pty } from "../support/pty.js";
import { until } from "./compliance.js";

const EOE = encodeMessage("NAV-EOE", { iTOW: 0 });

/** A link in memory. */
class FakeLink implements ByteLink {
  readonly name = "fake";
  readonly #listeners = new LinkListeners(() => undefined);
  write(): Promise<void> {
    return Promise.resolve();
  }
  onData(listener: (chunk: Uint8Array) => void): void {
    this.#listeners.onData(listener);
  }
  onClose(listener: (why: Error | null) => void): void {
    this.#listeners.onClose(listener);
  }
  close(): Promise<void> {
    this.#listeners.end(null);
    return Promise.resolve();
  }
  say(bytes: Uint8Array): void {
    this.#listeners.data(bytes);
  }
  break(): void {
    this.#listeners.end(linkLost(this.name, "pulled"));
  }
}

describe("a connection", () => {
  let connection: Connection | null = null;
  let log: string[] = [];
  let bytes = 0;
  afterEach(async () => {
    await connection?.stop();
    connection = null;
  });

  const start = (options: ConnectionOptions): Connection => {
    log = [];
    bytes = 0;
    connection = new Connection(options, {
      data: (chunk) => {
        bytes += chunk.length;
      },
      connected: (_link, down) => log.push(down === null ? "connected" : "connected again"),
      lost: (_link, why) => log.push(`lost: ${why ?? "stopped"}`),
      openFailed: (error) => log.push(`failed: ${(error as OsnmadError).code}`),
      finding: ({ what }) => log.push(what),
      ended: () => log.push("ended"),
    });
    connection.start();
    return connection;
  };
  const FAST = { firstWaitMs: 10, longestWaitMs: 40, silenceMs: 300, settleMs: 300, healthyMs: 1000 };

  it("tries until there is a port, tells every failure once, and hands over what comes", async () => {
    let attempts = 0;
    const link = new FakeLink();
    start({
      open: () =>
        ++attempts < 4
          ? Promise.reject(new OsnmadError("OSN_PORT_NOT_FOUND", "none"))
          : Promise.resolve(link),
      times: FAST,
    });
    await until("the link", () => connection!.link !== null);
    link.say(EOE.subarray(0, 5));
    expect(log).toEqual(Array(3).fill("failed: OSN_PORT_NOT_FOUND"));
    link.say(EOE.subarray(5));
    expect(log.at(-1)).toBe("connected");
    expect(bytes).toBe(EOE.length);
    await connection!.stop();
    expect(log.at(-1)).toBe("lost: stopped");
  });

  it("opens anew after the line broke, after silence, and after noise", async () => {
    const links: FakeLink[] = [];
    start({
      open: () => {
        links.push(new FakeLink());
        return Promise.resolve(links.at(-1)!);
      },
      times: FAST,
    });
    await until("the first", () => connection!.phase === "settling");
    links[0].say(EOE);
    links[0].break();
    await until("the second", () => links.length === 2 && connection!.phase === "settling");
    links[1].say(EOE);
    await until("the third", () => links.length === 3 && connection!.phase === "settling");
    links[2].say(Uint8Array.from({ length: 500 }, (_, i) => (i * 7) & 0xff));
    await until("the fourth", () => links.length === 4);
    expect(log).toEqual([
      "connected",
      "lost: fake: pulled",
      "connected again",
      "lost: fake: it is silent",
      "lost: fake: no whole frame came",
    ]);
  });

  it("does not open a source with an end a second time", async () => {
    let opens = 0;
    const link = new FakeLink();
    start({ open: () => (opens++, Promise.resolve(link)), finite: true, times: FAST });
    await until("the link", () => connection!.phase === "settling");
    link.say(EOE);
    await link.close();
    await until("the end", () => log.includes("ended"));
    expect(opens).toBe(1);
    connection = null;
  });

  it("finds the rate of a serial line that speaks at another one than it was opened with", async () => {
    const pty = await Pty.open();
    // A receiver at 115200: at any other rate what comes is noise.
    const timer = setInterval(() => {
      pty.write(pty.baud === 115_200 ? EOE : Uint8Array.of(0xff, 0x00, 0xb5, 0x80));
    }, 100);
    try {
      start({
        open: () => openSerial(pty.path, { baudRate: 38_400 }),
        baudRates: [38_400, 9_600, 115_200],
      });
      await until("a frame", () => log.includes("connected"));
      expect(connection!.baudRate).toBe(115_200);
    } finally {
      clearInterval(timer);
      await connection!.stop();
      connection = null;
      await pty.unplug();
    }
  });
});
