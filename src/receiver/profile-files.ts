/** The profiles that come with osnmad, and those of the user. Edge: reads files. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { OsnmadError, reasonOf } from "../errors.js";
import type { ReceiverIdentity } from "./identity.js";
import { describeReceiver, hasConfigurationKeys } from "./identity.js";
import type { Profile } from "./profile.js";
import { parseProfile, profileFits } from "./profile.js";

/** Two folders up from src/receiver, dist/receiver and dist/bin alike. */
const FOLDER = fileURLToPath(new URL("../../firmware-config", import.meta.url));

/** All that come with osnmad; families first, the generic one last. */
export function builtInProfiles(folder = FOLDER): Profile[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".toml"))
    .map((name) => readProfile(join(folder, name)))
    .sort(
      (a, b) => Number(a.modules.length === 0) - Number(b.modules.length === 0) || compare(a.name, b.name),
    );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A profile from a file. Throws OSN_PROFILE_INVALID. */
export function readProfile(path: string): Profile {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new OsnmadError("OSN_PROFILE_INVALID", `${path} cannot be read: ${reasonOf(cause)}.`, { cause });
  }
  return parseProfile(basename(path, ".toml"), text);
}

/**
 * The profile for a receiver: `choice` is "auto", the name of one that comes with osnmad, or a file. Throws
 * OSN_RECEIVER_UNSUPPORTED for a receiver that is not configured by keys, OSN_PROFILE_INVALID.
 */
export function chooseProfile(choice: string, identity: ReceiverIdentity): Profile {
  if (!hasConfigurationKeys(identity)) {
    throw new OsnmadError(
      "OSN_RECEIVER_UNSUPPORTED",
      `${describeReceiver(identity)} is not configured by keys (CFG-VALSET comes with protocol version 27).`,
    );
  }
  if (choice === "auto") {
    const found = builtInProfiles().find((profile) => profileFits(profile, identity));
    if (found !== undefined) return found;
    throw new OsnmadError(
      "OSN_RECEIVER_UNSUPPORTED",
      `There is no profile for ${describeReceiver(identity)}.`,
    );
  }
  return namedProfile(choice);
}

/** Whether there is such a profile, whatever the receiver turns out to be. Throws OSN_PROFILE_INVALID. */
export function assertProfile(choice: string): void {
  if (choice !== "auto" && choice !== "none") namedProfile(choice);
}

function namedProfile(choice: string): Profile {
  const builtIn = /^[a-z0-9-]+$/.test(choice)
    ? builtInProfiles().find(({ name }) => name === choice)
    : undefined;
  return builtIn ?? readProfile(choice);
}
