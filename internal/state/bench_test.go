package state_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/welkin-cloud/cloud/internal/state"
)

// filled returns a DB in memory with n servers of about 300 bytes, 1,000 in each
// project.
func filled(b *testing.B, n int) *cloud {
	c := open(b, nil, nil)
	servers := make([]server, n)
	for i := range servers {
		servers[i] = numbered(i)
	}
	c.insert(b, servers...)
	return c
}

func numbered(i int) server {
	return server{
		ID: fmt.Sprintf("%08x-0000-4000-8000-000000000000", i), Name: fmt.Sprintf("server-%d", i),
		Project: fmt.Sprintf("project-%d", i/1000), Size: i, Tags: []string{strings.Repeat("x", 200)},
	}
}

func BenchmarkGet(b *testing.B) {
	c := filled(b, 100_000)
	id := numbered(77_777).ID
	for b.Loop() {
		if _, err := c.servers.Get(c.Snapshot(), id); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkList1000(b *testing.B) {
	c := filled(b, 100_000)
	for b.Loop() {
		n := 0
		for range c.servers.Where(c.Snapshot(), c.byProject, "project-7") {
			n++
		}
		if n != 1000 {
			b.Fatal(n)
		}
	}
}

func BenchmarkInsert(b *testing.B) {
	c := filled(b, 100_000)
	i := 100_000
	for b.Loop() {
		i++
		s := numbered(i)
		if err := c.Update(b.Context(), func(tx *state.Tx) error { return c.servers.Insert(tx, s) }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChange(b *testing.B) {
	c := filled(b, 100_000)
	i := 0
	for b.Loop() {
		i++
		id := numbered(i * 7919 % 100_000).ID
		err := c.Update(b.Context(), func(tx *state.Tx) error {
			return c.servers.Change(tx, id, func(s *server) error { s.Size++; return nil })
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFork(b *testing.B) {
	c := filled(b, 100_000)
	for b.Loop() {
		_ = c.Fork().Close()
	}
}
