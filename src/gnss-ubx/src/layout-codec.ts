/**
 * Reads and writes payloads after the rows of layout.ts. Reading never throws, whatever the bytes; writing
 * checks every value and throws TypeError (wrong kind) or RangeError (does not fit).
 */
import type { BitRows, ConfigItem, FieldRow, GroupRow, MessageRow, ScalarType } from "./layout.js";

type Row = FieldRow | GroupRow;
/** Values by field name; the static types are in layout.ts. */
export type Fields = Record<string, unknown>;

interface NamedBits {
  readonly name: string;
  readonly firstBit: number;
  readonly width: number;
  readonly isFlag: boolean;
}

interface CompiledBits {
  readonly named: readonly NamedBits[];
  /** Mask of the bits without a name. */
  readonly restMask: number;
}

/** A row with everything worked out that does not depend on the payload. */
interface Step {
  readonly name: string;
  readonly kind: ScalarType | "B" | "C" | "KV" | "group";
  /** Bytes of one item; 0 if only the payload tells ("C" to the end, "KV"). */
  readonly size: number;
  readonly bits: CompiledBits | null;
  readonly fields: readonly Step[];
  /** null: one value; a number: that many; a string: the field that holds the count, or "toEnd". */
  readonly times: number | string | null;
  /** Whether this field is the count of another one. */
  readonly isCountOf: string | null;
}

export interface CompiledMessage {
  readonly row: MessageRow;
  readonly steps: readonly Step[];
  /** Offset of the field `version`, or -1. */
  readonly versionOffset: number;
}

const SCALAR_SIZE: Readonly<Record<ScalarType, number>> = {
  U1: 1,
  U2: 2,
  U4: 4,
  I1: 1,
  I2: 2,
  I4: 4,
  X1: 1,
  X2: 2,
  X4: 4,
  R4: 4,
  R8: 8,
};

const isScalar = (type: string): type is ScalarType => Object.hasOwn(SCALAR_SIZE, type);

export function compileMessage(row: MessageRow): CompiledMessage {
  const steps = compileRows(row.fields);
  let versionOffset = -1;
  if (row.versions) {
    versionOffset = 0;
    for (const step of steps) {
      if (step.name === "version") break;
      versionOffset += step.size;
    }
  }
  return { row, steps, versionOffset };
}

function compileRows(rows: readonly Row[]): Step[] {
  return rows.map((row): Step => {
    const isCountOf = rows.find((other) => other.times === row.name)?.name ?? null;
    if ("fields" in row) {
      const fields = compileRows(row.fields);
      const size = fields.reduce((sum, f) => sum + f.size * (typeof f.times === "number" ? f.times : 1), 0);
      return { name: row.name, kind: "group", size, bits: null, fields, times: row.times, isCountOf };
    }
    const { name, type } = row;
    const times = row.times ?? null;
    const bits = row.bits ? compileBits(row.bits, type) : null;
    if (isScalar(type))
      return { name, kind: type, size: SCALAR_SIZE[type], bits, fields: [], times, isCountOf };
    const kind = type === "KV" ? "KV" : type.startsWith("B") ? "B" : "C";
    const size = kind === "KV" ? 0 : Number(type.slice(1));
    return { name, kind, size, bits: null, fields: [], times, isCountOf };
  });
}

function compileBits(rows: BitRows, type: string): CompiledBits {
  let restMask = type === "X4" ? 0xffffffff : type === "X2" ? 0xffff : 0xff;
  const named = Object.entries(rows).map(([name, where]): NamedBits => {
    const isFlag = typeof where === "number";
    const [firstBit, width] = isFlag ? [where, 1] : where;
    restMask = (restMask & ~(maskOf(width) << firstBit)) >>> 0;
    return { name, firstBit, width, isFlag };
  });
  return { named, restMask };
}

/** `width` ones, width 1 to 32. */
function maskOf(width: number): number {
  return width === 32 ? 0xffffffff : (1 << width) - 1;
}

// Reading

