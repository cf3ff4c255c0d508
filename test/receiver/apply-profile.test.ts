import type { ConfigKeyName } from "gnss-ubx";
import { describe, expect, it } from "vitest";
import type { PreviousValues } from "../../src/receiver/apply-profile.js";
import { applyProfile } from "../../src/receiver/apply-profile.js";
import { identify } from "../../src/receiver/identity.js";
import { parseProfile, sheddableMessages } from "../../src/receiver/profile.js";
import { applyUndo, parseUndo, undoText } from "../../src/receiver/undo.js";
import { sky } from "../simulate/receiver/host.js";
import { bench, profileNamed } from "./support.js";

const SFRBX: ConfigKeyName = "CFG-MSGOUT-UBX_RXM_SFRBX_USB";
const RAWX: ConfigKeyName = "CFG-MSGOUT-UBX_RXM_RAWX_USB";

function outcomes(report: Awaited<ReturnType<typeof applyProfile>>): ReadonlyMap<string, string> {
  return new Map(report.keys.map(({ key, outcome }) => [key, outcome]));
}

const SMALL = (required: string, optional = ""): string => `
[receiver]
family = "x"
about = "x"
modules = []
minimum-protocol = "27.00"
ports = ["usb", "uart1"]
[required.common]
${required}
[optional.common]
${optional}
`;

