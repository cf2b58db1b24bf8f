package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
)

// check runs the subcommand on a server's state, and returns what it prints.
func check(t *testing.T, s *server, args ...string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	err := checkCloud(t.Context(), append([]string{"-state", s.o.state, "-log-level", "error"}, args...), &out, &errs)
	return out.String() + errs.String(), err
}

const strayID = "4b42a7b1-8f0c-4b5e-9d3e-0c8a7f6d5e4c"

func TestCheckAsksTheServerThatRuns(t *testing.T) {
	s := startServer(t, "memory")
	info, err := os.Stat(filepath.Join(s.o.state, controlSocket))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	said, err := check(t, s)
	require.NoError(t, err, said)
	require.Contains(t, said, "no findings")

	content := filepath.Join(s.o.state, "images", strayID)
	require.NoError(t, os.WriteFile(content, []byte("left over"), 0o600))
	said, err = check(t, s, "-json")
	require.ErrorIs(t, err, foundWrong)
	var report cloud.CheckReport
	require.NoError(t, json.Unmarshal([]byte(said), &report))
	require.Len(t, report.Findings, 1)
	require.Equal(t, "image.orphan-content", report.Findings[0].Check)
	require.Equal(t, "image-content/"+strayID, report.Findings[0].Resource)
	require.FileExists(t, content, "nobody asked to mend")

	said, err = check(t, s, "-mend")
	require.NoError(t, err, said)
	require.Contains(t, said, "(mended)")
	require.NoFileExists(t, content)
	said, err = check(t, s)
	require.NoError(t, err, said)
}

func TestCheckOfAStoppedCloudNeverDropsData(t *testing.T) {
	s := startServer(t, "memory")
	s.stop()
	require.NoFileExists(t, filepath.Join(s.o.state, controlSocket))
	said, err := check(t, s)
	require.NoError(t, err, said)

	file := filepath.Join(s.o.state, "volumes", "volumes", strayID)
	require.NoError(t, os.WriteFile(file, []byte("somebody's"), 0o600))
	for _, args := range [][]string{nil, {"-mend"}} {
		said, err = check(t, s, args...)
		require.ErrorIs(t, err, foundWrong)
		require.Contains(t, said, "volume.stored: volume/"+strayID)
		require.FileExists(t, file)
	}
	require.NoError(t, os.Remove(file))
	s.start()
	s.kill() // leaves its socket
	said, err = check(t, s)
	require.NoError(t, err, said)
}

func TestCheckSaysWhyItCannotLook(t *testing.T) {
	var out, errs bytes.Buffer
	dir := filepath.Join(t.TempDir(), "nothing")
	require.ErrorIs(t, checkCloud(t.Context(), []string{"-state", dir}, &out, &errs), notChecked)
	require.Contains(t, errs.String(), "no such file")
	require.NoDirExists(t, dir, "looking makes nothing")
	require.ErrorIs(t, checkCloud(t.Context(), []string{"-unknown"}, &out, &errs), notChecked)
	require.Empty(t, out.String())
}
