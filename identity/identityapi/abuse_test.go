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

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// TestAbusiveLogIns sends what no client would to the routes that need no token: each is
// refused as the sender's mistake, in the form of an error, and soon.
func TestAbusiveLogIns(t *testing.T) {
	s := serve(t)
	long := strings.Repeat("x", 100_000)
	user := func(fields string) string {
		return `{"auth": {"identity": {"methods": ["password"], "password": {"user": {` + fields + `}}}}}`
	}
	many := func(method string, n int) string { return strings.Repeat(`"`+method+`", `, n) + `"` + method + `"` }
	for name, body := range map[string]string{
		"deep object":           strings.Repeat(`{"auth": `, 10_000) + "1" + strings.Repeat("}", 10_000),
		"deep list":             `{"auth": ` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}",
		"deep scope":            `{"auth": {"identity": {"methods": ["password"]}, "scope": ` + strings.Repeat(`{"project": `, 1000) + "1" + strings.Repeat("}", 1000) + "}}",
		"unclosed":              strings.Repeat(`{"a":`, 50_000),
		"key twice":             `{"auth": {"identity": {"methods": ["password"], "methods": ["token"]}}}`,
		"key twice, escaped":    `{"auth": {"identity": {"methods": ["password"], "m\u0065thods": ["token"]}}}`,
		"password twice":        user(`"id": "x", "password": "a", "password": "b"`),
		"not UTF-8":             user("\"id\": \"\xff\xfe\", \"password\": \"b\""),
		"huge number":           `{"auth": {"identity": {"methods": [1e999999999]}}}`,
		"long number":           `{"auth": {"identity": {"methods": [` + strings.Repeat("9", 10_000) + `]}}}`,
		"methods are a string":  `{"auth": {"identity": {"methods": "password"}}}`,
		"methods are an object": `{"auth": {"identity": {"methods": {"password": 1}}}}`,
		"methods are numbers":   `{"auth": {"identity": {"methods": [1, 2]}}}`,
		"methods are null":      `{"auth": {"identity": {"methods": null}}}`,
		"identity is a list":    `{"auth": {"identity": []}}`,
		"identity is null":      `{"auth": {"identity": null}}`,
		"auth is null":          `{"auth": null}`,
		"auth is a number":      `{"auth": 7}`,
		"a list":                `[]`,
		"a string":              `"auth"`,
		"null":                  `null`,
		"nothing but blanks":    "  \n ",
		"two documents":         `{"auth": {}} {"auth": {}}`,
		"id is a number":        user(`"id": 7, "password": "b"`),
		"id is an object":       user(`"id": {"id": "x"}, "password": "b"`),
		"password is a number":  user(`"id": "x", "password": 7}`),
		"domain is a string":    user(`"name": "x", "domain": "default", "password": "b"`),
		"scope is a number":     `{"auth": {"identity": {"methods": ["token"], "token": {"id": "x"}}, "scope": 7}}`,
		"scope is a list":       `{"auth": {"identity": {"methods": ["token"], "token": {"id": "x"}}, "scope": []}}`,
		"token is a list":       `{"auth": {"identity": {"methods": ["token"], "token": ["x"]}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			a := (&site{t, s.svc, s.url}).do("POST", "/v3/auth/tokens", "", body)
			require.Equal(t, http.StatusBadRequest, a.status, clipped(a.body))
			require.EqualValues(t, 400, a.at(t, "error", "code"))
			require.Less(t, len(a.body), 2000, "what was sent is not sent back")
		})
	}
	// What is well-formed and names nothing, or nothing that could be, is a log-in that is
	// refused, or no log-in.
	for name, body := range map[string]string{
		"unknown method":     `{"auth": {"identity": {"methods": ["odd"]}}}`,
		"half a surrogate":   `{"auth": {"identity": {"methods": ["\ud800"]}}}`,
		"thousands of them":  `{"auth": {"identity": {"methods": [` + many("odd", 5000) + `]}}}`,
		"long method":        `{"auth": {"identity": {"methods": ["` + long + `"]}}}`,
		"long user":          user(`"id": "` + long + `", "password": "b"`),
		"long name":          user(`"name": "` + long + `", "domain": {"id": "default"}, "password": "b"`),
		"long domain":        user(`"name": "admin", "domain": {"name": "` + long + `"}, "password": "b"`),
		"long password":      user(`"name": "admin", "domain": {"id": "default"}, "password": "` + long + `"`),
		"NUL in the name":    user(`"name": "admin\u0000", "domain": {"id": "default"}, "password": "b"`),
		"NUL in the id":      user(`"id": "\u0000", "password": "b"`),
		"SOH in the name":    user(`"name": "admin\u0001\u0001", "domain": {"id": "default"}, "password": "b"`),
		"key of an index":    user(`"name": "", "domain": {"id": "default\u0000admin"}, "password": "b"`),
		"long token":         tokenBody(long, `"unscoped"`),
		"token of a NUL":     tokenBody(`\u0000`, `"unscoped"`),
		"token of a newline": tokenBody(`gAAAAAB\r\nX-Evil: 1`, `"unscoped"`),
		"password, often":    `{"auth": {"identity": {"methods": [` + many("password", 5000) + `], "password": {"user": {"id": "x", "password": "b"}}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			a := (&site{t, s.svc, s.url}).do("POST", "/v3/auth/tokens", "", body)
			require.Contains(t, []int{http.StatusBadRequest, http.StatusUnauthorized}, a.status, clipped(a.body))
			require.Less(t, len(a.body), 2000)
		})
	}
	s.want(http.StatusRequestEntityTooLarge, "POST", "/v3/auth/tokens", "", `{"auth": "`+strings.Repeat("x", 1<<20)+`"}`)
	s.want(http.StatusUnsupportedMediaType, "POST", "/v3/auth/tokens", "", authBody("admin", adminPassword, ""), "Content-Type", "text/xml")
	s.login("admin", adminPassword, projectScope("admin"))
}

