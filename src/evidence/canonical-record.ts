/**
 * `canonicalJson(encodeRecord(value))` in one pass: the text by which a fix record is hashed, for every fix. The
 * order of members is remembered by the names that an object has, since records are of a few shapes; the same in two
 * steps took three times as long (docs/hot-paths.md).
 */

/** As canonicalJson; bounds the recursion. */
const MAX_NESTING = 64;
/** Names of members, in order, with what goes before each; a fix has some 20 shapes. */
interface Shape {
  /** As they came. */
  readonly given: readonly string[];
  readonly names: readonly string[];
  readonly heads: readonly string[];
}
const MAX_SHAPES = 256;
const shapes = new Map<string, Shape>();

function shapeOf(given: readonly string[]): Shape {
  const key = given.join();
  const known = shapes.get(key);
  // Names may hold a comma themselves.
  if (known?.given.length === given.length && given.every((name, i) => name === known.given[i])) return known;
  const names = [...given].sort();
  const shape = { given, names, heads: names.map((name) => `,${JSON.stringify(name)}:`) };
  if (shapes.size >= MAX_SHAPES) shapes.clear();
  shapes.set(key, shape);
  return shape;
}

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
    text += heads[i] + textOf(member, depth + 1, known);
  }
  return `{${text.slice(1)}}`;
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
    for (const item of value) text += `,${textOf(item, depth + 1, known)}`;
    return `[${text.slice(1)}]`;
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
