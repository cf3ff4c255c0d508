import tseslint from "typescript-eslint";

/** The house's order: a folder may import from folders to its left only (docs/architecture.md). */
const order = ["gnss-ubx", "inav", "osnma", "ephemeris", "position", "watch", "evidence", "fix", "pipeline"];
const edges = [
  "source",
  "receiver",
  "trust",
  "store",
  "http",
  "station",
  "witness",
  "emit",
  "proof",
  "simulate",
  "export",
  "time",
  "recorder",
  "fuzz",
  "daemon",
  "cli",
];

const upstreamOnly = order.map((folder, index) => ({
  files: [`src/${folder}/**/*.ts`],
  rules: {
    "@typescript-eslint/no-restricted-imports": [
      "error",
      {
        patterns: [
          {
            group: [...order.slice(index + 1), ...edges].map((name) => `../${name}/*`),
            // The records are the one thing named by all: types only.
            allowTypeImports: true,
            message: "Imports point upstream only.",
          },
          {
            group: ["node:fs*", "node:net", "node:http", "node:timers*", "pino"],
            message: "Stages are pure: no I/O, no clock, no logger.",
          },
        ],
      },
    ],
    "no-restricted-globals": ["error", "Date", "performance", "setTimeout", "setInterval", "console"],
  },
}));

export default tseslint.config(
  { ignores: ["**/dist/**", "node_modules/**", "coverage/**"] },
  ...tseslint.configs.strict,
  {
    rules: {
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-extraneous-class": "off",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/unified-signatures": "off",
    },
  },
  ...upstreamOnly,
  {
    // Only the OSNMA module makes an Authenticated<T>.
    files: ["src/**/*.ts"],
    ignores: ["src/osnma/**", "src/gnss-ubx/**"],
    rules: {
      "no-restricted-syntax": [
        "error",
        {
          selector: "ImportSpecifier[imported.name='authenticate']",
          message: "Only src/osnma makes an Authenticated<T>.",
        },
      ],
    },
  },
  {
    files: ["src/gnss-ubx/test/**/*.ts"],
    rules: { "@typescript-eslint/no-restricted-imports": "off", "no-restricted-globals": "off" },
  },
);
