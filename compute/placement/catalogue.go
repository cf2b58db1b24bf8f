package placement

import (
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// standardClasses are the resource classes of Placement that need not be made.
var standardClasses = []string{
	VCPU, MemoryMB, DiskGB, "PCI_DEVICE", "SRIOV_NET_VF", "NUMA_SOCKET", "NUMA_CORE", "NUMA_THREAD",
	"NUMA_MEMORY_MB", "IPV4_ADDRESS", "VGPU", "VGPU_DISPLAY_HEAD", "NET_BW_EGR_KILOBIT_PER_SEC",
	"NET_BW_IGR_KILOBIT_PER_SEC", "PCPU", "MEM_ENCRYPTION_CONTEXT", "FPGA", "PGPU",
	"NET_PACKET_RATE_KILOPACKET_PER_SEC", "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC",
	"NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC",
}

// standardTraits are the traits of os-traits that hypervisors of this cloud use or
// that requests commonly name; a host's own are added when it is registered.
var standardTraits = []string{
	"COMPUTE_ACCELERATORS", "COMPUTE_DEVICE_TAGGING", "COMPUTE_GRAPHICS_MODEL_CIRRUS",
	"COMPUTE_GRAPHICS_MODEL_VGA", "COMPUTE_GRAPHICS_MODEL_VIRTIO", "COMPUTE_IMAGE_TYPE_AKI",
	"COMPUTE_IMAGE_TYPE_AMI", "COMPUTE_IMAGE_TYPE_ARI", "COMPUTE_IMAGE_TYPE_ISO",
	"COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_IMAGE_TYPE_RAW", "COMPUTE_NET_ATTACH_INTERFACE",
	"COMPUTE_NET_ATTACH_INTERFACE_WITH_TAG", "COMPUTE_NET_VIF_MODEL_E1000",
	"COMPUTE_NET_VIF_MODEL_VIRTIO", "COMPUTE_NODE", "COMPUTE_RESCUE_BFV", "COMPUTE_SAME_HOST_COLD_MIGRATE",
	"COMPUTE_SECURITY_TPM_2_0", "COMPUTE_SECURITY_UEFI_SECURE_BOOT", "COMPUTE_SOCKET_PCI_NUMA_AFFINITY",
	"COMPUTE_STATUS_DISABLED", "COMPUTE_STORAGE_BUS_IDE", "COMPUTE_STORAGE_BUS_SATA",
	"COMPUTE_STORAGE_BUS_SCSI", "COMPUTE_STORAGE_BUS_USB", "COMPUTE_STORAGE_BUS_VIRTIO",
	"COMPUTE_TRUSTED_CERTS", "COMPUTE_VOLUME_ATTACH", "COMPUTE_VOLUME_ATTACH_WITH_TAG",
	"COMPUTE_VOLUME_EXTEND", "COMPUTE_VOLUME_MULTI_ATTACH", "HW_ARCH_AARCH64", "HW_ARCH_PPC64LE",
	"HW_ARCH_RISCV64", "HW_ARCH_S390X", "HW_ARCH_X86_64", "HW_CPU_HYPERTHREADING", "HW_CPU_X86_AESNI",
	"HW_CPU_X86_AVX", "HW_CPU_X86_AVX2", "HW_CPU_X86_SSE42", "HW_CPU_X86_SVM", "HW_CPU_X86_VMX",
	"MISC_SHARES_VIA_AGGREGATE", "STORAGE_DISK_HDD", "STORAGE_DISK_SSD",
}

// custom begins the names that users give.
const custom = "CUSTOM_"

// Classes lists the resource classes, the standard ones first.
func (s *Store) Classes(r state.Reader) []string {
	return appendNames(slices.Clone(standardClasses), s.classes, r)
}

// HasClass reports whether there is a resource class of that name.
func (s *Store) HasClass(r state.Reader, class string) bool {
	return slices.Contains(standardClasses, class) || s.classes.Has(r, class)
}

// CreateClass adds a custom resource class.
func (s *Store) CreateClass(tx *state.Tx, class string) error {
	if err := checkCustom("resource class", class); err != nil {
		return err
	}
	return s.classes.Insert(tx, name{class})
}

// DeleteClass removes a custom resource class that no inventory names.
func (s *Store) DeleteClass(tx *state.Tx, class string) error {
	if slices.Contains(standardClasses, class) {
		return fault.New(fault.Invalid, "cannot delete standard resource class %s", class)
	}
	for p := range s.providers.All(tx) {
		if _, used := p.Inventories[class]; used {
			return fault.New(fault.Conflict, "the resource class %s is in use in inventory", class)
		}
	}
	return s.classes.Delete(tx, class)
}

// Traits lists the traits by name.
func (s *Store) Traits(r state.Reader) []string {
	all := appendNames(slices.Clone(standardTraits), s.traits, r)
	slices.Sort(all)
	return slices.Compact(all)
}

// HasTrait reports whether there is a trait of that name.
func (s *Store) HasTrait(r state.Reader, trait string) bool {
	return slices.Contains(standardTraits, trait) || s.traits.Has(r, trait)
}

// CreateTrait adds a custom trait and reports whether it is new.
func (s *Store) CreateTrait(tx *state.Tx, trait string) (bool, error) {
	if err := checkCustom("trait", trait); err != nil {
		return false, err
	}
	if s.HasTrait(tx, trait) {
		return false, nil
	}
	return true, s.traits.Insert(tx, name{trait})
}

// KnowTrait adds a trait that a host has, whatever its name.
func (s *Store) KnowTrait(tx *state.Tx, trait string) error {
	if s.HasTrait(tx, trait) {
		return nil
	}
	return s.traits.Insert(tx, name{trait})
}

// DeleteTrait removes a custom trait that no provider has.
func (s *Store) DeleteTrait(tx *state.Tx, trait string) error {
	if !strings.HasPrefix(trait, custom) {
		if s.HasTrait(tx, trait) {
			return fault.New(fault.Invalid, "cannot delete standard trait %s", trait)
		}
		return fault.Missing("trait", trait)
	}
	for p := range s.providers.All(tx) {
		if slices.Contains(p.Traits, trait) {
			return fault.New(fault.Conflict, "the trait %s is in use by a resource provider", trait)
		}
	}
	return s.traits.Delete(tx, trait)
}

func appendNames(list []string, c *state.Collection[name], r state.Reader) []string {
	for n := range c.All(r) {
		list = append(list, n.Name)
	}
	return list
}

// checkCustom holds a user's name to Placement's form: CUSTOM_ and then capitals,
// digits and underscores, at most 255 bytes.
func checkCustom(noun, n string) error {
	rest, ok := strings.CutPrefix(n, custom)
	bad := !ok || rest == "" || len(n) > 255
	for _, c := range rest {
		bad = bad || !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_')
	}
	if bad {
		return fault.New(fault.Invalid, "the %s %q is invalid: a name begins with CUSTOM_ and has A-Z, 0-9 and _ only", noun, n)
	}
	return nil
}
