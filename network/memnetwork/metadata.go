package memnetwork

import (
	"bytes"
	"io"
	"net/http"
	"net/netip"

	"github.com/welkin-cloud/cloud/network/driver"
)

// Serve sets the handler of metadata requests.
func (m *Mechanism) Serve(h driver.MetadataHandler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.handler = h
}

// Get asks the metadata service for a path, as the guest with the source address on
// the network would.
func (m *Mechanism) Get(networkID string, source netip.Addr, path string) (*http.Response, error) {
	r, err := http.NewRequest(http.MethodGet, "http://169.254.169.254"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	return m.Ask(networkID, source, r)
}

// Ask sends a request to the metadata service, as the guest with the source address
// on the network would. Unavailable if the network has no metadata service. To faults
// it is the call "Metadata": with one, the answer is 503.
func (m *Mechanism) Ask(networkID string, source netip.Addr, r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	served, h := m.serves(networkID), m.handler
	m.mu.Unlock()
	if !served {
		return nil, driver.Errorf(driver.Unavailable, "network %s has no metadata service", networkID)
	}
	w := &recorder{header: make(http.Header)}
	if err := m.points.Before(r.Context(), "Metadata", networkID); err != nil || h == nil {
		http.Error(w, "the metadata service is not ready", http.StatusServiceUnavailable)
	} else {
		h.ServeMetadata(w, r, driver.MetadataRequest{NetworkID: networkID, Source: source})
	}
	return w.response(r), nil
}

// serves reports whether a network has metadata: one of the base has it without another
// EnsureNetwork. The caller holds mu.
func (m *Mechanism) serves(networkID string) bool {
	served, known := m.served[networkID]
	if known || !m.reaches {
		return served
	}
	n, _ := m.networks.Get(networkID)
	return n.Service.PortID != ""
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header returns the header of the answer.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader keeps the first status.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write adds to the body.
func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// response returns what was kept.
func (w *recorder) response(r *http.Request) *http.Response {
	w.WriteHeader(http.StatusOK)
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Header: w.header, Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()),
	}
}
