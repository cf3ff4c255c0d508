/**
 * Checks of the shape of evidence objects: every member known, of its kind, within its bounds, and in its one
 * written form, so that a value has exactly one text. A check returns what is wrong and where, and never throws.
 */

/** Where in an object, as `words.2` or `proof.siblings.0`; empty for the object itself. */
export interface Fault {
  readonly field: string;
  readonly why: string;
}

export type Check = (value: unknown, field: string) => Fault | null;

const fault = (field: string, why: string): Fault => ({ field, why });
const inside = (field: string, member: string): string => (field === "" ? member : `${field}.${member}`);

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export const boolean: Check = (value, field) =>
  typeof value === "boolean" ? null : fault(field, "is neither true nor false");

export function integer(min: number, max: number): Check {
  return (value, field) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
      ? null
      : fault(field, `is no integer from ${min} to ${max}`);
}

/** Lower-case hexadecimal of whole bytes. */
export function hex(minBytes: number, maxBytes = minBytes): Check {
  return (value, field) => {
    const ok =
      typeof value === "string" &&
      value.length % 2 === 0 &&
      value.length >= 2 * minBytes &&
      value.length <= 2 * maxBytes &&
      /^[0-9a-f]*$/.test(value);
    const size = minBytes === maxBytes ? `${minBytes}` : `${minBytes} to ${maxBytes}`;
    return ok ? null : fault(field, `is not ${size} bytes in lower-case hexadecimal`);
  };
}

/** Name of an object: its SHA-256. */
export const id: Check = hex(32);

/** A number as the text that JavaScript writes for it: the shortest that reads back as the same double. */
export function decimal(min: number, max: number): Check {
  return (value, field) => {
    const number = typeof value === "string" && value.length <= 32 ? Number(value) : Number.NaN;
    // Written so that NaN fails.
    return number >= min && number <= max && String(number) === value
      ? null
      : fault(field, `is no decimal from ${min} to ${max} in its shortest form`);
  };
}

export function oneOf(...choices: readonly (string | null)[]): Check {
  return (value, field) =>
    choices.includes(value as string | null)
      ? null
      : fault(field, `is none of ${choices.map((choice) => JSON.stringify(choice)).join(", ")}`);
}

export function nullable(check: Check): Check {
  return (value, field) => (value === null ? null : check(value, field));
}

export function list(of: Check, min: number, max: number): Check {
  return (value, field) => {
    if (!Array.isArray(value) || value.length < min || value.length > max) {
      return fault(field, `is no list of ${min === max ? min : `${min} to ${max}`}`);
    }
    for (let i = 0; i < value.length; i++) {
      const found = of(value[i], inside(field, String(i)));
      if (found !== null) return found;
    }
    return null;
  };
}

/** Exactly these members. */
export function members(checks: Readonly<Record<string, Check>>): Check {
  return (value, field) => {
    if (!isObject(value)) return fault(field, "is no object");
    for (const name of Object.keys(value)) {
      // A foreign name may be anything: it is quoted, and cut.
      if (!Object.hasOwn(checks, name))
        return fault(field, `has a member ${JSON.stringify(name.slice(0, 40))}, which is unknown`);
    }
    for (const [name, check] of Object.entries(checks)) {
      if (!Object.hasOwn(value, name)) return fault(inside(field, name), "is missing");
      const found = check(value[name], inside(field, name));
      if (found !== null) return found;
    }
    return null;
  };
}

/** Any JSON of integers, texts, booleans, lists and objects: a record whose schema is elsewhere. */
export function plainJson(maxDepth: number, maxText: number, maxValues: number): Check {
  let values = 0;
  const at =
    (depth: number): Check =>
    (value, field) => {
      if (++values > maxValues) return fault(field, `is one of more than ${maxValues} values`);
      if (value === null || typeof value === "boolean") return null;
      if (typeof value === "number")
        return Number.isSafeInteger(value) && !Object.is(value, -0) ? null : fault(field, "is no integer");
      if (typeof value === "string")
        return value.length <= maxText ? null : fault(field, `is longer than ${maxText} characters`);
      if (depth === maxDepth) return fault(field, `is nested deeper than ${maxDepth}`);
      const check = at(depth + 1);
      for (const [name, member] of Object.entries(value as object)) {
        const found = check(member, inside(field, name.slice(0, 40)));
        if (found !== null) return found;
      }
      return null;
    };
  return (value, field) => {
    values = 0;
    return at(0)(value, field);
  };
}
