/** From what a user names (`auto`, a device, tcp://host:port, a file, `-`) to an open link. */
import { statSync } from "node:fs";
import type { ByteLink } from "./byte-link.js";
import type { SerialOptions } from "./serial.js";

export type LinkKind = "serial" | "tcp" | "capture";

/** What kind of source `port` names; a path that is there and is no character device is a capture. */
export function linkKind(port: string): LinkKind {
  if (port.startsWith("tcp://")) return "tcp";
  if (port === "-") return "capture";
  try {
    return statSync(port).isCharacterDevice() ? "serial" : "capture";
  } catch {
    // Not there (yet): a device to wait for, unless it looks like a file.
    return /\.(ubx|bin|raw|cap)$/i.test(port) ? "capture" : "serial";
  }
}

/** Opens what `port` names; `auto` is the one u-blox receiver on USB. Throws what the sources throw. */
export async function openLink(port: string, options: SerialOptions = {}): Promise<ByteLink> {
  if (port === "auto") {
    const { findPorts, theReceiver } = await import("./serial-discovery.js");
    return openLink(theReceiver(await findPorts()).path, options);
  }
  switch (linkKind(port)) {
    case "tcp": {
      const { openTcp, tcpAddress } = await import("./tcp.js");
      return openTcp(tcpAddress(port));
    }
    case "capture": {
      const { openCaptureLink } = await import("./capture-link.js");
      return openCaptureLink(port);
    }
    case "serial": {
      const { openSerial } = await import("./serial.js");
      return openSerial(port, options);
    }
  }
}
