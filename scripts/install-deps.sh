#!/bin/sh
# Installs what tests and demo need, from Debian 12's packages; as root. It only asks
# for what is missing, so it is quick when all is there.
set -eu
cd "$(dirname "$0")/.."

# QEMU and libvirt for real guests, nftables and iproute2 for real networks, the
# unmodified clients, and what the guest images are built with.
PACKAGES="qemu-system-x86 qemu-utils libvirt-daemon libvirt-daemon-system libvirt-clients
	nftables iproute2 util-linux procps python3-openstackclient openssh-client curl sqlite3 gcc libc6-dev
	$(sh internal/guestimage/build.sh --packages) $(sh internal/guestimage/debian.sh --packages)"

missing=
for p in $PACKAGES; do
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing="$missing $p"
done
if [ -z "$missing" ]; then
	echo "install-deps: all packages are there"
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	echo "install-deps: missing, and only root can install:$missing" >&2
	exit 1
fi
echo "install-deps:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=600 update -q
# shellcheck disable=SC2086 # a list of words
apt-get -o DPkg::Lock::Timeout=600 install -q -y --no-install-recommends $missing
