/**
 * Requests that a browser sends for a page of another site. No such page could read an answer, but it could have
 * something done. Sec-Fetch-Site (W3C Fetch Metadata) says it where the browser sends that, else Origin (RFC 6454).
 */
import type { IncomingHttpHeaders } from "node:http";

export function isCrossOrigin(method: string, headers: IncomingHttpHeaders): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined) {
    if (site === "same-origin" || site === "none") return false;
    // A link that leads here shows a page, and does nothing.
    const isLink = headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
    return !(isLink && (method === "GET" || method === "HEAD"));
  }
  const { origin, host } = headers;
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host;
}
