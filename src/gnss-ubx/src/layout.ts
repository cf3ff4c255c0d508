/**
 * How a UBX message is described by a row of a table, and the static types that follow from such a row.
 *
 * Type names are those of the u-blox interface descriptions ("UBX data types"): U unsigned, I signed, X bit
 * field, R IEEE 754, C characters, with the size in bytes; all little-endian. Two are added: `B<n>` for n
 * bytes that are no number (`B5`), and `KV` for the key and value pairs of CFG-VALSET and CFG-VALGET.
 */

/** One number. */
export type ScalarType = "U1" | "U2" | "U4" | "I1" | "I2" | "I4" | "X1" | "X2" | "X4" | "R4" | "R8";

/**
 * `C<n>`: n characters, one byte each (Latin-1), without the zeros that fill the field up at its end.
 * `C`: all characters to the end of the payload, taken as they are.
 */
export type FieldType = ScalarType | `B${number}` | `C${number}` | "C" | "KV";

/** Named bits of an X field: a bit number for a flag, first bit and width for a number. Bit 0 is the lowest. */
export type BitRows = Readonly<Record<string, number | readonly [firstBit: number, width: number]>>;

export interface FieldRow {
  readonly name: string;
  readonly type: FieldType;
  /** Unit of the raw value, scale included ("1e-7 deg"): values are passed as the receiver sends them. */
  readonly unit?: string;
  readonly bits?: BitRows;
  /** Makes an array: of a fixed length, as long as the named field says, or "toEnd" of the payload. */
  readonly times?: number | string;
}

/** A block of fields that repeats. */
export interface GroupRow {
  readonly name: string;
  readonly fields: readonly FieldRow[];
  /** The field that holds the count, or "toEnd". */
  readonly times: string;
}

export interface MessageRow {
  readonly name: string;
  readonly class: number;
  readonly id: number;
  /** Values of the field `version` for which this layout holds; any other is not decoded with it. */
  readonly versions?: readonly number[];
  readonly fields: readonly (FieldRow | GroupRow)[];
}

/** A configuration item as CFG-VALSET carries it: the value's bits as an unsigned integer. */
export interface ConfigItem {
  readonly key: number;
  /** A bigint for keys of 8-byte values, else a number. */
  readonly value: number | bigint;
}

type Simplify<T> = { [K in keyof T]: T[K] } & {};

type BitValue<S> = S extends number ? boolean : number;

/** `rest` holds the bits without a name, in their places: nothing the receiver sent is lost. */
type Bits<B> = Simplify<{ readonly [K in keyof B]: BitValue<B[K]> } & { readonly rest: number }>;
type BitsInput<B> = Simplify<{ readonly [K in keyof B]?: BitValue<B[K]> } & { readonly rest?: number }>;

type Plain<T> = T extends ScalarType
  ? number
  : T extends `B${number}`
    ? Uint8Array
    : T extends "KV"
      ? readonly ConfigItem[]
      : string;

type Arrayed<F, V> = F extends { times: unknown } ? readonly V[] : V;

type FieldValue<F> = F extends { fields: infer G extends readonly FieldRow[] }
  ? readonly Values<G>[]
  : F extends { bits: infer B }
    ? Arrayed<F, Bits<B>>
    : F extends { type: infer T }
      ? Arrayed<F, Plain<T>>
      : never;

type FieldInput<F> = F extends { fields: infer G extends readonly FieldRow[] }
  ? readonly Inputs<G>[]
  : F extends { bits: infer B }
    ? Arrayed<F, BitsInput<B>>
    : F extends { type: infer T }
      ? Arrayed<F, Plain<T>>
      : never;

type AnyRow = FieldRow | GroupRow;

/** Values of a list of fields as decoded. */
export type Values<Fs extends readonly AnyRow[]> = {
  readonly [F in Fs[number] as F["name"]]: FieldValue<F>;
};

type CountName<F> = F extends { times: infer T extends string } ? T : never;

/** Names that need not be given for encoding: reserved fields are zero, counts follow from the arrays. */
type OptionalName<Fs extends readonly AnyRow[]> =
  CountName<Fs[number]> | Extract<Fs[number]["name"], `reserved${string}`>;

/** Values of a list of fields as needed for encoding. */
export type Inputs<Fs extends readonly AnyRow[]> = Simplify<
  {
    readonly [F in Fs[number] as F["name"] extends OptionalName<Fs> ? never : F["name"]]: FieldInput<F>;
  } & {
    readonly [F in Fs[number] as F["name"] extends OptionalName<Fs> ? F["name"] : never]?: FieldInput<F>;
  }
>;

type VersionOf<M> = M extends { versions: readonly (infer V)[] } ? { readonly version: V } : unknown;

/** A decoded message of the row M; `name` (and `version`, where layouts differ) tell the members apart. */
export type Decoded<M extends MessageRow> = M extends MessageRow
  ? Simplify<{ readonly name: M["name"] } & Values<M["fields"]> & VersionOf<M>>
  : never;

/** What encoding a message of the row M needs. A decoded message qualifies. */
export type Encodable<M extends MessageRow> = M extends MessageRow
  ? Simplify<Inputs<M["fields"]> & VersionOf<M>>
  : never;
