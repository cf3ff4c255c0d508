/** `/docs`: the description, to be browsed. Swagger UI's own files, from this server and nowhere else. */
import swaggerUi from "@fastify/swagger-ui";
import type { FastifyPluginCallback } from "fastify";

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

export const docsRoutes: FastifyPluginCallback = (app, _options, done) => {
  // What is sent here is no record: fastify's own way of writing strings and files is kept.
  app.register(swaggerUi, {
    routePrefix: "/docs",
    staticCSP: POLICY,
    uiConfig: { deepLinking: false, tryItOutEnabled: true, validatorUrl: null },
    theme: { title: "osnmad" },
  });
  done();
};
