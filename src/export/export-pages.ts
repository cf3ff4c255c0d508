/** A capture's E1-B pages as files of the official test-vector form. Edge: reads a capture, writes files. */
import { join } from "node:path";
import { OsnmadError } from "../errors.js";
import { openCapture } from "../source/capture-file.js";
import { CapturePages } from "./capture-pages.js";
import { OutputFile } from "./output-file.js";
import { VectorFiles } from "./pages.js";

export interface ExportedPages {
  readonly path: string;
  readonly satellites: readonly number[];
  /** Pages a row, and how many of all rows are zeros because they were not received. */
  readonly pages: number;
  readonly missing: number;
}

/** Throws OSN_CAPTURE_NOT_FOUND, OSN_CAPTURE_NO_GALILEO, OSN_CAPTURE_NO_TIME, OSN_OUTPUT_UNWRITABLE. */
export async function exportPages(capture: string, folder: string, force: boolean): Promise<ExportedPages[]> {
  const written: ExportedPages[] = [];
  const files = new VectorFiles((file) => {
    const output = new OutputFile(join(folder, file.name), force);
    let separator = "";
    // No line end after the last row, as published.
    for (const line of file.lines()) {
      output.text(separator + line);
      separator = "\n";
    }
    output.close();
    const { satellites, pages, missing } = file;
    written.push({ path: output.path, satellites, pages, missing });
  });
  const pages = new CapturePages((page, gst, bits) => {
    if (page.band === "E1-B") files.page(page.svid, gst, bits);
  });
  await openCapture(capture).read((chunk) => {
    pages.push(chunk);
  });
  pages.end();
  files.end();
  assertPages(capture, pages);
  return written;
}

/** A capture that cannot give anything is an error with a name. */
export function assertPages(capture: string, pages: CapturePages): void {
  const heard = pages.counts.pages["E1-B"];
  if (heard === 0) {
    throw new OsnmadError("OSN_CAPTURE_NO_GALILEO", `${capture}: no CRC-valid Galileo E1-B page was found.`);
  }
  if (pages.timedPages === 0) {
    throw new OsnmadError(
      "OSN_CAPTURE_NO_TIME",
      `${capture}: ${heard} Galileo pages, but no Galileo System Time for any of them.`,
    );
  }
}
