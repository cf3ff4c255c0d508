import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockPort } from "../../src/source/port-lock.js";

describe("the lock of a port", () => {
  let folder: string;
  const path = (): string => join(folder, "osnmad-_dev_ttyACM0.lock");
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "osnmad-lock-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it("is held by one, names the holder, and is let go without a trace", () => {
    const release = lockPort("/dev/ttyACM0", folder);
    expect(() => lockPort("/dev/ttyACM0", folder)).toThrow(new RegExp(`process ${process.pid}`));
    lockPort("/dev/ttyACM1", folder)();
    release();
    release();
    expect(readdirSync(folder)).toEqual([]);
    lockPort("/dev/ttyACM0", folder)();
  });

  it("of a dead process is taken over", async () => {
    const child = spawn(process.execPath, ["-e", ""]);
    const { pid } = child;
    await new Promise((resolve) => child.once("exit", resolve));
    writeFileSync(path(), JSON.stringify({ pid, since: "1", boot: null }));
    const release = lockPort("/dev/ttyACM0", folder);
    expect(JSON.parse(readFileSync(path(), "utf8"))).toMatchObject({ pid: process.pid });
    release();
  });

  it("of a process whose number went to another is taken over", () => {
    const own = { pid: process.pid, since: "1", boot: null };
    writeFileSync(path(), JSON.stringify(own));
    // Where the system does not tell when a process began, the number alone counts.
    if (existsSync(`/proc/${process.pid}/stat`)) lockPort("/dev/ttyACM0", folder)();
    else expect(() => lockPort("/dev/ttyACM0", folder)).toThrow();
  });

  it("that is no lock at all (cut by a crash) is taken over", () => {
    for (const rubbish of ["", "{", "null", '{"pid":-1}', "17"]) {
      writeFileSync(path(), rubbish);
      lockPort("/dev/ttyACM0", folder)();
    }
    expect(readdirSync(folder)).toEqual([]);
  });
});
