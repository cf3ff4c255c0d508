import { encodeMessage, decodeMessage } from "gnss-ubx";
import { describe, expect, it } from "vitest";
import { describeReceiver, hasConfigurationKeys, identify, identityOf } from "../../src/receiver/identity.js";
import { ownPort } from "../../src/receiver/own-port.js";
import { chooseProfile } from "../../src/receiver/profile-files.js";
import type { ModelName } from "../../src/simulate/receiver/models.js";
import { bench } from "./support.js";

function versionOf(extension: string[]): ReturnType<typeof identityOf> {
  const frame = encodeMessage("MON-VER", {
    swVersion: "EXT CORE 1.00 (x)",
    hwVersion: "00190000",
    extension,
  });
  const message = decodeMessage(0x0a, 0x04, frame.subarray(6, -2));
  if (message.name !== "MON-VER") throw new Error("not decoded");
  return identityOf(message, null);
}

describe("who a receiver is", () => {
  it.each<[ModelName, string, string]>([
    ["F9P", "ZED-F9P, firmware HPG 1.51, protocol 27.50", "zed-f9p"],
    ["F9T", "ZED-F9T, firmware TIM 2.20, protocol 29.20", "zed-f9t"],
    ["M9N", "NEO-M9N, firmware SPG 4.04, protocol 32.01", "neo-m9n"],
    ["F10T", "NEO-F10T, firmware TIM 3.01, protocol 42.01", "f10"],
    ["X20P", "ZED-X20P, firmware HPG 2.10, protocol 50.11", "x20p"],
  ])("%s is told by MON-VER and has its profile", async (model, text, profile) => {
    const { client, receiver } = bench({ model });
    const identity = await identify(client);
    expect(describeReceiver(identity)).toBe(text);
    expect(identity.uniqueId).toBe(receiver.uniqueId);
    expect(chooseProfile("auto", identity).name).toBe(profile);
  });

  it("an M8 is known and has no configuration keys", async () => {
    const identity = await identify(bench({ model: "M8T" }).client);
    expect(hasConfigurationKeys(identity)).toBe(false);
    expect(() => chooseProfile("auto", identity)).toThrow(/not configured by keys/);
  });

  it("a module that no file names gets the generic profile, and an unknown protocol none", () => {
    expect(chooseProfile("auto", versionOf(["PROTVER=34.10", "MOD=MAX-M10S"])).name).toBe("generic");
    expect(chooseProfile("auto", versionOf(["PROTVER=32.01"])).name).toBe("generic");
    expect(() => chooseProfile("auto", versionOf([]))).toThrow(/not configured by keys/);
    // The spelling of older firmwares.
    expect(versionOf(["PROTVER 14.00"]).protocol).toBe("14.00");
    expect(versionOf(["PROTVER=27.50; rm -rf", "MOD=\u001b[31mX"])).toMatchObject({
      protocol: null,
      module: "?[31mX",
    });
  });

  it("is found out where UBX output is switched off", async () => {
    const { client } = bench({ flash: new Map([["CFG-USBOUTPROT-UBX", 0]]) }, { timeoutMs: 15 });
    await expect(identify(client)).rejects.toMatchObject({ code: "OSN_RECEIVER_SILENT" });
    expect((await identify(client, { wake: true })).module).toBe("ZED-F9P");
  });
});

describe("the port by which it is reached", () => {
  it.each([
    ["F9P", "USB", "usb"],
    ["F9P", "UART1", "uart1"],
    ["F10T", "UART1", "uart1"],
  ] as const)("of an %s at %s is found by the bytes that it counts", async (model, port, expected) => {
    expect(await ownPort(bench({ model, port }).client)).toBe(expected);
  });

  it("of one that has no MON-COMMS is not known", async () => {
    expect(await ownPort(bench({ model: "M8T" }, { timeoutMs: 10 }).client)).toBeNull();
  });
});
