/**
 * What counts as this machine. Without tokens the server neither listens elsewhere, nor answers to a name that a
 * foreign web page made point here (DNS rebinding).
 */
import { isIP, isIPv4 } from "node:net";

const isLoopbackIPv4 = (text: string): boolean => isIPv4(text) && text.startsWith("127.");

/** The address to bind for a host that was asked for, or null where it is not loopback. */
export function loopbackAddress(host: string): string | null {
  // Not left to the resolver: a hosts file may send the name anywhere.
  if (host.toLowerCase() === "localhost") return "127.0.0.1";
  if (host === "::1" || host === "[::1]") return "::1";
  return isLoopbackIPv4(host) ? host : null;
}

/** The address to bind for a host that may be another's to reach, or null where it is no address. */
export function anyAddress(host: string): string | null {
  const bare = /^\[(.*)\]$/.exec(host)?.[1] ?? host;
  return loopbackAddress(host) ?? (isIP(bare) === 0 ? null : bare);
}

/** Whether a Host header (RFC 9110 section 7.2) names this machine. */
export function isLoopbackHostHeader(header: string | undefined): boolean {
  const match = /^(\[[0-9A-Fa-f:]+\]|[0-9A-Za-z.-]+)(?::\d{1,5})?$/.exec(header ?? "");
  if (match === null) return false;
  const name = match[1].toLowerCase();
  return name === "localhost" || name === "[::1]" || isLoopbackIPv4(name);
}

/** Whether a peer's address, as a socket names it, is of this machine. */
export function isLoopbackPeer(address: string): boolean {
  return address === "::1" || isLoopbackIPv4(address.replace(/^::ffff:/, ""));
}
