/** A frame of the receiver's output and when it left. */
export interface TimedFrame {
  /** True linear GST of its emission, seconds with fraction; never goes back within a stream. */
  readonly gst: number;
  /** Name in the message table ("RXM-RAWX"), "NMEA" for a sentence, or "damage" for what is no frame any more. */
  readonly name: string;
  /** UBX class and ID; of a sentence the ones that u-blox configures it by (0xF0; GGA 0, RMC 4). -1 for damage. */
  readonly messageClass: number;
  readonly messageId: number;
  /**
   * The epoch of GST it belongs to, counted in epochs since the start of GST: a message of rate n (CFG-MSGOUT) is
   * put out where `epoch % n` is 0. Pages (RXM-SFRBX) come as they are received: any rate but 0 lets all through.
   */
  readonly epoch: number;
  readonly bytes: Uint8Array;
}
