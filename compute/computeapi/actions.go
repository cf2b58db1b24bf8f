package computeapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// actionPath takes all actions on a server.
const actionPath = "/v2.1/servers/{server_id}/action"

// action is a route of a verb; schema is of the whole body.
func (a *api) action(name, rule string, status int, schema []httpapi.Schema, h httpapi.Handler) httpapi.Route {
	return httpapi.Route{
		Method: "POST", Path: actionPath, Action: name, Policy: rule, Target: a.serverTarget,
		Status: status, Body: schema, Handle: h,
	}
}

// verb is the handler of an action that has no arguments.
func verb(do func(ctx context.Context, id string) error) httpapi.Handler {
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		return httpapi.Empty(), do(asCaller(ctx, r), r.Path("server_id"))
	}
}

func (a *api) actionRoutes() []httpapi.Route {
	plain := func(name, rule string, do func(ctx context.Context, id string) error) httpapi.Route {
		return a.action(name, "os_compute_api:"+rule, http.StatusAccepted, body(wrapped(name, sNull)), verb(do))
	}
	routes := []httpapi.Route{
		plain("os-start", "servers:start", a.svc.StartServer),
		plain("os-stop", "servers:stop", a.svc.StopServer),
		plain("pause", "os-pause-server:pause", a.svc.PauseServer),
		plain("unpause", "os-pause-server:unpause", a.svc.UnpauseServer),
		plain("suspend", "os-suspend-server:suspend", a.svc.SuspendServer),
		plain("resume", "os-suspend-server:resume", a.svc.ResumeServer),
		plain("unlock", "os-lock-server:unlock", a.svc.UnlockServer),
		plain("revertResize", "servers:revert_resize", a.svc.RevertResize),
		plain("shelve", "os-shelve:shelve", a.svc.ShelveServer),
		plain("shelveOffload", "os-shelve:shelve_offload", a.svc.OffloadServer),
		plain("forceDelete", "os-deferred-delete:force", a.svc.DeleteServer),
		plain("restore", "os-deferred-delete:restore", notDeleted),
		a.action("confirmResize", "os_compute_api:servers:confirm_resize", http.StatusNoContent,
			body(wrapped("confirmResize", sNull)), verb(a.svc.ConfirmResize)),
	}
	return append(routes, a.argumentActions()...)
}

// notDeleted answers restore: deleted servers are gone at once, so none can be
// restored.
func notDeleted(_ context.Context, id string) error {
	return fault.New(fault.Conflict, "Cannot 'restore' instance %s while it is not soft-deleted", id)
}

// argumentActions are the verbs with arguments.
func (a *api) argumentActions() []httpapi.Route {
	const accepted = http.StatusAccepted
	named := func(name string) []httpapi.Schema {
		return body(wrapped(name, object(0, []string{"name"}, property{name: "name", schema: `{"type":"string","minLength":1,"maxLength":255}`})))
	}
	reboot := wrapped("reboot", object(0, []string{"type"}, property{name: "type",
		schema: `{"type":"string","enum":["HARD","Hard","hard","SOFT","Soft","soft"]}`}))
	resize := wrapped("resize", object(0, []string{"flavorRef"},
		property{name: "flavorRef", schema: sFlavor}, property{name: "OS-DCF:diskConfig", schema: sDisk}))
	image := wrapped("createImage", object(0, []string{"name"},
		property{name: "name", schema: sName}, property{name: "metadata", schema: sMetadata}))
	reset := wrapped("os-resetState", object(0, []string{"state"},
		property{name: "state", schema: `{"type":"string","enum":["active","error"]}`}))
	output := `{"type":"object","additionalProperties":false,"required":["os-getConsoleOutput"],"properties":{"os-getConsoleOutput":` +
		`{"type":["object","null"],"additionalProperties":false,"properties":{"length":{"type":["integer","string","null"],"pattern":"^-?[0-9]+$","minimum":-1}}}}}`
	return []httpapi.Route{
		a.action("reboot", "os_compute_api:servers:reboot", accepted, body(reboot), a.reboot),
		a.action("resize", "os_compute_api:servers:resize", accepted, body(resize), a.resize),
		a.action("rebuild", "os_compute_api:servers:rebuild", accepted, bodies(rebuildBody, 63, 57, 54, 19, 1), a.rebuild),
		a.action("createImage", "os_compute_api:servers:create_image", accepted, body(image), a.createImage),
		a.action("lock", "os_compute_api:os-lock-server:lock", accepted, bodies(lockBody, 73, 1), a.lock),
		a.action("unshelve", "os_compute_api:os-shelve:unshelve", accepted, bodies(unshelveBody, 77, 1), a.unshelve),
		a.action("addSecurityGroup", "os_compute_api:os-security-groups:add", accepted, named("addSecurityGroup"), a.addGroup),
		a.action("removeSecurityGroup", "os_compute_api:os-security-groups:remove", accepted, named("removeSecurityGroup"), a.removeGroup),
		a.action("os-resetState", "os_compute_api:os-admin-actions:reset_state", accepted, body(reset), a.resetState),
		a.action("os-getConsoleOutput", "os_compute_api:os-console-output", http.StatusOK, body(output), a.consoleOutput),
	}
}

