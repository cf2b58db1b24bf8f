package computeapi

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// extensions are the aliases of what used to be optional, with their names: clients
// look for some of them.
var extensions = []struct{ alias, name string }{
	{"NMN", "Multinic"}, {"OS-DCF", "DiskConfig"}, {"OS-EXT-AZ", "ExtendedAvailabilityZone"},
	{"OS-EXT-IPS", "ExtendedIps"}, {"OS-EXT-IPS-MAC", "ExtendedIpsMac"}, {"OS-EXT-SRV-ATTR", "ExtendedServerAttributes"},
	{"OS-EXT-STS", "ExtendedStatus"}, {"OS-FLV-DISABLED", "FlavorDisabled"}, {"OS-FLV-EXT-DATA", "FlavorExtraData"},
	{"OS-SCH-HNT", "SchedulerHints"}, {"OS-SRV-USG", "ServerUsage"}, {"os-admin-actions", "AdminActions"},
	{"os-aggregates", "Aggregates"}, {"os-attach-interfaces", "AttachInterfaces"}, {"os-availability-zone", "AvailabilityZone"},
	{"os-config-drive", "ConfigDrive"}, {"os-console-output", "ConsoleOutput"}, {"os-consoles", "Consoles"},
	{"os-extended-volumes", "ExtendedVolumes"}, {"os-flavor-access", "FlavorAccess"}, {"os-flavor-extra-specs", "FlavorExtraSpecs"},
	{"os-flavor-manage", "FlavorManage"}, {"os-floating-ips", "FloatingIps"}, {"os-hypervisors", "Hypervisors"},
	{"os-instance-actions", "InstanceActions"}, {"os-keypairs", "Keypairs"}, {"os-networks", "Networks"},
	{"os-quota-class-sets", "QuotaClasses"}, {"os-quota-sets", "Quotas"}, {"os-security-groups", "SecurityGroups"},
	{"os-server-diagnostics", "ServerDiagnostics"}, {"os-server-groups", "ServerGroups"}, {"os-services", "Services"},
	{"os-shelve", "Shelve"}, {"os-simple-tenant-usage", "SimpleTenantUsage"}, {"os-user-data", "UserData"},
	{"os-volumes", "Volumes"},
}

func (a *api) extensionRoutes() []httpapi.Route {
	const rule = "os_compute_api:extensions"
	return []httpapi.Route{
		{Method: "GET", Path: "/v2.1/extensions", Policy: rule, Handle: listExtensions},
		{Method: "GET", Path: "/v2.1/extensions/{alias}", Policy: rule, Handle: showExtension},
	}
}

func extensionView(alias, name string) map[string]any {
	return map[string]any{
		"alias": alias, "name": name, "description": "", "links": []any{}, "updated": "2014-12-03T00:00:00Z",
		"namespace": "http://docs.openstack.org/compute/ext/fake_xml",
	}
}

func listExtensions(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	list := []any{}
	for _, e := range extensions {
		list = append(list, extensionView(e.alias, e.name))
	}
	return httpapi.OK(map[string]any{"extensions": list}), nil
}

func showExtension(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	for _, e := range extensions {
		if e.alias == r.Path("alias") {
			return httpapi.OK(map[string]any{"extension": extensionView(e.alias, e.name)}), nil
		}
	}
	return nil, fault.New(fault.NotFound, "Extension %s could not be found.", r.Path("alias"))
}
