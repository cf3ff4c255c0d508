/** A server over a store in a folder of its own, with a run in it. */
import type { FastifyBaseLogger, FastifyInstance } from "fastify";
import { onTestFinished } from "vitest";
import { RunRecorder } from "../../src/http/run-recorder.js";
import { buildServer } from "../../src/http/server.js";
import type { Store } from "../../src/store/store.js";
import { temporaryStore } from "../store/folder.js";

export interface Setup {
  readonly store: Store;
  readonly recorder: RunRecorder;
  readonly app: FastifyInstance;
}

export const recorderOptions = {
  mode: "replay",
  source: "a.ubx",
  timeAssurance: "capture",
  softwareVersion: "0.1.0",
  now: () => Date.UTC(2026, 0, 2),
} as const;

export function setup(options: { logger?: FastifyBaseLogger } = {}): Setup {
  const store = temporaryStore();
  const recorder = new RunRecorder(store, recorderOptions);
  const app = buildServer({ store, status: () => recorder.status(), version: "0.1.0", ...options });
  onTestFinished(() => app.close());
  return { store, recorder, app };
}

/** The answer to a GET, its body parsed. */
export async function get(
  app: FastifyInstance,
  url: string,
): Promise<{ status: number; type: string; body: Body }> {
  const response = await app.inject({ method: "GET", url });
  return {
    status: response.statusCode,
    type: String(response.headers["content-type"]),
    body: response.json<Body>(),
  };
}

/** What the tests look at in a body. */
export interface Body {
  readonly [member: string]: unknown;
  readonly items: readonly Readonly<Record<string, unknown>>[];
  readonly nextCursor: string | null;
  readonly detail: string;
  readonly code: string;
}
