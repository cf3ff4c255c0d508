/** `osnmad config check` says before what a run says at its start, of every file that a configuration names. */
import { chmodSync, mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { Command } from "commander";
import { nkeys } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { registerConfig } from "../../src/cli/commands/config.js";
import { registerRun } from "../../src/cli/commands/run.js";
import { checkConfiguration } from "../../src/cli/doctor/configuration.js";
import { OsnmadError } from "../../src/errors.js";
import { makeKey } from "../../src/station/key-file.js";
import { createToken } from "../../src/store/token-file.js";
import { ENGINE_STATE_FILE } from "../../src/trust/state-store.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "osnmad-config-check-"));
  vi.stubEnv("XDG_STATE_HOME", join(folder, "state"));
  vi.stubEnv("HOME", folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};

/** What a command says, and the error it ends with. */
async function said(...words: string[]): Promise<{ out: string; err: string; error: OsnmadError | null }> {
  const program = new Command().exitOverride();
  registerConfig(program);
  registerRun(program);
  const told = { out: "", err: "" };
  const to = (name: "out" | "err") => (text: string | Uint8Array) => {
    told[name] += String(text);
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(to("out") as typeof process.stdout.write),
    vi.spyOn(process.stderr, "write").mockImplementation(to("err") as typeof process.stderr.write),
  ];
  try {
    await program.parseAsync(words, { from: "user" });
    return { ...told, error: null };
  } catch (error) {
    if (!(error instanceof OsnmadError)) throw error;
    return { ...told, error };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

const toml = (sections: Record<string, Record<string, unknown>>): string =>
  file(
    "osnmad.toml",
    Object.entries({ "": { data_dir: join(folder, "data") }, ...sections })
      .map(
        ([section, fields]) =>
          `${section === "" ? "" : `[${section}]\n`}${Object.entries(fields)
            .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
            .join("")}`,
      )
      .join(""),
  );

describe("a file that the configuration names", () => {
  const nats = ["nats://127.0.0.1:1"];
  const pem = (body: string): string => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`;

  it.each<[string, () => Record<string, Record<string, unknown>>, string, RegExp]>([
    [
      "credentials that are missing",
      () => ({ emit: { nats, nats_credentials: join(folder, "none") } }),
      "OSN_CONFIG_INVALID",
      /^emit\.nats_credentials: .*none cannot be read/,
    ],
    [
      "credentials that are a folder",
      () => ({ emit: { nats, nats_credentials: folder } }),
      "OSN_CONFIG_INVALID",
      /^emit\.nats_credentials: .*cannot be read/,
    ],
    [
      "credentials that are cut off",
      () => ({ emit: { nats, nats_credentials: file("c", "-----BEGIN NATS USER JWT-----\neyJ0\n") } }),
      "OSN_CONFIG_INVALID",
      /^emit\.nats_credentials: .*no whole creds file/,
    ],
    [
      "an nkey with a letter wrong",
      () => {
        const seed = Buffer.from(nkeys.createUser().getSeed()).toString();
        // Not the last one, of which not all bits count.
        const wrong = seed.slice(0, 30) + (seed[30] === "A" ? "B" : "A") + seed.slice(31);
        return { emit: { nats, nats_credentials: file("seed", wrong) } };
      },
      "OSN_CONFIG_INVALID",
      /^emit\.nats_credentials: .*no seed of an nkey/,
    ],
    [
      "certificates that are missing",
      () => ({ emit: { nats, nats_ca: join(folder, "none.pem") } }),
      "OSN_CONFIG_INVALID",
      /^emit\.nats_ca: .*none\.pem cannot be read/,
    ],
    [
      "certificates that are not PEM",
      () => ({ emit: { nats, nats_ca: file("ca.pem", "\u0030\u0082 der") } }),
      "OSN_CONFIG_INVALID",
      /^emit\.nats_ca: .*holds no certificate in PEM/,
    ],
    [
      "a certificate that is none inside",
      () => ({ emit: { nats, nats_ca: file("ca.pem", pem("AAAA")) } }),
      "OSN_CONFIG_INVALID",
      /^emit\.nats_ca: .*certificate 1 cannot be read/,
    ],
    [
      "a profile that is missing",
      () => ({ receiver: { profile: join(folder, "mine.toml") } }),
      "OSN_PROFILE_INVALID",
      /^receiver\.profile: .*mine\.toml cannot be read/,
    ],
    [
      "a profile that is none",
      () => ({ receiver: { profile: file("mine.toml", "nonsense = true\n") } }),
      "OSN_PROFILE_INVALID",
      /^receiver\.profile: /,
    ],
    [
      "a capture that is missing",
      () => ({ receiver: { port: join(folder, "none.ubx") } }),
      "OSN_CAPTURE_NOT_FOUND",
      /^receiver\.port: .*none\.ubx/,
    ],
    [
      "a Merkle tree that is missing",
      () => ({ trust: { merkle: [join(folder, "tree.xml")] } }),
      "OSN_TRUST_FILE_UNREADABLE",
      /^trust: .*tree\.xml/,
    ],
  ])("is refused by check as by a run: %s", async (_name, sections, code, message) => {
    const path = toml(sections());
    const check = await said("config", "check", "--config", path);
    expect(check.error).toMatchObject({ code, message: expect.stringMatching(message) as string });
    // A run that is not refused does not end.
    const run = await said("run", "--config", path, "--no-http");
    expect(check.out).toBe("");
    expect(run.error).toMatchObject({ code, message: check.error!.message });
    const { checks } = await checkConfiguration(path, {});
    // Key material has a check of its own in doctor.
    const status = code.startsWith("OSN_TRUST_") ? "ok" : "problem";
    expect(checks).toMatchObject([{ name: "configuration", status }]);
  });

  it("is told together with the others that are wrong, and without what is in it", async () => {
    const path = toml({
      receiver: { profile: join(folder, "mine.toml") },
      emit: { nats, nats_credentials: file("c", "hunter2\nhunter3"), nats_ca: join(folder, "none.pem") },
    });
    const { error } = await said("config", "check", "--config", path);
    expect(error).toMatchObject({ code: "OSN_CONFIG_INVALID" });
    expect(error!.message).toContain("has 3 faults");
    expect(error!.message).not.toMatch(/hunter/);
  });

  it("is right where it can be used, and a secret that others can open is pointed out", async () => {
    const credentials = file("station.login", "station:secret\n");
    const path = toml({
      receiver: { profile: "zed-f9p" },
      emit: {
        nats,
        nats_credentials: credentials,
        nats_ca: file("ca.pem", rootCertificates.slice(0, 2).join("\n")),
      },
    });
    expect(await said("config", "check", "--config", path)).toMatchObject({ error: null, err: "" });
    expect((await checkConfiguration(path, {})).checks).toMatchObject([{ status: "ok" }]);
    chmodSync(credentials, 0o644);
    const open = await said("config", "check", "--config", path);
    expect(open).toMatchObject({
      error: null,
      err: expect.stringContaining(`chmod o-rwx ${credentials}`) as string,
    });
    expect((await checkConfiguration(path, {})).checks).toMatchObject([
      { status: "warning", remedy: `chmod o-rwx ${credentials}` },
    ]);
  });
});

describe("a configuration file that is not there", () => {
  it("is named once, in words", async () => {
    const path = join(folder, "none.toml");
    const { error } = await said("config", "check", "--config", path);
    expect(error).toMatchObject({
      code: "OSN_CONFIG_UNREADABLE",
      message: `${path}: there is no such file.`,
    });
  });
});

describe("what lies in the data folder", () => {
  it("is no fault of the configuration, and said all the same", async () => {
    const path = toml({ http: { require_token: true } });
    createToken(join(folder, "data"), "test", ["read:fixes"], new Date(0));
    const key = join(folder, "data/station/station.key");
    mkdirSync(join(folder, "data/station"), { recursive: true, mode: 0o700 });
    makeKey(key);
    expect(await said("config", "check", "--config", path)).toMatchObject({ error: null, err: "" });
    const notes = async (): Promise<string> => {
      const { error, err } = await said("config", "check", "--config", path);
      expect(error).toBeNull();
      return err;
    };
    chmodSync(key, 0o644);
    expect(await notes()).toMatch(
      /others may read it.* A run would keep no station log \(OSN_STATION_KEY_UNUSABLE\)\. Restore/,
    );
    chmodSync(key, 0o600);
    writeFileSync(join(folder, "data/tokens.json"), "{}");
    expect(await notes()).toMatch(/no list of tokens\. A run would be refused \(OSN_STATE_CORRUPT\)/);
    rmSync(join(folder, "data/tokens.json"));
    writeFileSync(join(folder, "data", ENGINE_STATE_FILE), "{}");
    expect(await notes()).toMatch(/A run would be refused \(OSN_STATE_CORRUPT\)/);
  });
});
