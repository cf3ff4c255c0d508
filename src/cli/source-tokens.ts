/** Which station's server gets which token: a file of secrets, keyed by the origin of the address. */
import { readFileSync, statSync } from "node:fs";
import { OsnmadError } from "../errors.js";
import { mayHaveToken } from "../emit/http-source.js";

const MAX_FILE_BYTES = 1 << 20;

/**
 * The token for each address, from one for the only address, or from a file. Throws OSN_USAGE for a file that others may
 * read, for tokens without an address, and for an address where a token would be sent as plain text.
 */
export function tokensFor(
  urls: readonly string[],
  token: string | undefined,
  file: string | undefined,
): (url: string) => string | undefined {
  if (token !== undefined && file !== undefined) throw refuse("--token and --tokens: one of them.");
  if (token !== undefined && urls.length !== 1) {
    throw refuse("--token is for one --from; give each of several its own in a file (--tokens).");
  }
  const byOrigin = file === undefined ? new Map<string, string>() : readTokens(file);
  const tokens = new Map<string, string>();
  const used = new Set<string>();
  for (const url of urls) {
    const origin = originOf(url);
    if (origin === null) throw refuse(`--from: "${url}" is no http or https address.`);
    const secret = token ?? byOrigin.get(origin);
    used.add(origin);
    if (secret === undefined) continue;
    if (!mayHaveToken(url)) throw refuse(`${origin} would get its token as plain text: https, or loopback.`);
    tokens.set(url, secret);
  }
  const spare = [...byOrigin.keys()].find((origin) => !used.has(origin));
  if (spare !== undefined) throw refuse(`${file ?? ""} has a token for ${spare}, which no --from names.`);
  return (url) => tokens.get(url);
}

function readTokens(file: string): Map<string, string> {
  let value: unknown;
  try {
    const { mode, size } = statSync(file);
    if (process.platform !== "win32" && (mode & 0o077) !== 0)
      throw refuse(`${file} may be read by others: chmod 600.`);
    if (size > MAX_FILE_BYTES) throw refuse(`${file} is no file of tokens.`);
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (error instanceof OsnmadError) throw error;
    throw refuse(`${file} cannot be read as JSON.`);
  }
  const tokens = new Map<string, string>();
  for (const [address, token] of typeof value === "object" && value !== null ? Object.entries(value) : []) {
    const origin = originOf(address);
    // The value itself stays out of the message: it may be the secret.
    if (origin === null || typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token))
      throw refuse(`${file}: an address and its token, not "${address}" with something else.`);
    tokens.set(origin, token);
  }
  if (tokens.size === 0) throw refuse(`${file} has no tokens: {"https://station.example": "..."}.`);
  return tokens;
}

function originOf(address: string): string | null {
  if (!URL.canParse(address)) return null;
  const { protocol, origin } = new URL(address);
  return protocol === "https:" || protocol === "http:" ? origin : null;
}

const refuse = (message: string): OsnmadError => new OsnmadError("OSN_USAGE", message);
