package inspect_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/inspect"
)

// header builds the head of a version 3 qcow2 of 1 GiB.
func header(change func(b []byte)) []byte {
	b := make([]byte, 512)
	be := binary.BigEndian
	copy(b, "QFI\xfb")
	be.PutUint32(b[4:], 3)
	be.PutUint32(b[20:], 16)
	be.PutUint64(b[24:], 1<<30)
	be.PutUint32(b[100:], 104)
	if change != nil {
		change(b)
	}
	return b
}

func TestImage(t *testing.T) {
	be := binary.BigEndian
	for name, c := range map[string]struct {
		declared string
		content  []byte
		size     int64  // wanted virtual size
		refused  string // or a part of the wanted error
	}{
		"qcow2":                    {"qcow2", header(nil), 1 << 30, ""},
		"raw":                      {"raw", make([]byte, 4096), 4096, ""},
		"empty raw":                {"raw", nil, 0, ""},
		"empty qcow2":              {"qcow2", nil, 0, ""},
		"raw declared as qcow2":    {"qcow2", make([]byte, 512), 0, "does not begin as one"},
		"qcow2 declared as raw":    {"raw", header(nil), 0, "is a qcow2 image"},
		"qcow2 declared as iso":    {"iso", header(nil), 0, "is a qcow2 image"},
		"vmdk declared as raw":     {"raw", []byte("KDMV\x01\x00"), 0, "vmdk"},
		"vmdk text as raw":         {"raw", []byte("# Disk DescriptorFile\nversion=1\n"), 0, "vmdk"},
		"unknown format":           {"floppy", nil, 0, "not known"},
		"cut off":                  {"qcow2", header(nil)[:60], 0, "cut off"},
		"cut off extensions":       {"qcow2", header(nil)[:106], 0, "cut off"},
		"backing file":             {"qcow2", header(func(b []byte) { be.PutUint64(b[8:], 400) }), 0, "backing file"},
		"data file":                {"qcow2", header(func(b []byte) { be.PutUint64(b[72:], 4) }), 0, "data file"},
		"unknown feature":          {"qcow2", header(func(b []byte) { be.PutUint64(b[72:], 1<<40) }), 0, "not known"},
		"data file by extension":   {"qcow2", header(func(b []byte) { be.PutUint32(b[104:], 0x44415441) }), 0, "another file"},
		"backing fmt by extension": {"qcow2", header(func(b []byte) { be.PutUint32(b[104:], 0xe2792aca) }), 0, "another file"},
		"encrypted":                {"qcow2", header(func(b []byte) { be.PutUint32(b[32:], 1) }), 0, "encrypted"},
		"enormous":                 {"qcow2", header(func(b []byte) { be.PutUint64(b[24:], 1<<62) }), 0, "virtual size"},
		"version 9":                {"qcow2", header(func(b []byte) { be.PutUint32(b[4:], 9) }), 0, "version"},
	} {
		t.Run(name, func(t *testing.T) {
			info, err := inspect.Image(c.declared, bytes.NewReader(c.content), int64(len(c.content)))
			if c.refused != "" {
				require.ErrorIs(t, err, fault.Invalid)
				require.ErrorContains(t, err, c.refused)
				return
			}
			require.NoError(t, err)
			require.Equal(t, inspect.Info{Format: c.declared, VirtualSize: c.size}, info)
		})
	}
}

// FuzzImage: no content makes the inspection panic, read without end, or accept a
// qcow2 that names a backing file.
func FuzzImage(f *testing.F) {
	f.Add("qcow2", header(nil))
	f.Add("raw", []byte("x"))
	f.Fuzz(func(t *testing.T, declared string, b []byte) {
		info, err := inspect.Image(declared, bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if info.VirtualSize < 0 {
			t.Fatalf("negative size %d", info.VirtualSize)
		}
		if declared == "qcow2" && len(b) > 0 && binary.BigEndian.Uint64(b[8:]) != 0 {
			t.Fatal("a backing file was accepted")
		}
	})
}
