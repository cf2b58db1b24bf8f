package cloudtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/cloudtest"
	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/network"
	"github.com/welkin-cloud/cloud/volume"
)

// racers is how many do the same thing at once.
const racers = 8

// race lets all run at once and returns what each ended with.
func race(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	group.Wait()
	return errs
}

// winners checks that so many have won, and that the losers were told of one of the
// kinds, in words.
func winners(t *testing.T, want int, errs []error, kinds ...error) {
	t.Helper()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.True(t, slices.ContainsFunc(kinds, func(k error) bool { return errors.Is(err, k) }), "%v", err)
		require.NotEmpty(t, err.Error())
	}
	require.Equal(t, want, won, "%v", errs)
}

// some is winners for any number of winners from one on.
func some(t *testing.T, errs []error, kinds ...error) {
	t.Helper()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		}
	}
	require.Positive(t, won, "%v", errs)
	winners(t, won, errs, kinds...)
}

func newVolume(t *testing.T, c *cloudtest.Cloud) volume.Volume {
	t.Helper()
	v, err := c.Volumes.CreateVolume(t.Context(), c.Projects[0].ID, volume.CreateOptions{Name: "v", SizeGiB: 1})
	require.NoError(t, err)
	v, err = c.Volumes.WaitVolume(t.Context(), v.ID)
	require.NoError(t, err)
	require.Equal(t, volume.Available, v.Status)
	return v
}

func newPort(t *testing.T, c *cloudtest.Cloud) network.Port {
	t.Helper()
	p, err := c.Networks.CreatePort(t.Context(), c.Projects[0].ID, network.CreatePortOptions{NetworkID: c.Projects[0].Networks[0].ID})
	require.NoError(t, err)
	return p
}

func newFloating(t *testing.T, c *cloudtest.Cloud) network.FloatingIP {
	t.Helper()
	f, err := c.Networks.CreateFloatingIP(t.Context(), c.Projects[0].ID, network.CreateFloatingIPOptions{NetworkID: c.External.ID})
	require.NoError(t, err)
	return f
}

// sound checks the cloud after a race.
func sound(t *testing.T, c *cloudtest.Cloud) {
	t.Helper()
	c.CheckClean()
	report, err := c.Check(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, report.Findings, "%s", report)
}

func TestTwoDeletesAtOnce(t *testing.T) {
	c := cloudtest.New(t)
	for name, thing := range map[string]struct {
		make   func() string
		delete func(ctx context.Context, id string) error
		gone   func(ctx context.Context, id string) error
		// again is how deleting ends for what is being deleted already.
		again []error
	}{
		"server": {
			func() string { return boot(t, c, "s").ID }, c.Compute.DeleteServer,
			func(ctx context.Context, id string) error { _, err := c.Compute.GetServer(ctx, id); return err }, nil,
		},
		"volume": {
			func() string { return newVolume(t, c).ID }, c.Volumes.DeleteVolume,
			func(ctx context.Context, id string) error { _, err := c.Volumes.GetVolume(ctx, id); return err },
			[]error{cloud.Invalid, cloud.Conflict},
		},
		"port": {
			func() string { return newPort(t, c).ID }, c.Networks.DeletePort,
			func(ctx context.Context, id string) error { _, err := c.Networks.GetPort(ctx, id); return err }, nil,
		},
		"floating IP": {
			func() string { return newFloating(t, c).ID }, c.Networks.DeleteFloatingIP,
			func(ctx context.Context, id string) error { _, err := c.Networks.GetFloatingIP(ctx, id); return err }, nil,
		},
		"network": {
			func() string {
				n, err := c.Networks.CreateNetwork(t.Context(), c.Projects[0].ID, network.CreateNetworkOptions{Name: "n"})
				require.NoError(t, err)
				return n.ID
			}, c.Networks.DeleteNetwork,
			func(ctx context.Context, id string) error { _, err := c.Networks.GetNetwork(ctx, id); return err }, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			id := thing.make()
			errs := race(racers, func(int) error { return thing.delete(t.Context(), id) })
			some(t, errs, append(thing.again, cloud.NotFound)...)
			c.WaitIdle()
			require.ErrorIs(t, thing.gone(t.Context(), id), cloud.NotFound)
			sound(t, c)
		})
	}
}

