/** Hexadecimal as the GSC files write it: either case, whole bytes, nothing else. */

/** The bytes of `text`, or null where it is not plain hexadecimal of whole bytes. */
export function bytesOfHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return null;
  return Uint8Array.from(Buffer.from(text, "hex"));
}

/** Lower-case hexadecimal, the form in which roots and points are named inside the program. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
