# shellcheck shell=bash
# What demo.sh is made of. Its variables say where things are.
: "${build:?}" "${work:?}" "${state:?}" "${server:?}" "${guest:?}" "${port:?}" "${url:?}" "${tag:?}" "${host:?}" "${outside:?}"

title() { printf '\n\033[1m== %s\033[0m  [%d:%02d]\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); }
note() { printf '   %s\n' "$*"; }
die() {
	echo "demo: $*" >&2
	false
}

# failed says where to look; the cloud stays as it is for that.
failed() {
	trap - ERR
	echo "demo: failed at ${BASH_SOURCE[1]}:${BASH_LINENO[0]}; the server's last words:" >&2
	tail -n 20 "$work/log" >&2 || true
	echo "demo: make demo STOP=1 cleans up" >&2
	exit 1
}

# packages installs what the demonstration needs.
packages() {
	if [ -x scripts/install-deps.sh ]; then
		scripts/install-deps.sh
		return
	fi
	local missing
	# shellcheck disable=SC2046,SC2086 # lists of words
	missing=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' \
		qemu-system-x86 qemu-utils libvirt-daemon-system libvirt-clients python3-openstackclient nftables iproute2 \
		openssh-client $(sh internal/guestimage/build.sh --packages) 2>&1 | awk '
			/no packages found/ { print $NF } $2 && $2 != "installed" && !/no packages/ { print $1 }')
	if [ -n "$missing" ]; then
		apt-get update -q
		# shellcheck disable=SC2086 # a list of words
		DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
	fi
	note "all packages are there"
}

# build_guest makes the guest image unless it is there and newer than its sources.
build_guest() {
	if [ ! -f "$guest" ] || [ -n "$(find internal/guestimage -newer "$guest" -type f ! -name '*.go')" ]; then
		sh internal/guestimage/build.sh "$guest"
	fi
}

start() {
	"$server" -drivers linux -state "$state" -listen "127.0.0.1:$port" >"$work/out" 2>"$work/log" </dev/null &
	echo $! >"$work/pid"
	eventually 60 grep -q '^ready' "$work/out" || die "the server does not start: $(tail -n 3 "$work/log")"
	note "$(cat "$work/out")"
}

# is_ours tells whether the process of the pid file is the demonstration's server.
is_ours() { [ -f "$work/pid" ] && [ "$(readlink "/proc/$(cat "$work/pid")/exe" | sed 's/ (deleted)$//')" = "$server" ]; }

gone() { ! is_ours; }

# stop ends the server and removes what it left running.
stop() {
	stop_quietly
	rm -rf "$state" "$work/key" "$work/key.pub" "$work/pid"
	local left
	left=$(ip netns list | grep "^$tag-" || true)
	left+=$(processes)
	[ -z "$left" ] || die "this is left: $left"
	echo "Nothing is left: no server, no libvirtd, no guest, no network namespace."
}

stop_quietly() {
	if is_ours; then
		kill "$(cat "$work/pid")"
		eventually 30 gone
	fi
	if [ -x "$server" ] && [ -d "$state" ]; then
		"$server" teardown -state "$state"
	fi
	if ip netns list | grep -q "^$outside\b"; then
		ip netns delete "$outside"
	fi
	rm -f "$work/key" "$work/key.pub" "$work/pid"
}

# processes lists what runs for this cloud: all that sees its libvirt folder.
processes() {
	local p
	for p in /proc/[0-9]*; do
		if [ "$p/root/run/libvirt" -ef "$state/host/run" ]; then
			echo "process ${p#/proc/} $(cat "$p/comm")"
		fi
	done 2>/dev/null
}

# make_outside makes the world: a namespace on the provider bridge, whose address is
# the gateway of the external network.
make_outside() {
	ip netns add "$outside"
	ip -n "$outside" link set lo up
	ip -n "$outside" link add world type veth peer name "$tag-o" netns "$host"
	ip -n "$outside" addr add 203.0.113.1/24 dev world
	ip -n "$outside" link set world up
	ip -n "$host" link set "$tag-o" master br-public up
}

# os runs one command of the client.
os() {
	printf '\033[2m$ openstack %s\033[0m\n' "$*" >&2
	openstack "$@"
}

# batch runs commands, one a line, in one start of the client, which takes a second.
batch() {
	local commands
	commands=$(cat)
	printf '\033[2m$ openstack %s\033[0m\n' "${commands//$'\n'/$'\n$ openstack '}"
	if ! openstack <<<"$commands" 2>"$work/err" || [ -s "$work/err" ]; then
		cat "$work/err" >&2
		die "the client reports an error"
	fi
}

# eventually SECONDS COMMAND...: tries until it succeeds.
eventually() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

# is STATUS COMMAND...: what the client shows has that status.
is() {
	local want=$1
	shift
	[ "$(openstack "$@" -f value -c status)" = "$want" ]
}

# console SERVER: waits until the guest is ready and shows what it said.
console() {
	eventually 120 says_ready "$1" || die "the guest of $1 is not ready"
	printf '\033[2m$ openstack console log show %s\033[0m\n' "$1"
	grep '^welkin-guest' "$work/console"
}

says_ready() {
	openstack console log show "$1" >"$work/console"
	grep -q '^welkin-guest: ready' "$work/console"
}

# private_address SERVER: from the list that was shown.
private_address() { grep "^$1 " "$work/servers" | grep -oE '10\.20\.0\.[0-9]+'; }

ssh_options=(-q -i "$work/key" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o ConnectTimeout=10)

# from_outside ADDRESS COMMAND: runs it in a guest, by SSH from the world.
from_outside() {
	printf '\033[2m(outside) $ ssh root@%s %s\033[0m\n' "$1" "$2"
	ip netns exec "$outside" ssh "${ssh_options[@]}" "root@$1" "$2"
}

# jump FIRST SECOND COMMAND: runs it in the second guest, through the first one.
jump() {
	printf '\033[2m(outside) $ ssh -J root@%s root@%s %s\033[0m\n' "$1" "$2" "$3"
	ip netns exec "$outside" ssh "${ssh_options[@]}" \
		-o "ProxyCommand=ssh ${ssh_options[*]} root@$1 nc $2 22" "root@$2" "$3"
}

reach() { eventually 60 ip netns exec "$outside" ssh "${ssh_options[@]}" "root@$1" true; }

port_open() { ip netns exec "$outside" timeout 3 bash -c ": </dev/tcp/$1/$2" 2>/dev/null; }

# left lists what the cloud still has: guests, namespaces but the host's own, links
# but the provider bridge, chains of ports, files.
left() {
	ip netns exec "$host" virsh -q -c "qemu:///system?socket=$state/host/run/libvirt-sock" list --all --name | sed '/^$/d; s/^/domain /'
	ip netns list | awk -v tag="$tag" -v host="$host" 'index($1, tag "-") == 1 && $1 != host { print "namespace", $1 }'
	ip -n "$host" -o link show | awk -F': ' '$2 != "lo" && $2 != "br-public" { print "link", $2 }'
	ip netns exec "$host" nft list ruleset | awk '$1 == "chain" && $2 ~ /-/ { print "firewall", $2 }'
	processes | grep -vE ' (virtlogd|libvirtd)$' || true
	find "$state/volumes" "$state/images" "$state/guests/guests" "$state/guests/images" -type f ! -name '*.json' ! -name '.*' ! -name lock |
		sed 's/^/file /'
}

nothing_left() { [ -z "$(left)" ]; }

show_left() {
	note "domains, namespaces, bridges, taps, chains, volume files, guests' processes: none"
	note "what stays is the empty cloud:"
	note "namespace $host with its bridge br-public; $(processes | awk '{ printf "%s%s", sep, $3; sep = ", " }'); the server"
	note "tables: $(ip netns exec "$host" nft list tables | paste -sd';')"
}
