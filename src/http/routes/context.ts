/** What the routes are given. */
import type { Store } from "../../store/store.js";
import type { StatusRecord } from "../schemas.js";

export interface RouteContext {
  readonly store: Store;
  readonly status: () => StatusRecord;
}
