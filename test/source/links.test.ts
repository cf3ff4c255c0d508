import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openLink } from "../../src/source/open-link.js";
import { openSerial } from "../../src/source/serial.js";
import { openTcp, tcpAddress } from "../../src/source/tcp.js";
import { Pty } from "../support/pty.js";
import { awkwardBytes, Collected, linkCompliance, until, type Bench } from "./compliance.js";

async function ptyBench(): Promise<Bench> {
  const pty = await Pty.open();
  const heard = new Collected();
  pty.onData(heard.listener);
  const link = await openSerial(pty.path);
  return {
    link,
    feed: (bytes) => {
      pty.write(bytes);
    },
    heard: () => heard.bytes(),
    drop: () => pty.unplug(),
    again: () => openSerial(pty.path),
    tearDown: () => pty.unplug(),
  };
}

async function tcpBench(): Promise<Bench> {
  const heard = new Collected();
  let peer: Socket | null = null;
  const server = createServer((socket) => {
    peer = socket;
    socket.on("data", heard.listener).on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const link = await openLink(`tcp://127.0.0.1:${port}`);
  await until("the server's side", () => peer !== null);
  return {
    link,
    feed: (bytes) => {
      peer?.write(bytes);
    },
    heard: () => heard.bytes(),
    drop: async () => {
      await new Promise<void>((resolve) => peer!.end(resolve));
    },
    tearDown: async () => {
      peer?.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function captureBench(): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), "osnmad-link-"));
  const content = awkwardBytes(300_000);
  const path = join(folder, "some.ubx");
  writeFileSync(path, content);
  return {
    link: await openLink(path),
    content,
    tearDown: () => {
      rmSync(folder, { recursive: true });
      return Promise.resolve();
    },
  };
}

linkCompliance("serial port (pseudo-terminal, real binding)", ptyBench, {
  feed: true,
  hear: true,
  drop: true,
  exclusive: true,
  finite: false,
});
linkCompliance("TCP", tcpBench, { feed: true, hear: true, drop: true, exclusive: false, finite: false });
linkCompliance("capture", captureBench, {
  feed: false,
  hear: false,
  drop: false,
  exclusive: false,
  finite: true,
});

const hardware = process.env["OSNMAD_TEST_PORT"];
if (hardware !== undefined) {
  linkCompliance(
    `receiver at ${hardware}`,
    async () => ({
      link: await openLink(hardware),
      again: () => openLink(hardware),
      tearDown: () => Promise.resolve(),
    }),
    { feed: false, hear: false, drop: false, exclusive: !hardware.startsWith("tcp:"), finite: false },
  );
}

describe("a serial port", () => {
  it("changes its rate, after what was written before", async () => {
    const pty = await Pty.open();
    const link = await openSerial(pty.path, { baudRate: 9_600 });
    try {
      await until("9600", () => pty.baud === 9_600);
      await link.setBaudRate!(460_800);
      await until("460800", () => pty.baud === 460_800);
    } finally {
      await link.close();
      await pty.unplug();
    }
  });

  it("that is not there is told by its code", async () => {
    await expect(openLink("/dev/serial/by-id/usb-none")).rejects.toMatchObject({
      code: "OSN_PORT_NOT_FOUND",
    });
  });
});

describe("a TCP address", () => {
  it("is host and port, with brackets around IPv6", () => {
    expect(tcpAddress("tcp://gnss.local:2000")).toEqual({ host: "gnss.local", port: 2000 });
    expect(tcpAddress("tcp://[::1]:9")).toEqual({ host: "::1", port: 9 });
    for (const bad of [
      "tcp://host",
      "tcp://:1",
      "tcp://h:0",
      "tcp://h:65536",
      "tcp://u@h:1",
      "tcp://a:1/x",
    ]) {
      expect(() => tcpAddress(bad), bad).toThrow(/tcp:\/\/host:port/);
    }
  });

  it("where nobody listens is a lost link", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    await expect(openTcp({ host: "127.0.0.1", port })).rejects.toMatchObject({ code: "OSN_LINK_LOST" });
  });
});
