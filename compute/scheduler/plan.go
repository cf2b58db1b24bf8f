package scheduler

import (
	"cmp"
	"context"
	"maps"
	"slices"
)

// Item is a server of a plan.
type Item struct {
	// ID is that of a server that is there already and is to move; empty for a new one.
	ID   string
	Name string // for people
	From string // the host that it leaves; empty for a new one
	// Group names the server group whose policy the Request has: items of one group
	// keep to it together.
	Group   string
	Request Request
}

// World is what a plan starts from. Plans do not change it.
type World struct {
	// Hosts are as they are once the items that move have left theirs; GroupMembers
	// and Servers need not be set.
	Hosts []HostState
	// Groups counts the servers of each group on each host, without the items.
	Groups map[string]map[string]int
	// Servers tells the host of each server that a request names as SameHost or
	// DifferentHost, without the items.
	Servers map[string]string
}

// Placed is an item of a plan with the host that it was given.
type Placed struct {
	Item Item
	Host string // empty: no host will do
	// Why explains an item without a host: the first few such items of a plan.
	Why *Explanation
}

// maxExplained bounds the items of a plan that are explained: those after it mostly
// lack the same.
const maxExplained = 20

// Plan is how items were placed.
type Plan struct {
	Placed []Placed // in the order in which they were placed
	// Hosts are as they would be then.
	Hosts []HostState
}

// Fits reports whether every item has a host.
func (p *Plan) Fits() bool {
	return !slices.ContainsFunc(p.Placed, func(q Placed) bool { return q.Host == "" })
}

// unplaced are the items without a host.
func (p *Plan) unplaced() []Item {
	var list []Item
	for _, q := range p.Placed {
		if q.Host == "" {
			list = append(list, q.Item)
		}
	}
	return list
}

// Plan places items one after the other, as Schedule would if their servers were made
// in that order, the largest first. An item that finds no host is left out, and those
// after it are still placed.
//
// This is the heuristic "first fit decreasing", with the scheduler's own order of
// hosts for the first: what it places can be placed, but it may fail to place what a
// cleverer packing would. So a plan is a bound and not an optimum; it is the right
// bound for the question whether the cloud would take these servers, because the cloud
// has no cleverer packing either.
func (w *World) Plan(ctx context.Context, items []Item) (*Plan, error) {
	sim := w.simulate()
	p, explained := &Plan{Hosts: sim.hosts}, 0
	for _, item := range w.largestFirst(items) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		placed := Placed{Item: item}
		if host := sim.place(&item); host != nil {
			placed.Host = host.Name
		} else if explained < maxExplained {
			why := Schedule(sim.hosts, item.Request).Explain(maxNamed)
			placed.Why = &why
			explained++
		}
		p.Placed = append(p.Placed, placed)
	}
	return p, nil
}

// fits reports whether Plan would place all items.
func (w *World) fits(ctx context.Context, items []Item) bool {
	sim := w.simulate()
	items = w.largestFirst(items)
	for i := range items {
		if ctx.Err() != nil || sim.place(&items[i]) == nil {
			return false
		}
	}
	return true
}

// largestFirst orders items by the greatest part that they need of what the hosts have
// of any resource in all; those alike stay in their order.
func (w *World) largestFirst(items []Item) []Item {
	var have Size
	for i := range w.Hosts {
		have = have.plus(Size{w.Hosts[i].VCPUs.Capacity, w.Hosts[i].Memory.Capacity, w.Hosts[i].Disk.Capacity})
	}
	sorted := slices.Clone(items)
	slices.SortStableFunc(sorted, func(a, b Item) int {
		return cmp.Compare(b.Request.size().partOf(have), a.Request.size().partOf(have))
	})
	return sorted
}

// simulation is a world while items are placed in it.
type simulation struct {
	hosts   []HostState
	groups  map[string]map[string]int
	servers map[string]string
}

func (w *World) simulate() *simulation {
	sim := &simulation{hosts: slices.Clone(w.Hosts), groups: make(map[string]map[string]int, len(w.Groups)), servers: maps.Clone(w.Servers)}
	for group, members := range w.Groups {
		sim.groups[group] = maps.Clone(members)
	}
	if sim.servers == nil {
		sim.servers = map[string]string{}
	}
	return sim
}

// place puts an item on the host that the scheduler would choose; nil if there is none.
func (sim *simulation) place(item *Item) *HostState {
	sim.look(item)
	host, ok := best(sim.hosts, &item.Request)
	if !ok {
		return nil
	}
	host.use(item.Request.VCPUs, item.Request.MemoryMiB, item.Request.DiskGiB)
	if item.Group != "" {
		if sim.groups[item.Group] == nil {
			sim.groups[item.Group] = map[string]int{}
		}
		sim.groups[item.Group][host.Name]++
	}
	if item.ID != "" {
		sim.servers[item.ID] = host.Name
	}
	return host
}

// look sets what hosts show to one request: the members of its group, and the servers
// that it names.
func (sim *simulation) look(item *Item) {
	members := sim.groups[item.Group]
	for i := range sim.hosts {
		h := &sim.hosts[i]
		h.GroupMembers, h.Servers = members[h.Name], nil
	}
	for _, id := range slices.Concat(item.Request.SameHost, item.Request.DifferentHost) {
		i := slices.IndexFunc(sim.hosts, func(h HostState) bool { return h.Name == sim.servers[id] })
		if i >= 0 {
			sim.hosts[i].Servers = append(sim.hosts[i].Servers, id)
		}
	}
}
