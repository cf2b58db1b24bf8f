//go:build apicoverage

package httpapi

import (
	"fmt"
	"os"
)

// served appends the route of a success to the file that APICOVERAGE names: service,
// method, path and action, parted by tabs. Many processes write to it at once, so each
// line is one write. Programs are never built with this; `make coverage-api` runs tests
// with it.
func (x *exchange) served(r *boundRoute, status int) {
	name := os.Getenv("APICOVERAGE")
	if name == "" || status >= 400 {
		return
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = fmt.Fprintf(file, "%s\t%s\t%s\t%s\n", x.api.Service, x.http.Method, r.Path, r.Action)
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		panic("httpapi: what was served cannot be recorded: " + err.Error())
	}
}
