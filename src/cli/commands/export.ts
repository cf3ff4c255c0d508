/** `osnmad export rinex | pages`: a capture in the formats of others. Nothing is authenticated. */
import type { Command } from "commander";
import { statSync } from "node:fs";
import { basename, join } from "node:path";
import { exportPages } from "../../export/export-pages.js";
import { exportRinex } from "../../export/export-rinex.js";
import { VERSION } from "../version.js";

interface ExportFlags {
  readonly output?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** The edges of these commands, to be replaced in tests. */
export interface ExportCommandIo {
  readonly out: (text: string) => void;
  readonly now: () => Date;
}

const PROCESS_IO: ExportCommandIo = {
  out: (text) => void process.stdout.write(text),
  now: () => new Date(),
};

export function registerExport(program: Command, io: ExportCommandIo = PROCESS_IO): void {
  const command = program
    .command("export")
    .summary("write a capture in the formats of others: RINEX, official test vectors")
    .description(
      "Writes what is in a capture in formats that other programs read, so that they can check what " +
        "osnmad says. Everything received is written as it was; nothing is authenticated, nothing corrected.",
    );

  command
    .command("rinex")
    .summary("RINEX 3.04 observation and navigation files, Galileo")
    .description(
      "Writes PREFIX.obs (RXM-RAWX) and PREFIX.nav (I/NAV ephemerides), RINEX 3.04, Galileo only. " +
        "A file of measurements tells where it was recorded as much as a position does.",
    )
    .argument("<capture>", "a receiver's recording; it is read twice, so no standard input")
    .option("-o, --output <prefix>", "path without extension, or a folder", ".")
    .option("--force", "replace files that are there")
    .option("--json", "one JSON line about what was written")
    .addHelpText(
      "after",
      `
Examples:
  osnmad export rinex capture.ubx -o out/capture
  rnx2rtkp -p 0 -sys E out/capture.obs out/capture.nav`,
    )
    .action(async (capture: string, flags: ExportFlags) => {
      const prefix = prefixOf(capture, flags.output ?? ".");
      const force = flags.force === true;
      const result = await exportRinex(capture, prefix, {
        force,
        program: `osnmad ${VERSION}`,
        created: io.now(),
      });
      if (flags.json === true) {
        io.out(`${JSON.stringify({ type: "export", ...result })}\n`);
        return;
      }
      const { observation, navigation } = result;
      io.out(
        observation === null
          ? "No observation file: the capture has no RXM-RAWX with Galileo measurements and a week.\n"
          : `${observation.path}  ${observation.epochs} epochs, signals ${observation.signals.join(" ")}\n`,
      );
      io.out(`${navigation.path}  ${navigation.sets} ephemerides of ${satellites(navigation.satellites)}\n`);
    });

  command
    .command("pages")
    .summary("E1-B pages as an official OSNMA test vector (CSV)")
    .description(
      "Writes the E1-B pages as GSC's test vectors have them: SVID,NumNavBits,NavBitsHEX, 240 bits each " +
        "2 s page, date and GST of the first page in the file's name. A page that was not received is " +
        "240 zero bits. After an hour without pages, and after a day, a new file begins.",
    )
    .argument("<capture>", "a receiver's recording, or - for standard input")
    .option("-o, --output <folder>", "where to write", ".")
    .option("--force", "replace files that are there")
    .option("--json", "one JSON line for each file")
    .addHelpText(
      "after",
      `
Examples:
  osnmad export pages capture.ubx -o vectors/mine
  cp captures/trust/TEST_OSNMA_MerkleTree_A.xml vectors/mine/ && osnmad conformance vectors/mine`,
    )
    .action(async (capture: string, flags: ExportFlags) => {
      for (const file of await exportPages(capture, flags.output ?? ".", flags.force === true)) {
        io.out(
          flags.json === true
            ? `${JSON.stringify({ type: "export", ...file })}\n`
            : `${file.path}  ${file.pages} pages of ${satellites(file.satellites)}, ${file.missing} not received\n`,
        );
      }
    });
}

/** A folder gets files named after the capture. */
function prefixOf(capture: string, output: string): string {
  const isFolder =
    /[\\/]$/.test(output) || statSync(output, { throwIfNoEntry: false })?.isDirectory() === true;
  return isFolder ? join(output, basename(capture).replace(/\.[^.]*$/, "")) : output;
}

function satellites(svids: readonly number[]): string {
  return svids.map((svid) => `E${String(svid).padStart(2, "0")}`).join(" ");
}
