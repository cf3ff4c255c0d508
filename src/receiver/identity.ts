/** Who the receiver is: MON-VER and SEC-UNIQID (u-blox interface descriptions). Edge: asks the receiver. */
import type { ConfigKeyName, MessageOf } from "gnss-ubx";
import { OsnmadError } from "../errors.js";
import type { UbxClient } from "./ubx-client.js";

export interface ReceiverIdentity {
  /** The module's name (MOD), for example ZED-F9P; null where the firmware does not tell (M8 chips, some M9). */
  readonly module: string | null;
  /** FWVER, for example "HPG 1.51". */
  readonly firmware: string | null;
  /** PROTVER, for example "27.50". */
  readonly protocol: string | null;
  readonly swVersion: string;
  readonly hwVersion: string;
  /** Hexadecimal, 10 or 12 digits; null where the receiver does not tell. */
  readonly uniqueId: string | null;
}

/** Configuration by keys begins with this protocol version (ZED-F9P interface description, CFG-VALSET). */
const FIRST_PROTOCOL_WITH_KEYS = 27;
/** Printable, so that nothing a receiver sends can steer a terminal. */
const UNPRINTABLE = /[^\x20-\x7e]/g;

/** What MON-VER says. */
export function identityOf(version: MessageOf<"MON-VER">, uniqueId: string | null): ReceiverIdentity {
  const clean = (text: string): string => text.replace(UNPRINTABLE, "?").trim();
  const extension = version.extension.map(clean);
  const valueOf = (pattern: RegExp): string | null => {
    for (const text of extension) {
      const value = pattern.exec(text)?.[1];
      if (value !== undefined) return value;
    }
    return null;
  };
  return {
    module: valueOf(/^MOD=(\S+)$/),
    firmware: valueOf(/^FWVER=(.+)$/),
    // "PROTVER 14.00" in older firmwares.
    protocol: valueOf(/^PROTVER[= ](\d{1,3}\.\d{1,2})$/),
    swVersion: clean(version.swVersion),
    hwVersion: clean(version.hwVersion),
    uniqueId,
  };
}

/**
 * Asks who it is. Where nothing answers and `wake` is set, UBX output is switched on blindly first (RAM only): a
 * receiver that puts out NMEA alone hears, but cannot answer. Throws OSN_RECEIVER_SILENT, OSN_LINK_LOST.
 */
export async function identify(
  client: UbxClient,
  { wake = false, attempts = 3 }: { readonly wake?: boolean; readonly attempts?: number } = {},
): Promise<ReceiverIdentity> {
  let version: MessageOf<"MON-VER">;
  try {
    version = await client.poll("MON-VER", { attempts });
  } catch (error) {
    if (!wake || !(error instanceof OsnmadError) || error.code !== "OSN_RECEIVER_SILENT") throw error;
    // One per frame: the port that a model lacks makes it refuse the other as well.
    for (const key of ["CFG-USBOUTPROT-UBX", "CFG-UART1OUTPROT-UBX"] as const satisfies ConfigKeyName[]) {
      await client.sendSettings([{ key, value: true }], ["ram"]);
    }
    version = await client.poll("MON-VER", { attempts });
  }
  return identityOf(version, await uniqueIdOf(client));
}

/** SEC-UNIQID, or null where the firmware does not know the message: it does not answer then. */
async function uniqueIdOf(client: UbxClient): Promise<string | null> {
  try {
    const { uniqueId } = await client.poll("SEC-UNIQID", { attempts: 2 });
    return Buffer.from(uniqueId).toString("hex");
  } catch (error) {
    if (error instanceof OsnmadError && error.code === "OSN_RECEIVER_SILENT") return null;
    throw error;
  }
}

/** Whether it is configured by keys; false for generation 8 and earlier, and where the protocol is not told. */
export function hasConfigurationKeys({ protocol }: ReceiverIdentity): boolean {
  return protocol !== null && Number(protocol.split(".")[0]) >= FIRST_PROTOCOL_WITH_KEYS;
}

/** For people: "ZED-F9P, firmware HPG 1.51, protocol 27.50". */
export function describeReceiver(identity: ReceiverIdentity): string {
  return [
    identity.module ?? `u-blox receiver (${identity.swVersion})`,
    identity.firmware === null ? null : `firmware ${identity.firmware}`,
    identity.protocol === null ? null : `protocol ${identity.protocol}`,
  ]
    .filter((part) => part !== null)
    .join(", ");
}