// A server is deleted while it is in each of the calls of drivers that make it.
func TestDeleteDuringEachStepOfABoot(t *testing.T) {
	for _, op := range []string{"PutImage", "EnsurePort", "Connect", "Create", "Create/after", "Start", "Start/after"} {
		t.Run(op, func(t *testing.T) {
			c := cloudtest.New(t)
			v := newVolume(t, c)
			reached, release := make(chan struct{}), make(chan struct{})
			var once sync.Once
			hang := func(_ context.Context, at, _ string) error {
				if at == op {
					first := false
					once.Do(func() { first = true })
					if first {
						close(reached)
						<-release
					}
				}
				return nil
			}
			c.Hosts[0].Hypervisor.SetFault(hang)
			c.Hosts[0].Network.SetFault(hang)
			c.VolumeBackend.SetFault(hang)
			s, err := c.Compute.CreateServer(t.Context(), c.Projects[0].ID, compute.CreateServerOptions{
				Name: "s", FlavorID: c.Flavors[0].ID, ImageID: c.PublicImages[0].ID,
				BlockDevices: []compute.BlockDevice{
					{Source: "image", ID: c.PublicImages[0].ID, Destination: "local", Boot: true},
					{Source: "volume", ID: v.ID, Destination: "volume"},
				},
			})
			require.NoError(t, err)
			<-reached
			errs := race(racers, func(int) error { return c.Compute.DeleteServer(t.Context(), s.ID) })
			some(t, errs, cloud.NotFound)
			close(release)
			c.WaitIdle()
			_, err = c.Compute.GetServer(t.Context(), s.ID)
			require.ErrorIs(t, err, cloud.NotFound)
			require.Empty(t, c.Hosts[0].Hypervisor.Guests())
			v, err = c.Volumes.GetVolume(t.Context(), v.ID)
			require.NoError(t, err)
			require.Equal(t, volume.Available, v.Status)
			sound(t, c)
		})
	}
}

func TestAttachAndDetachRaces(t *testing.T) {
	c := cloudtest.New(t, cloudtest.Model{Unlimited: true})
	attach := func(s, v string) error {
		_, err := c.Compute.AttachVolume(t.Context(), s, compute.AttachVolumeOptions{VolumeID: v})
		return err
	}
	kinds := []error{cloud.Conflict, cloud.Invalid, cloud.NotFound}
	t.Run("one volume to many servers", func(t *testing.T) {
		v := newVolume(t, c)
		var servers []string
		for i := range 3 {
			servers = append(servers, boot(t, c, fmt.Sprint(i)).ID)
		}
		winners(t, 1, race(3, func(i int) error { return attach(servers[i], v.ID) }), kinds...)
		c.WaitIdle()
		require.Len(t, c.Volumes.ListAttachments(t.Context(), volume.AttachmentFilter{VolumeID: v.ID}), 1)
		sound(t, c)
	})
	t.Run("one volume to one server", func(t *testing.T) {
		s, v := boot(t, c, "s"), newVolume(t, c)
		winners(t, 1, race(racers, func(int) error { return attach(s.ID, v.ID) }), kinds...)
		sound(t, c)
	})
	t.Run("attach and delete the volume", func(t *testing.T) {
		for range 5 {
			s, v := boot(t, c, "s"), newVolume(t, c)
			errs := race(2, func(i int) error {
				if i == 0 {
					return attach(s.ID, v.ID)
				}
				return c.Volumes.DeleteVolume(t.Context(), v.ID)
			})
			winners(t, 1, errs, kinds...)
			c.WaitIdle()
			require.NoError(t, c.Compute.DeleteServer(t.Context(), s.ID))
			sound(t, c)
		}
	})
	t.Run("attach and delete the server", func(t *testing.T) {
		for range 5 {
			s, v := boot(t, c, "s"), newVolume(t, c)
			errs := race(2, func(i int) error {
				if i == 0 {
					return attach(s.ID, v.ID)
				}
				return c.Compute.DeleteServer(t.Context(), s.ID)
			})
			require.NoError(t, errs[1], "a server can always be deleted")
			some(t, errs, kinds...)
			c.WaitIdle()
			v, err := c.Volumes.GetVolume(t.Context(), v.ID)
			require.NoError(t, err)
			require.Equal(t, volume.Available, v.Status)
			sound(t, c)
		}
	})
	t.Run("detach and delete", func(t *testing.T) {
		for range 5 {
			s, v := boot(t, c, "s"), newVolume(t, c)
			require.NoError(t, attach(s.ID, v.ID))
			c.WaitIdle()
			errs := race(3, func(i int) error {
				switch i {
				case 0:
					return c.Compute.DetachVolume(t.Context(), s.ID, v.ID)
				case 1:
					return c.Compute.DeleteServer(t.Context(), s.ID)
				}
				return c.Volumes.DeleteVolume(t.Context(), v.ID)
			})
			require.NoError(t, errs[1])
			some(t, errs, kinds...)
			c.WaitIdle()
			sound(t, c)
		}
	})
}

