/** `osnmad key`, `osnmad witness` and `osnmad station` as commands: what they print, leave, and refuse. */
import { Command } from "commander";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { registerKey } from "../../src/cli/commands/key.js";
import { formatAddCheckpoint } from "../../src/station/add-checkpoint.js";
import { parseCosignatureLines, verifyCosignature } from "../../src/station/cosignature.js";
import { formatNote, formatVerifierKey, parseVerifierKey } from "../../src/station/note.js";
import { StationLog } from "../../src/station/station-log.js";
import { bundleInto } from "../chain/programs.js";
import { testFolder } from "../station/folder.js";
import { GST, subframeContent } from "../station/leaves.js";

async function key(...words: string[]): Promise<{ out: string; err: string }> {
  let [out, err] = ["", ""];
  const program = new Command("osnmad").exitOverride();
  registerKey(program, { out: (text) => void (out += text), err: (text) => void (err += text) });
  await program.parseAsync(["node", "osnmad", "key", ...words]);
  return { out, err };
}

/** A data folder whose station has a log with a signed subframe. */
async function stationIn(data: string): Promise<{ line: string; origin: string }> {
  const log = StationLog.open({ directory: join(data, "station"), mode: "live", flush: false });
  const { receiverSalt: receiver } = log;
  log.begin({ softwareVersion: "t", time: { assurance: "none", boundMs: null }, receiver });
  log.append([{ content: { ...subframeContent(GST), receiver } }]);
  await log.sign();
  const { origin } = log;
  const line = formatVerifierKey(log.key);
  log.close();
  return { line, origin };
}

describe("osnmad key", () => {
  it("shows the identity, and prints for witnesses the line alone", async () => {
    const data = testFolder();
    await expect(key("show", "--data-dir", data)).rejects.toMatchObject({ code: "OSN_USAGE" });
    const { line, origin } = await stationIn(data);
    expect((await key("export-public", "--data-dir", data)).out).toBe(`${line}\n`);
    const id = origin.slice("osnmad-station/".length);
    expect((await key("show", "--data-dir", data)).out).toBe(
      `station  ${id}\norigin   ${origin}\nkey      ${line}\n`,
    );
    expect(JSON.parse((await key("show", "--json", "--data-dir", data)).out)).toEqual({
      station: id,
      origin,
      key: line,
    });
  });

  it("also answers while a daemon has the log, and rotates only when none has", async () => {
    const data = testFolder();
    const { line } = await stationIn(data);
    const log = StationLog.open({ directory: join(data, "station"), mode: "live", flush: false });
    expect((await key("export-public", "--data-dir", data)).out).toBe(`${line}\n`);
    await expect(key("rotate", "--data-dir", data)).rejects.toMatchObject({ code: "OSN_STATION_LOG_IN_USE" });
    log.close();
  });

  it("rotates to a new key under the old name, kept from others, in a leaf that both sign", async () => {
    const data = testFolder();
    const { line, origin } = await stationIn(data);
    const { out, err } = await key("rotate", "--data-dir", data);
    const next = parseVerifierKey(out.trim())!;
    expect(next.name).toBe(origin);
    expect(out.trim()).not.toBe(line);
    expect(err).toContain("leaf 2");
    const log = StationLog.open({ directory: join(data, "station"), mode: "live", flush: false });
    expect(log.size).toBe(3);
    await log.sign();
    expect(formatVerifierKey(log.key)).toBe(out.trim());
    expect(log.checkpoint!.note.signatures).toHaveLength(2);
    log.close();
    expect((await key("export-public", "--data-dir", data)).out).toBe(out);
    expect(statSync(join(data, "station", "station.key")).mode & 0o777).toBe(0o600);
    await expect(key("rotate", "--data-dir", testFolder())).rejects.toMatchObject({ code: "OSN_USAGE" });
  });
});

describe("as processes", () => {
  const program = mkdtempSync(join(tmpdir(), "osnmad-program-"));
  let osnmad = "";
  const run = (...words: string[]) =>
    spawnSync(process.execPath, [osnmad, ...words], {
      encoding: "utf8",
      env: { ...process.env, NO_COLOR: "1" },
    });
  beforeAll(async () => {
    osnmad = join(await bundleInto(program, { osnmad: "src/cli/main.ts" }), "osnmad.js");
  });
  afterAll(() => {
    rmSync(program, { recursive: true });
  });

  it("osnmad witness prints its key first, cosigns what continues, and keeps its key over a restart", async () => {
    const data = testFolder();
    const { line } = await stationIn(join(data, "s"));
    const words = ["witness", "--name", "w.example/w", "--clock-bound", "0.5", "--clock-source", "test"];
    const all = [...words, "--station", line, "--port", "0", "--data-dir", join(data, "w")];
    const log = StationLog.open({ directory: join(data, "s", "station"), mode: "live", flush: false });
    onTestFinished(() => {
      log.close();
    });
    const checkpoint = log.checkpoint!;
    const seen: string[] = [];
    for (const older of [0, checkpoint.size]) {
      const child = spawn(process.execPath, [osnmad, ...all], { stdio: ["ignore", "pipe", "pipe"] });
      onTestFinished(() => void child.kill("SIGKILL"));
      const said = new Promise<string>((done) => createInterface(child.stderr).once("line", done));
      const [first] = (await once(createInterface(child.stdout), "line")) as [string];
      seen.push(first);
      const url = /http:\/\/\S+:\d+/.exec(await said)![0];
      const response = await fetch(`${url}/add-checkpoint`, {
        method: "POST",
        body: formatAddCheckpoint(older, [], formatNote(checkpoint.note)),
      });
      expect(response.status).toBe(200);
      const [signature] = parseCosignatureLines(await response.text())!;
      const cosigned = verifyCosignature(checkpoint.note.text, signature, parseVerifierKey(first)!);
      expect(Math.abs(cosigned!.timestamp - Date.now() / 1000)).toBeLessThan(3600);
      child.kill("SIGTERM");
      expect((await once(child, "close"))[0]).toBe(0);
    }
    expect(seen[1]).toBe(seen[0]);
    for (const wrong of [
      [...words, "--station", "no key", "--data-dir", data],
      [...words.slice(0, 3), "--station", line, "--data-dir", data],
    ]) {
      expect(run(...wrong).status).toBe(2);
    }
  });

  it("osnmad station replay makes a log of a capture, which osnmad station check finds sound, or not", () => {
    const folder = join(testFolder(), "log");
    const trust = ["--merkle", "captures/trust/TEST_OSNMA_MerkleTree_A.xml"];
    const keys = ["--public-key", "captures/trust/TEST_OSNMA_PublicKey_2.xml"];
    const made = run("station", "replay", "captures/e5b.ubx", "--log", folder, ...trust, ...keys);
    expect(made.status, made.stderr).toBe(0);
    const lines = made.stdout.split("\n").filter((line) => line.startsWith("{"));
    const leaves = lines.map((line) => JSON.parse(line) as { index: number; kind: string });
    expect(leaves.map(({ index }) => index)).toEqual([...leaves.keys()]);
    expect(leaves.filter(({ kind }) => kind === "subframe").length).toBeGreaterThan(5);
    expect(made.stdout).toContain(`osnmad-station/simulated/`);
    const checked = run("station", "check", folder);
    expect(checked.status, checked.stderr).toBe(0);
    expect(checked.stdout).toContain(`${leaves.length} leaves, sound`);
    expect(run("station", "check", testFolder()).status).toBe(2);
  });
});