/** The values of a payload, or null if its length does not fit the layout. */
export function readPayload(message: CompiledMessage, payload: Uint8Array): Fields | null {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const values: Fields = { name: message.row.name };
  return readSteps(message.steps, view, 0, values) === payload.length ? values : null;
}

/** Returns the offset after the fields, or -1 where the payload does not fit. */
function readSteps(steps: readonly Step[], view: DataView, start: number, values: Fields): number {
  let offset = start;
  for (const step of steps) {
    const left = view.byteLength - offset;
    if (step.kind === "KV") {
      const items = readConfigItems(view, offset);
      if (items === null) return -1;
      values[step.name] = items;
      offset = view.byteLength;
      continue;
    }
    if (step.kind === "C" && step.size === 0) {
      values[step.name] = latin1(view, offset, view.byteLength);
      offset = view.byteLength;
      continue;
    }
    if (step.times === null) {
      if (step.size > left) return -1;
      values[step.name] = readOne(step, view, offset);
      offset += step.size;
      continue;
    }
    let count: number;
    if (typeof step.times === "number") count = step.times;
    else if (step.times === "toEnd") count = left / step.size;
    else count = values[step.times] as number;
    if (!Number.isInteger(count) || count * step.size > left) return -1;
    const items: unknown[] = [];
    for (let i = 0; i < count; i++) {
      items.push(readOne(step, view, offset));
      offset += step.size;
    }
    values[step.name] = items;
  }
  return offset;
}

function readOne(step: Step, view: DataView, offset: number): unknown {
  switch (step.kind) {
    case "group": {
      const item: Fields = {};
      readSteps(step.fields, view, offset, item);
      return item;
    }
    case "B":
      return new Uint8Array(view.buffer, view.byteOffset + offset, step.size).slice();
    case "C": {
      let end = offset + step.size;
      while (end > offset && view.getUint8(end - 1) === 0) end--;
      return latin1(view, offset, end);
    }
    case "KV":
      return null;
    default: {
      const value = readScalar(step.kind, view, offset);
      return step.bits ? splitBits(step.bits, value) : value;
    }
  }
}

function readScalar(type: ScalarType, view: DataView, offset: number): number {
  switch (type) {
    case "U1":
    case "X1":
      return view.getUint8(offset);
    case "U2":
    case "X2":
      return view.getUint16(offset, true);
    case "U4":
    case "X4":
      return view.getUint32(offset, true);
    case "I1":
      return view.getInt8(offset);
    case "I2":
      return view.getInt16(offset, true);
    case "I4":
      return view.getInt32(offset, true);
    case "R4":
      return view.getFloat32(offset, true);
    case "R8":
      return view.getFloat64(offset, true);
  }
}

function splitBits(bits: CompiledBits, value: number): Fields {
  const out: Fields = {};
  for (const { name, firstBit, width, isFlag } of bits.named) {
    const part = ((value >>> firstBit) & maskOf(width)) >>> 0;
    out[name] = isFlag ? part === 1 : part;
  }
  out["rest"] = (value & bits.restMask) >>> 0;
  return out;
}

function latin1(view: DataView, from: number, to: number): string {
  let text = "";
  for (let i = from; i < to; i++) text += String.fromCharCode(view.getUint8(i));
  return text;
}

// Configuration items

/**
 * Bytes of a configuration value: bits 28 to 30 of its key (interface description, "Configuration items");
 * 1 is a single bit that takes a byte. 0 for the codes that are not defined.
 */
export function configValueSize(key: number): 0 | 1 | 2 | 4 | 8 {
  switch ((key >>> 28) & 7) {
    case 1:
    case 2:
      return 1;
    case 3:
      return 2;
    case 4:
      return 4;
    case 5:
      return 8;
    default:
      return 0;
  }
}

