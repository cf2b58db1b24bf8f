#!/bin/sh
# Builds a disk image of Debian 12 with the real cloud-init, for the slower tests:
# boots by BIOS, needs 512 MiB of memory. Unlike build.sh it downloads packages, from
# the mirrors that this machine's apt uses. Usage: debian.sh OUT.qcow2 (as root)
set -eu

# What must be installed (apt-get install $PACKAGES).
PACKAGES="mmdebstrap syslinux syslinux-common mtools dosfstools fdisk e2fsprogs qemu-utils"

# What the guest has.
INSIDE="linux-image-cloud-amd64,initramfs-tools,cloud-init,systemd-sysv,openssh-server,sudo,iproute2,iputils-ping,ifupdown,isc-dhcp-client,netcat-openbsd,locales,ca-certificates"

if [ "${1-}" = --packages ]; then
	echo "$PACKAGES"
	exit
fi
PATH=$PATH:/usr/sbin:/sbin
out=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/cloud.cfg" <<END
datasource_list: [ ConfigDrive, OpenStack, None ]
datasource: { OpenStack: { max_wait: 60, timeout: 10, retries: 3 } }
locale: false
END
cat >"$work/fstab" <<END
LABEL=root / ext4 defaults,errors=remount-ro 0 1
END

# Only the modules that a guest needs make an initrd that loads fast. The CD-ROM is
# among them, because cloud-init looks for the config drive very early.
mmdebstrap --quiet --variant=minbase --include="$INSIDE" --aptopt='Acquire::Languages "none"' \
	--dpkgopt=path-exclude=/usr/share/man/* --dpkgopt=path-exclude=/usr/share/doc/* \
	--essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"; printf "MODULES=list\nCOMPRESS=gzip\n" >"$1/etc/initramfs-tools/conf.d/guest"; printf "virtio_pci\nvirtio_blk\next4\nata_piix\nsr_mod\nisofs\n" >"$1/etc/initramfs-tools/modules"' \
	--customize-hook="copy-in $work/fstab /etc" \
	--customize-hook="upload $work/cloud.cfg /etc/cloud/cloud.cfg.d/90_welkin.cfg" \
	--customize-hook='chroot "$1" update-initramfs -u' \
	--customize-hook='rm -f "$1/etc/hostname" "$1"/etc/ssh/ssh_host_*; : >"$1/etc/machine-id"; chroot "$1" systemctl enable serial-getty@ttyS0.service' \
	bookworm "$work/root.tar"
mkdir "$work/root"
tar -C "$work/root" -xf "$work/root.tar"
rm "$work/root.tar"

# Partition 1: the boot loader, the kernel and the initrd.
bootmib=80
mkfs.vfat -C -F 16 -h 2048 -n BOOT "$work/boot.img" $((bootmib * 1024)) >/dev/null
export MTOOLS_SKIP_CHECK=1
cat >"$work/syslinux.cfg" <<END
DEFAULT linux
PROMPT 0
LABEL linux
LINUX /vmlinuz
INITRD /initrd.img
APPEND root=LABEL=root rw console=tty0 console=ttyS0,115200n8 quiet mitigations=off net.ifnames=0 edd=off
END
mcopy -i "$work/boot.img" "$work/syslinux.cfg" ::/syslinux.cfg
mcopy -i "$work/boot.img" "$(ls -v "$work"/root/boot/vmlinuz-* | tail -n 1)" ::/vmlinuz
mcopy -i "$work/boot.img" "$(ls -v "$work"/root/boot/initrd.img-* | tail -n 1)" ::/initrd.img
syslinux --install "$work/boot.img"

# Partition 2: the root.
rootmib=1800
mke2fs -q -t ext4 -L root -d "$work/root" "$work/root.img" ${rootmib}M >/dev/null

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
