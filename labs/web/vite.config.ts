import { defineConfig } from "vite";

export default defineConfig({
  // esbuild knows React's automatic JSX; no plugin is needed for a build.
  esbuild: { jsx: "automatic" },
  build: { target: "es2022", chunkSizeWarningLimit: 1200 },
  server: { proxy: { "/api": "http://127.0.0.1:8080" } },
});
