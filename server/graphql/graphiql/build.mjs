// Writes GraphiQL for a browser to the folder of the first argument, by default `built`.
// The same lock file gives the same bytes; tests/clients/test_graphiql_build.py compares them.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.argv[2] ?? join(here, "built");

// The fonts are most of the style sheet; a browser's own fonts replace them.
const withoutFonts = {
  name: "without-fonts",
  setup(bundle) {
    bundle.onLoad({ filter: /\.css$/ }, async ({ path }) => ({
      contents: (await readFile(path, "utf8")).replaceAll(/@font-face\s*{[^}]*}/g, ""),
      loader: "css",
    }));
  },
};

const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: { graphiql: "entry.jsx" },
  outdir: target,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  legalComments: "none", // LICENSES.txt has the whole licenses
  metafile: true,
  plugins: [withoutFonts],
});

const packages = new Set();
for (const { inputs } of Object.values(metafile.outputs)) {
  for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
    const found = /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path);
    if (found && bytesInOutput > 0) packages.add(found[0]);
  }
}

const licenses = ["graphiql.js and graphiql.css contain the following packages.\n"];
for (const folder of [...packages].sort()) {
  const { name, version, license } = JSON.parse(await readFile(join(here, folder, "package.json")));
  const files = (await readdir(join(here, folder))).filter((file) => /^(licen[cs]e|notice)/i.test(file));
  const texts = await Promise.all(
    files.sort().map((file) => readFile(join(here, folder, file), "utf8")),
  );
  licenses.push(`${"-".repeat(80)}\n${name} ${version}, ${license}\n\n${texts.join("\n").trim()}\n`);
}
await writeFile(join(target, "LICENSES.txt"), licenses.join("\n"));
