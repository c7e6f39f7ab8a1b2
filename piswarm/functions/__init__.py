"""Source becomes a running function: spec, source, build, deploy."""
