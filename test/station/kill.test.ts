/**
 * kill -9 at random moments: what the station or the witness said was on disk is there, once, and no second root of a
 * size is ever signed. Four kills each; OSNMAD_KILLS=50 for the long form.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it } from "vitest";
import { decodeLeaf } from "../../src/station/leaf.js";
import { checkLog } from "../../src/station/log-check.js";
import { leafHash, rootOf } from "../../src/station/merkle.js";
import { formatVerifierKey } from "../../src/station/note.js";
import { StationLog } from "../../src/station/station-log.js";
import { WitnessBook } from "../../src/witness/book.js";
import { compileInto } from "../store/compiled.js";
import { testFolder } from "./folder.js";

const KILLS = Number(process.env["OSNMAD_KILLS"] ?? 4);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function program(): string {
  const folder = testFolder();
  compileInto(folder, ["test/station/writer.ts"]);
  return join(folder, "test/station/writer.js");
}

/** Runs the program, kills it some milliseconds after its first line, and gives all lines that it had finished. */
async function runAndKill(path: string, args: readonly string[], afterMs: number): Promise<string[]> {
  const child = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let fault = "";
  child.stderr.on("data", (chunk: Buffer) => (fault += chunk.toString("utf8")));
  const lines: string[] = [];
  let whole = "";
  child.stdout.on("data", (chunk: Buffer) => (whole += chunk.toString("utf8")));
  const reader = createInterface(child.stdout);
  reader.once("line", () => setTimeout(() => child.kill("SIGKILL"), afterMs));
  await once(child, "close");
  if (fault !== "") throw new Error(fault);
  // A line that was cut off was not said.
  lines.push(...whole.split("\n").slice(0, -1));
  return lines;
}

describe("kill -9", () => {
  it(`of the station, ${KILLS} times: no leaf lost or doubled, no size signed twice`, async () => {
    const path = program();
    const folder = join(testFolder(), "station");
    const leaves = new Map<number, string>();
    const signed = new Map<number, string>();
    for (let kill = 0; kill < KILLS; kill++) {
      for (const line of await runAndKill(path, ["station", folder], Math.random() * 150)) {
        const [what, at, value] = line.split(" ");
        const said = what === "leaf" ? leaves : signed;
        const before = said.get(Number(at));
        if (before !== undefined) expect(value, line).toBe(before);
        said.set(Number(at), value);
      }
    }
    const log = StationLog.open({ directory: folder, mode: "live" });
    expect(checkLog(folder).size).toBe(log.size);
    expect(leaves.size).toBeGreaterThan(KILLS);
    for (const [index, hash] of leaves) expect(hex(leafHash(log.leaves(index, index + 1)[0]))).toBe(hash);
    for (const [size, root] of signed) {
      expect(hex(rootOf(size, log.subtree))).toBe(root);
      expect(hex(log.checkpointAt(size)!.root)).toBe(root);
    }
    const starts = log.leaves(0, log.size).filter((bytes) => decodeLeaf(bytes)!.kind === "start");
    expect(starts).toHaveLength(KILLS);
    log.close();
  }, 600_000);

  it(`of the witness, ${KILLS} times: it never forgets a size that it answered for`, async () => {
    const path = program();
    const folder = join(testFolder(), "station");
    const log = StationLog.open({ directory: folder, mode: "live", flush: false });
    const receiver = new Uint8Array(32);
    log.begin({ softwareVersion: "t", time: { assurance: "none", boundMs: null }, receiver });
    const { GST, subframeContent } = await import("./leaves.js");
    for (let at = 0; at < 60 * KILLS; at++) {
      log.append([{ content: { ...subframeContent(GST + 30 * at), receiver } }]);
      await log.sign();
    }
    const { key, size } = log;
    log.close();
    const memory = testFolder();
    let newest = 0;
    for (let kill = 0; kill < KILLS && newest < size; kill++) {
      const args = ["witness", folder, memory, formatVerifierKey(key)];
      for (const line of await runAndKill(path, args, Math.random() * 60)) {
        if (line === "done") continue;
        const answered = Number(line.split(" ")[1]);
        expect(answered).toBeGreaterThan(newest);
        newest = answered;
      }
      const book = new WitnessBook(memory, [key]);
      expect(book.logs()[0].size).toBeGreaterThanOrEqual(newest);
      expect(book.evidence()).toEqual([]);
      newest = book.logs()[0].size;
      book.close();
    }
    expect(newest).toBeGreaterThan(0);
  }, 600_000);
});
