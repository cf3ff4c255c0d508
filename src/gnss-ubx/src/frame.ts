/** The UBX frame around a payload: u-blox interface descriptions, "UBX frame structure" and "UBX checksum". */

const MAX_PAYLOAD = 0xffff;

/**
 * A whole frame: sync characters, class, id, length, payload, checksum.
 * @throws TypeError or RangeError for a class or id that is no byte, or a payload over 65535 bytes.
 */
export function encodeFrame(messageClass: number, messageId: number, payload: Uint8Array): Uint8Array {
  for (const [name, value] of [
    ["messageClass", messageClass],
    ["messageId", messageId],
  ] as const) {
    if (typeof value !== "number") throw new TypeError(`${name} must be a number`);
    if (!Number.isInteger(value) || value < 0 || value > 0xff) {
      throw new RangeError(`${name} must be an integer from 0 to 255`);
    }
  }
  if (!(payload instanceof Uint8Array)) throw new TypeError("payload must be a Uint8Array");
  if (payload.length > MAX_PAYLOAD) throw new RangeError("payload must be at most 65535 bytes");

  const frame = new Uint8Array(payload.length + 8);
  frame[0] = 0xb5;
  frame[1] = 0x62;
  frame[2] = messageClass;
  frame[3] = messageId;
  frame[4] = payload.length & 0xff;
  frame[5] = payload.length >> 8;
  frame.set(payload, 6);
  let a = 0;
  let b = 0;
  const end = frame.length - 2;
  for (let i = 2; i < end; i++) {
    a = (a + frame[i]) & 0xff;
    b = (b + a) & 0xff;
  }
  frame[end] = a;
  frame[end + 1] = b;
  return frame;
}