describe("applying a profile", () => {
  it.each([
    ["F9P", "zed-f9p", "usb"],
    ["F9T", "zed-f9t", "usb"],
    ["M9N", "neo-m9n", "usb"],
    ["F10T", "f10", "uart1"],
    ["X20P", "x20p", "usb"],
  ] as const)("brings an %s to what is required, by VALSETs that are taken", async (model, name, port) => {
    const { client, receiver, pass } = bench({ model, feed: sky() });
    const report = await applyProfile(client, profileNamed(name), { port });
    expect(report.complete).toBe(true);
    for (const { key, outcome, wanted } of report.keys) {
      if (outcome !== "set" && outcome !== "already") continue;
      if (key !== "CFG-UART1-BAUDRATE") expect([key, receiver.setting(key)]).toEqual([key, Number(wanted)]);
    }
    expect(
      report.keys.filter(({ need, outcome }) => need === "required" && outcome === "set").length,
    ).toBeGreaterThan(3);
    // A second time there is nothing to write.
    const again = await applyProfile(client, profileNamed(name), { port });
    expect(again.keys.filter(({ outcome }) => outcome === "set")).toEqual([]);
    pass(5000);
  });

  it("names the optional keys that a firmware does not know, and does the others", async () => {
    const { client } = bench({ model: "F9P" });
    const result = outcomes(await applyProfile(client, profileNamed("generic"), { port: "usb" }));
    expect(result.get("CFG-ITFM-ENABLE")).toBe("unknown");
    expect([...result].filter(([, outcome]) => outcome === "unknown").length).toBe(1);
    expect(result.get(RAWX)).toBe("set");
  });

  it("on an M9N lacks the ranges, which are optional in the generic profile and required in an F9P's", async () => {
    const { client } = bench({ model: "M9N" });
    const generic = await applyProfile(client, profileNamed("generic"), { port: "usb" });
    expect([generic.complete, outcomes(generic).get(RAWX)]).toEqual([true, "unknown"]);
    const wrong = await applyProfile(client, profileNamed("zed-f9p"), { port: "usb" });
    expect([wrong.complete, outcomes(wrong).get(RAWX)]).toEqual([false, "unknown"]);
  });

  it("names the one required key that is refused among many, and sets the others", async () => {
    const { client, receiver } = bench({ model: "F10T" });
    const profile = parseProfile(
      "x",
      SMALL(`"CFG-MSGOUT-UBX_RXM_SFRBX_<port>" = 1
"CFG-MSGOUT-UBX_NAV_TIMEGPS_<port>" = 5
"CFG-MSGOUT-UBX_NAV_PVT_<port>" = 1`),
    );
    const report = await applyProfile(client, profile, { port: "uart1" });
    expect(report.complete).toBe(false);
    expect([...outcomes(report).values()]).toEqual(["set", "refused", "set"]);
    expect(receiver.setting("CFG-MSGOUT-UBX_NAV_PVT_UART1")).toBe(1);
  });

  it("writes nothing when dry", async () => {
    const { client, receiver, link } = bench();
    const report = await applyProfile(client, profileNamed("zed-f9p"), { port: "usb", dryRun: true });
    expect(outcomes(report).get(SFRBX)).toBe("would-set");
    expect(receiver.setting(SFRBX)).toBe(0);
    expect(link.written.every((frame) => frame[3] === 0x8b)).toBe(true);
  });

  it("writes flash only when told to, and RAM with it", async () => {
    const { client } = bench();
    await applyProfile(client, profileNamed("zed-f9p"), { port: "usb" });
    expect(await client.valget([SFRBX], "flash")).toBe("nak");
    await applyProfile(client, profileNamed("zed-f9p"), { port: "usb", layer: "flash" });
    expect(await client.valget([SFRBX], "flash")).toEqual(new Map([[SFRBX, 1]]));
    expect(await client.valget([SFRBX], "bbr")).toBe("nak");
  });

  it("sets again what a restart in the middle of it has lost", async () => {
    const { client, receiver, link } = bench();
    const write = link.onWrite;
    const sets: Uint8Array[] = [];
    link.onWrite = (bytes) => {
      write(bytes);
      if (bytes[3] !== 0x8a) return;
      sets.push(bytes);
      // A restart that nobody notices: RAM is as from the factory again, and the port is back at once.
      if (sets.length === 5) {
        queueMicrotask(() => {
          receiver.fault({ do: "restart" }, receiver.now);
          receiver.fault({ do: "plug" }, receiver.now + 600);
        });
      }
    };
    const report = await applyProfile(client, profileNamed("zed-f9p"), { port: "usb" });
    expect(report.complete).toBe(true);
    expect(receiver.setting(SFRBX)).toBe(1);
    // What is required went out together, twice.
    expect(sets.filter((frame) => frame.length > 40).length).toBe(2);
  });

  it("is silent, not wrong, about a receiver that goes away", async () => {
    const { client, receiver, link } = bench({}, { timeoutMs: 10 });
    const write = link.onWrite;
    let sets = 0;
    link.onWrite = (bytes) => {
      if (bytes[3] === 0x8a && ++sets === 3) receiver.fault({ do: "stall", seconds: 1e6 }, receiver.now);
      write(bytes);
    };
    await expect(applyProfile(client, profileNamed("zed-f9p"), { port: "usb" })).rejects.toMatchObject({
      code: "OSN_RECEIVER_SILENT",
    });
  });

  it("raises a UART's rate on both ends", async () => {
    const { client, receiver } = bench({ model: "F10T" });
    const report = await applyProfile(client, profileNamed("f10"), { port: "uart1" });
    expect(outcomes(report).get("CFG-UART1-BAUDRATE")).toBe("set");
    expect(receiver.baudRate).toBe(230_400);
    expect((await client.poll("MON-VER")).name).toBe("MON-VER");
  });

  it("goes back where the line does not carry the new rate, and skips it where the link cannot follow", async () => {
    const { client, receiver, link } = bench({ model: "F10T" }, { timeoutMs: 20 });
    const follow = link.setBaudRate!;
    // An adapter that stays at what it has.
    link.setBaudRate = (baud) => (baud === 230_400 ? Promise.resolve() : follow(baud));
    const slow = parseProfile("x", SMALL("", "") + `[optional.uart1]\n"CFG-UART1-BAUDRATE" = 230400\n`);
    const report = await applyProfile(client, slow, { port: "uart1" });
    expect(outcomes(report).get("CFG-UART1-BAUDRATE")).not.toBe("set");
    receiver.setHostBaud(receiver.baudRate);
    delete link.setBaudRate;
    receiver.fault({ do: "baud", rate: 38_400 }, receiver.now);
    receiver.setHostBaud(38_400);
    const fixed = await applyProfile(client, slow, { port: "uart1" });
    expect(outcomes(fixed).get("CFG-UART1-BAUDRATE")).toBe("skipped");
  });

  it("leaves out messages that the line has no room for, the least worth first", async () => {
    const { client, receiver } = bench();
    const profile = profileNamed("zed-f9p");
    const shed = sheddableMessages(profile, "usb").slice(0, 2);
    expect(shed[0]).toBe("CFG-MSGOUT-UBX_NAV_HPPOSLLH_USB");
    const report = await applyProfile(client, profile, { port: "usb", without: new Set(shed) });
    expect(report.keys.some(({ key }) => shed.includes(key))).toBe(false);
    for (const key of shed) expect(receiver.setting(key)).toBe(0);
    expect(sheddableMessages(profile, "usb")).not.toContain(SFRBX);
  });
});

