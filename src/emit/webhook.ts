/**
 * Pushes batches by HTTP POST: a CBOR sequence (RFC 8742) of envelopes, each of which is signed. 2xx takes the batch for
 * good; anything else leaves it to be sent again. Edge.
 */
import { request as httpRequest, type ClientRequest, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { OsnmadError } from "../errors.js";
import type { Transport } from "./delivery.js";
import type { OutboxMessage } from "./outbox.js";
import type { Purpose } from "./statement.js";

export const SEQUENCE_TYPE = "application/cbor-seq";
const TIMEOUT_MS = 20_000;

export interface WebhookOptions {
  /** `https://`, `http://`, or `unix:<path of the socket>` with an optional `:<path of the request>`. */
  readonly url: string;
  readonly purpose: Purpose;
  /** Sent as bearer token. */
  readonly token?: string | undefined;
  readonly timeoutMs?: number;
}

type Target = Pick<RequestOptions, "socketPath" | "hostname" | "port" | "path"> & {
  readonly secure: boolean;
};

/**
 * Throws OSN_USAGE where the address is none, or does not fit what is sent: places go over a Unix socket, over
 * loopback, or over TLS with a token.
 */
export function webhook({ url, purpose, token, timeoutMs = TIMEOUT_MS }: WebhookOptions): Transport {
  const target = targetOf(url);
  if (target === null) throw new OsnmadError("OSN_USAGE", `"${url}" is no address to push to.`);
  if (purpose === "prover" && !isPrivate(target, token)) {
    throw new OsnmadError(
      "OSN_USAGE",
      `${url} would get coordinates: a prover is a Unix socket, on loopback, or https with a token.`,
    );
  }
  const send = (batch: readonly OutboxMessage[], signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const body = Buffer.concat(batch.map(({ envelope }) => envelope));
      const { secure, ...address } = target;
      const make: (options: RequestOptions) => ClientRequest = secure ? httpsRequest : httpRequest;
      const request = make({
        ...address,
        method: "POST",
        signal,
        headers: {
          "content-type": SEQUENCE_TYPE,
          "content-length": body.length,
          "osnmad-purpose": purpose,
          "osnmad-first": batch[0].seq,
          "osnmad-last": batch[batch.length - 1].seq,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
      });
      // One limit over all of it: a limit of silence is never reached by who sends a byte now and then.
      const late = setTimeout(() => request.destroy(new Error("no answer in time")), timeoutMs);
      request.on("error", reject);
      request.on("close", () => {
        clearTimeout(late);
        reject(new Error("the connection ended without an answer"));
      });
      request.on("response", (response) => {
        const { statusCode = 0 } = response;
        // The status says all; whatever body there is may never end.
        response.on("error", () => undefined);
        response.destroy();
        if (statusCode >= 200 && statusCode < 300) resolve();
        else reject(new Error(`HTTP status ${statusCode}`));
      });
      request.end(body);
    });
  return { send, close: () => Promise.resolve() };
}

function targetOf(url: string): Target | null {
  const unix = /^unix:(\/[^:]+)(?::(\/.*))?$/.exec(url);
  if (unix !== null)
    return { secure: false, socketPath: unix[1], path: (unix[2] as string | undefined) ?? "/" };
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    return null;
  }
  const { protocol, hostname, port, pathname, search } = parsed;
  if (protocol !== "https:" && protocol !== "http:") return null;
  return {
    secure: protocol === "https:",
    hostname: hostname.replace(/^\[|\]$/g, ""),
    ...(port === "" ? {} : { port }),
    path: pathname + search,
  };
}

function isPrivate({ socketPath, hostname, secure }: Target, token: string | undefined): boolean {
  if (socketPath !== undefined) return true;
  if (/^(?:127(?:\.\d{1,3}){3}|::1)$/.test(hostname ?? "")) return true;
  return secure && token !== undefined && token !== "";
}
