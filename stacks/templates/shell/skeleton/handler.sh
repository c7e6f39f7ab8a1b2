#!/bin/sh
# The body of the request is on standard input; what is printed goes back to the caller.
printf 'Hello! You said: %s\n' "$(cat)"
