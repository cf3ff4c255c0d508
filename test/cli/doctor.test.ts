import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { describe, expect, it, vi } from "vitest";
import { registerDoctor } from "../../src/cli/commands/doctor.js";
import { checkFolder, checkHttpPort, checkNode } from "../../src/cli/doctor/machine.js";
import { checkReceiver, heardChecks, listen, type Heard } from "../../src/cli/doctor/receiver.js";
import type { Check } from "../../src/cli/doctor/check.js";
import { applyProfile } from "../../src/receiver/apply-profile.js";
import { identifyAtAnyRate } from "../../src/receiver/baud-scan.js";
import { ownPort } from "../../src/receiver/own-port.js";
import { chooseProfile } from "../../src/receiver/profile-files.js";
import { UbxClient } from "../../src/receiver/ubx-client.js";
import { withVirtualReceiver } from "../../src/simulate/receiver/with-virtual-receiver.js";
import { openLink } from "../../src/source/open-link.js";
import { sky } from "../simulate/receiver/host.js";
import { clockCheck, leapCheck } from "../../src/cli/doctor/time.js";
import { trustCheck } from "../../src/cli/doctor/trust.js";
import { parametrisedScenario, Simulation } from "../../src/simulate/scenario.js";
import { ubxFrames } from "../../src/simulate/ubx-stream.js";
import type { ByteLink } from "../../src/source/byte-link.js";
import type { TimeStatus } from "../../src/time/types.js";
import { loadTrust } from "../../src/trust/material.js";

const GOOD: Heard = {
  bytes: 10_000,
  ubxFrames: 100,
  badBytes: 0,
  seconds: 5,
  e1Pages: 20,
  satellites: 8,
  otherSubframes: 0,
  rawx: 5,
  epochs: 10,
  pvt: 5,
  gst: 1000,
  trustedGst: 1000.4,
  trustedBound: 0.1,
  identity: {
    module: "ZED-F9P",
    firmware: "HPG 1.32",
    protocol: "27.31",
    swVersion: "EXT CORE 1.00",
    hwVersion: "00190000",
    uniqueId: null,
  },
};
const statusOf = (heard: Partial<Heard>): Record<string, string> =>
  Object.fromEntries(heardChecks({ ...GOOD, ...heard }).map(({ name, status }) => [name, status]));

/** What the command prints, by lines. */
async function screenOf(words: string[]): Promise<string[]> {
  const program = new Command().exitOverride();
  registerDoctor(program);
  let text = "";
  const spy = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  const { exitCode } = process;
  try {
    await program.parseAsync(["doctor", ...words], { from: "user" });
  } finally {
    spy.mockRestore();
    // Of this command; a clock that nobody keeps is a problem of the machine.
    process.exitCode = exitCode;
  }
  return text.split("\n");
}

