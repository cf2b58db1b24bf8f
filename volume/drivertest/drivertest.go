// Package drivertest is the conformance suite of volume backends. The author of a
// driver calls Run from a test.
package drivertest

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/volume/driver"
)

// Harness is one empty backend with room for at least 20 and fewer than 1000 GiB.
type Harness struct {
	Backend driver.Backend
	// CopiesInUse says that a volume can be copied while a host uses it; without
	// it Snapshot must answer Unsupported then.
	CopiesInUse bool
}

// Run tests every rule of driver.Backend. fresh returns an empty backend, which the
// suite closes.
func Run(t *testing.T, fresh func(t *testing.T) Harness) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := fresh(t)
			s := suite{t, h, h.Backend, t.Context()}
			defer func() { require.NoError(t, h.Backend.Close()) }()
			c.run(s)
		})
	}
}

// suite is what a case works with; its methods fail the test.
type suite struct {
	*testing.T
	h   Harness
	b   driver.Backend
	ctx context.Context
}

var cases = []struct {
	name string
	run  func(s suite)
}{
	{"a new volume reads as zeros", createZeros},
	{"creating twice is one volume", createTwice},
	{"another size is a conflict", createConflict},
	{"no room is exhausted", noRoom},
	{"deleting twice is a success", deleteTwice},
	{"what is written is exported", overwrite},
	{"a smaller overwrite keeps the rest", overwritePart},
	{"an overwrite does not grow a volume", overwriteTooLarge},
	{"a clone is a copy", clone},
	{"a clone is not smaller", cloneSmaller},
	{"a source that is not there is not found", noSource},
	{"a snapshot keeps its moment", snapshot},
	{"a snapshot holds its volume", snapshotHolds},
	{"a restored volume outlives its snapshot", restoreOutlives},
	{"a snapshot of a volume in use", snapshotInUse},
	{"a raw image becomes a volume", importRaw},
	{"an image that is larger is refused", importLarger},
	{"a qcow2 with a backing file is refused", importBacking},
	{"an import that is cut off leaves nothing", importCut},
	{"a volume grows and keeps its content", extend},
	{"a volume does not shrink", shrink},
	{"a qcow2 export is a qcow2", exportQcow2},
	{"an unknown format is unsupported", exportUnknown},
	{"connections", connect},
	{"capacity counts sizes", capacity},
}

const text = "the quick brown fox"

func (s suite) create(id string, gib int) {
	s.Helper()
	require.NoError(s, s.b.Create(s.ctx, id, gib))
}

func (s suite) write(id, content string) {
	s.Helper()
	require.NoError(s, s.b.Overwrite(s.ctx, id, bytes.NewReader([]byte(content))))
}

// head reads the first n bytes of a volume.
func (s suite) head(id string, n int) string {
	s.Helper()
	r, err := s.b.Export(s.ctx, id, "raw")
	require.NoError(s, err)
	defer r.Close()
	p := make([]byte, n)
	_, err = io.ReadFull(r, p)
	require.NoError(s, err)
	return string(p)
}

func (s suite) volumes() []driver.Volume {
	s.Helper()
	l, err := s.b.Volumes(s.ctx)
	require.NoError(s, err)
	return l
}

func createZeros(s suite) {
	s.create("a", 1)
	r, err := s.b.Export(s.ctx, "a", "raw")
	require.NoError(s, err)
	defer r.Close()
	p := make([]byte, 4096)
	_, err = io.ReadFull(r, p)
	require.NoError(s, err)
	require.Equal(s, make([]byte, 4096), p)
	rest, err := io.Copy(io.Discard, r)
	require.NoError(s, err)
	require.Equal(s, driver.GiB-4096, rest)
}

func createTwice(s suite) {
	s.create("a", 1)
	s.write("a", text)
	s.create("a", 1)
	require.Equal(s, text, s.head("a", len(text)))
	require.Equal(s, []driver.Volume{{ID: "a", SizeGiB: 1}}, s.volumes())
}

func createConflict(s suite) {
	s.create("a", 1)
	require.ErrorIs(s, s.b.Create(s.ctx, "a", 2), driver.Conflict)
}

func noRoom(s suite) {
	require.ErrorIs(s, s.b.Create(s.ctx, "a", 2_000_000), driver.Exhausted)
	require.Empty(s, s.volumes())
	s.create("b", 1)
	require.ErrorIs(s, s.b.Extend(s.ctx, "b", 2_000_000), driver.Exhausted)
}

