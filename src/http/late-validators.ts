/**
 * Checks of requests that are compiled when the first request needs them, by the compiler that fastify would take:
 * to load it and to compile a check for every route takes a start as long as all else of the server.
 */
import type { FastifySchemaCompiler, FastifyServerOptions } from "fastify";
import { createRequire } from "node:module";

type Compiler = FastifySchemaCompiler<unknown>;
type Validator = ReturnType<Compiler>;
type Factory = (schemas: unknown, options: unknown) => Compiler;
/** fastify types it by its own compiler's functions, of which it uses no more than is here. */
type TypedFactory = NonNullable<
  NonNullable<NonNullable<FastifyServerOptions["schemaController"]>["compilersFactory"]>["buildValidator"]
>;

/** fastify's own, from where it finds it itself. */
function ownFactory(): Factory {
  const fastify = createRequire(import.meta.url).resolve("fastify");
  const make = createRequire(fastify)("@fastify/ajv-compiler") as () => Factory;
  return make();
}

const late: Factory = (schemas, options) => {
  let compiler: Compiler | null = null;
  return (route) => {
    let check: Validator | null = null;
    const validate: Validator = (data) => {
      compiler ??= ownFactory()(schemas, options);
      check ??= compiler(route);
      const result = check(data);
      validate.errors = check.errors ?? null;
      return result;
    };
    return validate;
  };
};

export const lateValidators = late as unknown as TypedFactory;

const none: Factory = () => () => () => true;

/** For a server that no request reaches. */
export const noValidators = none as unknown as TypedFactory;
