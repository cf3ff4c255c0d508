import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findPorts, theReceiver } from "../../src/source/serial-discovery.js";

/** A machine's /dev and /sys as far as ports are concerned. */
class Machine {
  readonly root = mkdtempSync(join(tmpdir(), "osnmad-dev-"));
  readonly dev = join(this.root, "dev");
  readonly sys = join(this.root, "sys");

  constructor() {
    mkdirSync(join(this.dev, "serial", "by-id"), { recursive: true });
    mkdirSync(join(this.sys, "class", "tty"), { recursive: true });
  }

  /** A USB port; `levels` is how far the tty is below the USB device (2 for CDC-ACM, 3 for usb-serial). */
  plug(
    tty: string,
    usb: { vendor: string; product: string; name: string },
    levels: number,
    byId?: string,
  ): void {
    const device = join(this.sys, "devices", `usb-${tty}`);
    const below = join(device, ...["if", "port", "tty"].slice(0, levels - 1));
    mkdirSync(below, { recursive: true });
    writeFileSync(join(device, "idVendor"), `${usb.vendor}\n`);
    writeFileSync(join(device, "idProduct"), `${usb.product}\n`);
    writeFileSync(join(device, "product"), `${usb.name}\n`);
    const entry = join(this.sys, "class", "tty", tty);
    mkdirSync(entry);
    symlinkSync(below, join(entry, "device"));
    writeFileSync(join(this.dev, tty), "");
    if (byId !== undefined) symlinkSync(join("..", "..", tty), join(this.dev, "serial", "by-id", byId));
  }

  find(list: () => Promise<[]> = () => Promise.reject(new Error("spawn udevadm ENOENT"))) {
    return findPorts({ dev: this.dev, sys: this.sys, list });
  }
}

const UBLOX = { vendor: "1546", product: "01A9", name: "u-blox GNSS receiver" };
const FTDI = { vendor: "0403", product: "6001", name: "FT232R USB UART" };

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
    const found = await machine.find();
    expect(found).toEqual([
      {
        path: join(machine.dev, "ttyACM0"),
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
    const found = await machine.find();
    expect(found).toMatchObject([{ vendorId: "0403", ublox: false }]);
    expect(() => theReceiver(found)).toThrow(/ttyUSB0/);
    expect(() => theReceiver([])).toThrow(/no other USB serial port/);
  });

  it("puts receivers first, and does not choose between two", async () => {
    machine.plug("ttyUSB0", FTDI, 3);
    machine.plug("ttyACM0", UBLOX, 2);
    machine.plug("ttyACM1", UBLOX, 2);
    const found = await machine.find();
    expect(found.map(({ ublox }) => ublox)).toEqual([true, true, false]);
    expect(() => theReceiver(found)).toThrow(/ttyACM0.*ttyACM1/);
  });
});
