/**
 * UBX messages, from bytes to values and back, after the tables in messages/. Values are the receiver's raw
 * integers; their units stand in the tables.
 */
import { EVERY_EPOCH } from "./every-epoch.js";
import { encodeFrame } from "./frame.js";
import type { CompiledMessage, Fields } from "./layout-codec.js";
import { compileMessage, readPayload, writePayload } from "./layout-codec.js";
import type { Decoded, Encodable } from "./layout.js";
import { CFG_MESSAGES } from "./messages/cfg.js";
import { INF_MESSAGES } from "./messages/inf.js";
import { MON_MESSAGES } from "./messages/mon.js";
import { NAV_MESSAGES } from "./messages/nav.js";
import { RXM_MESSAGES } from "./messages/rxm.js";
import { SEC_MESSAGES } from "./messages/sec.js";

/** Every message known, one row per layout. */
export const MESSAGES = [
  ...NAV_MESSAGES,
  ...RXM_MESSAGES,
  ...INF_MESSAGES,
  ...CFG_MESSAGES,
  ...MON_MESSAGES,
  ...SEC_MESSAGES,
] as const;

type KnownRow = (typeof MESSAGES)[number];

export type MessageName = KnownRow["name"];

/** A decoded message; `name` tells which, and `version` which layout where there are several. */
export type UbxMessage = Decoded<KnownRow>;

/** The decoded message (or messages, by version) of one name. */
export type MessageOf<N extends MessageName> = Extract<UbxMessage, { readonly name: N }>;

/** What `encodeMessage` needs for a name. Reserved fields, counts and unset flags may be left out. */
export type MessageInput<N extends MessageName> = Encodable<Extract<KnownRow, { readonly name: N }>>;

/** A message that is not decoded; the payload is a copy. */
export interface RawMessage {
  readonly name: "raw";
  readonly class: number;
  readonly id: number;
  readonly payload: Uint8Array;
  /** Why: "unknown message", an unknown version, or a length that fits no layout (a poll request has 0). */
  readonly reason: string;
}

const byClassAndId = new Map<number, CompiledMessage[]>();
const byName = new Map<string, CompiledMessage[]>();
for (const row of MESSAGES) {
  const compiled = compileMessage(row);
  const key = (row.class << 8) | row.id;
  byClassAndId.set(key, [...(byClassAndId.get(key) ?? []), compiled]);
  byName.set(row.name, [...(byName.get(row.name) ?? []), compiled]);
}

/**
 * The message of a payload. Never throws for any bytes: what is unknown, or fits no layout, comes back raw
 * with the reason. The result shares no memory with `payload`.
 */
export function decodeMessage(
  messageClass: number,
  messageId: number,
  payload: Uint8Array,
): UbxMessage | RawMessage {
  const read = EVERY_EPOCH.get((messageClass << 8) | messageId)?.(payload) ?? null;
  return read === null ? decodeByTable(messageClass, messageId, payload) : (read as UbxMessage);
}

/** As decodeMessage, by the tables alone. */
export function decodeByTable(
  messageClass: number,
  messageId: number,
  payload: Uint8Array,
): UbxMessage | RawMessage {
  const raw = (reason: string): RawMessage => ({
    name: "raw",
    class: messageClass,
    id: messageId,
    payload: payload.slice(),
    reason,
  });
  const layouts = byClassAndId.get((messageClass << 8) | messageId);
  if (layouts === undefined) return raw("unknown message");
  for (const layout of layouts) {
    const { versions } = layout.row;
    if (versions) {
      if (payload.length <= layout.versionOffset) break;
      if (!versions.includes(payload[layout.versionOffset])) {
        if (layout !== layouts[layouts.length - 1]) continue;
        return raw(`unknown version ${payload[layout.versionOffset]} of ${layout.row.name}`);
      }
    }
    const values = readPayload(layout, payload);
    if (values === null) break;
    return values as unknown as UbxMessage;
  }
  return raw(`length ${payload.length} does not fit ${layouts[0].row.name}`);
}

/**
 * The whole frame of a message.
 * @throws TypeError for a value of the wrong kind, RangeError for one that does not fit its field, a count
 * that contradicts its array, a version without a layout, or a name that is not in the table.
 */
export function encodeMessage<N extends MessageName>(name: N, values: MessageInput<N>): Uint8Array {
  if (typeof name !== "string") throw new TypeError("name must be a string");
  if (typeof values !== "object" || values === null) throw new TypeError("values must be an object");
  const layouts = byName.get(name);
  if (layouts === undefined) throw new RangeError(`no message is named ${name}`);
  const fields = values as unknown as Fields;
  const version = fields["version"];
  const layout =
    layouts.find(({ row }) => !row.versions || row.versions.includes(version as number)) ?? layouts[0];
  return encodeFrame(layout.row.class, layout.row.id, writePayload(layout, fields));
}
