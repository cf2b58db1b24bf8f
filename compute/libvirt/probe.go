package libvirt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// probeTimeout is how long the tiny guest may take. It needs some milliseconds.
const probeTimeout = 5 * time.Second

// probeRuns is how often the tiny guest must run: there are hosts on which guests
// hang only sometimes.
const probeRuns = 3

// probeSector is a boot sector that writes 0x2a to QEMU's exit device and halts:
//
//	mov dx, 0x501; mov al, 0x2a; out dx, al; cli; hlt
var probeSector = []byte{0xba, 0x01, 0x05, 0xb0, 0x2a, 0xee, 0xfa, 0xf4}

// probeExit is what QEMU exits with then.
const probeExit = 0x2a<<1 | 1

// probed is the answer that is remembered until the host boots again.
type probed struct {
	Boot string `json:"boot"`
	Virt string `json:"virt"`
}

// virtType returns "kvm" or "qemu". A host may have a /dev/kvm on which guests hang,
// so only a guest that ran proves it.
func virtType(ctx context.Context, cfg Config) (string, error) {
	switch cfg.VirtType {
	case "kvm", "qemu":
		return cfg.VirtType, nil
	case "auto":
	default:
		return "", fmt.Errorf("VirtType %q is none of auto, kvm and qemu", cfg.VirtType)
	}
	bootID, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	boot, path := strings.TrimSpace(string(bootID)), filepath.Join(cfg.Dir, "virt.json")
	var known probed
	if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &known) == nil && known.Boot == boot {
		return known.Virt, nil
	}
	known = probed{Boot: boot, Virt: "kvm"}
	if reason := tryKVM(ctx, cfg.Dir); reason != nil {
		known.Virt = "qemu"
		cfg.Log.WarnContext(ctx, "guests are emulated, which is slow: KVM does not work here", "reason", reason)
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	text, err := json.Marshal(known)
	if err != nil {
		return "", err
	}
	return known.Virt, os.WriteFile(path, text, 0o644)
}

// tryKVM runs the tiny guest under KVM, some times.
func tryKVM(ctx context.Context, dir string) error {
	if _, err := os.Stat("/dev/kvm"); err != nil {
		return err
	}
	sector := append(bytes.Clone(probeSector), make([]byte, 512-len(probeSector))...)
	sector[510], sector[511] = 0x55, 0xaa
	f, err := os.CreateTemp(dir, "probe-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(sector)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	for range probeRuns {
		if err := runProbe(ctx, f.Name()); err != nil {
			return err
		}
	}
	return nil
}

// runProbe runs a guest from a disk, with the processor that guests get under KVM.
func runProbe(ctx context.Context, disk string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-machine", "pc", "-m", "16",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-device", "isa-debug-exit,iobase=0x501,iosize=1",
		"-drive", "if=ide,format=raw,readonly=off,file="+disk)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == probeExit {
		return nil
	}
	if ctx.Err() != nil {
		return errors.New("a guest hangs under KVM")
	}
	return fmt.Errorf("a guest does not run under KVM: %w: %s", err, bytes.TrimSpace(out))
}