describe("undoing a profile", () => {
  it("restores every layer to what it was, also after a second profile", async () => {
    const { client, receiver } = bench({ flash: new Map([[RAWX, 3]]) });
    const identity = await identify(client);
    const keys: ConfigKeyName[] = [SFRBX, RAWX, "CFG-USBOUTPROT-NMEA", "CFG-RATE-MEAS"];
    const before = keys.map((key) => receiver.setting(key));
    let text: string | null = null;
    const keep = (previous: PreviousValues): void => {
      text = undoText(identity, previous, text === null ? null : parseUndo("undo", text));
    };
    await applyProfile(client, profileNamed("zed-f9p"), { port: "usb", layer: "flash", onPrevious: keep });
    await applyProfile(
      client,
      parseProfile("x", SMALL('"CFG-MSGOUT-UBX_RXM_SFRBX_<port>" = 4\n"CFG-RATE-MEAS" = 500')),
      { port: "usb", onPrevious: keep },
    );
    expect([receiver.setting(SFRBX), receiver.setting(RAWX)]).toEqual([4, 1]);
    const reports = await applyUndo(client, parseUndo("undo", text!));
    expect(
      reports.filter(({ outcome }) => outcome !== "set" && outcome !== "already" && outcome !== "unknown"),
    ).toEqual([]);
    expect(keys.map((key) => receiver.setting(key))).toEqual(before);
    expect(await client.valget([RAWX], "flash")).toEqual(new Map([[RAWX, 3]]));
    expect(await client.valget([SFRBX], "flash")).toBe("nak");
  });

  it("keeps the older values only of the same receiver", () => {
    const identity = {
      module: "ZED-F9P",
      firmware: null,
      protocol: "27.50",
      swVersion: "",
      hwVersion: "",
      uniqueId: "aa",
    };
    const values = (value: number): PreviousValues => new Map([["ram", new Map([[SFRBX, value]])]]);
    const first = parseUndo("u", undoText(identity, values(1), null));
    expect(parseUndo("u", undoText(identity, values(2), first)).previous).toEqual(values(1));
    expect(parseUndo("u", undoText({ ...identity, uniqueId: "bb" }, values(2), first)).previous).toEqual(
      values(2),
    );
  });

  it.each([
    "",
    "{}",
    '{"version":2}',
    '{"version":1,"receiver":{"module":null,"uniqueId":null},"layers":{"ram":{"CFG-X":1}}}',
  ])("refuses %j as an undo file", (text) => {
    expect(() => parseUndo("u", text)).toThrow(expect.objectContaining({ code: "OSN_PROFILE_INVALID" }));
  });
});

describe("a profile's file", () => {
  it.each([
    ["[receiver", /line 1/],
    ["x = 1", /x|receiver|required/],
    [SMALL('"CFG-NONE" = 1'), /no configuration key is named CFG-NONE/],
    [SMALL('"CFG-RATE-MEAS" = 70000'), /CFG-RATE-MEAS must be an integer/],
    [SMALL('"CFG-RATE-MEAS" = true'), /CFG-RATE-MEAS must be a number/],
    [SMALL('"CFG-RATE-MEAS" = "1000"'), /CFG-RATE-MEAS/],
    [SMALL('"CFG-RATE-MEAS" = 1000', '"CFG-RATE-MEAS" = 1000'), /stands there twice/],
    [SMALL('"CFG-RATE-MEAS" = 1000').replace("[optional.common]", "[optional.i2c]"), /optional/],
    [SMALL('"CFG-RATE-MEAS" = 1000').replace('"27.00"', '"27"'), /minimum-protocol/],
    [
      SMALL("").replace('["usb", "uart1"]', '["usb"]') + '[optional.uart1]\n"CFG-UART1-BAUDRATE" = 9600\n',
      /ports does not name/,
    ],
  ])("is refused with the place (%#)", (text, why) => {
    expect(() => parseProfile("x", text)).toThrow(
      expect.objectContaining({ code: "OSN_PROFILE_INVALID", message: expect.stringMatching(why) as string }),
    );
  });
});