func TestLastOfEverything(t *testing.T) {
	t.Run("host", func(t *testing.T) {
		c := cloudtest.New(t, cloudtest.Model{HostMemoryMiB: 128, Unlimited: true})
		errs := race(racers, func(i int) error { return bootOne(t, c, fmt.Sprint(i)) })
		winners(t, 1, errs, errNoHost)
		require.Len(t, c.Hosts[0].Hypervisor.Guests(), 1)
		sound(t, c)
	})
	t.Run("address", func(t *testing.T) {
		c := cloudtest.New(t)
		n, err := c.Networks.CreateNetwork(t.Context(), c.Projects[0].ID, network.CreateNetworkOptions{Name: "small"})
		require.NoError(t, err)
		dhcp := false
		_, err = c.Networks.CreateSubnet(t.Context(), c.Projects[0].ID, network.CreateSubnetOptions{
			NetworkID: n.ID, CIDR: netip.MustParsePrefix("192.0.2.0/29"), EnableDHCP: &dhcp,
		})
		require.NoError(t, err)
		errs := race(racers, func(int) error {
			_, err := c.Networks.CreatePort(t.Context(), c.Projects[0].ID, network.CreatePortOptions{NetworkID: n.ID})
			return err
		})
		winners(t, 5, errs, cloud.Exhausted) // of eight, less network, gateway and broadcast
		sound(t, c)
	})
	t.Run("quota of servers", func(t *testing.T) {
		c := cloudtest.New(t)
		require.NoError(t, c.Compute.SetQuota(t.Context(), c.Projects[0].ID, map[string]int{"instances": 3}, false))
		errs := race(racers, func(i int) error {
			_, err := c.Compute.CreateServer(t.Context(), c.Projects[0].ID, compute.CreateServerOptions{
				Name: fmt.Sprint(i), FlavorID: c.Flavors[0].ID, ImageID: c.PublicImages[0].ID,
			})
			return err
		})
		winners(t, 3, errs, cloud.QuotaExceeded)
		sound(t, c)
	})
	t.Run("quota of volumes", func(t *testing.T) {
		c := cloudtest.New(t)
		require.NoError(t, c.Volumes.SetQuotas(t.Context(), c.Projects[0].ID, map[string]int{"volumes": 3}))
		errs := race(racers, func(int) error {
			_, err := c.Volumes.CreateVolume(t.Context(), c.Projects[0].ID, volume.CreateOptions{SizeGiB: 1})
			return err
		})
		winners(t, 3, errs, cloud.QuotaExceeded)
		sound(t, c)
	})
	t.Run("quota of ports", func(t *testing.T) {
		c := cloudtest.New(t)
		used, err := c.Networks.Usage(t.Context(), c.Projects[0].ID)
		require.NoError(t, err)
		_, err = c.Networks.SetQuotas(t.Context(), c.Projects[0].ID, map[string]int{"port": used["port"] + 3})
		require.NoError(t, err)
		errs := race(4*racers, func(int) error {
			_, err := c.Networks.CreatePort(t.Context(), c.Projects[0].ID, network.CreatePortOptions{NetworkID: c.Projects[0].Networks[0].ID})
			return err
		})
		winners(t, 3, errs, cloud.QuotaExceeded)
		sound(t, c)
	})
}

// errNoHost is how a server ends that no host had room for.
var errNoHost = errors.New("no valid host")

// bootOne boots a server and waits for its end.
func bootOne(t *testing.T, c *cloudtest.Cloud, name string) error {
	s, err := c.Compute.CreateServer(t.Context(), c.Projects[0].ID, compute.CreateServerOptions{
		Name: name, FlavorID: c.Flavors[0].ID, ImageID: c.PublicImages[0].ID,
	})
	if err != nil {
		return err
	}
	if s, err = c.Compute.WaitServer(t.Context(), s.ID); err != nil {
		return err
	}
	if s.Status() == "ERROR" && s.Fault != nil {
		return fmt.Errorf("%w: %s", errNoHost, s.Fault.Message)
	}
	return nil
}