func lockBody(minor int) string {
	if minor < 73 {
		return wrapped("lock", sNull)
	}
	return wrapped("lock", `{"type":["object","null"],"additionalProperties":false,"properties":{"locked_reason":{"type":"string","minLength":1,"maxLength":255}}}`)
}

func unshelveBody(minor int) string {
	if minor < 77 {
		return wrapped("unshelve", sNull)
	}
	return wrapped("unshelve", `{"type":["object","null"],"additionalProperties":false,"required":["availability_zone"],"properties":{"availability_zone":{"type":"string","minLength":1,"maxLength":255}}}`)
}

func (a *api) reboot(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Reboot struct{ Type string } `json:"reboot"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	hard := strings.EqualFold(in.Reboot.Type, "hard")
	return httpapi.Empty(), a.svc.RebootServer(asCaller(ctx, r), r.Path("server_id"), hard)
}

func (a *api) resize(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Resize struct {
			FlavorRef looseText `json:"flavorRef"`
		} `json:"resize"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.svc.ResizeServer(asCaller(ctx, r), r.Path("server_id"), ref(string(in.Resize.FlavorRef)))
}

func (a *api) rebuild(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Rebuild struct {
			ImageRef    string            `json:"imageRef"`
			Name        *string           `json:"name"`
			AdminPass   string            `json:"adminPass"`
			Metadata    map[string]string `json:"metadata"`
			DiskConfig  *string           `json:"OS-DCF:diskConfig"`
			AccessIPv4  *string           `json:"accessIPv4"`
			AccessIPv6  *string           `json:"accessIPv6"`
			Personality []fileIn          `json:"personality"`
			Description *string           `json:"description"`
			KeyName     nullable          `json:"key_name"`
			UserData    nullable          `json:"user_data"`
		} `json:"rebuild"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	b := &in.Rebuild
	content, err := files(b.Personality)
	if err != nil {
		return nil, err
	}
	s, err := a.svc.RebuildServer(asCaller(ctx, r), r.Path("server_id"), compute.RebuildOptions{
		ImageID: b.ImageRef, Name: b.Name, Description: b.Description, AccessIPv4: b.AccessIPv4, AccessIPv6: b.AccessIPv6,
		DiskConfig: b.DiskConfig, Metadata: b.Metadata, KeyName: b.KeyName.text, UserData: b.UserData.text, Files: content,
	})
	if err != nil {
		return nil, err
	}
	return a.rebuilt(ctx, r, s, b.AdminPass)
}

func (a *api) createImage(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		CreateImage struct {
			Name     string            `json:"name"`
			Metadata map[string]string `json:"metadata"`
		} `json:"createImage"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	id, err := a.svc.CreateImage(asCaller(ctx, r), r.Path("server_id"), in.CreateImage.Name, in.CreateImage.Metadata)
	if err != nil {
		return nil, err
	}
	if r.Version.AtLeast(2, 45) {
		return httpapi.OK(map[string]string{"image_id": id}), nil
	}
	return &httpapi.Response{Header: http.Header{"Location": {r.BaseURL + "/images/" + id}}}, nil
}

func (a *api) lock(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Lock struct {
			Reason string `json:"locked_reason"`
		} `json:"lock"`
	}
	if r.Version.AtLeast(2, 73) {
		if err := r.Decode(&in); err != nil {
			return nil, err
		}
	}
	return httpapi.Empty(), a.svc.LockServer(ctx, r.Path("server_id"), in.Lock.Reason)
}

func (a *api) unshelve(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Unshelve struct {
			Zone string `json:"availability_zone"`
		} `json:"unshelve"`
	}
	if r.Version.AtLeast(2, 77) {
		if err := r.Decode(&in); err != nil {
			return nil, err
		}
	}
	return httpapi.Empty(), a.svc.UnshelveServer(asCaller(ctx, r), r.Path("server_id"), in.Unshelve.Zone)
}

func (a *api) addGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Group struct{ Name string } `json:"addSecurityGroup"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.svc.AddSecurityGroup(asCaller(ctx, r), r.Path("server_id"), in.Group.Name)
}

func (a *api) removeGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Group struct{ Name string } `json:"removeSecurityGroup"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.svc.RemoveSecurityGroup(asCaller(ctx, r), r.Path("server_id"), in.Group.Name)
}

func (a *api) resetState(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Reset struct{ State string } `json:"os-resetState"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.svc.ResetServer(ctx, r.Path("server_id"), compute.VMState(in.Reset.State))
}

func (a *api) consoleOutput(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Output *struct {
			Length *looseInt `json:"length"`
		} `json:"os-getConsoleOutput"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	lines := -1
	if in.Output != nil && in.Output.Length != nil {
		lines = int(*in.Output.Length)
	}
	out, err := a.svc.ConsoleOutput(ctx, r.Path("server_id"), lines)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(map[string]string{"output": out}), nil
}
