/** UBX-INF, texts for people: any number of characters, the same for all five. */
import type { MessageRow } from "../layout.js";

export const INF_MESSAGES = [
  { name: "INF-ERROR", class: 0x04, id: 0x00, fields: [{ name: "str", type: "C" }] },
  { name: "INF-WARNING", class: 0x04, id: 0x01, fields: [{ name: "str", type: "C" }] },
  { name: "INF-NOTICE", class: 0x04, id: 0x02, fields: [{ name: "str", type: "C" }] },
  { name: "INF-TEST", class: 0x04, id: 0x03, fields: [{ name: "str", type: "C" }] },
  { name: "INF-DEBUG", class: 0x04, id: 0x04, fields: [{ name: "str", type: "C" }] },
] as const satisfies readonly MessageRow[];