func TestOneOfAKind(t *testing.T) {
	c := cloudtest.New(t)
	project, n := c.Projects[0].ID, c.Projects[0].Networks[0]
	fixed := func(last byte) []network.FixedIP {
		return []network.FixedIP{{SubnetID: c.Projects[0].Subnets[0].ID, Address: netip.AddrFrom4([4]byte{10, 0, 1, last})}}
	}
	free, err := c.Networks.CreateSubnet(t.Context(), project, network.CreateSubnetOptions{
		NetworkID: n.ID, CIDR: netip.MustParsePrefix("10.9.0.0/24"),
	})
	require.NoError(t, err)
	for name, kind := range map[string]struct {
		make   func(i int) error
		losers []error
	}{
		"fixed IP": {func(int) error {
			_, err := c.Networks.CreatePort(t.Context(), project, network.CreatePortOptions{NetworkID: n.ID, FixedIPs: fixed(77)})
			return err
		}, []error{cloud.Conflict}},
		"floating IP": {func(int) error {
			_, err := c.Networks.CreateFloatingIP(t.Context(), project, network.CreateFloatingIPOptions{
				NetworkID: c.External.ID, Address: netip.MustParseAddr("203.0.113.77"),
			})
			return err
		}, []error{cloud.Conflict}},
		"router interface": {func(int) error {
			_, err := c.Networks.AddRouterInterface(t.Context(), c.Projects[0].Router.ID, network.Interface{SubnetID: free.ID})
			return err
		}, []error{cloud.Invalid, cloud.Conflict}},
		"name of a project": {func(int) error {
			_, err := c.Identity.CreateProject(t.Context(), identity.CreateProjectOptions{Name: "one"})
			return err
		}, []error{cloud.AlreadyExists, cloud.Conflict}},
		"id of a flavor": {func(i int) error {
			_, err := c.Compute.CreateFlavor(t.Context(), compute.Flavor{ID: "one", Name: fmt.Sprint("flavor", i), VCPUs: 1, MemoryMiB: 1})
			return err
		}, []error{cloud.AlreadyExists, cloud.Conflict}},
		"name of a keypair": {func(int) error {
			_, _, err := c.Compute.CreateKeypair(t.Context(), c.Admin.ID, compute.CreateKeypairOptions{Name: "one"})
			return err
		}, []error{cloud.AlreadyExists, cloud.Conflict}},
	} {
		t.Run(name, func(t *testing.T) {
			winners(t, 1, race(racers, kind.make), kind.losers...)
			sound(t, c)
		})
	}
	t.Run("port of a floating IP", func(t *testing.T) {
		p := newPort(t, c)
		var ips []string
		for range 3 {
			ips = append(ips, newFloating(t, c).ID)
		}
		errs := race(3, func(i int) error {
			_, err := c.Networks.UpdateFloatingIP(t.Context(), ips[i], network.UpdateFloatingIPOptions{PortID: &p.ID})
			return err
		})
		winners(t, 1, errs, cloud.Conflict)
		sound(t, c)
	})
}

func TestServerRaces(t *testing.T) {
	c := cloudtest.New(t, cloudtest.Model{Flavors: 3, Unlimited: true})
	busy := []error{cloud.Conflict, cloud.NotFound}
	resize := func(id string, flavor int) error {
		return c.Compute.ResizeServer(t.Context(), id, c.Flavors[flavor].ID)
	}
	t.Run("snapshot and delete", func(t *testing.T) {
		for range 5 {
			s := boot(t, c, "s")
			errs := race(2, func(i int) error {
				if i == 0 {
					_, err := c.Compute.CreateImage(t.Context(), s.ID, "snapshot", nil)
					return err
				}
				return c.Compute.DeleteServer(t.Context(), s.ID)
			})
			require.NoError(t, errs[1])
			some(t, errs, busy...)
			sound(t, c)
		}
	})
	t.Run("resize and delete", func(t *testing.T) {
		for range 5 {
			s := boot(t, c, "s")
			errs := race(2, func(i int) error {
				if i == 0 {
					return resize(s.ID, 1)
				}
				return c.Compute.DeleteServer(t.Context(), s.ID)
			})
			require.NoError(t, errs[1])
			some(t, errs, busy...)
			sound(t, c)
			_, err := c.Compute.GetServer(t.Context(), s.ID)
			require.ErrorIs(t, err, cloud.NotFound)
		}
	})
	t.Run("two resizes", func(t *testing.T) {
		s := boot(t, c, "s")
		winners(t, 1, race(racers, func(i int) error { return resize(s.ID, 1+i%2) }), busy...)
		c.WaitIdle()
		winners(t, 1, race(racers, func(i int) error {
			if i%2 == 0 {
				return c.Compute.ConfirmResize(t.Context(), s.ID)
			}
			return c.Compute.RevertResize(t.Context(), s.ID)
		}), busy...)
		sound(t, c)
	})
}

