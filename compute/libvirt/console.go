package libvirt

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Console returns the end of the console log. virtlogd keeps it small by renaming
// it to console.log.0 and so on when it is full.
func (h *Hypervisor) Console(ctx context.Context, id string, max int) ([]byte, error) {
	if _, err := h.find(ctx, id); err != nil {
		return nil, err
	}
	path := filepath.Join(h.guestDir(id), logFile)
	log, err := tail(path, max)
	if err != nil || len(log) >= max {
		return log, err
	}
	older, err := tail(path+".0", max-len(log))
	return append(older, log...), err
}

// tail returns the last max bytes of a file; none if there is no such file.
func tail(path string, max int) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := st.Size() - int64(max)
	if from < 0 {
		from = 0
	}
	return io.ReadAll(io.NewSectionReader(f, from, int64(max)))
}
