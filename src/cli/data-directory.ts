/** Where the store is kept unless --data-dir says otherwise. */
import { isAbsolute, join } from "node:path";

/** The state folder of the XDG Base Directory Specification 0.8, which ignores a relative path. */
export function defaultDataDirectory(
  environment: Readonly<Record<string, string | undefined>>,
  home: string,
): string {
  const state = environment["XDG_STATE_HOME"];
  return join(state !== undefined && isAbsolute(state) ? state : join(home, ".local", "state"), "osnmad");
}
