/**
 * JSON with sorted members and no spaces, so that equal values have equal text and may be hashed. Numbers as
 * JSON.stringify writes them (as RFC 8785, but for the order of members: by UTF-16 code units, as there).
 */

import { shapeOf } from "./shapes.js";

/** Deeper than any state or evidence; bounds the recursion over hostile input. */
const MAX_NESTING = 64;

/** Throws TypeError for what JSON would drop or change, RangeError for what is nested deeper than 64. */
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
  if (Array.isArray(value)) {
    let text = "";
    for (const item of value) text += (text === "" ? "[" : ",") + canonical(item, depth + 1);
    return text === "" ? "[]" : `${text}]`;
  }
  if (isPlainObject(value)) {
    const { names, heads } = shapeOf(Object.keys(value));
    let text = "";
    for (let i = 0; i < names.length; i++)
      text += (text === "" ? "{" : ",") + heads[i] + canonical(value[names[i]], depth + 1);
    return text === "" ? "{}" : `${text}}`;
  }
  throw new TypeError(`JSON cannot carry ${typeof value === "object" ? "this object" : typeof value}`);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
