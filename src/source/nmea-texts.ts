/**
 * Texts of TXT sentences as they come: what a receiver says of itself in NMEA and perhaps nowhere else. Behind the
 * framer; @serialport/parser-readline makes lines of whole sentences (see nmea-lines.ts).
 */
import { ReadlineParser } from "@serialport/parser-readline";
import { textOf } from "./nmea-lines.js";

const TXT = [0x54, 0x58, 0x54];

export class NmeaTexts {
  readonly #parser = new ReadlineParser({ delimiter: "\n", encoding: "latin1" });

  constructor(onText: (text: string) => void) {
    this.#parser.on("data", (line: string) => {
      const text = textOf(line.trimEnd());
      if (text !== null) onText(text);
    });
  }

  /** Takes in one sentence as the framer found it, its line end included; all but TXT are passed over. */
  write(sentence: Uint8Array): void {
    if (TXT.every((byte, index) => sentence[3 + index] === byte)) this.#parser.write(Buffer.from(sentence));
  }
}
