// Starts the API reference. Addresses are relative, so that a proxy may serve it below any path.
// https://github.com/scalar/scalar/blob/main/documentation/configuration.md
Scalar.createApiReference("#reference", {
  url: "openapi.json",
  servers: [{ url: new URL("api/v1", document.baseURI).href }],
  // Nothing is asked of another server.
  proxyUrl: "",
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  mcp: { disabled: true },
  hideClientButton: true,
  showDeveloperTools: "never",
});
