/** The way to a NATS broker: its addresses, who one is there, and whose certificates are believed. Edge. */
import {
  connect,
  credsAuthenticator,
  nkeyAuthenticator,
  nkeys,
  type Authenticator,
  type ConnectionOptions,
  type NatsConnection,
  type TlsOptions,
} from "@nats-io/transport-node";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { OsnmadError, reasonOf } from "../errors.js";

const CONNECT_TIMEOUT_MS = 5000;
const DEFAULT_PORT = "4222";
const CERTIFICATE = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs;

export interface NatsOptions {
  /** `nats://` or `tls://`, of one cluster; with `user:password@` or `token@` where the broker asks for that. */
  readonly servers: string | readonly string[];
  /**
   * File with what opens the broker: a creds file of NATS (JWT and seed), the seed of an nkey, `user:password`, or a token.
   * It is read at each connection.
   */
  readonly credentialsFile?: string | undefined;
  /** Certificates (PEM) to believe instead of the system's. TLS is then demanded, as with `tls://`. */
  readonly caFile?: string | undefined;
}

/** Throws OSN_USAGE for addresses and files that cannot be used, without a word of what is in them. */
export function connectionOptions({ servers, credentialsFile, caFile }: NatsOptions): ConnectionOptions {
  const urls = [servers].flat().map(parseServer);
  const [{ username, password }] = urls;
  if (urls.some((url) => url.username !== username || url.password !== password)) {
    throw new OsnmadError("OSN_USAGE", "The servers of one NATS cluster take the same user.");
  }
  if (username !== "" && credentialsFile !== undefined) {
    throw new OsnmadError("OSN_USAGE", "Credentials for NATS are in the address or in a file, not in both.");
  }
  if (caFile !== undefined) assertCertificates(caFile);
  const isTls = caFile !== undefined || urls.some(({ protocol }) => protocol === "tls:");
  const port = (url: URL): string => (url.port === "" ? DEFAULT_PORT : url.port);
  return {
    servers: urls.map((url) => `${url.hostname}:${port(url)}`),
    timeout: CONNECT_TIMEOUT_MS,
    // Who uses it waits and tries again; a client that queues by itself would hide what is not delivered.
    reconnect: false,
    ...(isTls ? { tls: caFile === undefined ? {} : { caFile } } : {}),
    ...(username === "" ? {} : inAddress(username, password)),
    ...(credentialsFile === undefined ? {} : loginIn(credentialsFile)),
  };
}

/** Connects to one of the servers, in any order. Rejects with what the last of them was tried in vain for. */
export async function connectTo(given: NatsOptions): Promise<NatsConnection> {
  const { servers, ...options } = connectionOptions(given);
  let fault: unknown;
  for (const server of shuffled([servers ?? []].flat())) {
    try {
      return await connect({ ...options, servers: server, ...tlsTo(server, options.tls) });
    } catch (error) {
      fault = error;
    }
  }
  throw fault;
}

/**
 * The client leaves the name out where it takes the server for an address, and TLS then checks the certificate against
 * "localhost": of whoever has such a one, and never of the address. What an address is it reads in more ways than Node
 * (127.0.0.01), so that the host is always said; where there is a name, TLS goes by that.
 */
function tlsTo(server: string, tls: ConnectionOptions["tls"]): Pick<ConnectionOptions, "tls"> {
  if (tls == null) return {};
  const host = server.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  const named: TlsOptions & { readonly host: string } = { ...tls, host };
  return { tls: named };
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

type Login =
  | { readonly user: string; readonly pass: string }
  | { readonly token: string }
  | { readonly authenticator: Authenticator };

function parseServer(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !["nats:", "tls:"].includes(url.protocol) || url.hostname === "") {
    // The text may hold a password.
    throw new OsnmadError("OSN_USAGE", "A NATS server is nats://host:port or tls://host:port.");
  }
  return url;
}

function inAddress(username: string, password: string): Login {
  const user = decoded(username);
  return password === "" ? { token: user } : { user, pass: decoded(password) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // It is a secret, and so would be the cause.
    throw new OsnmadError(
      "OSN_USAGE",
      "In the address of a NATS server, % of user or password is written %25.",
    );
  }
}

/** What a file opens the broker with. Throws OSN_USAGE, without a word of what is in it. */
export function loginIn(path: string): Login {
  const text = readText(path);
  if (text.includes("BEGIN NATS USER JWT")) {
    const authenticator = credsAuthenticator(Buffer.from(text, "utf8"));
    try {
      // Read only when a broker asks, and so tried here.
      authenticator("nonce");
    } catch (cause) {
      throw new OsnmadError("OSN_USAGE", `${path} is no whole creds file of NATS.`, { cause });
    }
    return { authenticator };
  }
  const line = text.trim();
  if (/^SU[A-Z2-7]{56}$/.test(line)) {
    const seed = Buffer.from(line, "latin1");
    try {
      nkeys.fromSeed(seed);
    } catch (cause) {
      throw new OsnmadError("OSN_USAGE", `${path} is no seed of an nkey.`, { cause });
    }
    return { authenticator: nkeyAuthenticator(seed) };
  }
  if (line === "" || line.includes("\n")) {
    throw new OsnmadError(
      "OSN_USAGE",
      `${path} holds no credentials: a creds file, the seed of an nkey, user:password, or a token.`,
    );
  }
  const colon = line.indexOf(":");
  return colon < 0 ? { token: line } : { user: line.slice(0, colon), pass: line.slice(colon + 1) };
}

/** Throws OSN_USAGE where the file cannot be read or holds something else than certificates. */
export function assertCertificates(path: string): void {
  // TLS itself skips what it cannot read, and then believes in fewer than were meant.
  const blocks = readText(path).match(CERTIFICATE) ?? [];
  if (blocks.length === 0) throw new OsnmadError("OSN_USAGE", `${path} holds no certificate in PEM.`);
  blocks.forEach((block, at) => {
    try {
      new X509Certificate(block);
    } catch (cause) {
      throw new OsnmadError("OSN_USAGE", `${path}: its certificate ${at + 1} cannot be read.`, { cause });
    }
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new OsnmadError("OSN_USAGE", `${path} cannot be read: ${reasonOf(cause)}.`, { cause });
  }
}
