import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findPorts, theReceiver } from "../../src/source/serial-discovery.js";
import { FTDI, Machine, UBLOX } from "../support/machine.js";

/** As where there is no udevadm. */
const find = (machine: Machine) =>
  findPorts({ ...machine.discovery, list: () => Promise.reject(new Error("spawn udevadm ENOENT")) });

describe("serial ports", () => {
  let machine: Machine;
  beforeEach(() => {
    machine = new Machine();
    mkdirSync(join(machine.sys, "class", "tty", "tty0"));
  });
  afterEach(() => {
    rmSync(machine.root, { recursive: true });
  });

  it("finds a receiver by sysfs where there is neither udev nor udevadm", async () => {
    machine.plug("ttyACM0", UBLOX, 2);
    const found = await find(machine);
    expect(found).toEqual([
      {
        path: join(machine.dev, "ttyACM0"),
        lasting: false,
        device: join(machine.dev, "ttyACM0"),
        vendorId: "1546",
        productId: "01a9",
        product: "u-blox GNSS receiver",
        serialNumber: null,
        ublox: true,
      },
    ]);
  });

  it("names it by id where udev made that name, and once only", async () => {
    const id = "usb-u-blox_AG_-_www.u-blox.com_u-blox_GNSS_receiver-if00";
    machine.plug("ttyACM3", UBLOX, 2, id);
    const listed = [{ path: join(machine.dev, "ttyACM3"), vendorId: "1546", productId: "01a9" }];
    const found = await findPorts({
      dev: machine.dev,
      sys: machine.sys,
      list: () => Promise.resolve(listed),
    });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({
      path: join(machine.dev, "serial", "by-id", id),
      device: join(machine.dev, "ttyACM3"),
      vendorId: "1546",
      ublox: true,
    });
    expect(theReceiver(found)).toBe(found[0]);
  });

  it("does not take an adapter for a receiver, but names it", async () => {
    machine.plug("ttyUSB0", FTDI, 3);
    const found = await find(machine);
    expect(found).toMatchObject([{ vendorId: "0403", ublox: false }]);
    expect(() => theReceiver(found)).toThrow(/ttyUSB0/);
    expect(() => theReceiver([])).toThrow(/no other USB serial port/);
  });

  it("puts receivers first, and does not choose between two", async () => {
    machine.plug("ttyUSB0", FTDI, 3);
    machine.plug("ttyACM0", UBLOX, 2);
    machine.plug("ttyACM1", UBLOX, 2);
    const found = await find(machine);
    expect(found.map(({ ublox }) => ublox)).toEqual([true, true, false]);
    expect(() => theReceiver(found)).toThrow(/ttyACM0.*ttyACM1/);
  });
});
