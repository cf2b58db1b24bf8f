package identityapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkValidate measures GET /v3/auth/tokens over HTTP with a token that is both
// caller and subject, by several clients that keep their connections.
func BenchmarkValidate(b *testing.B) {
	s := serve(b)
	token := s.admin()
	host := strings.TrimPrefix(s.url, "http://")
	request := fmt.Appendf(nil, "GET /identity/v3/auth/tokens HTTP/1.1\r\nHost: %s\r\nX-Auth-Token: %s\r\nX-Subject-Token: %s\r\n\r\n", host, token, token)
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		for pb.Next() {
			if _, err := conn.Write(request); err != nil {
				b.Error(err)
				return
			}
			resp, err := http.ReadResponse(r, nil)
			if err != nil || resp.StatusCode != http.StatusOK {
				b.Error(err, resp)
				return
			}
			io.Copy(io.Discard, resp.Body)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "validations/s")
}

// BenchmarkIssue measures log-ins with a token over HTTP.
func BenchmarkIssue(b *testing.B) {
	s := serve(b)
	body := `{"auth": {"identity": {"methods": ["token"], "token": {"id": "` +
		s.login("admin", adminPassword, `"unscoped"`) + `"}}, "scope": ` + projectScope("admin") + `}}`
	for b.Loop() {
		a := s.do("POST", "/v3/auth/tokens", "", body)
		require.Equal(b, http.StatusCreated, a.status)
	}
}
