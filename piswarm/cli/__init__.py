"""The command line: one small file per noun that parses, calls a story and renders."""
