/** The opaque cursor of a list: which list, which run, and the row that was given last. */

export interface Cursor {
  readonly run: number;
  readonly beforeId: number;
}

export function encodeCursor(list: string, cursor: Cursor): string {
  return Buffer.from(`${list}.${cursor.run}.${cursor.beforeId}`).toString("base64url");
}

/** Null for what encodeCursor did not make for this list. */
export function decodeCursor(list: string, text: string): Cursor | null {
  const match = /^([a-z]+)\.(\d{1,15})\.(\d{1,15})$/.exec(Buffer.from(text, "base64url").toString("latin1"));
  if (match === null || match[1] !== list) return null;
  const cursor = { run: Number(match[2]), beforeId: Number(match[3]) };
  return encodeCursor(list, cursor) === text ? cursor : null;
}
