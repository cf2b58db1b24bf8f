package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/stretchr/testify/require"
)

func TestRotateKeysOfARunningServer(t *testing.T) {
	s := startServer(t, "memory")
	dir := filepath.Join(s.o.state, "keys", "fernet-keys")
	staged, err := os.ReadFile(filepath.Join(dir, "0"))
	require.NoError(t, err)
	client := *s.compute
	client.Endpoint = "http://" + s.o.listen + "/identity/v3/"
	valid := func() bool {
		ok, err := tokens.Validate(t.Context(), &client, client.Token())
		return err == nil && ok
	}
	rotate := func() error { return rotateKeys(t.Context(), []string{"-state", s.o.state}) }
	require.True(t, valid())
	require.NoError(t, rotate())
	primary, err := os.ReadFile(filepath.Join(dir, "2"))
	require.NoError(t, err)
	require.Equal(t, staged, primary)
	require.True(t, valid(), "its key is still there")
	require.NoError(t, rotate())
	require.False(t, valid(), "its key has left")

	s.stop()
	err = rotate()
	require.ErrorContains(t, err, "no server runs on")
}
