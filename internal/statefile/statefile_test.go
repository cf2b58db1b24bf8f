package statefile_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/statefile"
)

type thing struct {
	ID   string `json:"id"`
	Size int    `json:"size"`
}

// things is a DB with one collection of a version.
func things(t testing.TB, version int) (*state.DB, *state.Collection[thing]) {
	db := state.New(nil, nil)
	return db, state.Define(db, state.Spec[thing]{
		Name: "test.things", Noun: "thing", Key: func(d *thing) string { return d.ID }, Version: version,
		Upgrade: func(_ int, doc []byte) (thing, error) {
			id := strings.Split(string(doc), `"`)[3]
			return thing{ID: id, Size: -1}, nil
		},
	})
}

// file is a saved DB of version 1 with the things "a" and "b".
func file(t testing.TB) []byte {
	db, all := things(t, 1)
	require.NoError(t, db.Open(t.Context()))
	for _, id := range []string{"b", "a"} {
		require.NoError(t, db.Update(t.Context(), func(tx *state.Tx) error { return all.Insert(tx, thing{ID: id, Size: 7}) }))
	}
	var out bytes.Buffer
	require.NoError(t, statefile.Write(t.Context(), &out, statefile.Header{Hosts: []string{"h"}}, db.Snapshot()))
	return out.Bytes()
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	text := string(file(t))
	require.Equal(t, `{"format":"welkin-state","version":1,"revision":2,"hosts":["h"],"network_hosts":null,"router_host":"","backends":null}
{"in":"test.things","key":"a","version":1,"doc":{"id":"a","size":7}}
{"in":"test.things","key":"b","version":1,"doc":{"id":"b","size":7}}
`, text[:strings.Index(text, `{"rows":2,"sha256":"`)])
	for version, size := range map[int]int{1: 7, 2: -1} {
		in, err := statefile.NewReader(strings.NewReader(text))
		require.NoError(t, err)
		require.Equal(t, []string{"h"}, in.Header.Hosts)
		db, all := things(t, version)
		require.NoError(t, db.OpenFrom(t.Context(), in.Header.Revision, in.Rows))
		require.EqualValues(t, 2, db.Snapshot().Revision())
		d, err := all.Get(db.Snapshot(), "a")
		require.NoError(t, err)
		require.Equal(t, size, d.Size, "a document of an older version is upgraded")
	}
}

// FuzzReader gives the reader files of any kind.
func FuzzReader(f *testing.F) {
	whole := file(f)
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := statefile.NewReader(bytes.NewReader(data))
		if err != nil {
			return
		}
		last := ""
		err = in.Rows(t.Context(), func(r state.Row) error {
			require.NotEmpty(t, r.Key)
			last = r.Key
			return nil
		})
		if err == nil && last != "" {
			require.True(t, bytes.HasSuffix(data, []byte("\n")))
		}
	})
}
