/** Which of its ports a receiver is reached by: output is switched on for each port apart. Edge: asks the receiver. */
import { OsnmadError } from "../errors.js";
import type { UbxClient } from "./ubx-client.js";

export const RECEIVER_PORTS = ["usb", "uart1"] as const;
export type ReceiverPort = (typeof RECEIVER_PORTS)[number];

/** Ports by MON-COMMS' portId, as F9 receivers of known cabling gave them. */
const PORT_OF_ID: Readonly<Record<number, ReceiverPort>> = { 0x0100: "uart1", 0x0300: "usb" };
/** Counts may lag behind. */
const LATER_MS = 1_100;

/**
 * The port by which this link reaches the receiver, or null where that cannot be told. MON-COMMS counts what each
 * port received, and asking for it makes one of the counts grow.
 */
export async function ownPort(client: UbxClient): Promise<ReceiverPort | null> {
  try {
    const before = await received(client);
    for (let attempt = 0; attempt < 2; attempt++) {
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, LATER_MS));
      const after = await received(client);
      const grown = [...after].filter(([id, bytes]) => bytes !== (before.get(id) ?? bytes)).map(([id]) => id);
      const named = grown.map((id) => PORT_OF_ID[id] as ReceiverPort | undefined);
      const known = named.filter((port) => port !== undefined);
      if (known.length === 1) return known[0];
    }
  } catch (error) {
    if (!(error instanceof OsnmadError) || error.code !== "OSN_RECEIVER_SILENT") throw error;
  }
  // Linux and macOS name a u-blox receiver's own USB so; a bridge in front of a UART has another name.
  if (/ttyACM|usbmodem|u-blox/.test(client.link.name)) return "usb";
  return null;
}

async function received(client: UbxClient): Promise<ReadonlyMap<number, number>> {
  const { ports } = await client.poll("MON-COMMS");
  return new Map(ports.map(({ portId, rxBytes }) => [portId, rxBytes]));
}