function readConfigItems(view: DataView, start: number): ConfigItem[] | null {
  const items: ConfigItem[] = [];
  let offset = start;
  while (offset < view.byteLength) {
    if (offset + 4 > view.byteLength) return null;
    const key = view.getUint32(offset, true);
    offset += 4;
    const size = configValueSize(key);
    if (size === 0 || offset + size > view.byteLength) return null;
    if (size === 8) items.push({ key, value: view.getBigUint64(offset, true) });
    else items.push({ key, value: readScalar(size === 1 ? "U1" : size === 2 ? "U2" : "U4", view, offset) });
    offset += size;
  }
  return items;
}

// Writing

/** @throws TypeError, RangeError naming the field whose value is wrong. */
export function writePayload(message: CompiledMessage, values: Fields): Uint8Array {
  const { name, versions } = message.row;
  const length = lengthOf(message.steps, values, name);
  if (length > 0xffff) throw new RangeError(`${name}: the payload would be longer than 65535 bytes`);
  const version = values["version"];
  if (versions && !versions.includes(version as number)) {
    throw new RangeError(`${name}: no layout for version ${String(version)}`);
  }
  const payload = new Uint8Array(length);
  writeSteps(message.steps, new DataView(payload.buffer), 0, values, name);
  return payload;
}

function lengthOf(steps: readonly Step[], values: Fields, path: string): number {
  let length = 0;
  for (const step of steps) {
    if (step.kind === "KV") {
      for (const item of configItemsOf(step, values, path)) length += 4 + configValueSize(item.key);
    } else if (step.kind === "C" && step.size === 0) {
      length += textOf(values[step.name], `${path}.${step.name}`).length;
    } else if (typeof step.times === "string") {
      length += step.size * arrayOf(values[step.name], `${path}.${step.name}`).length;
    } else {
      length += step.size * (step.times ?? 1);
    }
  }
  return length;
}

function writeSteps(
  steps: readonly Step[],
  view: DataView,
  start: number,
  values: Fields,
  path: string,
): number {
  let offset = start;
  for (const step of steps) {
    const here = `${path}.${step.name}`;
    let value = values[step.name];
    if (step.isCountOf !== null) {
      const count = arrayOf(values[step.isCountOf], `${path}.${step.isCountOf}`).length;
      if (value !== undefined && value !== count) {
        throw new RangeError(`${here} is ${String(value)}, but there are ${count} of ${step.isCountOf}`);
      }
      value = count;
    }
    if (value === undefined && step.name.startsWith("reserved")) {
      offset += step.size * (typeof step.times === "number" ? step.times : 1);
      continue;
    }
    if (step.kind === "KV") {
      offset = writeConfigItems(view, offset, configItemsOf(step, values, path), here);
    } else if (step.kind === "C" && step.size === 0) {
      offset = writeText(view, offset, textOf(value, here), here);
    } else if (step.times === null) {
      writeOne(step, view, offset, value, here);
      offset += step.size;
    } else {
      const items = arrayOf(value, here);
      if (typeof step.times === "number" && items.length !== step.times) {
        throw new RangeError(`${here} must have ${step.times} items`);
      }
      for (let i = 0; i < items.length; i++) {
        writeOne(step, view, offset, items[i], `${here}[${i}]`);
        offset += step.size;
      }
    }
  }
  return offset;
}

function writeOne(step: Step, view: DataView, offset: number, value: unknown, path: string): void {
  switch (step.kind) {
    case "group":
      writeSteps(step.fields, view, offset, objectOf(value, path), path);
      return;
    case "B":
      if (!(value instanceof Uint8Array)) throw new TypeError(`${path} must be a Uint8Array`);
      if (value.length !== step.size) throw new RangeError(`${path} must be ${step.size} bytes`);
      new Uint8Array(view.buffer, view.byteOffset + offset, step.size).set(value);
      return;
    case "C": {
      const text = textOf(value, path);
      if (text.length > step.size) throw new RangeError(`${path} must be at most ${step.size} characters`);
      writeText(view, offset, text, path);
      return;
    }
    case "KV":
      return;
    default:
      writeScalar(step.kind, view, offset, step.bits ? joinBits(step.bits, value, path) : value, path);
  }
}

