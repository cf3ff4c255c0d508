/** Finds a receiver on a UART whose rate is not known. Edge: asks the receiver, sets the link's rate. */
import { OsnmadError } from "../errors.js";
import type { ReceiverIdentity } from "./identity.js";
import { identify } from "./identity.js";
import type { UbxClient } from "./ubx-client.js";

export interface BaudScanOptions {
  /** Try other rates where nothing answers and the link can change its own. Default true. */
  readonly scan?: boolean;
  /** See `identify`. */
  readonly wake?: boolean;
  readonly rates?: readonly number[];
}

/**
 * Who the receiver is, at whatever rate it listens; the link stays at that rate. Throws OSN_RECEIVER_SILENT,
 * OSN_LINK_LOST.
 */
export async function identifyAtAnyRate(
  client: UbxClient,
  { scan = true, wake = false, rates: given }: BaudScanOptions = {},
): Promise<ReceiverIdentity> {
  const setBaudRate = client.link.setBaudRate?.bind(client.link);
  if (!scan || setBaudRate === undefined) return identify(client, { wake });
  try {
    return await identify(client, { attempts: 2 });
  } catch (error) {
    if (!isSilence(error)) throw error;
  }
  // The serial binding is loaded by whoever needs it.
  const rates = given ?? (await import("../source/serial.js")).BAUD_RATES;
  for (const rate of rates) {
    await setBaudRate(rate);
    try {
      return await identify(client, { attempts: 2 });
    } catch (error) {
      if (!isSilence(error)) throw error;
    }
  }
  if (wake) {
    for (const rate of rates) {
      await setBaudRate(rate);
      try {
        return await identify(client, { wake, attempts: 1 });
      } catch (error) {
        if (!isSilence(error)) throw error;
      }
    }
  }
  throw new OsnmadError(
    "OSN_RECEIVER_SILENT",
    `${client.link.name}: no answer to MON-VER at ${rates.join(", ")} baud.`,
  );
}

function isSilence(error: unknown): boolean {
  return error instanceof OsnmadError && error.code === "OSN_RECEIVER_SILENT";
}
