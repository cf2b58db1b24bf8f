package cloud_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/compute"
)

// savedRow is a line of a saved state.
type savedRow struct {
	In      string         `json:"in"`
	Key     string         `json:"key"`
	Version int            `json:"version"`
	Doc     map[string]any `json:"doc"`
}

// crowd returns a cloud with so many servers, a hundred on a host, and a hundred in a
// project with a network and a security group of their own, each with its port, its claim and the journal of its boot: one server is
// booted, and what is saved of it is written as often as need be.
func crowd(t testing.TB, servers int) (*rig, *cloud.Cloud) {
	t.Helper()
	hosts := max(servers/100, 1)
	r := newRig(t, hosts)
	model := boot(t, r.Cloud, r, "server-0")
	idle(t, r.Cloud)
	header, rows := parse(t, saved(t, r.Cloud))
	return r, load(t, assemble(t, header, multiply(rows, model, hosts, servers)))
}

// crowdID is the id of the i-th copy of a thing.
func crowdID(kind, i int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", i, kind) }

// The things that are copied.
const (
	crowdServer = iota
	crowdPort
	crowdSaga
	crowdNetwork
	crowdSubnet
	crowdService // the port of a network's DHCP
	crowdGroup
	crowdRule // and more: one for each rule of the group
)

func parse(t testing.TB, file []byte) (header string, rows []savedRow) {
	lines := strings.SplitAfter(string(file), "\n")
	for _, line := range lines[1 : len(lines)-2] {
		var row savedRow
		require.NoError(t, json.Unmarshal([]byte(line), &row))
		rows = append(rows, row)
	}
	return lines[0], rows
}

func assemble(t testing.TB, header string, rows []savedRow) []byte {
	var file bytes.Buffer
	file.WriteString(header)
	out := json.NewEncoder(&file)
	out.SetEscapeHTML(false)
	slices.SortFunc(rows, func(a, b savedRow) int { return cmp.Or(strings.Compare(a.In, b.In), strings.Compare(a.Key, b.Key)) })
	for _, row := range rows {
		require.NoError(t, out.Encode(row))
	}
	sum := sha256.Sum256(file.Bytes())
	fmt.Fprintf(&file, `{"rows":%d,"sha256":"%s"}`+"\n", len(rows), hex.EncodeToString(sum[:]))
	return file.Bytes()
}

// multiply adds copies of what belongs to a server and its network, spread over the
// hosts, and makes the sums agree.
func multiply(rows []savedRow, model compute.Server, hosts, servers int) []savedRow {
	var own, shared, all []savedRow
	provider, used := map[string]string{}, map[string]float64{}
	network := model.NICs[0].NetworkID
	for _, row := range rows {
		switch text := fmt.Sprint(row.Key, row.Doc["resource"], row.Doc["device"]); {
		case strings.Contains(text, model.ID):
			own = append(own, row)
			continue
		case row.In == "compute.usages", row.In == "placement.usages":
			continue // counted anew
		case strings.Contains(text, network), row.In == "network.subnets" && row.Doc["network"] == network,
			strings.HasPrefix(row.In, "network.security_group"):
			shared = append(shared, row)
		case row.In == "placement.providers":
			provider[row.Doc["name"].(string)] = row.Key
		}
		all = append(all, row)
	}
	for i := range servers {
		if i%100 == 0 {
			for at, row := range shared {
				all = append(all, projectCopy(row, i/100, at))
			}
			all = append(all, savedRow{"compute.usages", crowdProject(i / 100), 1, map[string]any{
				"project": crowdProject(i / 100), "instances": min(servers-i, 100), "cores": min(servers-i, 100),
				"ram": 256 * min(servers-i, 100),
			}})
		}
		host := fmt.Sprintf("host-%d", i%hosts+1)
		used[provider[host]]++
		for _, row := range own {
			all = append(all, serverCopy(row, model, i, host, provider[host]))
		}
	}
	for id, n := range used {
		all = append(all, savedRow{"placement.usages", id, 1, map[string]any{
			"provider": id, "used": map[string]any{"VCPU": n, "MEMORY_MB": 256 * n, "DISK_GB": n},
		}})
	}
	return all
}

func crowdProject(i int) string { return fmt.Sprintf("project-%d", i+2) }

// projectCopy is the at-th row of what the model's project has, as that of the i-th one.
func projectCopy(row savedRow, i, at int) savedRow {
	doc := maps.Clone(row.Doc)
	doc["project"] = crowdProject(i)
	switch row.In {
	case "network.networks":
		doc["id"], doc["segment"] = crowdID(crowdNetwork, i), 1_000_000+i
	case "network.subnets":
		doc["id"], doc["network"] = crowdID(crowdSubnet, i), crowdID(crowdNetwork, i)
	case "network.security_groups":
		doc["id"] = crowdID(crowdGroup, i)
	case "network.security_group_rules":
		doc["id"], doc["group"] = crowdID(crowdRule+at, i), crowdID(crowdGroup, i)
		if doc["remote_group"] != nil {
			doc["remote_group"] = doc["group"]
		}
	case "network.ports":
		doc["id"], doc["network"] = crowdID(crowdService, i), crowdID(crowdNetwork, i)
		doc["device"] = "dhcp-" + crowdID(crowdNetwork, i)
		address := doc["fixed_ips"].([]any)[0].(map[string]any)["address"]
		doc["fixed_ips"] = []any{map[string]any{"subnet": crowdID(crowdSubnet, i), "address": address}}
	}
	return savedRow{row.In, doc["id"].(string), row.Version, doc}
}

// serverCopy is a row of the model as that of the i-th server.
func serverCopy(row savedRow, model compute.Server, i int, host, provider string) savedRow {
	doc, network, port := maps.Clone(row.Doc), crowdID(crowdNetwork, i/100), crowdID(crowdPort, i)
	key := crowdID(crowdServer, i)
	if doc["project"] != nil {
		doc["project"] = crowdProject(i / 100)
	}
	switch row.In {
	case "compute.servers":
		doc["id"], doc["host"], doc["name"] = key, host, fmt.Sprintf("server-%d", i)
		doc["nics"] = []any{map[string]any{"port": port, "network": network, "owned": true}}
		doc["security_groups"] = []any{map[string]any{"id": crowdID(crowdGroup, i/100), "name": "default"}}
	case "network.ports":
		key = port
		doc["id"], doc["network"], doc["device"], doc["host"] = port, network, crowdID(crowdServer, i), host
		doc["groups"] = []any{crowdID(crowdGroup, i/100)}
		doc["mac"] = fmt.Sprintf("fa:16:40:%02x:%02x:%02x", i>>16&255, i>>8&255, i&255)
		doc["fixed_ips"] = []any{map[string]any{
			"subnet": crowdID(crowdSubnet, i/100), "address": fmt.Sprintf("10.1%02d.%d.%d", i>>16&255, i>>8&255, i&255),
		}}
	case "placement.consumers":
		doc["id"] = key
		for _, amounts := range doc["allocations"].(map[string]any) {
			doc["allocations"] = map[string]any{provider: amounts}
		}
	case "compute.placements":
		doc["server"] = key
	case "saga.sagas":
		doc["resource"], key = "server/"+key, crowdID(crowdSaga, i)
		doc["id"] = key
	}
	return savedRow{row.In, key, row.Version, doc}
}

func TestCrowd(t *testing.T) {
	r, c := crowd(t, 300)
	settle(t, c)
	require.Len(t, c.Compute.ListServers(t.Context(), "", nil), 300)
	f := fork(t, c)
	require.NoError(t, f.Compute.DeleteServer(t.Context(), crowdID(crowdServer, 77)))
	boot(t, f, r, "one more")
	settle(t, f)
	require.Len(t, f.Compute.ListServers(t.Context(), "", nil), 300)
}