func clipped(text string) string { return text[:min(len(text), 300)] }

// raw sends bytes to a server with the limits of the reference server, and returns the
// status of what it answers; 0 if it hangs up.
func raw(t *testing.T, h http.Handler, request string) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := httpapi.Server(h, nil)
	go server.Serve(ln)
	defer server.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	go io.WriteString(conn, request) // the server may stop reading
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	return resp.StatusCode
}

// TestAbusiveRequests sends broken requests as bytes.
func TestAbusiveRequests(t *testing.T) {
	s := serve(t)
	h := guarded(t, s.svc)
	token := s.admin()
	long := strings.Repeat("x", 60_000)
	get := func(path string, headers ...string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(append(headers, ""), "\r\n") + "\r\n"
	}
	for name, c := range map[string]struct {
		request string
		want    []int
	}{
		"a good one":                {get("/identity/v3/auth/projects", "X-Auth-Token: "+token), []int{200}},
		"header of a megabyte":      {get("/identity/v3/auth/projects", "X-Auth-Token: "+strings.Repeat("x", 1<<20)), []int{431}},
		"long token":                {get("/identity/v3/auth/projects", "X-Auth-Token: "+long), []int{401}},
		"long subject":              {get("/identity/v3/auth/tokens", "X-Auth-Token: "+token, "X-Subject-Token: "+long), []int{404}},
		"NUL in the token":          {get("/identity/v3/auth/projects", "X-Auth-Token: a\x00b"), []int{400}},
		"bytes in the token":        {get("/identity/v3/auth/projects", "X-Auth-Token: \xff\xfe"), []int{401}},
		"two tokens, the bad first": {get("/identity/v3/auth/projects", "X-Auth-Token: x", "X-Auth-Token: "+token), []int{401}},
		"no token":                  {get("/identity/v3/auth/projects"), []int{401}},
		"service token of a line":   {get("/identity/v3/auth/projects", "X-Auth-Token: "+token, "X-Service-Token: "+long), []int{200, 401}},
		"long path":                 {get("/identity/v3/users/"+long, "X-Auth-Token: "+token), []int{404, 414, 431}},
		"path of a NUL":             {get("/identity/v3/users/%00", "X-Auth-Token: "+token), []int{400, 404}},
		"path of bad UTF-8":         {get("/identity/v3/users/%ff%fe", "X-Auth-Token: "+token), []int{400, 404}},
		"path with dots":            {get("/identity/v3/users/../../v3/auth/projects", "X-Auth-Token: "+token), []int{400, 404}},
		"path with escaped dots":    {get("/identity/v3/users/%2e%2e%2fauth", "X-Auth-Token: "+token), []int{400, 404}},
		"path with a bad escape":    {get("/identity/v3/users/%zz", "X-Auth-Token: "+token), []int{400}},
		"bad query":                 {get("/identity/v3/users?name=%zz&%%", "X-Auth-Token: "+token), []int{200, 400}},
		"query of a NUL":            {get("/identity/v3/users?name=%00&domain_id=%00", "X-Auth-Token: "+token), []int{200, 400, 404}},
		"thousands of queries":      {get("/identity/v3/users?"+strings.Repeat("a=b&", 10_000), "X-Auth-Token: "+token), []int{200, 400}},
		"odd limit":                 {get("/identity/v3/users?limit=-9999999999999999999999", "X-Auth-Token: "+token), []int{200, 400}},
		"odd method":                {"FROB /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\n\r\n", []int{405}},
		"method of bytes":           {"\xff /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\n\r\n", []int{0, 400}},
		"no HTTP":                   {"hello\r\n\r\n", []int{0, 400}},
		"two lengths":               {"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", []int{400}},
		"length and chunks":         {"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{400}},
		"length of a terabyte":      {"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 1099511627776\r\n\r\n{", []int{413}},
		"endless chunks": {"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" +
			strings.Repeat(fmt.Sprintf("%x\r\n%s\r\n", len(long), long), 20), []int{413}},
	} {
		t.Run(name, func(t *testing.T) { require.Contains(t, c.want, raw(t, h, c.request)) })
	}
}
