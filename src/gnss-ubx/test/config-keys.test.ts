import { describe, expect, it } from "vitest";
import type { ConfigKeyName } from "../src/index.js";
import {
  CONFIG_KEYS,
  configItem,
  configItemValue,
  configKeyName,
  configValueSize,
  encodeMessage,
} from "../src/index.js";

describe("configuration keys", () => {
  const names = Object.keys(CONFIG_KEYS) as ConfigKeyName[];

  it("have ids of their own, found back by id", () => {
    expect(new Set(names.map((name) => CONFIG_KEYS[name].id)).size).toBe(names.length);
    for (const name of names) expect(configKeyName(CONFIG_KEYS[name].id)).toBe(name);
    expect(configKeyName(0x20910fff)).toBeNull();
  });

  it("state the size in their ids that their type has", () => {
    const code = { L: 1, U1: 2, I1: 2, E1: 2, X1: 2, U2: 3, U4: 4 };
    for (const name of names) {
      const { id, type } = CONFIG_KEYS[name];
      expect([name, id >>> 28]).toEqual([name, code[type]]);
    }
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((n) => configValueSize(n * 0x10000000))).toEqual([
      0, 1, 1, 2, 4, 8, 0, 0,
    ]);
  });

  it("of a port's message rate stand in the order I2C, UART1, UART2, USB, SPI", () => {
    for (const name of names.filter((n) => n.startsWith("CFG-MSGOUT-") && n.endsWith("_USB"))) {
      const uart1 = name.replace(/_USB$/, "_UART1") as ConfigKeyName;
      expect([name, CONFIG_KEYS[name].id - CONFIG_KEYS[uart1].id]).toEqual([name, 2]);
    }
  });

  it("make items of typed values, and values of items", () => {
    expect(configItem("CFG-GAL-USE_OSNMA", true)).toEqual({ key: 0x10350005, value: 1 });
    expect(configItem("CFG-UART1-BAUDRATE", 460800)).toEqual({ key: 0x40520001, value: 460800 });
    expect(configItem("CFG-NAVSPG-INFIL_MINELEV", -5)).toEqual({ key: 0x201100a4, value: 0xfb });
    expect(configItemValue({ key: 0x201100a4, value: 0xfb })).toBe(-5);
    expect(configItemValue({ key: 0x10350005, value: 0 })).toBe(false);
    expect(configItemValue({ key: 0x40520001, value: 460800 })).toBe(460800);
    expect(configItemValue({ key: 0x20910fff, value: 1 })).toBeNull();
  });

  it("refuse values of another type", () => {
    expect(() => configItem("CFG-GAL-USE_OSNMA", 1 as never)).toThrow(TypeError);
    expect(() => configItem("CFG-RATE-MEAS", true as never)).toThrow(TypeError);
    expect(() => configItem("CFG-RATE-MEAS", 65536)).toThrow(RangeError);
    expect(() => configItem("CFG-NAVSPG-INFIL_MINELEV", 128)).toThrow(RangeError);
    expect(() => configItem("CFG-NONE" as never, 1 as never)).toThrow(RangeError);
    expect(() => configItem("toString" as never, 1 as never)).toThrow(RangeError);
  });

  it("go into a VALSET as they are", () => {
    const frame = encodeMessage("CFG-VALSET", {
      version: 0,
      layers: { ram: true },
      cfgData: [configItem("CFG-RATE-MEAS", 1000), configItem("CFG-SIGNAL-GAL_ENA", true)],
    });
    expect(Buffer.from(frame.subarray(6, -2)).toString("hex")).toBe(
      "00010000" + "01002130e803" + "2100311001",
    );
  });
});
