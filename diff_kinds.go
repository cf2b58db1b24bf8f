package cloud

// kind is how Diff shows the documents of a collection.
type kind struct {
	noun    string
	secrets []string // fields whose values are not told
	noise   []string // fields that are left out, beside those left out everywhere
}

// noise is fields that tell of changes, not of what has changed.
var noise = []string{"updated", "revision", "generation"}

// kinds are the collections that Diff shows.
var kinds = map[string]kind{
	"identity.projects":                {noun: "project", noise: []string{"epoch"}},
	"identity.users":                   {noun: "user", secrets: []string{"hash", "previous"}, noise: []string{"epoch"}},
	"identity.groups":                  {noun: "group"},
	"identity.memberships":             {noun: "membership"},
	"identity.roles":                   {noun: "role"},
	"identity.implications":            {noun: "role inference"},
	"identity.assignments":             {noun: "role assignment"},
	"identity.application_credentials": {noun: "application credential", secrets: []string{"hash"}},
	"identity.access_rules":            {noun: "access rule"},
	"identity.credentials":             {noun: "credential", secrets: []string{"sealed", "extra"}},
	"identity.trusts":                  {noun: "trust"},
	"identity.regions":                 {noun: "region"},
	"identity.services":                {noun: "service"},
	"identity.endpoints":               {noun: "endpoint"},
	"identity.policies":                {noun: "policy"},
	"identity.policy_associations":     {noun: "policy association"},
	"identity.endpoint_groups":         {noun: "endpoint group"},
	"identity.project_endpoints":       {noun: "endpoint of a project"},
	"identity.project_endpoint_groups": {noun: "endpoint group of a project"},
	"identity.registered_limits":       {noun: "registered limit"},
	"identity.limits":                  {noun: "limit"},
	"identity.domain_configs":          {noun: "domain configuration", secrets: []string{"sealed"}},
	"identity.identity_providers":      {noun: "identity provider"},
	"identity.federation_protocols":    {noun: "federation protocol", noise: []string{"epoch"}},
	"identity.mappings":                {noun: "mapping"},
	"identity.service_providers":       {noun: "service provider"},
	"identity.federated_users":         {noun: "federated user"},
	"identity.federated_memberships":   {noun: "federated membership", noise: []string{"verified"}},
	"identity.consumers":               {noun: "consumer", secrets: []string{"sealed"}},
	"identity.access_tokens":           {noun: "access token", secrets: []string{"sealed"}},
	"quota.sets":                       {noun: "quota set"},

	"image.images":  {noun: "image", noise: []string{"upload", "session", "failed_uploads"}},
	"image.members": {noun: "image member"},

	"network.address_scopes":       {noun: "address scope"},
	"network.subnetpools":          {noun: "subnet pool"},
	"network.networks":             {noun: "network"},
	"network.subnets":              {noun: "subnet"},
	"network.routers":              {noun: "router"},
	"network.floatingips":          {noun: "floating IP"},
	"network.security_groups":      {noun: "security group"},
	"network.security_group_rules": {noun: "security group rule"},
	"network.ports":                {noun: "port"},

	"volume.types":         {noun: "volume type"},
	"volume.project_types": {noun: "default volume type"},
	"volume.volumes":       {noun: "volume"},
	"volume.snapshots":     {noun: "snapshot"},
	"volume.backups":       {noun: "backup"},
	"volume.attachments":   {noun: "volume attachment", secrets: []string{"connection"}},
	"volume.transfers":     {noun: "volume transfer", secrets: []string{"key_hash"}},

	"compute.flavors":     {noun: "flavor"},
	"compute.keypairs":    {noun: "keypair"},
	"compute.groups":      {noun: "server group"},
	"compute.servers":     {noun: "server", secrets: []string{"user_data", "files"}},
	"placement.consumers": {noun: "allocation"},
	"placement.classes":   {noun: "resource class"},
	"placement.traits":    {noun: "trait"},
	"placement.providers": {noun: "resource provider"},
	"compute.aggregates":  {noun: "aggregate"},
	"compute.hosts":       {noun: "host"},
}

// unshown are the collections that Diff leaves out, and why.
var unshown = map[string]string{
	"identity.keys":              "they are secrets",
	"identity.revocations":       "they tell of tokens",
	"identity.login_records":     "they tell of log-ins",
	"identity.request_tokens":    "they are journals of an authorisation",
	"identity.oauth_nonces":      "they tell of requests",
	"identity.used_flows":        "they tell of log-ins",
	"identity.directory_entries": "they say how directories call users and groups",
	"saga.sagas":                 "they are journals",
	"saga.controllers":           "they are signs of life",
	"compute.placements":         "they are journals",
	"compute.usages":             "they are sums",
	"placement.usages":           "they are sums",
}

// order of the kinds in Changes.
var order = []string{
	"project", "user", "group", "membership", "role", "role inference", "role assignment",
	"application credential", "access rule", "credential", "trust", "region", "service", "endpoint", "policy", "policy association",
	"endpoint group", "endpoint of a project", "endpoint group of a project", "registered limit", "limit", "domain configuration",
	"identity provider", "federation protocol", "mapping", "service provider", "federated user", "federated membership",
	"consumer", "access token", "quota set",
	"flavor", "keypair", "server group", "server", "allocation",
	"image", "image member",
	"volume type", "default volume type", "volume", "snapshot", "backup", "volume attachment", "volume transfer",
	"address scope", "subnet pool", "network", "subnet", "port", "router", "floating IP", "security group", "security group rule",
	"resource class", "trait", "resource provider", "aggregate", "host",
}
