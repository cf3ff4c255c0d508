/** The virtual receiver over a real pseudo-terminal, with the real serialport binding, and over TCP. */
import { mkdtempSync, readlinkSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConfigKeyName, UbxMessage } from "gnss-ubx";
import { configItem, decodeMessage, encodeFrame, encodeMessage, Framer } from "gnss-ubx";
import { SerialPort } from "serialport";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { withVirtualReceiver } from "../../../src/simulate/receiver/with-virtual-receiver.js";
import { sky } from "./host.js";

const POLL_VERSION = encodeFrame(0x0a, 0x04, new Uint8Array(0));

/** Messages as they come, to be waited for. */
class Inbox {
  readonly #framer = new Framer();
  readonly #waiting: { readonly name: string; readonly take: (message: UbxMessage) => void }[] = [];
  readonly counts = new Map<string, number>();

  push(chunk: Uint8Array): void {
    this.#framer.push(chunk, {
      ubx: (messageClass, id, payload) => {
        const message = decodeMessage(messageClass, id, payload);
        this.counts.set(message.name, (this.counts.get(message.name) ?? 0) + 1);
        if (message.name === "raw") return;
        const at = this.#waiting.findIndex(({ name }) => name === message.name);
        if (at >= 0) this.#waiting.splice(at, 1)[0].take(message);
      },
    });
  }

  next<N extends UbxMessage["name"]>(name: N): Promise<Extract<UbxMessage, { name: N }>> {
    return new Promise((resolve) => {
      this.#waiting.push({
        name,
        take: (message) => {
          resolve(message as Extract<UbxMessage, { name: N }>);
        },
      });
    });
  }
}

function openPort(path: string, baudRate = 38_400): Promise<{ port: SerialPort; inbox: Inbox }> {
  const port = new SerialPort({ path, baudRate, autoOpen: false });
  const inbox = new Inbox();
  port.on("data", (chunk: Buffer) => {
    inbox.push(chunk);
  });
  return new Promise((resolve, reject) => {
    port.open((error) => {
      if (error) reject(error);
      else resolve({ port, inbox });
    });
  });
}

const closed = (port: SerialPort): Promise<void> =>
  new Promise((resolve) => {
    if (!port.isOpen) resolve();
    else
      port.close(() => {
        resolve();
      });
  });

const valset = (values: Partial<Record<ConfigKeyName, number>>): Uint8Array =>
  encodeMessage("CFG-VALSET", {
    version: 0,
    layers: { ram: true },
    cfgData: Object.entries(values).map(([key, value]) => configItem(key as ConfigKeyName, value as never)),
  });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "osnmad-receiver-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe("on a pseudo-terminal", () => {
  it("answers, takes a configuration and streams; another host may open it after the first", async () => {
    const link = join(folder, "gnss");
    await withVirtualReceiver(
      { model: "F9P", feed: sky(), over: "pty", link, speed: 20, waitForHost: true },
      async (path) => {
        expect(path).toBe(link);
        for (let turn = 0; turn < 2; turn++) {
          const { port, inbox } = await openPort(path);
          const version = inbox.next("MON-VER");
          port.write(POLL_VERSION);
          expect((await version).extension).toContain("MOD=ZED-F9P");
          const ack = inbox.next("ACK-ACK");
          port.write(valset({ "CFG-MSGOUT-UBX_RXM_SFRBX_USB": 1, "CFG-MSGOUT-UBX_NAV_PVT_USB": 1 }));
          expect(await ack).toMatchObject({ clsID: 6, msgID: 0x8a });
          const page = inbox.next("RXM-SFRBX");
          expect((await page).gnssId).toBe(2);
          await closed(port);
        }
      },
    );
  });

  it("comes back under another name after the cable was pulled", async () => {
    await withVirtualReceiver(
      { model: "F9P", feed: sky(), over: "pty", link: join(folder, "first"), speed: 20 },
      async (path, served) => {
        const { port } = await openPort(path);
        const gone = new Promise<void>((resolve) => {
          port.once("close", () => {
            resolve();
          });
        });
        const second = join(folder, "second");
        served.fault({ do: "unplug", seconds: 2, name: second });
        await gone;
        for (;;) {
          try {
            readlinkSync(second);
            break;
          } catch {
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }
        expect(() => readlinkSync(path)).toThrow();
        const again = await openPort(second);
        const version = again.inbox.next("MON-VER");
        const asking = setInterval(() => again.port.write(POLL_VERSION), 50);
        await version;
        clearInterval(asking);
        await closed(again.port);
      },
    );
  });

  it("is noise at the wrong rate, and sense at the right one", async () => {
    await withVirtualReceiver(
      { model: "F10T", feed: sky(), over: "pty", link: join(folder, "uart"), speed: 5 },
      async (path, served) => {
        const { port, inbox } = await openPort(path, 115_200);
        const bytes = new Promise<void>((resolve) =>
          port.once("data", () => {
            resolve();
          }),
        );
        await bytes;
        expect(inbox.counts.size).toBe(0);
        await new Promise<void>((resolve, reject) => {
          port.update({ baudRate: 38_400 }, (error) => {
            if (error) reject(error);
            else resolve();
          });
        });
        const version = inbox.next("MON-VER");
        const asking = setInterval(() => port.write(POLL_VERSION), 100);
        await version;
        clearInterval(asking);
        expect(served.receiver.baudRate).toBe(38_400);
        await closed(port);
      },
    );
  });
});

describe("over TCP", () => {
  it("answers, and hangs up when it is unplugged", async () => {
    await withVirtualReceiver({ model: "X20P", feed: sky(), speed: 20 }, async (address, served) => {
      const port = Number(/:(\d+)$/.exec(address)?.[1]);
      const socket = connect(port, "127.0.0.1");
      const inbox = new Inbox();
      socket.on("data", (chunk) => {
        inbox.push(chunk);
      });
      socket.on("error", () => undefined);
      const version = inbox.next("MON-VER");
      socket.write(POLL_VERSION);
      expect((await version).extension).toContain("MOD=ZED-X20P");
      const gone = new Promise<void>((resolve) =>
        socket.once("close", () => {
          resolve();
        }),
      );
      served.fault({ do: "unplug" });
      await gone;
    });
  });

  it("waits for a slow host when its time goes fast: no page is lost", async () => {
    let pages = 0;
    for (const { frames } of sky()) pages += frames.filter(({ message }) => message === 0x0213).length;
    const flash = new Map<ConfigKeyName, number>([
      ["CFG-MSGOUT-UBX_RXM_SFRBX_USB", 1],
      ["CFG-MSGOUT-UBX_NAV_SAT_USB", 1],
    ]);
    await withVirtualReceiver(
      { model: "F9P", feed: sky(), flash, speed: 1e6, waitForHost: true },
      async (address, served) => {
        const socket = connect(Number(/:(\d+)$/.exec(address)?.[1]), "127.0.0.1");
        const inbox = new Inbox();
        socket.on("error", () => undefined);
        socket.on("data", (chunk) => {
          inbox.push(chunk);
          socket.pause();
          setTimeout(() => socket.resume(), 2);
        });
        while (!served.receiver.ended || (inbox.counts.get("RXM-SFRBX") ?? 0) < pages) {
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        expect(inbox.counts.get("RXM-SFRBX")).toBe(pages);
        expect(served.receiver.status()["overflows"]).toBe(0);
        socket.destroy();
      },
    );
  });
});
