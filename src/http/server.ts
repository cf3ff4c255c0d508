/**
 * The HTTP server: fastify with one plugin per resource. GETs change nothing; beyond this machine only with tokens; every
 * refusal is a problem document (RFC 9457).
 */
import type { FastifyBaseLogger, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { fastify, LogController } from "fastify";
import { STATUS_CODES } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { OsnmadError } from "../errors.js";
import type { Store } from "../store/store.js";
import type { Token } from "../store/token-file.js";
import { refusal } from "./access.js";
import { isCrossOrigin } from "./cross-origin.js";
import { Description } from "./description.js";
import { lateValidators } from "./late-validators.js";
import { anyAddress, isLoopbackHostHeader, isLoopbackPeer, loopbackAddress } from "./loopback.js";
import type { Problem } from "./problem.js";
import { PROBLEM_TYPE, ProblemError, problemOf, sendProblem } from "./problem.js";
import { RateLimit } from "./rate-limit.js";
import { Representations } from "./representation.js";
import { authenticatedRoutes } from "./routes/authenticated.js";
import { captureRoutes } from "./routes/captures.js";
import type { RouteContext, StreamLimits } from "./routes/context.js";
import { docsRoutes } from "./routes/docs.js";
import { eventRoutes } from "./routes/events.js";
import { fixRoutes } from "./routes/fixes.js";
import { healthRoutes } from "./routes/health.js";
import { osnmaRoutes } from "./routes/osnma.js";
import { satelliteRoutes } from "./routes/satellites.js";
import { statusRoutes } from "./routes/status.js";
import { streamRoutes } from "./routes/stream.js";
import type { StatusRecord } from "./schemas.js";
import { SHARED_SCHEMAS } from "./schemas.js";

export const DEFAULT_HOST = "127.0.0.1";
export const DEFAULT_PORT = 4747;

/** Nothing is uploaded, and no client may hold a socket without using it. */
const BODY_LIMIT_BYTES = 1024;
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;

export interface ServerOptions {
  readonly store: Store;
  readonly status: () => StatusRecord;
  readonly version: string;
  /** A pino logger; silent without. Requests are logged at debug, by route and never by address line. */
  readonly logger?: FastifyBaseLogger;
  /** Tokens are asked for on every route that has a scope; needed to listen beyond loopback. */
  readonly requireToken?: boolean;
  /** The tokens in force at this moment; none without. */
  readonly tokens?: () => readonly Token[];
  /** Requests a second of one client beyond loopback, and (where `limitLoopback`) on it; 0 for no limit. */
  readonly requestsPerSecond?: number;
  readonly limitLoopback?: boolean;
  /** Why the process takes nothing for reasons of its own (it ends), null while it does. */
  readonly notReady?: () => string | null;
  readonly stream?: Partial<StreamLimits>;
}

export const DEFAULT_REQUESTS_PER_SECOND = 50;
const DEFAULT_STREAM: StreamLimits = { keepAliveMs: 15_000, stalledMs: 30_000, maxClients: 100 };

const SECURITY_HEADERS = {
  "x-content-type-options": "nosniff",
  // Positions do not belong in a cache, and the rest is stale at once.
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
} as const;

export function buildServer(options: ServerOptions): FastifyInstance {
  const { store, status, version, logger } = options;
  const app: FastifyInstance = fastify({
    ...(logger === undefined ? { logger: false } : { loggerInstance: logger }),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: "idle",
    // An unknown parameter is refused, not dropped: a misspelt filter must not answer with everything.
    ajv: { customOptions: { removeAdditional: false, allErrors: false } },
    frameworkErrors: (error, _request, reply) => {
      reply.headers(SECURITY_HEADERS);
      sendProblem(reply as unknown as FastifyReply, problemOfError(error));
    },
    clientErrorHandler: refuseUnparsable,
    schemaController: {
      compilersFactory: {
        buildValidator: lateValidators,
        // The records are what the schemas say (a test holds them together), so they go out as they are.
        buildSerializer: () => () => (data) => JSON.stringify(data),
      },
    },
  });

  const methodsOf = new Map<string, Set<string>>();
  const description = new Description(version, SHARED_SCHEMAS);
  app.addHook("onRoute", (route) => {
    description.add(route);
    const { url, method } = route;
    const methods = methodsOf.get(url) ?? new Set();
    for (const name of [method].flat()) methods.add(name);
    methodsOf.set(url, methods);
  });
  const { requireToken = false, tokens = () => [], limitLoopback = false } = options;
  const access = { required: requireToken, tokens };
  const rate = new RateLimit({ perSecond: options.requestsPerSecond ?? DEFAULT_REQUESTS_PER_SECOND });
  app.decorateRequest("token", null);
  // Hooks with a callback: each promise would cost more than what they do.
  app.addHook("onRequest", (request, reply, next) => {
    reply.headers(SECURITY_HEADERS);
    const refuse = (problem: Problem): void => void sendProblem(reply, problem);
    // A page of a foreign name has no token, so with tokens the name does not matter.
    if (!requireToken && !isLoopbackHostHeader(request.headers.host)) {
      refuse(
        problemOf(
          "OSN_HOST_REFUSED",
          "The Host header does not name this machine (localhost, 127.0.0.1 or [::1]).",
          { status: 421 },
        ),
      );
      return;
    }
    if (isCrossOrigin(request.method, request.headers)) {
      refuse(problemOf("OSN_ORIGIN_REFUSED", "A page of another site sent this request."));
      return;
    }
    const peer = request.socket.remoteAddress ?? "";
    if (limitLoopback || !isLoopbackPeer(peer)) {
      const wait = rate.take(peer);
      if (wait > 0) {
        reply.header("retry-after", String(wait));
        refuse(problemOf("OSN_RATE_LIMITED", `Ask again in ${wait} s.`));
        return;
      }
    }
    // Here and not in the not-found handler, so that no body is read first.
    if (request.is404) {
      refuse(notFound(request, reply, methodsOf));
      return;
    }
    const refused = refusal(request, reply, access);
    if (refused !== null) refuse(refused);
    else next();
  });
  app.addHook("preValidation", (request, _reply, next) => {
    assertPlainNumbers(request);
    next();
  });
  if (logger !== undefined) {
    app.addHook("onResponse", (request, reply, next) => {
      // The level may be another one by now.
      if (logger.level === "debug" || logger.level === "trace") {
        request.log.debug(
          {
            method: request.method,
            route: request.routeOptions.url ?? "none",
            status: reply.statusCode,
            ms: Math.round(reply.elapsedTime),
          },
          "request",
        );
      }
      next();
    });
  }
  app.setErrorHandler((error: FastifyError | OsnmadError | Error, request, reply) => {
    const problem = problemOfError(error);
    if (problem.status >= 500)
      request.log.error({ err: error, route: request.routeOptions.url }, "request failed");
    return sendProblem(reply, problem);
  });

  for (const schema of SHARED_SCHEMAS) app.addSchema(schema);
  const context: RouteContext = {
    store,
    status,
    representations: new Representations(store),
    notReady: options.notReady ?? (() => null),
    tokensRequired: requireToken,
    stream: { ...DEFAULT_STREAM, ...options.stream },
  };
  app.register(healthRoutes, context);
  app.register(statusRoutes, context);
  app.register(satelliteRoutes, context);
  app.register(osnmaRoutes, context);
  app.register(fixRoutes, context);
  app.register(eventRoutes, context);
  app.register(authenticatedRoutes, context);
  app.register(captureRoutes, context);
  app.register(streamRoutes, context);
  app.register(docsRoutes, { description });
  return app;
}

/** The address to listen on. Throws OSN_LISTEN_REFUSED for a host that is not this machine, unless `remote`. */
export function addressOf(host: string, remote = false): string {
  if (typeof host !== "string") throw new TypeError("host: expected a string");
  const address = remote ? anyAddress(host) : loopbackAddress(host);
  if (address !== null) return address;
  throw new OsnmadError(
    "OSN_LISTEN_REFUSED",
    remote ? `${host} is not an IP address.` : `${host} is not a loopback address.`,
  );
}

/**
 * Listens and returns the base URL. Beyond loopback only with `remote`, for a server that was built with
 * `requireToken`. Throws OSN_LISTEN_REFUSED, or OSN_LISTEN_FAILED (port in use, no right).
 */
export async function listen(
  app: FastifyInstance,
  host: string,
  port: number,
  remote = false,
): Promise<string> {
  const address = addressOf(host, remote);
  if (!Number.isInteger(port)) throw new TypeError("port: expected an integer");
  if (port < 0 || port > 65535) throw new RangeError("port: 0 to 65535");
  try {
    await app.listen({ host: address, port });
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    throw new OsnmadError("OSN_LISTEN_FAILED", `${address} port ${port}: ${error.message}`, { cause: error });
  }
  const bound = app.server.address() as AddressInfo;
  return `http://${address.includes(":") ? `[${address}]` : address}:${bound.port}`;
}

function notFound(
  request: FastifyRequest,
  reply: FastifyReply,
  methodsOf: Map<string, Set<string>>,
): Problem {
  const [path] = request.url.split("?", 1);
  const methods = methodsOf.get(path);
  if (methods === undefined) return problemOf("OSN_NOT_FOUND", "There is nothing at this path.");
  const allow = [...methods].sort().join(", ");
  reply.header("allow", allow);
  return problemOf("OSN_METHOD_NOT_ALLOWED", `${request.method} is not possible here; ${allow} are.`, {
    status: 405,
  });
}

const NUMBER_FORMS: Readonly<Record<string, RegExp>> = {
  integer: /^-?\d{1,16}$/,
  number: /^-?\d{1,16}(\.\d{1,9})?$/,
};

/**
 * Numbers are written in decimal. The schema check alone would turn 1e999 into Infinity, which it then takes
 * for an integer of any bound, and would read 0x10 and " 1".
 */
function assertPlainNumbers(request: FastifyRequest): void {
  const schema = request.routeOptions.schema?.querystring as
    { readonly properties: Readonly<Record<string, { readonly type?: string } | undefined>> } | undefined;
  for (const [name, value] of Object.entries(request.query as Record<string, unknown>)) {
    const type = Object.hasOwn(schema?.properties ?? {}, name) ? schema?.properties[name]?.type : undefined;
    const form = NUMBER_FORMS[type ?? ""];
    if (form !== undefined && !(typeof value === "string" && form.test(value))) {
      throw new OsnmadError("OSN_USAGE", `${name}: must be one ${type}, written in decimal.`);
    }
  }
}

function problemOfError(error: FastifyError | OsnmadError | Error): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof OsnmadError) return problemOf(error.code, error.message);
  if ("validation" in error && error.validation !== undefined) {
    return problemOf("OSN_USAGE", validationDetail(error.validation[0]));
  }
  const status = "statusCode" in error ? error.statusCode : undefined;
  if (status !== undefined && status >= 400 && status < 500) {
    return problemOf("OSN_USAGE", error.message, { status });
  }
  // What went wrong inside is for the log, not for the client.
  return problemOf("OSN_INTERNAL", "The request failed inside; see the log.");
}

function validationDetail(fault: NonNullable<FastifyError["validation"]>[number]): string {
  const unknownName = fault.params["additionalProperty"];
  if (unknownName !== undefined) return `${String(unknownName)}: there is no such parameter.`;
  const allowed = fault.params["allowedValues"];
  const values = Array.isArray(allowed) ? `: ${allowed.join(", ")}` : "";
  return `${fault.instancePath.slice(1)}: ${fault.message ?? "not valid"}${values}.`;
}

/** Bytes that are no HTTP request get their answer before fastify sees them. */
function refuseUnparsable(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const statuses: Record<string, number> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 };
  const status = statuses[error.code ?? ""] ?? 400;
  const body = JSON.stringify(
    problemOf("OSN_USAGE", "This is not an HTTP request that can be read.", { status }),
  );
  const headers = Object.entries(SECURITY_HEADERS).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: ${PROBLEM_TYPE}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n${headers.join("")}\r\n${body}`,
  );
}
