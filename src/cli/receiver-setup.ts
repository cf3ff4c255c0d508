/** What the daemon does with a receiver at each connection, made of the parts of src/receiver. */
import type { ConfigKeyName } from "gnss-ubx";
import type { ReceiverSetup, SetupReport } from "../daemon/ports.js";
import { OsnmadError } from "../errors.js";
import { applyProfile, BAUD_RATE, type ApplyReport } from "../receiver/apply-profile.js";
import { describeReceiver, identify, type ReceiverIdentity } from "../receiver/identity.js";
import { ownPort, type ReceiverPort } from "../receiver/own-port.js";
import { sheddableMessages, type Profile } from "../receiver/profile.js";
import { chooseProfile } from "../receiver/profile-files.js";
import { UbxClient } from "../receiver/ubx-client.js";
import type { ByteLink } from "../source/byte-link.js";

export interface SetupOptions {
  /** `auto`, a profile's name or file, or `none`. */
  readonly profile: string;
  /** The UART's rate is the user's choice: the profile does not raise it. */
  readonly fixedRate: boolean;
}

export function receiverSetup({ profile: choice, fixedRate }: SetupOptions): ReceiverSetup {
  const clients = new WeakMap<ByteLink, UbxClient>();
  const clientOf = (link: ByteLink): UbxClient => {
    const known = clients.get(link);
    if (known !== undefined) return known;
    const client = new UbxClient(link);
    clients.set(link, client);
    return client;
  };
  /** What was switched off, kept over reconnections: a buffer that was too small once is so again. */
  const without = new Set<ConfigKeyName>(fixedRate ? [BAUD_RATE] : []);

  return async (link, { fewer, usb }) => {
    const client = clientOf(link);
    let identity: ReceiverIdentity | null = null;
    try {
      // A receiver that is to be left as it is must not be woken: that writes.
      identity = await identify(client, { wake: choice !== "none" });
      if (choice === "none") return report(identity, "none", "receiver.profile is none");
      const profile = chooseProfile(choice, identity);
      const port =
        (await ownPort(client)) ?? (usb === true ? "usb" : usb === false ? "uart1" : profile.ports[0]);
      const off = fewer ? await shed(client, profile, port, without) : [];
      const applied = await applyProfile(client, profile, { port, without });
      return applyReport(identity, applied, off);
    } catch (error) {
      if (!(error instanceof OsnmadError)) throw error;
      return report(
        identity,
        "refused",
        `${error.message.replace(/\.$/, "")}. ${error.remedy.replace(/\.$/, "")}`,
      );
    }
  };
}

/** Switches off half of what may be switched off still, the least worth first. */
async function shed(
  client: UbxClient,
  profile: Profile,
  port: ReceiverPort,
  without: Set<ConfigKeyName>,
): Promise<ConfigKeyName[]> {
  const left = sheddableMessages(profile, port).filter((key) => !without.has(key));
  const off = left.slice(0, Math.ceil(left.length / 2));
  for (const key of off) {
    without.add(key);
    // One per frame: a key that is not known makes the receiver refuse the others beside it.
    await client.valset([{ key, value: 0 }], ["ram"]);
  }
  return off;
}

function applyReport(
  identity: ReceiverIdentity,
  { profile, keys, complete }: ApplyReport,
  off: readonly ConfigKeyName[],
): SetupReport {
  const bad = keys.filter(
    ({ outcome }) => outcome === "unknown" || outcome === "refused" || outcome === "lost",
  );
  const missing = bad
    .filter(({ need }) => need === "required")
    .map(({ key, outcome }) => `${key} (${outcome})`);
  const left = bad.filter(({ need }) => need === "optional").length;
  const parts = [
    `profile ${profile}`,
    ...(missing.length > 0 ? [`required but not set: ${missing.join(", ")}`] : []),
    ...(left > 0 ? [`${left} optional keys are not known to this firmware or not taken`] : []),
    ...(off.length > 0 ? [`switched off: ${off.join(", ")}`] : []),
  ];
  return report(identity, complete ? "applied" : "partly", parts.join("; "));
}

function report(
  identity: ReceiverIdentity | null,
  configuration: SetupReport["configuration"],
  detail: string | null,
): SetupReport {
  return {
    identity:
      identity === null
        ? null
        : {
            model: identity.module ?? describeReceiver(identity),
            firmware: identity.firmware,
            protocol: identity.protocol,
            uniqueId: identity.uniqueId,
          },
    configuration,
    detail,
  };
}