func deleteTwice(s suite) {
	s.create("a", 1)
	require.NoError(s, s.b.Delete(s.ctx, "a"))
	require.NoError(s, s.b.Delete(s.ctx, "a"))
	require.Empty(s, s.volumes())
	_, err := s.b.Export(s.ctx, "a", "raw")
	require.ErrorIs(s, err, driver.NotFound)
}

func overwrite(s suite) {
	s.create("a", 1)
	s.write("a", text)
	require.Equal(s, text+"\x00\x00", s.head("a", len(text)+2))
}

func overwritePart(s suite) {
	s.create("a", 1)
	s.write("a", "999999")
	s.write("a", "1\x00\x00")
	require.Equal(s, "1\x00\x00999", s.head("a", 6))
}

func overwriteTooLarge(s suite) {
	s.create("a", 1)
	err := s.b.Overwrite(s.ctx, "a", io.LimitReader(zeros{}, driver.GiB+1))
	require.ErrorIs(s, err, driver.Invalid)
	require.Equal(s, []driver.Volume{{ID: "a", SizeGiB: 1}}, s.volumes())
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func clone(s suite) {
	s.create("a", 1)
	s.write("a", text)
	require.NoError(s, s.b.Clone(s.ctx, "b", 2, "a"))
	require.NoError(s, s.b.Clone(s.ctx, "b", 2, "a"))
	s.write("a", "XXXXX")
	require.Equal(s, text, s.head("b", len(text)))
	require.ElementsMatch(s, []driver.Volume{{ID: "a", SizeGiB: 1}, {ID: "b", SizeGiB: 2}}, s.volumes())
}

func cloneSmaller(s suite) {
	s.create("a", 2)
	require.ErrorIs(s, s.b.Clone(s.ctx, "b", 1, "a"), driver.Invalid)
}

func noSource(s suite) {
	require.ErrorIs(s, s.b.Clone(s.ctx, "b", 1, "nobody"), driver.NotFound)
	require.ErrorIs(s, s.b.Restore(s.ctx, "b", 1, "nobody"), driver.NotFound)
	require.ErrorIs(s, s.b.Snapshot(s.ctx, "nobody", "s"), driver.NotFound)
	require.ErrorIs(s, s.b.Overwrite(s.ctx, "nobody", bytes.NewReader(nil)), driver.NotFound)
	require.ErrorIs(s, s.b.Extend(s.ctx, "nobody", 1), driver.NotFound)
	require.Empty(s, s.volumes())
}

func snapshot(s suite) {
	s.create("a", 1)
	s.write("a", text)
	require.NoError(s, s.b.Snapshot(s.ctx, "a", "s"))
	s.write("a", "XXXXX")
	require.NoError(s, s.b.Snapshot(s.ctx, "a", "s"), "again: it keeps the first moment")
	require.NoError(s, s.b.Restore(s.ctx, "b", 1, "s"))
	require.Equal(s, text, s.head("b", len(text)))
	list, err := s.b.Snapshots(s.ctx)
	require.NoError(s, err)
	require.Equal(s, []driver.Snapshot{{ID: "s", VolumeID: "a"}}, list)
}

func snapshotHolds(s suite) {
	s.create("a", 1)
	require.NoError(s, s.b.Snapshot(s.ctx, "a", "s"))
	require.ErrorIs(s, s.b.Delete(s.ctx, "a"), driver.Conflict)
	require.NoError(s, s.b.DeleteSnapshot(s.ctx, "s"))
	require.NoError(s, s.b.DeleteSnapshot(s.ctx, "s"))
	require.NoError(s, s.b.Delete(s.ctx, "a"))
}

func restoreOutlives(s suite) {
	s.create("a", 1)
	s.write("a", text)
	require.NoError(s, s.b.Snapshot(s.ctx, "a", "s"))
	require.NoError(s, s.b.Restore(s.ctx, "b", 2, "s"))
	require.NoError(s, s.b.DeleteSnapshot(s.ctx, "s"))
	require.NoError(s, s.b.Delete(s.ctx, "a"))
	require.Equal(s, text, s.head("b", len(text)))
}

func snapshotInUse(s suite) {
	s.create("a", 1)
	_, err := s.b.Connect(s.ctx, "a", "host-1")
	require.NoError(s, err)
	err = s.b.Snapshot(s.ctx, "a", "s")
	if s.h.CopiesInUse {
		require.NoError(s, err)
	} else if err != nil {
		require.ErrorIs(s, err, driver.Unsupported)
	}
}

func importRaw(s suite) {
	image := append(make([]byte, 1<<20), text...)
	require.NoError(s, s.b.Import(s.ctx, "a", 1, "raw", bytes.NewReader(image)))
	require.Equal(s, text, s.head("a", len(image))[1<<20:])
	require.Equal(s, []driver.Volume{{ID: "a", SizeGiB: 1}}, s.volumes())
}

func importLarger(s suite) {
	err := s.b.Import(s.ctx, "a", 1, "raw", io.LimitReader(zeros{}, driver.GiB+1))
	require.ErrorIs(s, err, driver.Invalid)
	require.ErrorIs(s, s.b.Import(s.ctx, "a", 1, "qcow2", bytes.NewReader(qcow2(2<<30, 0))), driver.Invalid)
	require.Empty(s, s.volumes())
}

func importBacking(s suite) {
	err := s.b.Import(s.ctx, "a", 1, "qcow2", bytes.NewReader(qcow2(1<<30, 400)))
	require.ErrorIs(s, err, driver.Invalid)
	require.Empty(s, s.volumes())
}

// qcow2 is a header with the virtual size and the offset of a backing file's name.
func qcow2(size, backing uint64) []byte {
	b := make([]byte, 64<<10)
	be := binary.BigEndian
	copy(b, "QFI\xfb")
	be.PutUint32(b[4:], 3)
	be.PutUint64(b[8:], backing)
	be.PutUint32(b[20:], 16)
	be.PutUint64(b[24:], size)
	be.PutUint32(b[100:], 104)
	return b
}

func importCut(s suite) {
	cut := io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), iotest.ErrReader(io.ErrUnexpectedEOF))
	require.ErrorIs(s, s.b.Import(s.ctx, "a", 1, "raw", cut), io.ErrUnexpectedEOF)
	require.Empty(s, s.volumes())
}

