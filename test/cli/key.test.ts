/** `osnmad key`: which of a data folder's stations is asked for. */
import { Command } from "commander";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { registerKey } from "../../src/cli/commands/key.js";
import { StationLog } from "../../src/station/station-log.js";

it("shows the key of simulated runs where that is asked for, and says where it is where it is not", async () => {
  const data = mkdtempSync(join(tmpdir(), "osnmad-key-"));
  onTestFinished(() => {
    rmSync(data, { recursive: true });
  });
  const log = StationLog.open({ directory: join(data, "station-simulated"), mode: "simulated" });
  const { origin } = log;
  log.close();
  const run = async (...args: string[]): Promise<string> => {
    let out = "";
    const program = new Command().exitOverride();
    registerKey(program, { out: (text) => void (out += text), err: () => undefined });
    await program.parseAsync(["key", ...args, "--data-dir", data], { from: "user" });
    return out;
  };
  expect(await run("show", "--simulated")).toContain(origin);
  await expect(run("show")).rejects.toMatchObject({
    code: "OSN_USAGE",
    message: expect.stringContaining("station-simulated: add --simulated"),
  });
});
