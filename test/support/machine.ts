/** A machine's /dev and /sys in a folder of its own, as far as serial ports are concerned. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface UsbDevice {
  readonly vendor: string;
  readonly product: string;
  readonly name: string;
}

export const UBLOX: UsbDevice = { vendor: "1546", product: "01A9", name: "u-blox GNSS receiver" };
export const FTDI: UsbDevice = { vendor: "0403", product: "6001", name: "FT232R USB UART" };

export class Machine {
  readonly root = mkdtempSync(join(tmpdir(), "osnmad-dev-"));
  readonly dev = join(this.root, "dev");
  readonly sys = join(this.root, "sys");
  readonly discovery = { dev: this.dev, sys: this.sys };

  constructor() {
    mkdirSync(join(this.dev, "serial", "by-id"), { recursive: true });
    mkdirSync(join(this.sys, "class", "tty"), { recursive: true });
  }

  /**
   * A USB port; `levels` is how far the tty is below the USB device (2 for CDC-ACM, 3 for usb-serial). A device that
   * is in /dev already (a link to a pseudo-terminal) stays.
   */
  plug(tty: string, usb: UsbDevice, levels: number, byId?: string): void {
    const device = join(this.sys, "devices", `usb-${tty}`);
    const below = join(device, ...["if", "port", "tty"].slice(0, levels - 1));
    mkdirSync(below, { recursive: true });
    writeFileSync(join(device, "idVendor"), `${usb.vendor}\n`);
    writeFileSync(join(device, "idProduct"), `${usb.product}\n`);
    writeFileSync(join(device, "product"), `${usb.name}\n`);
    const entry = join(this.sys, "class", "tty", tty);
    mkdirSync(entry);
    symlinkSync(below, join(entry, "device"));
    if (!existsSync(join(this.dev, tty))) writeFileSync(join(this.dev, tty), "");
    if (byId !== undefined) symlinkSync(join("..", "..", tty), this.byId(byId));
  }

  /** Takes away what `plug` made, but for a link in /dev that another made. */
  unplug(tty: string, byId?: string): void {
    rmSync(join(this.sys, "devices", `usb-${tty}`), { recursive: true });
    rmSync(join(this.sys, "class", "tty", tty), { recursive: true });
    if (byId !== undefined) rmSync(this.byId(byId));
  }

  byId(name: string): string {
    return join(this.dev, "serial", "by-id", name);
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }
}