func extend(s suite) {
	s.create("a", 1)
	s.write("a", text)
	require.NoError(s, s.b.Extend(s.ctx, "a", 3))
	require.NoError(s, s.b.Extend(s.ctx, "a", 3))
	require.Equal(s, text, s.head("a", len(text)))
	require.Equal(s, []driver.Volume{{ID: "a", SizeGiB: 3}}, s.volumes())
}

func shrink(s suite) {
	s.create("a", 2)
	require.ErrorIs(s, s.b.Extend(s.ctx, "a", 1), driver.Invalid)
}

func exportQcow2(s suite) {
	s.create("a", 1)
	r, err := s.b.Export(s.ctx, "a", "qcow2")
	require.NoError(s, err)
	defer r.Close()
	b, err := io.ReadAll(r)
	require.NoError(s, err)
	require.Equal(s, "QFI\xfb", string(b[:4]))
	require.EqualValues(s, driver.GiB, binary.BigEndian.Uint64(b[24:]))
}

func exportUnknown(s suite) {
	s.create("a", 1)
	_, err := s.b.Export(s.ctx, "a", "floppy")
	require.ErrorIs(s, err, driver.Unsupported)
}

func connect(s suite) {
	s.create("a", 1)
	first, err := s.b.Connect(s.ctx, "a", "host-1")
	require.NoError(s, err)
	again, err := s.b.Connect(s.ctx, "a", "host-1")
	require.NoError(s, err)
	require.Equal(s, first, again)
	require.NotEmpty(s, first.Path)
	require.NotEmpty(s, first.Format)
	lister, lists := s.b.(driver.ConnectionLister)
	if lists {
		have, err := lister.Connections(s.ctx)
		require.NoError(s, err)
		require.Equal(s, []driver.Connected{{VolumeID: "a", Host: "host-1"}}, have)
	}
	require.NoError(s, s.b.Disconnect(s.ctx, "a", "host-1"))
	require.NoError(s, s.b.Disconnect(s.ctx, "a", "host-1"))
	if lists {
		have, err := lister.Connections(s.ctx)
		require.NoError(s, err)
		require.Empty(s, have)
	}
	_, err = s.b.Connect(s.ctx, "nobody", "host-1")
	require.ErrorIs(s, err, driver.NotFound)
}

func capacity(s suite) {
	before, err := s.b.Capacity(s.ctx)
	require.NoError(s, err)
	require.Positive(s, before.FreeGiB)
	s.create("a", 3)
	after, err := s.b.Capacity(s.ctx)
	require.NoError(s, err)
	require.Equal(s, before.FreeGiB-3, after.FreeGiB)
	info, err := s.b.Info(s.ctx)
	require.NoError(s, err)
	require.NotEmpty(s, info.Name)
}
