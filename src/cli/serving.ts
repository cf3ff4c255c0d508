/** What `serve` and `run` share: the HTTP server with its rules, and the first signal that ends both. */
import type { FastifyBaseLogger, FastifyInstance } from "fastify";
import { OsnmadError } from "../errors.js";
import { loopbackAddress } from "../http/loopback.js";
import type { StatusRecord } from "../http/schemas.js";
import type { Store } from "../store/store.js";
import type { TokenWatch } from "../store/token-file.js";

/** How long requests may take to end after a signal. */
export const DRAIN_MS = 5_000;

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly allowRemote: boolean;
  readonly requireToken: boolean;
  /** Requests a second of one client; undefined for 50, and no limit on loopback. */
  readonly rateLimit?: number | undefined;
}

export interface ApiOptions extends ListenOptions {
  readonly store: Store;
  readonly tokens: TokenWatch;
  readonly status: () => StatusRecord;
  readonly version: string;
  readonly logger: FastifyBaseLogger;
  readonly notReady: () => string | null;
  /** Routes of others, before the server listens. */
  readonly extend?: (app: FastifyInstance) => void;
}

export interface Api {
  readonly url: string;
  /** Ends the streams and the requests that are on their way, then the server. */
  close(): Promise<void>;
}

/**
 * Whether the address may be listened on, before anything is begun.
 * Throws OSN_LISTEN_REFUSED for one beyond loopback that was not allowed, or where tokens are needed and there is none.
 */
export async function assertMayListen(options: ListenOptions, tokens: TokenWatch): Promise<void> {
  const { addressOf } = await import("../http/server.js");
  addressOf(options.host, options.allowRemote);
  if (tokensNeeded(options) && tokens.tokens().length === 0) {
    const remote = loopbackAddress(options.host) === null;
    throw new OsnmadError(
      "OSN_LISTEN_REFUSED",
      `${remote ? `${options.host} is not a loopback address` : "Tokens are asked for"}, and there is no token; ` +
        "make one with osnmad token create.",
    );
  }
}

function tokensNeeded({ host, requireToken }: ListenOptions): boolean {
  return loopbackAddress(host) === null || requireToken;
}

/** Starts the server. Throws OSN_LISTEN_FAILED, OSN_LISTEN_REFUSED. */
export async function startApi(options: ApiOptions): Promise<Api> {
  const { buildServer, listen } = await import("../http/server.js");
  const { store, tokens, status, version, logger, notReady, rateLimit } = options;
  const app = buildServer({
    store,
    status,
    version,
    logger,
    requireToken: tokensNeeded(options),
    tokens: () => tokens.tokens(),
    limitLoopback: rateLimit !== undefined,
    ...(rateLimit === undefined ? {} : { requestsPerSecond: rateLimit }),
    notReady,
  });
  options.extend?.(app);
  const close = async (): Promise<void> => {
    // A client that does not read its answer would otherwise hold up the end.
    const cut = setTimeout(() => {
      app.server.closeAllConnections();
    }, DRAIN_MS);
    try {
      await app.close();
    } finally {
      clearTimeout(cut);
    }
  };
  try {
    return { url: await listen(app, options.host, options.port, options.allowRemote), close };
  } catch (error) {
    await close();
    throw error;
  }
}

export interface StopSignal {
  readonly signal: AbortSignal;
  readonly signalled: Promise<void>;
  readonly release: () => void;
}

/** Turns the first SIGINT or SIGTERM into an abort; a second one ends the process as usual. */
export function stopOnSignal(): StopSignal {
  const controller = new AbortController();
  let onSignal = (): void => undefined;
  const release = (): void => {
    process.removeListener("SIGINT", onSignal);
    process.removeListener("SIGTERM", onSignal);
  };
  const signalled = new Promise<void>((resolve) => {
    onSignal = () => {
      release();
      controller.abort();
      resolve();
    };
  });
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  return { signal: controller.signal, signalled, release };
}
