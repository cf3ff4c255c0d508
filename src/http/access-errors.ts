/**
 * Refusals that only a server knows, in the form of the table in src/errors.ts and to be read as a part of it:
 * a code is never reused or renamed.
 */
export const ACCESS_ERRORS = {
  OSN_UNAUTHORIZED: {
    exit: 1,
    http: 401,
    cause: "The request carries no bearer token, or one that this server does not take.",
    remedy:
      "Send `Authorization: Bearer <token>` with a token of `osnmad token create` that was not revoked.",
  },
  OSN_FORBIDDEN: {
    exit: 1,
    http: 403,
    cause: "The token does not open this resource.",
    remedy: "Create a token with the scope that is named, and use that.",
  },
  OSN_RATE_LIMITED: {
    exit: 1,
    http: 429,
    cause: "The client asks more than its share.",
    remedy: "Wait as long as Retry-After says; read the stream instead of polling, or raise --rate-limit.",
  },
  OSN_NOT_ACCEPTABLE: {
    exit: 1,
    http: 406,
    cause: "The resource does not exist in a form that the request accepts.",
    remedy: "Accept application/json, or what /openapi.json names for this resource.",
  },
} as const;
