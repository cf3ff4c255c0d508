/** `osnmad token create | list | revoke`: who may read from a server that asks for tokens. */
import type { Command } from "commander";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { OsnmadError } from "../../errors.js";
import type { Scope } from "../../store/token-file.js";
import { createToken, isScope, readTokens, revokeToken, SCOPES } from "../../store/token-file.js";
import { defaultDataDirectory } from "../data-directory.js";

/** The edges of these commands, to be replaced in tests. */
export interface TokenCommandIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly now: () => Date;
}

const PROCESS_IO: TokenCommandIo = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  now: () => new Date(),
};

interface SharedOptions {
  readonly dataDir: string;
  readonly json?: boolean;
}

/** Adds `token` and its subcommands to the program. */
export function registerToken(program: Command, io: TokenCommandIo = PROCESS_IO): void {
  const token = program.command("token").description("say who may read from a server that asks for tokens");
  const dataDirectory = defaultDataDirectory(process.env, homedir());

  token
    .command("create")
    .description("make a token and print it, once; a server takes it within a second")
    .argument("<name>", "what it is for")
    .option("--scope <scope>", `what it opens: ${SCOPES.join(", ")} (repeatable)`, collectScope)
    .option("--data-dir <folder>", "where data is kept", dataDirectory)
    .option("--json", "one JSON object with the token's text")
    .action((name: string, options: SharedOptions & { readonly scope?: Scope[] }) => {
      const scopes = options.scope ?? ["read:status", "read:fixes"];
      const { token: made, secret } = createToken(resolve(options.dataDir), name, scopes, io.now());
      if (options.json === true) {
        const { id, createdAt } = made;
        io.out(`${JSON.stringify({ id, name, scopes: made.scopes, createdAt, token: secret })}\n`);
        return;
      }
      // The token alone on standard output, so that it can be taken into a variable or a file.
      io.out(`${secret}\n`);
      io.err(
        `Token ${made.id} (${made.name}) opens ${made.scopes.join(", ")}. It is not shown again.\n` +
          `Send it as a header:  Authorization: Bearer osn_...\n`,
      );
    });

  token
    .command("list")
    .description("list the tokens, without their text")
    .option("--data-dir <folder>", "where data is kept", dataDirectory)
    .option("--json", "one JSON object per line")
    .action((options: SharedOptions) => {
      const tokens = readTokens(resolve(options.dataDir));
      if (options.json === true) {
        for (const { id, name, scopes, createdAt } of tokens) {
          io.out(`${JSON.stringify({ id, name, scopes, createdAt })}\n`);
        }
        return;
      }
      if (tokens.length === 0) io.err("There is no token.\n");
      for (const { id, name, scopes, createdAt } of tokens) {
        io.out(`${id}  ${createdAt}  ${scopes.join(",").padEnd(30)}  ${name}\n`);
      }
    });

  token
    .command("revoke")
    .description("take a token back; a server refuses it within a second")
    .argument("<id-or-name>", "as `token list` shows it")
    .option("--data-dir <folder>", "where data is kept", dataDirectory)
    .action((idOrName: string, options: SharedOptions) => {
      const revoked = revokeToken(resolve(options.dataDir), idOrName);
      if (revoked === null) throw new OsnmadError("OSN_USAGE", `There is no token "${idOrName}".`);
      io.out(`Token ${revoked.id} (${revoked.name}) is revoked.\n`);
    });
}

function collectScope(text: string, previous: Scope[] = []): Scope[] {
  if (!isScope(text)) {
    throw new OsnmadError("OSN_USAGE", `--scope takes one of ${SCOPES.join(", ")}, not "${text}".`);
  }
  return [...previous, text];
}
