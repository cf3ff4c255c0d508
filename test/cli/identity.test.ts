/** `osnmad key` and `osnmad witness` as commands: a station's identity from before its first start to a rotation. */
import { Command } from "commander";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { registerKey } from "../../src/cli/commands/key.js";
import { registerWitness } from "../../src/cli/commands/witness.js";
import { formatAddCheckpoint } from "../../src/station/add-checkpoint.js";
import { parseCosignatureLines, verifyCosignature } from "../../src/station/cosignature.js";
import { receiverCommitment } from "../../src/station/leaf.js";
import { COSIGNATURE_V1, formatNote, isSignedBy, parseVerifierKey } from "../../src/station/note.js";
import { StationLog } from "../../src/station/station-log.js";
import { testFolder } from "../station/folder.js";

async function key(data: string, ...args: string[]): Promise<string> {
  const program = new Command().exitOverride();
  let text = "";
  registerKey(program, {
    out: (more) => {
      text += more;
    },
    err: () => undefined,
  });
  await program.parseAsync(["key", ...args, "--data-dir", data], {
    from: "user",
  });
  return text;
}

/** A run of the station: its start leaf, signed. */
async function run(data: string): Promise<StationLog> {
  const log = StationLog.open({
    directory: join(data, "station"),
    mode: "live",
    flush: false,
  });
  const receiver = log.history?.receiver ?? receiverCommitment(log.receiverSalt, "r");
  log.begin({
    softwareVersion: "t",
    time: { assurance: "none", boundMs: null },
    receiver,
  });
  await log.sign();
  return log;
}

describe("osnmad key", () => {
  it("makes key and log before the first start, once, and prints the line in every form", async () => {
    const data = testFolder();
    for (const command of ["show", "export-public", "rotate"]) {
      await expect(key(data, command)).rejects.toMatchObject({
        code: "OSN_USAGE",
      });
    }
    const line = await key(data, "make");
    await expect(key(data, "make")).rejects.toMatchObject({
      code: "OSN_USAGE",
    });
    expect(await key(data, "export-public")).toBe(line);
    const { name } = parseVerifierKey(line.trim())!;
    const station = name.slice("osnmad-station/".length);
    expect(JSON.parse(await key(data, "show", "--json"))).toEqual({
      station,
      origin: name,
      key: line.trim(),
    });
    expect(await key(data, "show")).toBe(`station  ${station}\norigin   ${name}\nkey      ${line}`);
    // There is nothing to hand over yet.
    await expect(key(data, "rotate")).rejects.toMatchObject({
      code: "OSN_USAGE",
    });
    const log = await run(data);
    expect(log.key).toEqual(parseVerifierKey(line.trim()));
    log.close();
  });

  it("rotates: the new line at once, both signatures at the next start, the same station after", async () => {
    const data = testFolder();
    const old = await key(data, "make");
    const first = await run(data);
    await expect(key(data, "rotate")).rejects.toMatchObject({
      code: "OSN_STATION_LOG_IN_USE",
    });
    first.close();
    const line = await key(data, "rotate");
    const [before, after] = [old, line].map((text) => parseVerifierKey(text.trim())!);
    expect(after.name).toBe(before.name);
    expect(after.publicKey).not.toEqual(before.publicKey);
    // One rotation at a time: the first has to be signed.
    await expect(key(data, "rotate")).rejects.toMatchObject({
      code: "OSN_USAGE",
    });
    const second = await run(data);
    const { note } = second.checkpoint!;
    expect(isSignedBy(note, before) && isSignedBy(note, after)).toBe(true);
    second.close();
    expect(await key(data, "export-public")).toBe(line);
    const third = await run(data);
    expect(isSignedBy(third.checkpoint!.note, before)).toBe(false);
    expect(isSignedBy(third.checkpoint!.note, after)).toBe(true);
    third.close();
  });
});

describe("osnmad witness", () => {
  /** Runs the command until `stop`; what it said on its two outputs. */
  async function witness(data: string, ...args: string[]) {
    const listeners = process.listeners("SIGTERM");
    const [out, err] = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, "write"));
    for (const spy of [out, err]) spy.mockImplementation(() => true);
    onTestFinished(() => {
      for (const spy of [out, err]) spy.mockRestore();
    });
    const said = (spy: typeof out): string => spy.mock.calls.map(([text]) => String(text)).join("");
    const program = new Command().exitOverride();
    registerWitness(program);
    const given = [
      "--name",
      "example.org/w1",
      "--clock-bound",
      "0.1",
      "--clock-source",
      "test",
      "--port",
      "0",
    ];
    let fault: unknown = null;
    const running = program
      .parseAsync(["witness", ...given, "--data-dir", data, ...args], {
        from: "user",
      })
      .catch((error: unknown) => {
        fault = error;
      });
    while (fault === null && !said(err).includes("http://"))
      await new Promise((resolve) => setTimeout(resolve, 10));
    if (fault !== null) throw fault as Error;
    return {
      line: said(out).trim(),
      told: said(err),
      url: /http:\/\/[^;]*/.exec(said(err))![0],
      stop: async () => {
        for (const listener of process.listeners("SIGTERM")) {
          if (!listeners.includes(listener)) listener("SIGTERM");
        }
        await running;
        for (const spy of [out, err]) spy.mockRestore();
      },
    };
  }

  it("prints its key, cosigns, remembers over a restart, and names a line that was rotated out", async () => {
    const [data, station] = [testFolder(), testFolder()];
    const lines = [await key(station, "make")];
    const post = (url: string, from: number, log: StationLog): Promise<Response> => {
      const { size, note } = log.checkpoint!;
      const body = formatAddCheckpoint(from, log.consistencyProof(from, size), formatNote(note));
      return fetch(`${url}/add-checkpoint`, { method: "POST", body });
    };
    const stations = (): string[] => lines.flatMap((line) => ["--station", line]);
    const first = await witness(data, ...stations());
    const own = parseVerifierKey(first.line)!;
    expect(own).toMatchObject({ name: "example.org/w1", type: COSIGNATURE_V1 });
    const log = await run(station);
    const answer = await post(first.url, 0, log);
    const [cosignature] = parseCosignatureLines(await answer.text())!;
    expect(verifyCosignature(log.checkpoint!.note.text, cosignature, own)).not.toBeNull();
    const { size } = log.checkpoint!;
    log.close();
    await first.stop();

    lines.push(await key(station, "rotate"));
    const second = await witness(data, ...stations());
    expect(second.line).toBe(first.line);
    const rotated = await run(station);
    expect((await post(second.url, 0, rotated)).status).toBe(409);
    expect((await post(second.url, size, rotated)).status).toBe(200);
    rotated.close();
    await second.stop();

    const third = await witness(data, ...stations());
    expect(third.told).toContain(`Retired, no longer needed: ${lines[0].trim()}`);
    expect(third.told).not.toContain("Nothing is signed");
    await third.stop();
  });

  it("says what is wrong with what it is given", async () => {
    const line = await key(testFolder(), "make");
    await expect(witness(testFolder(), "--station", line, "--host", "nowhere")).rejects.toMatchObject({
      code: "OSN_USAGE",
    });
    await expect(witness(testFolder(), "--station", "no key")).rejects.toThrow(/verifier key/);
  });
});