function writeScalar(type: ScalarType, view: DataView, offset: number, value: unknown, path: string): void {
  if (typeof value !== "number") throw new TypeError(`${path} must be a number`);
  if (type === "R4") {
    view.setFloat32(offset, value, true);
    return;
  }
  if (type === "R8") {
    view.setFloat64(offset, value, true);
    return;
  }
  const size = SCALAR_SIZE[type];
  const signed = type.startsWith("I");
  const lowest = signed ? -(2 ** (8 * size - 1)) : 0;
  const highest = signed ? 2 ** (8 * size - 1) - 1 : 2 ** (8 * size) - 1;
  if (!Number.isInteger(value) || value < lowest || value > highest) {
    throw new RangeError(`${path} must be an integer from ${lowest} to ${highest}`);
  }
  if (size === 1) view.setUint8(offset, value);
  else if (size === 2) view.setUint16(offset, value, true);
  else view.setUint32(offset, value, true);
}

function joinBits(bits: CompiledBits, value: unknown, path: string): number {
  const parts = objectOf(value, path);
  const rest = parts["rest"] ?? 0;
  if (typeof rest !== "number") throw new TypeError(`${path}.rest must be a number`);
  if (!Number.isInteger(rest) || rest < 0 || rest > 0xffffffff || (rest & ~bits.restMask) !== 0) {
    throw new RangeError(`${path}.rest may hold bits without a name only`);
  }
  let joined = rest;
  for (const { name, firstBit, width, isFlag } of bits.named) {
    const part = parts[name];
    if (part === undefined) continue;
    if (typeof part !== (isFlag ? "boolean" : "number")) {
      throw new TypeError(`${path}.${name} must be a ${isFlag ? "boolean" : "number"}`);
    }
    const number = Number(part);
    if (!Number.isInteger(number) || number < 0 || number > maskOf(width)) {
      throw new RangeError(`${path}.${name} must be an integer from 0 to ${maskOf(width)}`);
    }
    joined |= number << firstBit;
  }
  return joined >>> 0;
}

function writeText(view: DataView, start: number, text: string, path: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) throw new RangeError(`${path} must hold Latin-1 characters only`);
    view.setUint8(start + i, code);
  }
  return start + text.length;
}

function writeConfigItems(view: DataView, start: number, items: readonly ConfigItem[], path: string): number {
  let offset = start;
  items.forEach(({ key, value }, i) => {
    const here = `${path}[${i}].value`;
    view.setUint32(offset, key, true);
    offset += 4;
    const size = configValueSize(key);
    if (size === 8) {
      if (typeof value !== "bigint") throw new TypeError(`${here} must be a bigint`);
      if (value < 0n || value >= 1n << 64n) throw new RangeError(`${here} must fit 64 bits, unsigned`);
      view.setBigUint64(offset, value, true);
    } else {
      writeScalar(size === 1 ? "U1" : size === 2 ? "U2" : "U4", view, offset, value, here);
    }
    offset += size;
  });
  return offset;
}

function configItemsOf(step: Step, values: Fields, path: string): readonly ConfigItem[] {
  return arrayOf(values[step.name], `${path}.${step.name}`).map((item, i) => {
    const here = `${path}.${step.name}[${i}]`;
    const { key, value } = objectOf(item, here);
    if (typeof key !== "number") throw new TypeError(`${here}.key must be a number`);
    if (!Number.isInteger(key) || key < 0 || key > 0xffffffff || configValueSize(key) === 0) {
      throw new RangeError(`${here}.key must be 32 bits with a defined size in bits 28 to 30`);
    }
    return { key, value: value as number | bigint };
  });
}

function arrayOf(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError(`${path} must be an array`);
  return value;
}

function textOf(value: unknown, path: string): string {
  if (typeof value !== "string") throw new TypeError(`${path} must be a string`);
  return value;
}

function objectOf(value: unknown, path: string): Fields {
  if (typeof value !== "object" || value === null) throw new TypeError(`${path} must be an object`);
  return value as Fields;
}
