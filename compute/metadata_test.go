package compute_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/network/driver"
)

// fetch asks for metadata as a guest does.
func (r *rig) fetch(from, path string) (status int, body string) {
	w := httptest.NewRecorder()
	r.ServeMetadata(w, httptest.NewRequest("GET", path, nil), driver.MetadataRequest{
		NetworkID: "net", Source: netip.MustParseAddr(from),
	})
	return w.Code, w.Body.String()
}

func TestMetadata(t *testing.T) {
	r := newRig(t)
	_, _, err := r.CreateKeypair(r.ctx(), user, compute.CreateKeypairOptions{Name: "key"})
	require.NoError(t, err)
	s := r.boot(func(o *compute.CreateServerOptions) {
		o.KeyName, o.UserData, o.ConfigDrive = "key", base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\n")), true
		o.Metadata = map[string]string{"role": "web"}
	})
	require.Equal(t, "ACTIVE", s.Status(), "%+v", s.Fault)

	status, body := r.fetch("10.0.0.1", "/openstack/latest/meta_data.json")
	require.Equal(t, 200, status)
	var meta struct {
		UUID, Name string
		Meta       map[string]string
		PublicKeys map[string]string `json:"public_keys"`
		RandomSeed []byte            `json:"random_seed"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &meta))
	require.Equal(t, []string{s.ID, "web", "web", s.PublicKey}, []string{meta.UUID, meta.Name, meta.Meta["role"], meta.PublicKeys["key"]})
	require.Len(t, meta.RandomSeed, 32)

	for path, want := range map[string]string{
		"/openstack/2012-08-10/user_data":                 "#!/bin/sh\n",
		"/latest/user-data":                               "#!/bin/sh\n",
		"/2009-04-04/meta-data/local-ipv4":                "10.0.0.1",
		"/2009-04-04/meta-data/public-keys/0/openssh-key": s.PublicKey,
		"/openstack/2012-08-10":                           "meta_data.json\nuser_data",
	} {
		status, body := r.fetch("10.0.0.1", path)
		require.Equal(t, 200, status, path)
		require.Equal(t, want, body, path)
	}
	_, body = r.fetch("10.0.0.1", "/openstack/latest/network_data.json")
	require.Contains(t, body, `"type":"ipv4_dhcp"`)
	for _, absent := range []string{"/openstack/2012-08-10/network_data.json", "/openstack/1999-01-01", "/nothing"} {
		status, _ := r.fetch("10.0.0.1", absent)
		require.Equal(t, 404, status, absent)
	}
	status, _ = r.fetch("10.0.0.99", "/openstack")
	require.Equal(t, 404, status, "nobody has that address")
}

func TestMetadataWithoutUserDataHasNone(t *testing.T) {
	r := newRig(t)
	r.boot()
	status, _ := r.fetch("10.0.0.1", "/openstack/latest/user_data")
	require.Equal(t, 404, status)
}

// A guest that stops by itself is seen as stopped.
func TestPowerFollowsTheGuest(t *testing.T) {
	r := newRig(t)
	s := r.boot()
	require.True(t, r.host.SetPower(s.ID, "shutdown"))
	r.eventually(func() bool {
		got, err := r.GetServer(r.ctx(), s.ID)
		return err == nil && got.Status() == "SHUTOFF"
	})
}
