/**
 * Paging through rows that keep arriving. A list is walked from the newest arrival to the oldest and a cursor
 * is the last row that was given, so rows that arrive in between stand before every cursor: none of the rows
 * that were there at the first page is skipped or repeated. Arrival and not GST is the order: a signal whose
 * time was pulled into the future must not cover what came after it.
 */

export const MAX_PAGE = 1000;

export interface Page<Item> {
  /** Newest arrival first. */
  readonly items: readonly Item[];
  /** The id to pass as `beforeId` for the next page; null when there is none. */
  readonly nextBeforeId: number | null;
}

export interface PageOptions {
  /** 1 to MAX_PAGE. */
  readonly limit: number;
  /** Only rows that arrived before this one. */
  readonly beforeId?: number | undefined;
}

export function assertPageOptions(options: PageOptions): void {
  if (!Number.isInteger(options.limit)) throw new TypeError("limit: expected an integer");
  if (options.limit < 1 || options.limit > MAX_PAGE) throw new RangeError(`limit: 1 to ${MAX_PAGE}`);
  if (options.beforeId !== undefined && !Number.isSafeInteger(options.beforeId)) {
    throw new TypeError("beforeId: expected an integer");
  }
}

/** Makes a page of rows that were asked for with one more than `limit`, which tells whether there is a next. */
export function pageOfRows<Row extends { readonly id: number }, Item>(
  rows: readonly Row[],
  limit: number,
  item: (row: Row) => Item,
): Page<Item> {
  const given = rows.slice(0, limit);
  return { items: given.map(item), nextBeforeId: rows.length > limit ? given[limit - 1].id : null };
}
