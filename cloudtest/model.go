package cloudtest

import (
	"log/slog"
	"strconv"

	"github.com/welkin-cloud/cloud/identity"
)

// Model says what a new cloud has. In each count 0 means 1, and a negative number means
// none; things are numbered from 1 ("host-1", "project-1"). The zero Model is a cloud
// in which a server can be booted right away.
type Model struct {
	Hosts    int // compute hosts, each with networks
	Projects int
	// Users of each project, counted through: with two each, "user-3" is the first one
	// of "project-2". They are members of it.
	Users int
	// Flavors, each twice as large as the one before: "flavor-1" has one VCPU, 128 MiB
	// and 1 GiB.
	Flavors int
	// Images are public, raw and of a few bytes.
	Images int
	// Networks of each project, with a subnet each and one router to the outside:
	// "network-1" is 10.0.1.0/24. With more than one, a request for a server must
	// choose.
	Networks int

	// HostVCPUs, HostMemoryMiB and HostDiskGiB are the size of each host; 0 means 64,
	// 256 GiB and 10,000.
	HostVCPUs, HostMemoryMiB, HostDiskGiB int
	// Unlimited lifts the quotas of the projects.
	Unlimited bool

	// Dir keeps the state in a directory, t.TempDir() for one, as Restart needs it.
	// Empty keeps it in memory.
	Dir string
	// Transitions say how long changes take, once the cloud has what the model asks for.
	Transitions Transitions
	// Policies are as in cloud.Config.
	Policies map[string]map[string]string
	// Federation names identity providers, as in cloud.Config.
	Federation identity.FederationConfig
	// Seed of identifiers and secrets; 0 means 1. What is made in the same order gets
	// the same identifiers.
	Seed uint64
	// Clock is the cloud's time, and its drivers'; nil means the machine's.
	Clock *Clock
	// Log gets what the cloud logs; nil means nothing.
	Log *slog.Logger
	// SkipCheck leaves out the CheckClean at the end of the test: for tests that leave
	// a broken cloud behind.
	SkipCheck bool
}

func (m *Model) setDefaults() {
	for _, n := range []*int{&m.Hosts, &m.Projects, &m.Users, &m.Flavors, &m.Images, &m.Networks} {
		if *n == 0 {
			*n = 1
		}
	}
	if m.Seed == 0 {
		m.Seed = 1
	}
}

// count turns a number of a Model into how many times to do something.
func count(n int) int { return max(n, 0) }

// number names the i-th thing, counted from 0.
func number(what string, i int) string { return what + "-" + strconv.Itoa(i+1) }
