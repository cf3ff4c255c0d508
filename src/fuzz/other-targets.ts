/** Decoders on their own: any bytes in, a value or a named refusal out. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import {
  decodeMessage,
  encodeMessage,
  Framer,
  MESSAGES,
  type MessageInput,
  type MessageName,
} from "gnss-ubx";
import { OsnmadError } from "../errors.js";
import { verifyBundle, type TrustedRoot } from "../evidence/verify.js";
import { BroadcastEphemerides } from "../export/broadcast-ephemerides.js";
import { CapturePages } from "../export/capture-pages.js";
import { VectorFiles } from "../export/pages.js";
import { navigationRecord } from "../export/rinex-navigation.js";
import { ObservationRecords, ObservationSurvey } from "../export/rinex-observation.js";
import { forEachPage, readVectorCsv } from "../source/vector-csv.js";
import { parseGscXml } from "../trust/gsc-xml.js";
import { Broken } from "./pipeline-target.js";
import type { Random } from "./random.js";

export type Target = (random: Random) => void;

/** Bytes changed like a text or a file is: flipped, cut, doubled, exchanged, or replaced by what parsers look for. */
export function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  let out: Uint8Array = new Uint8Array(bytes);
  const tokens = [
    "<",
    ">",
    "&",
    "]]>",
    "<!--",
    '"',
    "{",
    "[",
    "}",
    ",",
    "null",
    "-1",
    "1e999",
    "\0",
    "\u{ffff}",
    "\n",
  ];
  for (let i = random.between(1, 4); i > 0; i--) {
    const at = random.below(out.length + 1);
    const count = random.between(1, 40);
    const [before, after] = [out.subarray(0, at), out.subarray(at)];
    const roll = random.below(7);
    if (roll === 0 && out.length > 0) out[random.below(out.length)] ^= 1 << random.below(8);
    else if (roll === 1) out = Buffer.concat([before, after.subarray(count)]);
    else if (roll === 2) out = Buffer.concat([before, random.bytes(count), after]);
    else if (roll === 3) out = Buffer.concat([before, after.subarray(0, 10 * count), after]);
    else if (roll === 4) out = before;
    else if (roll === 5) out = Buffer.concat([before, Buffer.from(random.pick(tokens)), after]);
    else if (out.length > 0)
      out[random.below(out.length)] = "0123456789abcdef"[random.below(16)].charCodeAt(0);
  }
  return out;
}

/** Names what a run threw, unless it is a refusal with a code. */
function guarded(input: Uint8Array, name: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (error instanceof OsnmadError && error.code !== "OSN_INTERNAL") return;
    if (error instanceof Broken) throw error;
    throw new Broken(
      `${name} threw ${error instanceof Error ? (error.stack ?? "") : String(error)}`,
      input,
      [name],
      error,
    );
  }
}

/** The framer: bytes add up, and frames do not hang on how bytes were cut. */
export function framerTarget(seed: Uint8Array): Target {
  return (random) => {
    const from = random.below(Math.max(1, seed.length - 4000));
    const bytes = mutateBytes(
      random.chance(3) ? random.bytes(2000) : seed.subarray(from, from + random.between(1, 4000)),
      random,
    );
    guarded(bytes, "framer", () => {
      const read = (most: number): string => {
        const framer = new Framer();
        const found: string[] = [];
        let framed = 0;
        const frame = (kind: string) => (view: Uint8Array, offset: number) => {
          framed += view.length;
          found.push(`${kind} ${offset} ${view.length}`);
        };
        const sink = {
          ubx: (c: number, i: number, payload: Uint8Array, offset: number): void => {
            framed += payload.length + 8;
            found.push(`ubx ${c} ${i} ${offset} ${Buffer.from(payload).toString("hex")}`);
          },
          nmea: frame("nmea"),
          rtcm3: frame("rtcm3"),
        };
        for (let at = 0; at < bytes.length; at += most) framer.push(bytes.subarray(at, at + most), sink);
        framer.end(sink);
        if (framed + framer.counts.skippedBytes !== bytes.length) throw new Error("bytes do not add up");
        return found.join("\n");
      };
      if (read(bytes.length + 1) !== read(random.between(1, 64)))
        throw new Error("chunks change what is found");
    });
  };
}