describe("the receiver", () => {
  it("that sends everything has nothing in the way", () => {
    expect(Object.values(statusOf({})).every((status) => status === "ok")).toBe(true);
  });

  it.each<[string, Partial<Heard>, string, string]>([
    ["silence", { bytes: 0, ubxFrames: 0, identity: null }, "receiver", "problem"],
    ["bytes at a wrong baud rate", { ubxFrames: 0, identity: null }, "receiver", "problem"],
    ["no answer to MON-VER", { identity: null }, "receiver", "warning"],
    ["no keys", { identity: { ...GOOD.identity!, protocol: "18.00" } }, "receiver", "warning"],
    ["no RXM-SFRBX", { e1Pages: 0 }, "sfrbx", "problem"],
    ["GPS alone", { e1Pages: 0, otherSubframes: 9 }, "sfrbx", "problem"],
    ["no time", { epochs: 0, gst: null, trustedGst: null }, "page-time", "problem"],
    ["no RXM-RAWX", { rawx: 0 }, "rawx", "warning"],
    ["no NAV-PVT", { pvt: 0 }, "pvt", "warning"],
    ["a line that loses bytes", { badBytes: 2000 }, "line", "warning"],
    ["a signal from yesterday", { gst: 1000 - 86_400 }, "signal-time", "problem"],
    ["a signal ahead of the clock", { gst: 1010 }, "signal-time", "problem"],
  ])("with %s says so", (_name, heard, check, status) => {
    expect(statusOf(heard)[check]).toBe(status);
    const told = heardChecks({ ...GOOD, ...heard }).find(({ name }) => name === check);
    expect(told?.remedy).toMatch(/\w/);
  });

  it("is listened to on a link", async () => {
    const scenario = parametrisedScenario({ seed: "doctor", subframes: 2, satellites: [2, 7, 11, 14] });
    const frames = [...ubxFrames(new Simulation(scenario.options), { rawx: true })];
    let close = (): void => undefined;
    const link: ByteLink = {
      name: "test",
      write: () => Promise.resolve(),
      onData: (listener) => {
        setImmediate(() => {
          for (const frame of frames) listener(frame);
          close();
        });
      },
      onClose: (listener) => {
        close = () => {
          listener(null);
        };
      },
      close: () => Promise.resolve(),
    };
    const heard = await listen(link, {
      seconds: 30,
      gstNow: () => ({ gst: 1, boundSeconds: 1 }),
      identity: null,
    });
    expect(heard.satellites).toBe(4);
    expect(heard.e1Pages).toBeGreaterThan(50);
    expect(heard.rawx).toBeGreaterThan(20);
    expect(heard.trustedGst).toBe(1);
  });

  it("is found out over TCP: who it is, what it sends, what is not set", async () => {
    await withVirtualReceiver({ model: "F9P", feed: sky(), speed: 20 }, async (port, served) => {
      const look = async (): Promise<Record<string, Check>> =>
        Object.fromEntries(
          (await checkReceiver({ port, seconds: 3, gstNow: () => null })).map((check) => [check.name, check]),
        );
      const before = await look();
      expect(before["receiver"]).toMatchObject({ status: "ok" });
      expect(before["receiver"].found).toContain("ZED-F9P");
      // The daemon would switch it on.
      expect(before["sfrbx"]).toMatchObject({ status: "skipped" });
      expect(before["settings"]).toMatchObject({ status: "warning" });
      expect(before["settings"].found).toMatch(/^not configured yet: without .*RXM-SFRBX/);
      // One cause is one line on a screen; scripts get all checks.
      const screen = await screenOf(["--port", port, "--seconds", "1", "--data-dir", tmpdir()]);
      const told = screen.slice(screen.findIndex((line) => / receiver {2}/.test(line)));
      expect(told.filter((line) => /^\w/.test(line)).map((line) => line.trim().split(/ +/)[1])).toEqual(
        expect.arrayContaining(["receiver", "settings"]),
      );
      expect(told.join("\n")).not.toMatch(/sfrbx|page-time|rawx|pvt/);

      const link = await openLink(port);
      const client = new UbxClient(link);
      const identity = await identifyAtAnyRate(client);
      const receiverPort = (await ownPort(client))!;
      await applyProfile(client, chooseProfile("auto", identity), { port: receiverPort });
      await link.close();
      const after = await look();
      expect(after["settings"]).toMatchObject({ status: "ok" });
      expect(after["sfrbx"]).toMatchObject({ status: "ok" });
      expect(after["rawx"]).toMatchObject({ status: "ok" });
      expect(served).toBeDefined();
    });
  }, 60_000);

  it("that cannot be reached is a problem with a remedy, not an error", async () => {
    const missing = await checkReceiver({ port: "/dev/osnmad-none", seconds: 1, gstNow: () => null });
    expect(missing.at(-1)).toMatchObject({ status: "problem" });
    const refused = await checkReceiver({ port: "tcp://127.0.0.1:1", seconds: 1, gstNow: () => null });
    expect(refused.at(-1)).toMatchObject({ name: "port-open", status: "problem" });
    expect((await checkReceiver({ port: "none", seconds: 1, gstNow: () => null }))[0].status).toBe("skipped");
  });
});

describe("the clock", () => {
  const good: TimeStatus = {
    state: "trusted",
    reason: null,
    detail: null,
    source: "chrony",
    reference: "192.0.2.1",
    boundSeconds: 0.012,
    allows: "all",
    leapSeconds: 18,
    leapSecondsKnownUntil: 1_800_000_000,
  };
  it("is judged by what its bound allows", () => {
    expect(clockCheck(good, [])).toMatchObject({ status: "ok", remedy: null });
    expect(clockCheck({ ...good, boundSeconds: 40, allows: "slow" }, []).status).toBe("warning");
    const none = { ...good, state: "untrusted", source: null, boundSeconds: null, allows: "none" } as const;
    expect(clockCheck(none, [])).toMatchObject({ status: "problem" });
    expect(clockCheck(none, []).remedy).toContain("chrony");
    expect(clockCheck({ ...good, source: "configuration" }, []).status).toBe("warning");
  });
  it("has leap seconds that run out", () => {
    expect(leapCheck(good, 1_790_000_000).status).toBe("ok");
    expect(leapCheck(good, 1_799_900_000).status).toBe("warning");
    expect(leapCheck(good, 1_800_000_001).status).toBe("warning");
  });
});

describe("the machine", () => {
  it.each([
    ["20.19.0", "ok"],
    ["20.18.3", "problem"],
    ["22.12.0", "ok"],
    ["23.1.0", "problem"],
    ["24.0.0", "ok"],
    ["18.20.0", "problem"],
  ])("Node %s: %s", (version, status) => {
    expect(checkNode(version).status).toBe(status);
  });

  it("folders: one that can be made is fine, a file is not", () => {
    const folder = mkdtempSync(join(tmpdir(), "osnmad-doctor-"));
    expect(checkFolder("data-dir", join(folder, "a", "b"), "--data-dir").found).toContain("will be made");
    writeFileSync(join(folder, "file"), "");
    expect(checkFolder("data-dir", join(folder, "file", "b"), "--data-dir").status).toBe("problem");
  });

  it("a port in use is a warning", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    expect((await checkHttpPort(port)).status).toBe("warning");
    await new Promise((resolve) => server.close(resolve));
    expect((await checkHttpPort(port)).status).toBe("ok");
  });
});

describe("the key material", () => {
  const builtIn = loadTrust({ stateDir: null });
  it("is judged by the keys in force", () => {
    expect(trustCheck(builtIn, new Date("2026-11-26T00:00:00Z"))).toMatchObject({ status: "ok" });
    expect(trustCheck(builtIn, new Date("2020-01-01T00:00:00Z")).status).toBe("warning");
    expect(trustCheck({ ...builtIn, roots: [], publicKeys: [] }, new Date()).status).toBe("problem");
  });
});
