import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "smol-toml";
import type { TSchema } from "typebox";
import Value from "typebox/value";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { assertRunnable, configurationFaults } from "../../src/cli/runnable.js";
import { ConfigSchema, optionRows, publishedSchema, RELOADABLE } from "../../src/daemon/config.js";
import { loadConfig, variableOf } from "../../src/daemon/config-sources.js";
import { optionTable } from "../../src/daemon/option-table.js";
import { formatVerifierKey } from "../../src/station/note.js";
import { testKey, witnessKey } from "../station/keys.js";
import { docText } from "../docs/markdown.js";

describe("the configuration", () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "osnmad-config-"));
  });
  afterEach(() => {
    rmSync(home, { recursive: true });
  });
  const load = (
    toml: string | null,
    environment: Record<string, string> = {},
    flags: Record<string, unknown> = {},
  ) => {
    const file = join(home, "osnmad.toml");
    if (toml !== null) writeFileSync(file, toml);
    return loadConfig({ file: toml === null ? null : file, environment, home, flags });
  };

  it("is whole without any file", () => {
    const { config, file } = load(null);
    expect(file).toBeNull();
    expect(config.receiver).toMatchObject({ port: "auto", baud: "auto", profile: "auto" });
    expect(config.http).toMatchObject({ host: "127.0.0.1", port: 4747, allow_remote: false });
  });

  it("takes the later source: file, environment, command line, and says which", () => {
    const { config, said } = load(
      '[receiver]\nport = "/dev/a"\nbaud = 9600\n[log]\nlevel = "debug"\n',
      { OSNMAD_RECEIVER__PORT: "/dev/b", OSNMAD_TRUST__MERKLE: "x.xml:y.xml", OSNMAD_HTTP__ENABLED: "false" },
      { "log.level": "warn", "http.port": undefined },
    );
    expect(config.receiver).toMatchObject({ port: "/dev/b", baud: 9600 });
    expect(config.trust.merkle).toEqual(["x.xml", "y.xml"]);
    expect(config.http).toMatchObject({ enabled: false, port: 4747 });
    expect(config.log.level).toBe("warn");
    expect(said.get("receiver.port")).toBe("OSNMAD_RECEIVER__PORT");
    expect(said.get("receiver.baud")).toContain("osnmad.toml");
    expect(said.get("log.level")).toBe("the command line");
  });

  it("takes addresses from the environment as a JSON list, as in the file", () => {
    const witnesses = ["https://w.example:8443 w.example+1234+AAAA", "http://127.0.0.1:4748 x+00+BB"];
    const { config, said } = load(null, {
      OSNMAD_STATION__WITNESSES: JSON.stringify(witnesses),
      OSNMAD_EMIT__NATS: '["nats://127.0.0.1:4222"]',
      OSNMAD_TRUST__MERKLE: "",
    });
    expect(config.station.witnesses).toEqual(witnesses);
    expect(config.emit.nats).toEqual(["nats://127.0.0.1:4222"]);
    expect(config.trust.merkle).toEqual([]);
    expect(said.get("station.witnesses")).toBe("OSNMAD_STATION__WITNESSES");
    for (const text of ['["http://w k"', "[1]", witnesses[0]]) {
      expect(() => load(null, { OSNMAD_STATION__WITNESSES: text }), text).toThrow(
        "OSNMAD_STATION__WITNESSES",
      );
    }
  });

  it("refuses what it does not know or cannot take, by name and place", () => {
    const refusal = (toml: string | null, environment = {}): string => {
      try {
        load(toml, environment);
      } catch (error) {
        expect(error).toMatchObject({ code: "OSN_CONFIG_INVALID" });
        return (error as Error).message;
      }
      throw new Error("taken");
    };
    expect(refusal("[reciever]\n")).toContain('no option "reciever"');
    expect(refusal("[receiver]\nprot = 1\n")).toContain('no option "receiver.prot"');
    expect(refusal("[http]\nport = 70000\n")).toMatch(/http\.port: expected integer, 0 to 65535, not 70000/);
    expect(refusal('[fix]\npolicy = "lax"\n')).toMatch(/fix\.policy: default, strict, not "lax"/);
    expect(refusal("[http]\nport = \n")).toContain("line 2");
    expect(refusal("[fix.thresholds]\ncn0StepDB = 1\n")).toContain("fix.thresholds.cn0StepDB");
    // The ranges are those of the watch itself.
    expect(refusal("[fix.thresholds]\ncn0StepDb = 0\n")).toMatch(
      /fix\.thresholds\.cn0StepDb: expected number, 0\.5 to 60, not 0/,
    );
    expect(refusal(null, { OSNMAD_HTTP__PORT: "many" })).toContain("OSNMAD_HTTP__PORT");
    expect(refusal(null, { OSNMAD_HTTP__PROT: "1" })).toContain("OSNMAD_HTTP__PROT");
  });

  it("tells all faults at once, and what may have been meant", () => {
    const toml = '[reciever]\nport = "x"\n[http]\nport = 70000\nhots = "a"\n[emit]\nnats = ["http://a"]\n';
    let message = "";
    try {
      load(toml, { OSNMAD_LOG__LEVLE: "info" });
    } catch (error) {
      ({ message } = error as Error);
    }
    expect(message).toContain("has 5 faults");
    expect(message).toContain('no option "reciever"; did you mean "receiver"?');
    expect(message).toContain('no option "http.hots"; did you mean "http.host"?');
    expect(message).toContain(
      'OSNMAD_LOG__LEVLE: there is no such option; did you mean "OSNMAD_LOG__LEVEL"?',
    );
    expect(message).toContain("http.port: expected integer");
    expect(message).toContain('emit.nats: expected nats://host:port or tls://host:port, not "http://a"');
  });

  it("refuses what no run can begin with, each option being right by itself", () => {
    const witness = `http://127.0.0.1:1 ${formatVerifierKey(witnessKey("w.example/w", testKey("w")))}`;
    const faults = (flags: Record<string, unknown>): string[] =>
      configurationFaults(load(null, {}, flags).config).map(({ code, message }) => `${code} ${message}`);
    expect(faults({})).toEqual([]);
    expect(faults({ "station.witnesses": [witness], "station.needed": 1 })).toEqual([]);
    expect(faults({ "emit.prover_push": ["unix:/run/prover.sock:/fixes", "https://a.example/x t"] })).toEqual(
      [],
    );
    for (const [flags, told] of [
      [{ "emit.prover_push": ["http://example.org/x tok"] }, /would get coordinates/],
      [{ "emit.prover_push": ["https://example.org/x"] }, /would get coordinates/],
      [
        { "emit.federation_push": ["https://a.example"], "emit.nats": ["tls://b"], "station.enabled": false },
        /^OSN_CONFIG_INVALID emit: what is sent/,
      ],
      [{ "emit.federation_push": ["https://a.example", "https://a.example t"] }, /is there twice/],
      [{ "station.witnesses": ["http://127.0.0.1:1 bad"] }, /"<url> <key>"/],
      [{ "station.witnesses": [witness, witness] }, /Two witnesses have/],
      [{ "station.witnesses": [witness], "station.needed": 3 }, /of 1 witnesses 3 cannot/],
      [{ "http.host": "0.0.0.0" }, /^OSN_LISTEN_REFUSED http\.host: 0\.0\.0\.0/],
      [{ "http.host": "example.org", "http.allow_remote": true }, /is not an IP address/],
      [{ "time.assume_synchronised": true }, /needs time\.bound_seconds/],
    ] as const) {
      expect(faults(flags), JSON.stringify(flags)).toEqual([expect.stringMatching(told)]);
    }
    const two = load(null, {}, { "http.host": "0.0.0.0", "time.assume_synchronised": true }).config;
    expect(() => {
      assertRunnable(two);
    }).toThrow(/has 2 faults:\n {2}http\.host.*\n {2}time\.assume/);
  });

  it("has a schema that takes every file of this repository, and refuses what is unknown", () => {
    const schema = JSON.parse(JSON.stringify(publishedSchema())) as TSchema;
    const faults = (toml: string): string[] =>
      [...Value.Errors(schema, parse(toml))].map(({ instancePath, message }) => `${instancePath} ${message}`);
    const documents = [
      "configuration.md",
      "emission.md",
      "witness.md",
      "live.md",
      "time.md",
      "station-log.md",
    ];
    const examples = documents.flatMap((name) =>
      [...docText(name).matchAll(/```toml\n([^]*?)```/g)].map(([, toml]) => toml),
    );
    expect(examples.length).toBeGreaterThan(0);
    for (const toml of [readFileSync("packaging/osnmad.toml", "utf8"), "", ...examples]) {
      expect(faults(toml), toml).toEqual([]);
    }
    expect(faults("[reciever]\n")).not.toEqual([]);
    expect(faults("[http]\nport = 70000\n")).not.toEqual([]);
  });

  it("that is named and not there is an error, one in the usual places is not", () => {
    expect(() => loadConfig({ file: join(home, "none.toml"), environment: {}, home, flags: {} })).toThrow(
      expect.objectContaining({ code: "OSN_CONFIG_UNREADABLE" }),
    );
    expect(load(null, { OSNMAD_SHARED: "/x", OSNMADX: "1", OSNMAD_SOMETHING: "1" }).said.size).toBe(0);
  });

  it("explains every option, and only options that are there can be reloaded", () => {
    const rows = optionRows();
    for (const { name, description } of rows) expect(description.length, name).toBeGreaterThan(8);
    for (const name of RELOADABLE) expect(rows.map((row) => row.name)).toContain(name);
    expect(new Set(rows.map(({ name }) => variableOf(name))).size).toBe(rows.length);
    // Every default is what the schema takes.
    expect(JSON.parse(JSON.stringify(ConfigSchema))).toMatchObject({ type: "object" });
  });

  it("is documented as the schema has it (node scripts/configuration-doc.mjs)", () => {
    const text = docText("configuration.md");
    const from = text.indexOf("<!-- options: begin -->\n") + "<!-- options: begin -->\n".length;
    expect(text.slice(from, text.indexOf("<!-- options: end -->")).trim()).toBe(optionTable().trim());
  });
});
