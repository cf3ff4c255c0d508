/**
 * Who may read what: bearer tokens (RFC 6750) with scopes, asked for beyond loopback and wherever the server
 * is told to. A token that is sent is judged even where none is asked for: a wrong one is a mistake to be told.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { OsnmadError } from "../errors.js";
import type { Scope, Token } from "../store/token-file.js";
import { matchToken } from "../store/token-file.js";
import type { Problem } from "./problem.js";
import { problemOf } from "./problem.js";

declare module "fastify" {
  interface FastifyContextConfig {
    /** What a token must open; a route without it is open to all, and tells nothing of the store. */
    readonly scope?: Scope;
  }
  interface FastifyRequest {
    /** The token that was sent and taken; null without one. */
    token: Token | null;
  }
}

export interface AccessOptions {
  readonly required: boolean;
  /** The tokens in force at this moment. */
  readonly tokens: () => readonly Token[];
}

const CHALLENGE = 'Bearer realm="osnmad"';
const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i;

export function opens(token: Token, scope: Scope): boolean {
  return token.scopes.includes(scope) || token.scopes.includes("admin");
}

/** Judges a request: null where it may go on, else the refusal. Sets `request.token`. */
export function refusal(
  request: FastifyRequest,
  reply: FastifyReply,
  { required, tokens }: AccessOptions,
): Problem | null {
  const scope = request.routeOptions.config.scope;
  const header = request.headers.authorization;
  if (header === undefined) {
    if (!required || scope === undefined) return null;
    reply.header("www-authenticate", CHALLENGE);
    return problemOf("OSN_UNAUTHORIZED", "This server asks for a token.");
  }
  const secret = BEARER.exec(header)?.[1] ?? "";
  const token = matchToken(inForce(request, tokens), secret);
  if (token === null) {
    reply.header("www-authenticate", `${CHALLENGE}, error="invalid_token"`);
    return problemOf("OSN_UNAUTHORIZED", "The token is not one that this server takes.");
  }
  request.token = token;
  if (scope === undefined || opens(token, scope)) return null;
  reply.header("www-authenticate", `${CHALLENGE}, error="insufficient_scope", scope="${scope}"`);
  return problemOf("OSN_FORBIDDEN", `Token ${token.id} does not open ${scope}.`);
}

/** A file of tokens that cannot be read lets nobody in. */
function inForce(request: FastifyRequest, tokens: () => readonly Token[]): readonly Token[] {
  try {
    return tokens();
  } catch (error) {
    if (!(error instanceof OsnmadError)) throw error;
    request.log.error({ err: error }, "the tokens cannot be read");
    return [];
  }
}
