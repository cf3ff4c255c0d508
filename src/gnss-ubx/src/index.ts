/** Public face of gnss-ubx. */
export { CONFIG_KEYS, configItem, configItemValue, configKeyName } from "./config-keys.js";
export type { ConfigKeyName, ConfigValue, ConfigValueType } from "./config-keys.js";
export { crc24q, CRC24Q_TABLE } from "./crc24q.js";
export { encodeFrame } from "./frame.js";
export { Framer } from "./framer.js";
export type { FrameSink, FramerCounts, FramerOptions } from "./framer.js";
export { configValueSize } from "./layout-codec.js";
export type { BitRows, ConfigItem, FieldRow, FieldType, GroupRow, MessageRow, ScalarType } from "./layout.js";
export { decodeMessage, encodeMessage, MESSAGES } from "./messages.js";
export type { MessageInput, MessageName, MessageOf, RawMessage, UbxMessage } from "./messages.js";
