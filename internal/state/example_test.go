package state_test

import (
	"context"
	"fmt"

	"github.com/welkin-cloud/cloud/internal/state"
)

type port struct {
	ID, Network, Address string
}

// Ports with an index by network and a unique address in each.
func Example() {
	ctx := context.Background()
	db := state.New(nil, nil)
	byAddress := state.NewUnique("address", func(p *port) []string { return []string{state.Key(p.Network, p.Address)} })
	ports := state.Define(db, state.Spec[port]{
		Name: "network.ports", Noun: "port",
		Key:     func(p *port) string { return p.ID },
		Indexes: []*state.Index[port]{byAddress},
	})
	if err := db.Open(ctx); err != nil {
		panic(err)
	}
	defer db.Close()

	add := func(p port) error {
		return db.Update(ctx, func(tx *state.Tx) error {
			tx.Emit(state.Event{Type: "port.create.end", Resource: "port", ID: p.ID})
			return ports.Insert(tx, p)
		})
	}
	fmt.Println(add(port{"p1", "blue", "10.0.0.9"}))
	fmt.Println(add(port{"p2", "blue", "10.0.0.3"}))
	fmt.Println(add(port{"p3", "blue", "10.0.0.3"}))
	for p := range ports.Where(db.Snapshot(), byAddress, "blue") {
		fmt.Println(p.ID, p.Address)
	}
	for commit := range db.Watch(ctx, 1) {
		fmt.Println(commit.Revision, commit.Changes[0].Key, commit.Events[0].Type)
		break
	}
	// Output:
	// <nil>
	// <nil>
	// a port with this address already exists
	// p2 10.0.0.3
	// p1 10.0.0.9
	// 2 p2 port.create.end
}

// A fork is a cheap what-if: nothing that happens to it reaches the original.
func ExampleDB_Fork() {
	ctx := context.Background()
	db := state.New(nil, nil)
	ports := state.Define(db, state.Spec[port]{Name: "network.ports", Noun: "port", Key: func(p *port) string { return p.ID }})
	if err := db.Open(ctx); err != nil {
		panic(err)
	}
	defer db.Close()
	fork := db.Fork()
	defer fork.Close()
	err := fork.Update(ctx, func(tx *state.Tx) error { return ports.Insert(tx, port{ID: "p1"}) })
	fmt.Println(err, ports.Count(fork.Snapshot(), nil), ports.Count(db.Snapshot(), nil))
	// Output: <nil> 1 0
}
