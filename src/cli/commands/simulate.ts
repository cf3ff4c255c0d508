/** `osnmad simulate`: for now, a capture played by a virtual receiver. */
import type { Command } from "commander";
import { OsnmadError } from "../../errors.js";
import { assertCapture } from "../../source/capture-file.js";
import type { ServeFlags } from "./simulate-serve.js";
import { addServeOptions, captureFeed, SERVE_HELP, serveReceiver } from "./simulate-serve.js";

export function registerSimulate(program: Command): void {
  addServeOptions(
    program
      .command("simulate")
      .summary("be a receiver made of software")
      .description(
        "Plays a capture as a receiver would: it is asked, configured and unplugged\n" +
          "like one, and sends only what it was told to.",
      )
      .argument("<capture>", "a UBX stream: what the receiver hears"),
  )
    .addHelpText("after", SERVE_HELP)
    .action(async (capture: string, flags: ServeFlags) => {
      if (flags.serve === undefined)
        throw new OsnmadError("OSN_USAGE", "simulate takes --serve pty or --serve tcp.");
      assertCapture(capture);
      await serveReceiver(captureFeed(capture, flags.loop === true), flags);
    });
}
