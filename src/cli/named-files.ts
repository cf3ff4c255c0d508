/**
 * The files that a configuration names, each read as a run reads it: `run` asks before anything is begun, `config check`
 * and `doctor` ask the same. What lies in the data folder (state, station key, tokens) is named by nobody, and looked at
 * by `config check` beside it. Edge: reads files.
 */
import { statSync } from "node:fs";
import type { Config } from "../daemon/config.js";
import { OsnmadError } from "../errors.js";
import { assertProfile } from "../receiver/profile-files.js";
import { assertCapture } from "../source/capture-file.js";
import { linkKind } from "../source/open-link.js";
import { loadTrust } from "../trust/material.js";
import { throwTogether } from "./runnable.js";
import type { TrustFlags } from "./trust-options.js";

/** Key files that the configuration names; none of them where it leaves the built-in keys in force. */
export function trustFilesOf({ trust }: Config): Pick<TrustFlags, "merkle" | "publicKey" | "rootKey"> {
  return {
    ...(trust.merkle.length > 0 ? { merkle: trust.merkle } : {}),
    ...(trust.public_key.length > 0 ? { publicKey: trust.public_key } : {}),
    ...(trust.root_key === undefined ? {} : { rootKey: trust.root_key }),
  };
}

/** What keeps a run from starting: a named file that is missing, unreadable, or not what its option wants. */
export async function fileFaults(config: Config): Promise<OsnmadError[]> {
  const { receiver, emit } = config;
  const faults: OsnmadError[] = [];
  const tried = (option: string, action: () => unknown): void => {
    try {
      action();
    } catch (error) {
      if (!(error instanceof OsnmadError)) throw error;
      // A file is named in the configuration, not on a command line.
      const code = error.code === "OSN_USAGE" ? "OSN_CONFIG_INVALID" : error.code;
      faults.push(new OsnmadError(code, `${option}: ${error.message}`, { cause: error }));
    }
  };
  const trustFiles = trustFilesOf(config);
  if (Object.keys(trustFiles).length > 0) tried("trust", () => loadTrust(trustFiles));
  tried("receiver.profile", () => {
    assertProfile(receiver.profile);
  });
  if (receiver.port !== "auto" && linkKind(receiver.port) === "capture") {
    tried("receiver.port", () => {
      assertCapture(receiver.port);
    });
  }
  if (emit.nats.length === 0) return faults;
  // The client is loaded only where there is a broker.
  const { assertCertificates, connectionOptions, loginIn } = await import("../emit/nats-connection.js");
  const { nats: servers, nats_credentials: credentialsFile, nats_ca: caFile } = emit;
  const before = faults.length;
  if (credentialsFile !== undefined) tried("emit.nats_credentials", () => loginIn(credentialsFile));
  if (caFile !== undefined) {
    tried("emit.nats_ca", () => {
      assertCertificates(caFile);
    });
  }
  if (faults.length === before) {
    tried("emit.nats", () => connectionOptions({ servers, credentialsFile, caFile }));
  }
  return faults;
}

/** Throws what keeps a run from starting, all of it at once: the file's code, OSN_CONFIG_INVALID for several. */
export async function assertFiles(config: Config): Promise<void> {
  throwTogether(await fileFaults(config));
}

/** Secrets in files that others on this machine can read; a run goes on with them, and says so. */
export function openSecrets({ emit }: Config): { readonly found: string; readonly remedy: string }[] {
  const path = emit.nats_credentials;
  if (emit.nats.length === 0 || path === undefined || process.platform === "win32") return [];
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  return (mode & 0o007) === 0
    ? []
    : [{ found: `emit.nats_credentials: others can open ${path}`, remedy: `chmod o-rwx ${path}` }];
}
