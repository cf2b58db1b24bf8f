package sqlite_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/sqlite"
)

// shell opens the file as an operator's sqlite3 command would.
func shell(t *testing.T, path string) *sql.DB {
	db, err := sql.Open("sqlite3", (&url.URL{Scheme: "file", Path: path}).String())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestAnOperatorCanReadTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "the state?#%.db")
	d := openDiary(t, path)
	defer d.Close()
	require.NoError(t, d.Update(t.Context(), func(tx *state.Tx) error {
		tx.Emit(state.Event{
			Type: "note.create", Resource: "note", ID: "a", ProjectID: "p", RequestID: "req",
			Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Traits: map[string]string{"length": "4"},
		})
		return d.notes.Insert(tx, note{"a", "text"})
	}))
	for _, test := range []struct{ query, want string }{
		{`SELECT doc ->> 'Text' FROM documents WHERE collection = 'notes' AND key = 'a'`, "text"},
		{`SELECT typeof(doc) FROM documents`, "text"},
		{`SELECT revision || ' ' || doc FROM changes`, `1 {"ID":"a","Text":"text"}`},
		{`SELECT time || ' ' || type || ' ' || project || ' ' || (traits ->> 'length') FROM events`, "2026-01-02T03:04:05.000000006Z note.create p 4"},
		{`SELECT group_concat(name || '=' || value) FROM meta`, "compacted=0,revision=1,schema=1"},
		{`SELECT journal_mode FROM pragma_journal_mode`, "wal"},
		{`SELECT application_id FROM pragma_application_id`, fmt.Sprint(0x574c4b4e)},
	} {
		var got string
		require.NoError(t, shell(t, path).QueryRow(test.query).Scan(&got), test.query)
		require.Equal(t, test.want, got)
	}
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		info, err := os.Stat(path + suffix)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), suffix)
	}
	got, err := sqlite.Pragma(openOther(t), "synchronous")
	require.NoError(t, err)
	require.EqualValues(t, 2, got, "FULL")
}

func openOther(t *testing.T) state.Engine {
	e, err := sqlite.Open(filepath.Join(t.TempDir(), "other.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func TestOpenTightensTheMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	require.NoError(t, os.WriteFile(path, nil, 0o644))
	d := openDiary(t, path)
	require.NoError(t, d.Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestRefusedFiles(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, path string)
		kind    fault.Kind
		message string
	}{
		{"a newer schema", func(t *testing.T, path string) {
			d := openDiary(t, path)
			require.NoError(t, d.write(t.Context(), "a", "x"))
			require.NoError(t, d.Close())
			_, err := shell(t, path).Exec(`UPDATE meta SET value = 2 WHERE name = 'schema'`)
			require.NoError(t, err)
		}, fault.Conflict, "the state file PATH has schema version 2; this program knows 1, use a newer one"},
		{"another application", func(t *testing.T, path string) {
			_, err := shell(t, path).Exec(`CREATE TABLE photos (name TEXT)`)
			require.NoError(t, err)
		}, fault.Conflict, "the file PATH is a database of another application"},
		{"no database", func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, make([]byte, 5000), 0o600))
		}, fault.Unavailable, "the state file PATH cannot be used"},
		{"a directory", func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) },
			fault.Unavailable, "the state file PATH cannot be used"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			test.prepare(t, path)
			for range 2 { // the lock of a refused opener is released
				_, err := sqlite.Open(path)
				require.ErrorIs(t, err, test.kind)
				require.Equal(t, strings.ReplaceAll(test.message, "PATH", path), fault.Public(err))
			}
		})
	}
	_, err := sqlite.Open(filepath.Join(t.TempDir(), "none", "state.db"))
	require.ErrorIs(t, err, fault.Unavailable)
}