/** The codec: what was decoded, encoded and decoded again, is the same. */
export const codecTarget: Target = (random) => {
  const row = random.pick(MESSAGES);
  const payload = random.bytes(random.below(random.chance(5) ? 600 : 120));
  const { versions } = row as { readonly versions?: readonly number[] };
  // Most random payloads fail at the version: help it along wherever that may stand.
  if (versions !== undefined && payload.length > 0 && random.chance(2)) {
    payload[random.below(Math.min(payload.length, 14))] = random.pick(versions);
  }
  guarded(payload, `codec ${row.name}`, () => {
    const message = decodeMessage(row.class, row.id, payload);
    if (message.name === "raw") return;
    const frame = encodeMessage(message.name, message as unknown as MessageInput<MessageName>);
    const again = decodeMessage(row.class, row.id, frame.subarray(6, -2));
    if (!isDeepStrictEqual(message, again))
      throw new Error("decoded, encoded and decoded again, it is another");
  });
};

/** GSC's XML: a file of the known form, or a refusal by name. */
export function xmlTarget(files: readonly Uint8Array[]): Target {
  return (random) => {
    const bytes = mutateBytes(random.pick(files), random);
    guarded(bytes, "GSC XML", () => void parseGscXml(bytes, "fuzz.xml"));
  };
}

/** Evidence: no bundle but the one that was made is genuine, however it is spelled. */
export function evidenceTarget(text: string, roots: readonly TrustedRoot[]): Target {
  const original = verifyBundle(text, { roots });
  if (!original.genuine) throw new Error("the bundle to begin with is not genuine");
  const bytes = new TextEncoder().encode(text);
  return (random) => {
    const mutated = mutateBytes(bytes, random);
    guarded(mutated, "evidence", () => {
      const verdict = verifyBundle(random.chance(2) ? mutated : new TextDecoder().decode(mutated), {
        roots,
        locateDamage: random.chance(20),
      });
      if (verdict.genuine && (verdict.root !== original.root || verdict.mode !== original.mode)) {
        throw new Error("another fix is called genuine");
      }
    });
  };
}

/** Test vectors: rows of the published form, or a refusal by name. */
export function vectorTarget(csv: Uint8Array): Target & { readonly end: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "osnmad-fuzz-"));
  const path = join(folder, "06_OCT_2023_GST_16_45_01.csv");
  const target = (random: Random): void => {
    const bytes = mutateBytes(csv, random);
    guarded(bytes, "vector CSV", () => {
      writeFileSync(path, bytes);
      forEachPage(readVectorCsv(path), () => undefined);
    });
  };
  const end = (): void => {
    rmSync(folder, { recursive: true });
  };
  return Object.assign(target, { end });
}

/** Exports take what the pipeline takes. */
export function exportTarget(stream: (random: Random) => Uint8Array): Target {
  return (random) => {
    const bytes = stream(random);
    guarded(bytes, "export", () => {
      let lines = 0;
      const count = (all: Iterable<string>): void => {
        for (const line of all) {
          if (line.includes("NaN") || line.includes("Infinity")) throw new Error(`line ${line}`);
          lines++;
        }
      };
      const files = new VectorFiles((file) => {
        count(file.lines());
      });
      const sets = new BroadcastEphemerides((set) => {
        count(navigationRecord(set, random.chance(2)));
      });
      const survey = new ObservationSurvey();
      const records = new ObservationRecords(["1C", "7Q"]);
      const pages = new CapturePages(
        (page, gst, bits) => {
          sets.page(page, gst);
          if (page.band === "E1-B") files.page(page.svid, gst, bits);
        },
        (messageClass, messageId, payload) => {
          const message = decodeMessage(messageClass, messageId, payload);
          if (message.name !== "RXM-RAWX") return;
          survey.push(message);
          count(records.epoch(message));
        },
      );
      pages.push(bytes);
      pages.end();
      files.end();
      if (lines > bytes.length) throw new Error("more lines than bytes");
    });
  };
}
