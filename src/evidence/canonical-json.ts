/**
 * JSON with sorted members and no spaces, so that equal values have equal text and may be hashed. Numbers as
 * JSON.stringify writes them (as RFC 8785, but for the order of members: by UTF-16 code units, as there).
 */

/** Deeper than any state or evidence; bounds the recursion over hostile input. */
const MAX_NESTING = 64;

/** @throws TypeError for what JSON would drop or change, RangeError for what is nested deeper than 64 */
export function canonicalJson(value: unknown): string {
  return canonical(value, 0);
}

function canonical(value: unknown, depth: number): string {
  if (depth > MAX_NESTING) throw new RangeError(`nested deeper than ${MAX_NESTING}`);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError("JSON cannot carry a number that is not finite");
    return String(value);
  }
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  let text = "";
  if (Array.isArray(value)) {
    for (const item of value) text += `${text === "" ? "" : ","}${canonical(item, depth + 1)}`;
    return `[${text}]`;
  }
  if (isPlainObject(value)) {
    for (const key of Object.keys(value).sort()) {
      text += `${text === "" ? "" : ","}${quoted(key)}${canonical(value[key], depth + 1)}`;
    }
    return `{${text}}`;
  }
  throw new TypeError(`JSON cannot carry ${typeof value === "object" ? "this object" : typeof value}`);
}

/** Names of members as they are written, colon included: records have few of them, and many times. */
const names = new Map<string, string>();
const MAX_NAMES = 1024;

function quoted(key: string): string {
  const known = names.get(key);
  if (known !== undefined) return known;
  const text = `${JSON.stringify(key)}:`;
  if (names.size < MAX_NAMES && key.length <= 64) names.set(key, text);
  return text;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
