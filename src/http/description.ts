/**
 * The description of the API, made of the routes' own schemas, and the pages to browse it by. They are made in a server
 * of their own that listens nowhere, when they are first asked for: the libraries for it cost a start more than fastify
 * itself, and most processes are never asked.
 */
import type { FastifyInstance, RouteOptions } from "fastify";
import { noValidators } from "./late-validators.js";

const PAGES = "/docs";

const DESCRIPTION = [
  "Authenticated Galileo navigation data and graded fixes.",
  "- `nav-authenticated`: our own position, computed only from navigation data signed by Galileo. It does not say that the ranges are true.",
  "- `corroborated`: the receiver's own position agrees with authenticated data. Another position, not a weaker `nav-authenticated`.",
  "- `unverified`: nothing is said, and why is named; given only when asked for.",
  "",
  "Every error is a problem document (RFC 9457) with a code, what happened and what to do next.",
].join("\n");

const TAGS = [
  { name: "Fixes", description: "graded fixes, each with the evidence to judge it again" },
  { name: "OSNMA", description: "satellites, keys, chain and data that became authenticated" },
  { name: "Events", description: "what happened, newest first" },
  { name: "Station", description: "the station's log for witnesses and followers, and challenges to it" },
  { name: "Emission", description: "what the residency prover and federation nodes fetch" },
  { name: "Process", description: "state of this process, and its description" },
];
/** The pages below `/docs` that there are, for the routes of the server that is asked. */
export const PAGE_PATHS = ["", "/", "/json", "/yaml", "/static/index.html", "/static/swagger-initializer.js"]
  .concat("/static/*")
  .map((path) => `${PAGES}${path}`);

/**
 * Scripts and style sheets are files of this server; nothing runs that stands in the page, and nothing is loaded
 * from or sent elsewhere. The images of Swagger UI's style sheet are data.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** What of a request for a page changes the answer. */
const PASSED_ON = ["range", "if-none-match", "if-modified-since"] as const;
/** What belongs to the answer's own connection. */
const NOT_PASSED_BACK = new Set(["connection", "content-length", "date", "keep-alive", "transfer-encoding"]);

export interface DocumentationPage {
  readonly status: number;
  readonly headers: Readonly<Record<string, number | string | string[]>>;
  readonly body: Buffer;
}

export class Description {
  readonly #version: string;
  readonly #schemas: readonly object[];
  readonly #routes: RouteOptions[] = [];
  #server: Promise<FastifyInstance> | null = null;

  /** @param schemas those that the routes' schemas refer to */
  constructor(version: string, schemas: readonly object[]) {
    this.#version = version;
    this.#schemas = schemas;
  }

  /** Takes in a route of the server that is described; before the description is asked for. */
  add(route: RouteOptions): void {
    // Of each GET fastify makes a HEAD, here as there.
    if (route.method !== "HEAD") this.#routes.push(route);
  }

  /** The OpenAPI document. */
  async document(): Promise<object> {
    return (await this.#ready()).swagger();
  }

  /** A page, style sheet or script below /docs. */
  async page(
    url: string,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): Promise<DocumentationPage> {
    const server = await this.#ready();
    const passed: Record<string, string> = {};
    for (const name of PASSED_ON) {
      const value = headers[name];
      if (typeof value === "string") passed[name] = value;
    }
    const answer = await server.inject({ method: "GET", url, headers: passed });
    const given = Object.entries(answer.headers).flatMap(([name, value]) =>
      value === undefined || NOT_PASSED_BACK.has(name) ? [] : [[name, value] as const],
    );
    return { status: answer.statusCode, headers: Object.fromEntries(given), body: answer.rawPayload };
  }

  async close(): Promise<void> {
    await (await this.#server)?.close();
  }

  #ready(): Promise<FastifyInstance> {
    this.#server ??= this.#make().catch((error: unknown) => {
      // The next one who asks gets another try.
      this.#server = null;
      throw error;
    });
    return this.#server;
  }

  async #make(): Promise<FastifyInstance> {
    const [{ fastify }, { default: swagger }, { default: swaggerUi }] = await Promise.all([
      import("fastify"),
      import("@fastify/swagger"),
      import("@fastify/swagger-ui"),
    ]);
    // Nothing is checked or written by the schemas of the routes here: only what they say is read.
    const app: FastifyInstance = fastify({
      logger: false,
      schemaController: {
        compilersFactory: {
          buildValidator: noValidators,
          buildSerializer: () => () => (data) => JSON.stringify(data),
        },
      },
    });
    for (const schema of this.#schemas) app.addSchema(schema);
    await app.register(swagger, {
      openapi: {
        openapi: "3.1.0",
        info: {
          title: "osnmad",
          version: this.#version,
          description: DESCRIPTION,
        },
        tags: TAGS.filter(({ name }) => this.#routes.some(({ schema }) => schema?.tags?.includes(name))),
      },
      refResolver: {
        buildLocalReference: (json: { $id?: unknown }, _base: unknown, _fragment: unknown, index: number) =>
          typeof json.$id === "string" ? json.$id : `schema-${index}`,
      },
    });
    await app.register(swaggerUi, {
      routePrefix: PAGES,
      staticCSP: POLICY,
      uiConfig: { deepLinking: false, tryItOutEnabled: true, validatorUrl: null },
      theme: {
        title: "osnmad",
        css: [{ filename: "osnmad.css", content: ".swagger-ui .topbar { display: none; }" }],
      },
    });
    for (const { method, url, schema = {} } of this.#routes) {
      if (schema.hide !== true) app.route({ method, url, schema, handler: () => null });
    }
    await app.ready();
    return app;
  }
}
