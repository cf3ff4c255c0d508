/**
 * `canonicalJson(encodeRecord(value))` in one pass: the text by which a fix record is hashed, for every fix. The same
 * in two steps took three times as long (docs/hot-paths.md). Nothing is cut off a text that was just put together:
 * that would copy it at every level.
 */

import { shapeOf } from "./shapes.js";

/** As canonicalJson; bounds the recursion. */
const MAX_NESTING = 64;
/**
 * @param without a member of `record` itself that is left out
 * @param known texts of objects that will not change any more: used where there is one, and not added to
 * @throws TypeError for what JSON would drop or change, RangeError for what is nested deeper than 64
 */
export function canonicalRecord(record: object, without?: string, known?: WeakMap<object, string>): string {
  return membersOf(record as Record<string, unknown>, 0, without, known);
}

function membersOf(
  value: Readonly<Record<string, unknown>>,
  depth: number,
  without: string | undefined,
  known: WeakMap<object, string> | undefined,
): string {
  const { names, heads } = shapeOf(Object.keys(value));
  let text = "";
  for (let i = 0; i < names.length; i++) {
    const member = value[names[i]];
    if (member === undefined || names[i] === without) continue;
    text += (text === "" ? "{" : ",") + heads[i] + textOf(member, depth + 1, known);
  }
  return text === "" ? "{}" : `${text}}`;
}

function textOf(value: unknown, depth: number, known: WeakMap<object, string> | undefined): string {
  if (typeof value === "number") {
    if (Number.isSafeInteger(value)) return String(value);
    if (!Number.isFinite(value)) throw new TypeError("a record cannot hold a number that is not finite");
    return `{"decimal":${JSON.stringify(String(value))}}`;
  }
  if (typeof value === "string") return JSON.stringify(value);
  if (value === null) return "null";
  if (typeof value === "boolean") return value ? "true" : "false";
  if (depth > MAX_NESTING) throw new RangeError(`nested deeper than ${MAX_NESTING}`);
  if (Array.isArray(value)) {
    let text = "";
    for (const item of value) text += (text === "" ? "[" : ",") + textOf(item, depth + 1, known);
    return text === "" ? "[]" : `${text}]`;
  }
  if (typeof value === "object") {
    const text = known?.get(value);
    if (text !== undefined) return text;
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null)
      return membersOf(value as Record<string, unknown>, depth, undefined, known);
  }
  throw new TypeError(`JSON cannot carry ${typeof value === "object" ? "this object" : typeof value}`);
}
