/** Runs a program of the system for what it prints. Never waits longer than told, never throws. Edge. */
import { execFile } from "node:child_process";

const MAX_OUTPUT_BYTES = 256 * 1024;
/** Where such programs are when PATH does not say, as under a service manager. */
const SYSTEM_PATHS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

export type CommandResult =
  | { readonly ok: true; readonly text: string }
  /** `missing`: there is no such program. */
  | { readonly ok: false; readonly missing: boolean; readonly why: string };

export type RunCommand = (
  program: string,
  args: readonly string[],
  timeoutMs: number,
) => Promise<CommandResult>;

export const runCommand: RunCommand = (program, args, timeoutMs) =>
  new Promise((resolve) => {
    const inherited = (process.env["PATH"] ?? "").split(":").filter((part) => part.startsWith("/"));
    const path = [...new Set([...inherited, ...SYSTEM_PATHS])].join(":");
    try {
      execFile(
        program,
        args,
        {
          timeout: timeoutMs,
          killSignal: "SIGKILL",
          maxBuffer: MAX_OUTPUT_BYTES,
          encoding: "latin1",
          windowsHide: true,
          // Numbers with points, days in English; nothing of the caller's secrets.
          env: { PATH: path, LC_ALL: "C", TZ: "UTC" },
        },
        (error, stdout, stderr) => {
          if (error === null) {
            resolve({ ok: true, text: stdout });
            return;
          }
          const missing = (error.code as unknown) === "ENOENT";
          const said = `${stderr}\n${stdout}`.trim().split("\n")[0].slice(0, 200);
          resolve({
            ok: false,
            missing,
            why: missing
              ? `${program} is not installed`
              : error.killed === true
                ? `${program} gave no answer within ${timeoutMs} ms`
                : `${program}: ${said === "" ? error.message.slice(0, 200) : said}`,
          });
        },
      );
    } catch (error) {
      resolve({ ok: false, missing: false, why: `${program}: ${String(error)}` });
    }
  });
