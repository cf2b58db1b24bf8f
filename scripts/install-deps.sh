#!/bin/bash
# Installs the Debian 12 packages that drivers, tests and demo need; docs/dependencies.md
# says what for. Does nothing, quickly, if they are there. Needs root to install.
#
#   scripts/install-deps.sh           install what is missing
#   scripts/install-deps.sh --list    print the packages
set -euo pipefail

cd "$(dirname "$0")/.."
# QEMU and libvirt for guests, nftables and iproute2 for networks, an LDAP server and an
# OpenID Connect provider (dbconfig-sqlite3 keeps a database server's client away), the
# unmodified clients and keystonemiddleware, a C compiler for SQLite, and what the guest images are built with.
packages="
qemu-system-x86 qemu-utils libvirt-daemon libvirt-daemon-system libvirt-clients
nftables iproute2 util-linux kmod procps gcc libc6-dev
slapd glewlwyd dbconfig-sqlite3 python3-pysaml2 xmlsec1 python3-lxml python3-openstackclient python3-keystonemiddleware openssh-client curl jq xorriso sqlite3
$(bash internal/guestimage/build.sh --packages) $(bash internal/guestimage/debian.sh --packages)
"

if [ "${1-}" = --list ]; then
	printf '%s\n' $packages | sort -u
	exit
fi

missing=()
for p in $packages; do
	case $(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null) in
	ii*) ;;
	*) missing+=("$p") ;;
	esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "install-deps: as root, run: apt-get install --no-install-recommends ${missing[*]}" >&2
	exit 1
fi

# Tests start the daemons that they need, each in a place of its own: the packages must
# not start the machine's.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi

# INITRD=No: the kernel is for guests, which bring an initial RAM disk of their own.
export DEBIAN_FRONTEND=noninteractive INITRD=No LC_ALL=C.UTF-8
echo "install-deps: installing ${missing[*]}"
wait_for_lock=(-o DPkg::Lock::Timeout=600)
apt-get "${wait_for_lock[@]}" update -q
apt-get "${wait_for_lock[@]}" install -q -y --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}"
