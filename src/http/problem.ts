/**
 * Problem details (RFC 9457) out of the error table of src/errors.ts: the code makes type and title, the
 * message the detail.
 */
import type { FastifyReply } from "fastify";
import type { ErrorCode } from "../errors.js";
import { ERRORS } from "../errors.js";

export const PROBLEM_TYPE = "application/problem+json";

export type ProblemCode = ErrorCode;
const TABLE = ERRORS;

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ProblemCode;
  readonly remedy: string;
  readonly [extension: string]: unknown;
}

/** `status` where HTTP has a more telling one than the table. */
export function problemOf(
  code: ProblemCode,
  detail: string,
  options: { readonly status?: number; readonly extensions?: Readonly<Record<string, unknown>> } = {},
): Problem {
  const { cause, http, remedy } = TABLE[code];
  const status = options.status ?? http;
  return {
    ...options.extensions,
    type: `urn:osnmad:error:${code}`,
    title: cause,
    status,
    detail,
    code,
    // The table's is for those who typed a command.
    remedy:
      code === "OSN_USAGE" ? "See /openapi.json for what this server takes; nothing was changed." : remedy,
  };
}

/** Thrown by a route that answers with more than code and message. */
export class ProblemError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail);
    this.name = "ProblemError";
    this.problem = problem;
  }
}

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  // As bytes: to a string fastify would add a charset parameter, which JSON types do not have (RFC 8259).
  return reply
    .code(problem.status)
    .type(PROBLEM_TYPE)
    .send(Buffer.from(JSON.stringify(problem)));
}
