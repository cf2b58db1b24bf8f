package computeapi

import (
	"context"
	"net/http"
	"slices"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// consoles are the protocols of consoles with their types.
var consoles = map[string][]string{
	"vnc": {"novnc", "xvpvnc"}, "spice": {"spice-html5"}, "rdp": {"rdp-html5"}, "serial": {"serial"}, "mks": {"webmks"},
}

func (a *api) consoleRoutes() []httpapi.Route {
	old := func(name, protocol string) httpapi.Route {
		schema := body(wrapped(name, object(0, []string{"type"}, property{name: "type", schema: `{"type":"string"}`})))
		route := a.action(name, "os_compute_api:os-remote-consoles", http.StatusOK, schema, a.oldConsole(name, protocol))
		route.Max = v(5)
		return route
	}
	remote := wrapped("remote_console", object(0, []string{"protocol", "type"},
		property{name: "protocol", schema: `{"type":"string","enum":["vnc","spice","rdp","serial","mks"]}`},
		property{name: "type", schema: `{"type":"string","enum":["novnc","xvpvnc","spice-html5","rdp-html5","serial","webmks"]}`}))
	return []httpapi.Route{
		old("os-getVNCConsole", "vnc"), old("os-getSPICEConsole", "spice"), old("os-getSerialConsole", "serial"),
		{
			Method: "POST", Path: "/v2.1/servers/{server_id}/remote-consoles", Policy: "os_compute_api:os-remote-consoles",
			Min: v(6), Target: a.serverTarget, Body: body(remote), Handle: a.remoteConsole,
		},
	}
}

func (a *api) oldConsole(name, protocol string) httpapi.Handler {
	return func(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		in := map[string]struct {
			Type string `json:"type"`
		}{}
		if err := r.Decode(&in); err != nil {
			return nil, err
		}
		url, err := consoleURL(r, protocol, in[name].Type)
		if err != nil {
			return nil, err
		}
		return httpapi.OK(map[string]any{"console": map[string]string{"type": in[name].Type, "url": url}}), nil
	}
}

func (a *api) remoteConsole(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Console struct{ Protocol, Type string } `json:"remote_console"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	url, err := consoleURL(r, in.Console.Protocol, in.Console.Type)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(map[string]any{"remote_console": map[string]string{
		"protocol": in.Console.Protocol, "type": in.Console.Type, "url": url,
	}}), nil
}

// consoleURL is where a console proxy would serve the server's console.
func consoleURL(r *httpapi.Request, protocol, kind string) (string, error) {
	if !slices.Contains(consoles[protocol], kind) {
		return "", fault.New(fault.Invalid, "Invalid console type %s", kind)
	}
	s := httpapi.Kept[compute.Server](r)
	switch {
	case s.Host == "" || s.LaunchedAt.IsZero():
		return "", fault.New(fault.Conflict, "Instance %s is not ready", s.ID)
	case protocol != "vnc" && protocol != "serial":
		return "", fault.New(fault.Invalid, "Unavailable console type %s.", kind)
	}
	return r.BaseURL + "/consoles/" + kind + "?path=%3Fserver%3D" + s.ID, nil
}
