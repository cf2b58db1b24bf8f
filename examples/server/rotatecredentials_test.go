package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/credentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/stretchr/testify/require"
)

func TestRotateCredentialKeysOfARunningServer(t *testing.T) {
	s := startServer(t, "memory")
	client := *s.compute
	client.Endpoint = "http://" + s.o.listen + "/identity/v3/"
	me, err := tokens.Get(t.Context(), &client, client.Token()).ExtractUser()
	require.NoError(t, err)
	made, err := credentials.Create(t.Context(), &client, credentials.CreateOpts{Type: "cert", UserID: me.ID, Blob: "private"}).Extract()
	require.NoError(t, err)
	dir := filepath.Join(s.o.state, "keys", "credential-keys")
	first, err := os.ReadFile(filepath.Join(dir, "1"))
	require.NoError(t, err)
	for range 3 { // as often as it takes the first key to leave
		require.NoError(t, rotateCredentialKeys(t.Context(), []string{"-state", s.o.state}))
		got, err := credentials.Get(t.Context(), &client, made.ID).Extract()
		require.NoError(t, err)
		require.Equal(t, "private", got.Blob)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	for _, path := range files {
		key, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NotEqual(t, first, key)
	}
	s.stop()
	require.ErrorContains(t, rotateCredentialKeys(t.Context(), []string{"-state", s.o.state}), "no server runs on")
}
