/**
 * Finds serial ports that a u-blox receiver may be at, from three places, since none is there everywhere:
 * /dev/serial/by-id (made by udev), serialport's list (asks udevadm, fails without it), and sysfs (always, on
 * Linux). What is found names the same device once, by its most lasting name.
 */
import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { OsnmadError } from "../errors.js";

/** u-blox AG, of the USB vendor list. */
export const UBLOX_VENDOR_ID = "1546";

export interface FoundPort {
  /** What to open: the name by id where there is one, which survives a replug; else the device. */
  readonly path: string;
  /** Whether `path` is a name by id. */
  readonly lasting: boolean;
  /** The device itself, for example /dev/ttyACM0. */
  readonly device: string;
  /** USB vendor and product, lower-case hexadecimal; null where unknown. */
  readonly vendorId: string | null;
  readonly productId: string | null;
  /** What the device calls itself. */
  readonly product: string | null;
  /** Serial number of the USB device; u-blox receivers have none. */
  readonly serialNumber: string | null;
  /** A u-blox receiver on USB; false for an adapter, behind which there may be one. */
  readonly ublox: boolean;
}

/** What serialport's list gives, as far as it is needed. */
export interface ListedPort {
  readonly path: string;
  readonly vendorId?: string | undefined;
  readonly productId?: string | undefined;
  readonly manufacturer?: string | undefined;
  readonly serialNumber?: string | undefined;
}

export interface DiscoveryOptions {
  readonly dev?: string;
  readonly sys?: string;
  readonly list?: () => Promise<readonly ListedPort[]>;
}

/** Levels of folders from a tty's device up to the USB device that has the vendor's number. */
const USB_DEPTH = 4;

/** All ports of USB devices, u-blox receivers first. */
export async function findPorts(options: DiscoveryOptions = {}): Promise<FoundPort[]> {
  return together(options, await listedPorts(options.list));
}

/** The same without asking serialport: at once, as far as by-id and sysfs tell. */
export function portsNow(options: DiscoveryOptions = {}): FoundPort[] {
  return together(options, []);
}

function together(options: DiscoveryOptions, listed: readonly FoundPort[]): FoundPort[] {
  const dev = options.dev ?? "/dev";
  const found = new Map<string, FoundPort>();
  const add = (port: FoundPort): void => {
    const known = found.get(port.device);
    found.set(port.device, known === undefined ? port : merged(known, port));
  };
  for (const port of portsById(dev)) add(port);
  for (const port of portsOfSysfs(dev, options.sys ?? "/sys")) add(port);
  for (const port of listed) add(port);
  return [...found.values()].sort(
    (a, b) => Number(b.ublox) - Number(a.ublox) || (a.path < b.path ? -1 : a.path > b.path ? 1 : 0),
  );
}

/** The one u-blox receiver there is. Throws OSN_PORT_NOT_FOUND or OSN_PORT_AMBIGUOUS; both name what was found. */
export function theReceiver(ports: readonly FoundPort[]): FoundPort {
  const receivers = ports.filter(({ ublox }) => ublox);
  if (receivers.length === 1) return receivers[0];
  if (receivers.length > 1) {
    throw new OsnmadError(
      "OSN_PORT_AMBIGUOUS",
      `${receivers.length} u-blox receivers were found: ${receivers.map(({ path }) => path).join(", ")}.`,
    );
  }
  throw new OsnmadError(
    "OSN_PORT_NOT_FOUND",
    ports.length === 0
      ? "No u-blox receiver and no other USB serial port was found."
      : `No u-blox receiver on USB was found; it may be behind one of ${ports.map(({ path }) => path).join(", ")}.`,
  );
}

function merged(a: FoundPort, b: FoundPort): FoundPort {
  return {
    path: b.lasting && !a.lasting ? b.path : a.path,
    lasting: a.lasting || b.lasting,
    device: a.device,
    vendorId: a.vendorId ?? b.vendorId,
    productId: a.productId ?? b.productId,
    product: a.product ?? b.product,
    serialNumber: a.serialNumber ?? b.serialNumber,
    ublox: a.ublox || b.ublox,
  };
}

function portsById(dev: string): FoundPort[] {
  const folder = join(dev, "serial", "by-id");
  const ports: FoundPort[] = [];
  for (const name of namesIn(folder)) {
    const path = join(folder, name);
    const device = realOf(path);
    if (device === null) continue;
    ports.push({
      path,
      lasting: true,
      device,
      vendorId: null,
      productId: null,
      product: name
        .replace(/^usb-/, "")
        .replace(/-if\d+(-port\d+)?$/, "")
        .replaceAll("_", " "),
      serialNumber: null,
      // The name is the device's own word for its vendor; u-blox writes it in two ways.
      ublox: /^usb-(u-blox|ublox|1546)/i.test(name),
    });
  }
  return ports;
}

function portsOfSysfs(dev: string, sys: string): FoundPort[] {
  const folder = join(sys, "class", "tty");
  const ports: FoundPort[] = [];
  for (const name of namesIn(folder)) {
    const start = realOf(join(folder, name, "device"));
    if (start === null) continue;
    let at = start;
    for (let level = 0; level < USB_DEPTH; level++, at = dirname(at)) {
      const vendorId = textIn(join(at, "idVendor"));
      if (vendorId === null) continue;
      const path = join(dev, name);
      ports.push({
        path,
        lasting: false,
        device: realOf(path) ?? path,
        vendorId: vendorId.toLowerCase(),
        productId: textIn(join(at, "idProduct"))?.toLowerCase() ?? null,
        product: textIn(join(at, "product")),
        serialNumber: textIn(join(at, "serial")),
        ublox: vendorId.toLowerCase() === UBLOX_VENDOR_ID,
      });
      break;
    }
  }
  return ports;
}

async function listedPorts(list: DiscoveryOptions["list"]): Promise<FoundPort[]> {
  let listed: readonly ListedPort[];
  try {
    listed = await (list ?? (await import("serialport")).SerialPort.list)();
  } catch {
    // Where there is no udevadm (containers, small systems): sysfs has told.
    return [];
  }
  return listed
    .filter(({ vendorId }) => vendorId !== undefined)
    .map(({ path, vendorId, productId, manufacturer, serialNumber }) => ({
      path,
      lasting: false,
      device: realOf(path) ?? path,
      vendorId: vendorId?.toLowerCase() ?? null,
      productId: productId?.toLowerCase() ?? null,
      product: manufacturer ?? null,
      serialNumber: serialNumber ?? null,
      ublox: vendorId?.toLowerCase() === UBLOX_VENDOR_ID,
    }));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .map((name) => basename(name))
      .sort();
  } catch {
    return [];
  }
}

function realOf(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

function textIn(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim() || null;
  } catch {
    return null;
  }
}