// client calls the HTTP face of a cloud as its administrator.
type client struct {
	c     *cloudtest.Cloud
	token string
}

func newClient(t *testing.T, c *cloudtest.Cloud) *client {
	token, _, err := c.Identity.Login(t.Context(), identity.LoginRequest{
		Password: &identity.PasswordLogin{Password: c.Admin.Password, User: identity.UserRef{ID: c.Admin.ID}},
		Scope:    identity.LoginScope{Project: &identity.ProjectRef{ID: c.Admin.ProjectID}},
	})
	require.NoError(t, err)
	return &client{c, token}
}

// do makes a request and returns status and body.
func (h *client) do(method, path string, body any) (int, map[string]any) {
	text, _ := json.Marshal(body)
	r := httptest.NewRequest(method, path, bytes.NewReader(text))
	r.Header.Set("X-Auth-Token", h.token)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.c.ServeHTTP(w, r)
	answer := map[string]any{}
	_ = json.Unmarshal(w.Body.Bytes(), &answer) // some have no body
	return w.Code, answer
}

// Over HTTP the losers get the status that OpenStack's clients know, and what several
// change in one document is all kept.
func TestRacesOverHTTP(t *testing.T) {
	c := cloudtest.New(t)
	h := newClient(t, c)
	count := func(n int, f func(i int) int) map[int]int {
		codes := make([]int, n)
		race(n, func(i int) error { codes[i] = f(i); return nil })
		seen := map[int]int{}
		for _, code := range codes {
			seen[code]++
		}
		return seen
	}
	t.Run("same keypair", func(t *testing.T) {
		seen := count(racers, func(int) int {
			code, _ := h.do("POST", "/compute/v2.1/os-keypairs", map[string]any{"keypair": map[string]any{"name": "one"}})
			return code
		})
		require.Equal(t, map[int]int{http.StatusOK: 1, http.StatusConflict: racers - 1}, seen)
	})
	t.Run("same project", func(t *testing.T) {
		seen := count(racers, func(int) int {
			code, _ := h.do("POST", "/identity/v3/projects", map[string]any{"project": map[string]any{"name": "twin"}})
			return code
		})
		require.Equal(t, map[int]int{http.StatusCreated: 1, http.StatusConflict: racers - 1}, seen)
	})
	t.Run("two deletes", func(t *testing.T) {
		p := newPort(t, c)
		seen := count(racers, func(int) int {
			code, _ := h.do("DELETE", "/network/v2.0/ports/"+p.ID, nil)
			return code
		})
		require.Equal(t, map[int]int{http.StatusNoContent: 1, http.StatusNotFound: racers - 1}, seen)
		sound(t, c)
	})
	t.Run("extra specs of a volume type", func(t *testing.T) {
		base := "/volume/v3/" + c.Admin.ProjectID + "/types"
		code, made := h.do("POST", base, map[string]any{"volume_type": map[string]any{"name": "fast"}})
		require.Equal(t, http.StatusOK, code, "%v", made)
		specs := base + "/" + made["volume_type"].(map[string]any)["id"].(string) + "/extra_specs"
		seen := count(racers, func(i int) int {
			code, _ := h.do("POST", specs, map[string]any{"extra_specs": map[string]string{fmt.Sprint("key", i): "v"}})
			return code
		})
		require.Equal(t, map[int]int{http.StatusOK: racers}, seen)
		_, got := h.do("GET", specs, nil)
		require.Len(t, got["extra_specs"], racers)
	})
	t.Run("metadata of a server", func(t *testing.T) {
		s := boot(t, c, "s")
		seen := count(racers, func(i int) int {
			code, _ := h.do("POST", "/compute/v2.1/servers/"+s.ID+"/metadata", map[string]any{"metadata": map[string]string{fmt.Sprint("key", i): "v"}})
			return code
		})
		require.Equal(t, map[int]int{http.StatusOK: racers}, seen)
		s, err := c.Compute.GetServer(t.Context(), s.ID)
		require.NoError(t, err)
		require.Len(t, s.Metadata, racers)
	})
}
