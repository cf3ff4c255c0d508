/**
 * The bearer tokens (RFC 6750) that the server takes, as a file of the data folder. Of a token only the SHA-256
 * is kept: 256 random bits need no slow hash. The file is replaced as a whole, so a reader sees the old or the
 * new one.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { OsnmadError } from "../errors.js";
import { asStoreError } from "./faults.js";

export const TOKEN_FILE = "tokens.json";
/** `admin` may do all that the others may. */
export const SCOPES = ["read:status", "read:fixes", "read:federation", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

export interface Token {
  /** Names it in lists and logs; says nothing about its secret. */
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Of the whole text that the client sends, hexadecimal. */
  readonly sha256: string;
  /** RFC 3339. */
  readonly createdAt: string;
}

const FORMAT = "osnmad-tokens-1";
const SECRET_BYTES = 32;
const ID_BYTES = 4;
const MAX_TOKENS = 1000;
const MAX_NAME = 60;
const TOKEN_TEXT = /^osn_[A-Za-z0-9_-]{43}$/;

export function isScope(text: string): text is Scope {
  return (SCOPES as readonly string[]).includes(text);
}

/** The tokens of a data folder; none where there is no file. Throws OSN_STATE_CORRUPT, OSN_STATE_UNWRITABLE. */
export function readTokens(directory: string): readonly Token[] {
  const path = join(directory, TOKEN_FILE);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw asStoreError(error, path);
  }
  const tokens = parseTokens(text);
  if (tokens === null) throw new OsnmadError("OSN_STATE_CORRUPT", `${path} is no list of tokens.`);
  return tokens;
}

/** Adds a token and returns it with its secret, which is not kept. Throws as readTokens, and for a name in use. */
export function createToken(
  directory: string,
  name: string,
  scopes: readonly Scope[],
  now: Date,
): { readonly token: Token; readonly secret: string } {
  // Control characters would end up on a terminal.
  if (name === "" || name.length > MAX_NAME || /[\u0000-\u001f\u007f-\u009f]/.test(name)) {
    throw new OsnmadError("OSN_USAGE", `A token's name has 1 to ${MAX_NAME} characters, none of control.`);
  }
  if (scopes.length === 0) throw new OsnmadError("OSN_USAGE", "A token needs at least one scope.");
  const tokens = readTokens(directory);
  if (tokens.some((token) => token.name === name)) {
    throw new OsnmadError("OSN_USAGE", `There is a token "${name}" already; revoke it first.`);
  }
  if (tokens.length >= MAX_TOKENS)
    throw new OsnmadError("OSN_USAGE", `There are ${MAX_TOKENS} tokens already.`);
  const secret = `osn_${randomBytes(SECRET_BYTES).toString("base64url")}`;
  const token: Token = {
    id: randomBytes(ID_BYTES).toString("hex"),
    name,
    scopes: SCOPES.filter((scope) => scopes.includes(scope)),
    sha256: hashOf(secret).toString("hex"),
    createdAt: now.toISOString(),
  };
  writeTokens(directory, [...tokens, token]);
  return { token, secret };
}

/** Removes the token of this id or name; null where there is none. Throws as readTokens. */
export function revokeToken(directory: string, idOrName: string): Token | null {
  const tokens = readTokens(directory);
  // An id comes first: a token may be named like another's id.
  const found =
    tokens.find(({ id }) => id === idOrName) ?? tokens.find(({ name }) => name === idOrName) ?? null;
  if (found !== null) {
    writeTokens(
      directory,
      tokens.filter((token) => token !== found),
    );
  }
  return found;
}

/** The token that `secret` is the text of, null where it is none. Takes as long whichever it is. */
export function matchToken(tokens: readonly Token[], secret: string): Token | null {
  if (!TOKEN_TEXT.test(secret)) return null;
  const hash = hashOf(secret);
  let found: Token | null = null;
  for (const token of tokens) {
    if (timingSafeEqual(Buffer.from(token.sha256, "hex"), hash)) found = token;
  }
  return found;
}

/** The tokens as a server needs them: read again when the file changes, looked at no more than once a second. */
export class TokenWatch {
  readonly #directory: string;
  readonly #now: () => number;
  #tokens: readonly Token[] = [];
  #stamp = "";
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** `now` gives milliseconds of any clock that only goes forward. */
  constructor(directory: string, now: () => number = () => performance.now()) {
    this.#directory = directory;
    this.#now = now;
  }

  /** Throws OSN_STATE_CORRUPT for a file that cannot be read: then nobody is let in. */
  tokens(): readonly Token[] {
    const now = this.#now();
    if (now - this.#lookedAt < TokenWatch.lookAgainMs) return this.#tokens;
    const stamp = stampOf(join(this.#directory, TOKEN_FILE));
    if (stamp !== this.#stamp) {
      this.#tokens = readTokens(this.#directory);
      this.#stamp = stamp;
    }
    this.#lookedAt = now;
    return this.#tokens;
  }

  static readonly lookAgainMs = 1000;
}

function stampOf(path: string): string {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? "none" : `${found.ino}.${found.mtimeNs}.${found.size}`;
}

function hashOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

function parseTokens(text: string): readonly Token[] | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const file = value as { readonly format?: unknown; readonly tokens?: unknown } | null;
  if (typeof file !== "object" || file === null || file.format !== FORMAT) return null;
  if (!Array.isArray(file.tokens) || file.tokens.length > MAX_TOKENS) return null;
  return file.tokens.every(isToken) ? file.tokens : null;
}

function isToken(value: unknown): value is Token {
  if (typeof value !== "object" || value === null) return false;
  const { id, name, scopes, sha256, createdAt } = value as Record<string, unknown>;
  return (
    [id, name, createdAt].every((text) => typeof text === "string") &&
    typeof sha256 === "string" &&
    /^[0-9a-f]{64}$/.test(sha256) &&
    Array.isArray(scopes) &&
    scopes.every((scope) => typeof scope === "string" && isScope(scope))
  );
}

function writeTokens(directory: string, tokens: readonly Token[]): void {
  const path = join(directory, TOKEN_FILE);
  const part = `${path}.${process.pid}.part`;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const descriptor = openSync(part, "w", 0o600);
    try {
      writeSync(descriptor, `${JSON.stringify({ format: FORMAT, tokens }, null, 2)}\n`);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw asStoreError(error, path);
  }
}
