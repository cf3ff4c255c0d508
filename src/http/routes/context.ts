/** What the routes are given. */
import type { Store } from "../../store/store.js";
import type { Representations } from "../representation.js";
import type { StatusRecord } from "../schemas.js";

export interface RouteContext {
  readonly store: Store;
  readonly status: () => StatusRecord;
  readonly representations: Representations;
  /** Why the process takes nothing for reasons of its own (it ends), null while it does. */
  readonly notReady: () => string | null;
  readonly tokensRequired: boolean;
  readonly stream: StreamLimits;
}

export interface StreamLimits {
  readonly keepAliveMs: number;
  readonly stalledMs: number;
  readonly maxClients: number;
}
