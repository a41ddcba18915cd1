import { defineConfig } from "@hey-api/openapi-ts";

export default defineConfig({
  input: "../../../openapi.yaml",
  output: { path: "amplifierd", importFileExtension: ".js" },
  plugins: [
    "@hey-api/client-fetch",
    "@hey-api/typescript",
    // Times that are sent have any offset.
    { name: "zod", dates: { offset: true } },
    // Every request and every response is validated by its schema.
    { name: "@hey-api/sdk", validator: true },
  ],
});
