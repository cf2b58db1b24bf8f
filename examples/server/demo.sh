#!/bin/bash
# The main job, visibly, with the unmodified `openstack` client: a real guest boots in
# a cloud of real drivers. As root on Debian 12, from the root of the source tree:
#
#   examples/server/demo.sh          run the demonstration; the server goes on running
#   examples/server/demo.sh stop     end the server, and whatever runs below it
#
# PORT is the server's port on the loopback, 5000 if unset. All is kept below build/.
# No packet leaves the loopback and the network namespaces that are made here.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."

build=$PWD/build
work=$build/demo
state=$work/state
server=$build/server
guest=$build/guest.qcow2
port=${PORT:-5000}
url=http://127.0.0.1:$port
# The server names what it makes after its state directory.
tag=w$(printf %s "$state" | sha256sum | cut -c1-6)
host=$tag-host       # the namespace of guests and networks
outside=$tag-outside # the namespace that plays the world
export LC_ALL=C.UTF-8 PYTHONWARNINGS=ignore

. examples/server/demo-lib.sh

case ${1-run} in
stop)
	stop
	exit
	;;
run) ;;
*)
	echo "usage: $0 [stop]" >&2
	exit 2
	;;
esac

trap failed ERR
mkdir -p "$work"

title "What is needed"
packages
title "Build the server and the guest image"
go build -o "$server" ./examples/server
build_guest
note "$(basename "$guest"): $(du -h "$guest" | cut -f1), Linux and busybox"

stop_quietly
rm -rf "$state"
title "Start the cloud: libvirt, QEMU, Linux networks"
SECONDS=0 # what follows is the demonstration itself
start
make_outside
set -a
# shellcheck source=/dev/null
. "$state/openrc"
set +a

title "Log in"
os token issue -f yaml -c expires -c project_id

title "An image, a flavor, a key"
ssh-keygen -q -t ed25519 -N '' -C demo -f "$work/key"
cat >"$work/user-data" <<'END'
#!/bin/sh
echo "hello from user data"
echo "this is $(hostname)" >/tmp/index.html
httpd -p 8080 -h /tmp
END
batch <<END
image create --disk-format qcow2 --container-format bare --file $guest guest -c name -c id
image show guest -c disk_format -c size -c status
flavor create --ram 128 --disk 1 --vcpus 1 small -c name -c ram -c vcpus
keypair create --public-key $work/key.pub demo -c name -c fingerprint
END

title "Networks: one of our own, the world's, and a router between them"
batch <<END
network create private -c name -c mtu -c status
subnet create --network private --subnet-range 10.20.0.0/24 private -c cidr -c gateway_ip
network create --external --provider-network-type flat --provider-physical-network public public -c name -c status
subnet create --network public --subnet-range 203.0.113.0/24 --gateway 203.0.113.1 --no-dhcp public -c cidr
router create --external-gateway public router -c name -c status
router add subnet router private
security group create web -c name
security group rule create --protocol tcp --dst-port 22 web -c protocol -c port_range_min
security group rule create --protocol icmp web -c protocol
END

title "Boot a server"
os server create --image guest --flavor small --key-name demo --network private --security-group web \
	--user-data "$work/user-data" --wait first -c name -c status -c addresses

title "Its console: the address by DHCP; name, key and user data from the metadata service"
console first

title "A floating IP, and SSH through it from outside"
floating=$(os floating ip create public -f value -c floating_ip_address)
os server add floating ip first "$floating"
reach "$floating"
from_outside "$floating" 'hostname; ip -4 -brief addr show eth0 2>/dev/null || ip -4 addr show eth0 | grep inet'

title "What the security group forbids does not pass"
from_outside "$floating" 'wget -q -O - http://127.0.0.1:8080/'
note "so the guest serves port 8080; from outside:"
if port_open "$floating" 8080; then die "port 8080 can be reached though no rule allows it"; fi
note "$floating:8080 does not answer"
batch <<END
security group rule create --protocol tcp --dst-port 8080 web -c protocol -c port_range_min
END
eventually 20 port_open "$floating" 8080
note "$floating:8080 answers, now that a rule allows it"

title "A volume: attach to the running server, write, read, detach"
batch <<END
volume create --size 1 data -c name -c size
END
eventually 30 is available volume show data
os server add volume first data -c "Server ID" -c Device
# shellcheck disable=SC2016 # the guest expands it
from_outside "$floating" 'i=0; while [ ! -b /dev/vdb ] && [ $i -lt 100 ]; do usleep 100000; i=$((i+1)); done
	echo "written in the guest" | dd of=/dev/vdb conv=sync 2>/dev/null; sync
	echo 3 >/proc/sys/vm/drop_caches; head -n 1 /dev/vdb; echo "$(($(cat /sys/block/vdb/size) / 2048)) MiB"'
os server remove volume first data
eventually 60 is available volume show data
from_outside "$floating" 'if [ -e /dev/vdb ]; then echo "vdb is still there"; exit 1; else echo "vdb is gone"; fi'

title "An image of the server, and a second server from it"
from_outside "$floating" 'echo "made on the first server" >/root/note; sync'
os server image create --name copy --wait first -c name -c status
os server create --image copy --flavor small --key-name demo --network private --security-group web \
	--wait second -c name -c status -c addresses
console second
os server list -c Name -c Networks -f value | tee "$work/servers"
first=$(private_address first)
second=$(private_address second)
from_outside "$floating" "ping -c 2 -W 5 $second"
jump "$floating" "$second" "hostname; cat /root/note; ping -c 2 -W 5 $first"

title "Delete everything"
batch <<END
floating ip delete $floating
server delete --wait first second
volume delete data
image delete copy guest
router remove subnet router private
router delete router
network delete private public
security group delete web
keypair delete demo
flavor delete small
END
ip netns delete "$outside"
eventually 60 nothing_left

title "Nothing is left"
show_left
took=$SECONDS

cat <<END

The demonstration took $((took / 60)) min $((took % 60)) s.
The server goes on:  $url, process $(cat "$work/pid"), log $work/log
State:               $state
Log in:              . $state/openrc
                     or OS_CLIENT_CONFIG_FILE=$state/clouds.yaml openstack --os-cloud welkin server list
End it:              make demo STOP=1
END
