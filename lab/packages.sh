#!/bin/bash
# Installs the Debian packages of lab/packages.txt that are missing, and says nothing where none is.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

missing=()
while read -r needed package; do
	case $needed in
	'' | '#'*) ;;
	/*) [ -e "$needed" ] || missing+=("$package") ;;
	*) command -v "$needed" >/dev/null || missing+=("$package") ;;
	esac
done <"$(dirname "$0")/packages.txt"
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "missing: ${missing[*]} (Debian's names; as root, \`make tools\` installs them there)" >&2
	exit 1
fi

echo "installing ${missing[*]}"
scratch=$(mktemp -d)
# nginx and haproxy are wanted as programs, not as services of this machine.
policy=/usr/sbin/policy-rc.d
if [ -e $policy ]; then
	trap 'rm -rf "$scratch"' EXIT
else
	trap 'rm -rf "$scratch" $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
fi
apt() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=5 "$@" \
		</dev/null >>"$scratch/log" 2>&1
}
if ! { apt update && apt install --no-install-recommends "${missing[@]}"; }; then
	cat "$scratch/log" >&2
	exit 1
fi
