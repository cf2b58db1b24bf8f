package blockio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/blockio"
)

func collect(ctx context.Context, r io.Reader) ([]byte, error) {
	var got []byte
	err := blockio.Each(ctx, r, func(at int64, p []byte) error {
		if at != int64(len(got)) {
			return errors.New("wrong offset")
		}
		got = append(got, p...)
		return nil
	})
	return got, err
}

func TestEachGivesEverythingInOrder(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789"), 80_000)
	got, err := collect(t.Context(), iotest.HalfReader(bytes.NewReader(want)))
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
}

func TestACutOffStreamIsAnError(t *testing.T) {
	r := io.MultiReader(bytes.NewReader(make([]byte, 1000)), iotest.ErrReader(io.ErrUnexpectedEOF))
	_, err := collect(t.Context(), r)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestEachEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := blockio.Each(ctx, neverEnding{}, func(int64, []byte) error { cancel(); return nil })
	require.ErrorIs(t, err, context.Canceled)
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }
