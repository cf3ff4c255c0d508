/**
 * `osnmad configure` and the client below it at a virtual receiver: over TCP, and over a pseudo-terminal with the
 * real serialport binding. With OSNMAD_TEST_PORT set, a real receiver is configured in RAM and set back as well.
 */
import { Command } from "commander";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { decodeMessage, Framer } from "gnss-ubx";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { registerConfigure } from "../../src/cli/commands/configure.js";
import { applyProfile } from "../../src/receiver/apply-profile.js";
import { identifyAtAnyRate } from "../../src/receiver/baud-scan.js";
import { ownPort } from "../../src/receiver/own-port.js";
import { chooseProfile } from "../../src/receiver/profile-files.js";
import { UbxClient } from "../../src/receiver/ubx-client.js";
import { withVirtualReceiver } from "../../src/simulate/receiver/with-virtual-receiver.js";
import { openLink } from "../../src/source/open-link.js";
import { sky } from "../simulate/receiver/host.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "osnmad-configure-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Runs the command; what it wrote, and the code of the error that it ended with. */
async function configure(
  ...args: string[]
): Promise<{ text: string; lines: Record<string, unknown>[]; code: string }> {
  const out = new PassThrough();
  const program = new Command().exitOverride();
  registerConfigure(program, {
    out,
    err: out,
    open: (port, baudRate) =>
      openLink(port, { lockDir: folder, ...(baudRate === undefined ? {} : { baudRate }) }),
  });
  let code = "none";
  try {
    await program.parseAsync(["node", "osnmad", "configure", "--data-dir", folder, ...args]);
  } catch (error) {
    code = (error as { code: string }).code;
  }
  out.end();
  const text = Buffer.concat(await out.toArray()).toString();
  const lines = text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { text, lines, code };
}

describe("osnmad configure", () => {
  it("configures a receiver over TCP, keeps what was there, and brings it back", async () => {
    await withVirtualReceiver({ model: "X20P", feed: sky(), speed: 20 }, async (port, served) => {
      const dry = await configure("--port", port, "--dry-run");
      expect(dry.code).toBe("none");
      expect(dry.text).toMatch(/would be set +CFG-MSGOUT-UBX_RXM_SFRBX_USB +0 -> 1/);
      expect(served.receiver.setting("CFG-MSGOUT-UBX_RXM_SFRBX_USB")).toBe(0);

      const done = await configure("--port", port, "--json");
      expect(done.code).toBe("none");
      expect(done.lines[0]).toMatchObject({
        type: "receiver",
        module: "ZED-X20P",
        port: "usb",
        profile: "x20p",
      });
      const summary = done.lines.at(-1)!;
      expect(summary).toMatchObject({ type: "summary", complete: true, layers: ["ram"] });
      expect(served.receiver.setting("CFG-MSGOUT-UBX_RXM_SFRBX_USB")).toBe(1);

      const file = String(summary["undoFile"]);
      const undone = await configure("--port", port, "--undo", file);
      expect(undone.code).toBe("none");
      expect(served.receiver.setting("CFG-MSGOUT-UBX_RXM_SFRBX_USB")).toBe(0);
      expect(served.receiver.setting("CFG-USBOUTPROT-NMEA")).toBe(1);
      expect(readdirSync(join(folder, "receivers"))).toEqual([]);
    });
  });

  it("says what is missing where a required key is not known", async () => {
    await withVirtualReceiver({ model: "M9N", feed: sky(), speed: 20 }, async (port) => {
      const { code, text } = await configure("--port", port, "--profile", "zed-f9p");
      expect(code).toBe("OSN_RECEIVER_REFUSED");
      expect(text).toMatch(/not known +CFG-MSGOUT-UBX_RXM_RAWX_USB/);
    });
  });

  it("says clearly that an old receiver has no keys, and leaves it as it is", async () => {
    await withVirtualReceiver({ model: "M8T", feed: sky(), speed: 20 }, async (port) => {
      expect((await configure("--port", port)).code).toBe("OSN_RECEIVER_UNSUPPORTED");
    });
  });

  it("refuses the undo file of another receiver", async () => {
    await withVirtualReceiver({ model: "F9P", feed: sky(), speed: 20 }, async (port, served) => {
      const file = String((await configure("--port", port, "--json")).lines.at(-1)!["undoFile"]);
      served.fault({ do: "replace", seconds: 0 });
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect((await configure("--port", port, "--undo", file)).code).toBe("OSN_USAGE");
    });
  });

  it("lists profiles without a receiver", async () => {
    const { lines } = await configure("--list", "--json");
    expect(lines.map(({ name }) => name)).toEqual([
      "f10",
      "neo-m9n",
      "x20p",
      "zed-f9p",
      "zed-f9t",
      "generic",
    ]);
  });
});

describe("a receiver on a serial line", () => {
  it("is found at a rate that nobody knew, configured, and heard at a higher one", async () => {
    await withVirtualReceiver(
      {
        model: "F10T",
        feed: sky(8),
        over: "pty",
        link: join(folder, "uart"),
        flash: new Map([["CFG-UART1-BAUDRATE", 115_200]]),
      },
      async (path, served) => {
        const link = await openLink(path, { lockDir: folder });
        try {
          const client = new UbxClient(link);
          const identity = await identifyAtAnyRate(client, { rates: [115_200] });
          expect(identity.module).toBe("NEO-F10T");
          expect(await ownPort(client)).toBe("uart1");
          const report = await applyProfile(client, chooseProfile("auto", identity), { port: "uart1" });
          expect(report.complete).toBe(true);
          expect(served.receiver.baudRate).toBe(230_400);
          const framer = new Framer();
          await new Promise<void>((resolve) => {
            link.onData((chunk) => {
              framer.push(chunk, {
                ubx: (messageClass, id, payload) => {
                  if (decodeMessage(messageClass, id, payload).name === "RXM-SFRBX") resolve();
                },
              });
            });
          });
        } finally {
          await link.close();
        }
      },
    );
  });
});

const REAL_PORT = process.env["OSNMAD_TEST_PORT"];

describe.skipIf(REAL_PORT === undefined)("the receiver at OSNMAD_TEST_PORT", () => {
  it("is configured in RAM and set back", async () => {
    const done = await configure("--port", REAL_PORT!, "--json");
    expect(done.code).toBe("none");
    const file = String(done.lines.at(-1)!["undoFile"]);
    if (file !== "null") expect((await configure("--port", REAL_PORT!, "--undo", file)).code).toBe("none");
  });
});
