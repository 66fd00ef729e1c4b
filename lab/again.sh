#!/bin/bash
# Runs a command that fetches something, and again, up to three times, where it fails: one request of many may be lost.
for pause in 2 5 15; do
	"$@" && exit 0
	echo "again in $pause seconds: $*" >&2
	sleep $pause
done
exec "$@"
