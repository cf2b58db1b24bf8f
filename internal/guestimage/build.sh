#!/bin/sh
# Builds a small disk image that boots by BIOS, from packages of Debian 12 that are
# installed on this machine: nothing is downloaded. Usage: build.sh OUT.qcow2
#
# The disk has two partitions: a FAT one with syslinux, the kernel and an initrd of
# busybox and the disk driver, and an ext4 root with busybox, dropbear and the files
# of rootfs/. Needs no root.
set -eu

# What must be installed (apt-get install $PACKAGES).
PACKAGES="linux-image-cloud-amd64 busybox-static dropbear-bin syslinux syslinux-common mtools dosfstools fdisk e2fsprogs qemu-utils kmod cpio"

if [ "${1-}" = --packages ]; then
	echo "$PACKAGES"
	exit
fi
PATH=$PATH:/usr/sbin:/sbin
out=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

kernel=$(ls -v /boot/vmlinuz-*-cloud-amd64 | tail -n 1)
version=${kernel#/boot/vmlinuz-}

# modules DIR LIST NAME...: copies modules with what they need to DIR/lib/modules and
# writes their order to DIR/etc/LIST.
modules() {
	dir=$1 list=$1/etc/$2
	shift 2
	mkdir -p "$dir/lib/modules" "$dir/etc"
	for name; do
		modprobe -S "$version" --show-depends "$name"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
		cp "$file" "$dir/lib/modules/"
		basename "$file"
	done >"$list"
}

# The initrd: finds the root and goes there.
initrd=$work/initrd
mkdir -p "$initrd/bin" "$initrd/dev" "$initrd/proc" "$initrd/sys" "$initrd/root"
cp /bin/busybox "$initrd/bin/busybox"
cp "$here/rootfs/initrd" "$initrd/init"
chmod 755 "$initrd/init"
modules "$initrd" modules virtio_pci virtio_blk
(cd "$initrd" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet | gzip -9n) >"$work/initrd.gz"

# The root.
root=$work/root
mkdir -p "$root"
cp -R "$here/rootfs/etc" "$root/etc"
for d in bin sbin usr/bin usr/sbin dev proc sys run tmp mnt root/.ssh home/debian/.ssh var/lib/welkin var/log; do
	mkdir -p "$root/$d"
done
cp /bin/busybox "$root/bin/busybox"
for applet in $(/bin/busybox --list); do
	[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
ln -s ../bin/busybox "$root/sbin/init"
chmod 700 "$root/root" "$root/root/.ssh" "$root/home/debian/.ssh"
chmod 755 "$root/etc/rc" "$root/etc/network" "$root/etc/udhcpc" "$root/etc/acpi/PWRF/00000080"
chmod 1777 "$root/tmp"
cp /usr/sbin/dropbear /usr/bin/dropbearkey "$root/usr/sbin/"
for lib in $(ldd /usr/sbin/dropbear /usr/bin/dropbearkey | grep -o '/[^ :]*\.so[^ ]*' | sort -u); do
	mkdir -p "$root$(dirname "$lib")"
	cp -L "$lib" "$root$lib"
done
modules "$root" modules virtio-rng virtio_net evdev button
modules "$root" modules-cdrom ata_piix sr_mod isofs

# Partition 1, from sector 2048: the boot loader, the kernel and the initrd.
bootmib=20
mkfs.vfat -C -F 16 -h 2048 -n BOOT "$work/boot.img" $((bootmib * 1024)) >/dev/null
export MTOOLS_SKIP_CHECK=1
cat >"$work/syslinux.cfg" <<END
DEFAULT linux
PROMPT 0
LABEL linux
LINUX /vmlinuz
INITRD /initrd.gz
APPEND console=tty0 console=ttyS0,115200n8 quiet loglevel=3 edd=off panic=5 mitigations=off nowatchdog no_timer_check cryptomgr.notests
END
mcopy -i "$work/boot.img" "$work/syslinux.cfg" ::/syslinux.cfg
mcopy -i "$work/boot.img" "$kernel" ::/vmlinuz
mcopy -i "$work/boot.img" "$work/initrd.gz" ::/initrd.gz
syslinux --install "$work/boot.img"

# Partition 2: the root.
rootmib=32
mke2fs -q -t ext4 -L welkin-root -E root_owner=0:0 -J size=1 -b 1024 -m 0 -d "$root" "$work/root.img" ${rootmib}M >/dev/null

disk=$work/disk.img
truncate -s $((1 + bootmib + rootmib + 1))M "$disk"
sfdisk -q "$disk" <<END
label: dos
start=2048, size=$((bootmib * 2048)), type=6, bootable
start=$((2048 + bootmib * 2048)), size=$((rootmib * 2048)), type=83
END
dd if=/usr/lib/syslinux/mbr/mbr.bin of="$disk" conv=notrunc status=none
dd if="$work/boot.img" of="$disk" bs=1M seek=1 conv=notrunc status=none
dd if="$work/root.img" of="$disk" bs=1M seek=$((1 + bootmib)) conv=notrunc,sparse status=none
qemu-img convert -q -f raw -O qcow2 "$disk" "$work/disk.qcow2"
mv "$work/disk.qcow2" "$out"
