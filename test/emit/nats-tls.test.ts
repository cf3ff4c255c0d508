/**
 * NATS over TLS, with an authority and certificates that are made for the test by the openssl program: node:crypto reads
 * certificates and makes none.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { registerEmission } from "../../src/cli/commands/emission.js";
import { Consumer } from "../../src/emit/consumer.js";
import { Emission } from "../../src/emit/emission.js";
import { ensureStream, followNats, NatsTransport } from "../../src/emit/nats.js";
import { connectTo } from "../../src/emit/nats-connection.js";
import type { OsnmadError } from "../../src/errors.js";
import { assertInstalled, Broker, isSkipped } from "./broker.js";
import { testFolder } from "./folder.js";
import { addSubframes, openLog } from "./logs.js";

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
const inCi = process.env["CI"] !== undefined;

describe.skipIf(isSkipped || (!hasOpenssl && !inCi))(
  "NATS over TLS (skipped where nats-server or openssl is missing, but not in CI)",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "osnmad-tls-"));
    const server = new Broker(folder);
    const path = (name: string): string => join(folder, name);
    const openssl = (...args: string[]): void => {
      const { status, stderr } = spawnSync("openssl", args, { encoding: "utf8" });
      if (status !== 0) throw new Error(stderr);
    };
    const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

    /** `<name>.pem` and `<name>.key`, signed by themselves. */
    const makeAuthority = (name: string): void => {
      openssl(
        "req",
        "-x509",
        ...KEY,
        "-days",
        "2",
        "-subj",
        `/CN=${name}`,
        "-keyout",
        path(`${name}.key`),
        ...["-out", path(`${name}.pem`)],
      );
    };

    /** `<name>.pem` of the authority, for one address or name alone. */
    const makeCertificate = (name: string, subject: string): void => {
      openssl(
        "req",
        ...KEY,
        "-subj",
        "/CN=broker",
        ...["-keyout", path(`${name}.key`), "-out", path("request")],
      );
      writeFileSync(path("extensions"), `subjectAltName = ${subject}\n`);
      openssl(
        ...["x509", "-req", "-in", path("request"), "-days", "2", "-extfile", path("extensions")],
        ...["-CA", path("authority.pem"), "-CAkey", path("authority.key"), "-CAcreateserial"],
        ...["-out", path(`${name}.pem`)],
      );
    };
    const tlsOf = (name: string): string =>
      `tls { cert_file: "${path(`${name}.pem`)}", key_file: "${path(`${name}.key`)}" }`;

    beforeAll(async () => {
      assertInstalled();
      if (!hasOpenssl) throw new Error("openssl is missing: apt-get install openssl");
      makeAuthority("authority");
      makeAuthority("another");
      // Of this address, and not of the name localhost; and the other way round.
      makeCertificate("broker", "IP:127.0.0.1");
      makeCertificate("namesake", "DNS:localhost");
      server.configure(tlsOf("broker"));
      await server.start();
    });
    afterAll(async () => {
      await server.kill();
      rmSync(folder, { recursive: true });
    });

    const tls = (host = "127.0.0.1"): string => `tls://${host}:${server.port}`;

    it("publishes and is read where the broker's certificate is of the authority that was named", async () => {
      const caFile = path("authority.pem");
      // An address without tls:// and the authority's file: the file alone demands TLS.
      const broker = { servers: server.servers, caFile };
      expect(await ensureStream({ servers: tls(), caFile })).toBe(true);
      const directory = testFolder();
      const log = openLog(join(directory, "log"));
      const transport = new NatsTransport({ ...broker, station: log.station });
      const emission = new Emission({
        log,
        directory,
        flush: false,
        consumers: [
          { name: "nats", purpose: "federation", transport, delivery: { firstWaitMs: 20, maxWaitMs: 50 } },
        ],
      });
      try {
        await addSubframes(log, 0, 3);
        emission.notify();
        await emission.taken();
        await expect.poll(() => emission.status().consumers[0].backlog, { timeout: 15_000 }).toBe(0);
        const consumer = new Consumer({
          stations: [
            {
              key: log.key,
              witnesses: [],
              needed: 1,
              marginSeconds: 5,
              leapSeconds: 18,
              keyOffsetSeconds: 0,
            },
          ],
          store: null,
          onVerdict: () => undefined,
        });
        const { signal } = new AbortController();
        await followNats(consumer, { ...broker, signal, once: true });
        expect(consumer.status()).toMatchObject([{ leaves: 4, proven: 4, lies: 0 }]);
      } finally {
        await emission.close();
        log.close();
      }
    }, 60_000);

    it("is not fallen back from: a client that demands nothing gets TLS all the same, and believes nobody new", async () => {
      await expect(connectTo({ servers: server.servers })).rejects.toThrow(/certificate|issuer/i);
    });

    /** What `osnmad emission stream` ends with. */
    const stream = async (...words: string[]): Promise<OsnmadError> => {
      const program = new Command().exitOverride();
      registerEmission(program, { out: () => undefined, err: () => undefined });
      return await program.parseAsync(["emission", "stream", ...words], { from: "user" }).then(
        () => {
          throw new Error("taken");
        },
        (error: unknown) => error as OsnmadError,
      );
    };

    it.each<[string, () => string[], RegExp]>([
      [
        "another authority",
        () => ["--nats", tls(), "--nats-ca", path("another.pem")],
        /unable to|issuer|signature/i,
      ],
      ["no authority but the system's", () => ["--nats", tls()], /unable to|issuer|self.signed/i],
      [
        "a name that the certificate is not of",
        () => ["--nats", tls("localhost"), "--nats-ca", path("authority.pem")],
        /altnames.*localhost|localhost/i,
      ],
    ])("is refused with %s", async (_name, words, message) => {
      const error = await stream(...words());
      expect(error).toMatchObject({ code: "OSN_BROKER_REFUSES" });
      expect(error.message).toMatch(message);
    });

    it("is refused by an address where the certificate is of the name localhost, and taken by the name", async () => {
      const other = new Broker();
      onTestFinished(() => other.kill());
      other.configure(tlsOf("namesake"));
      await other.start();
      const words = (host: string) => [
        "--nats",
        `tls://${host}:${other.port}`,
        "--nats-ca",
        path("authority.pem"),
      ];
      // The second is an address to the client and to the system, and none to Node.
      for (const host of ["127.0.0.1", "127.0.0.01"]) {
        const error = await stream(...words(host));
        expect(error).toMatchObject({ code: "OSN_BROKER_REFUSES" });
        expect(error.message).toContain(host);
      }
      expect(
        await ensureStream({ servers: `tls://localhost:${other.port}`, caFile: path("authority.pem") }),
      ).toBe(true);
    });

    it("is refused to a delivery too, which says why and keeps what it has", async () => {
      const directory = testFolder();
      const log = openLog(join(directory, "log"));
      const transport = new NatsTransport({
        servers: tls(),
        caFile: path("another.pem"),
        station: log.station,
      });
      const delivery = { firstWaitMs: 20, maxWaitMs: 50 };
      const emission = new Emission({
        log,
        directory,
        flush: false,
        consumers: [{ name: "nats", purpose: "federation", transport, delivery }],
      });
      try {
        await addSubframes(log, 0, 1);
        emission.notify();
        await expect
          .poll(() => emission.status().consumers[0].failures, { timeout: 15_000 })
          .toBeGreaterThan(0);
        const [{ backlog, error }] = emission.status().consumers;
        expect(backlog).toBeGreaterThan(0);
        expect(error).toMatch(/unable to|issuer|signature/i);
      } finally {
        await emission.close();
        log.close();
      }
    });
  },
);
