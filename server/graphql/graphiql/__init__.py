"""GraphiQL: its page, and the files that build.mjs builds from the npm package."""
