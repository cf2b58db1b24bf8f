package httpapi

// Link is a link as most services write it.
type Link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
	Type string `json:"type,omitempty"`
}

// MediaType is a representation that a version offers.
type MediaType struct {
	Base string `json:"base"`
	Type string `json:"type"`
}

// APIVersion is one version of a service in its discovery documents. Keep Status to
// CURRENT, SUPPORTED and DEPRECATED (Keystone: stable, supported, deprecated):
// clients give up on others.
//
// There are four envelopes for it: [VersionValues] is Keystone's root, [VersionList]
// that of the others, [VersionOne] a single version, and the APIVersion itself is a
// single one without envelope.
type APIVersion struct {
	ID     string `json:"id"` // "v2.1"
	Status string `json:"status"`
	// Version is the newest microversion as Nova and Cinder spell it, MaxVersion
	// as Placement does; empty where a service has none.
	Version    string      `json:"version,omitempty"`
	MaxVersion string      `json:"max_version,omitempty"`
	MinVersion string      `json:"min_version,omitempty"`
	Updated    string      `json:"updated,omitempty"` // "2013-07-23T11:33:21Z"
	Links      []Link      `json:"links"`
	MediaTypes []MediaType `json:"media-types,omitempty"`
}

// At returns a copy with the link to itself: path below the service's mount point,
// such as "/v2.1/", as this client reaches it.
func (v APIVersion) At(r *Request, path string) APIVersion {
	v.Links = append([]Link{{Rel: "self", Href: r.BaseURL + path}}, v.Links...)
	return v
}

// Range returns a copy with the microversions as Nova and Cinder spell them.
func (v APIVersion) Range(m *Microversions) APIVersion {
	v.Version, v.MinVersion = m.Max.String(), m.Min.String()
	return v
}

// MaxRange returns a copy with the microversions as Placement spells them.
func (v APIVersion) MaxRange(m *Microversions) APIVersion {
	v.MaxVersion, v.MinVersion = m.Max.String(), m.Min.String()
	return v
}

// VersionList is the root document of Nova (200), Cinder and Glance (300), Neutron
// and Placement (200): {"versions": […]}. Keep versions in ascending order.
func VersionList(versions ...APIVersion) any {
	return map[string]any{"versions": versions}
}

// VersionValues is the root document of Keystone, sent with 300:
// {"versions": {"values": […]}}.
func VersionValues(versions ...APIVersion) any {
	return map[string]any{"versions": map[string]any{"values": versions}}
}

// VersionOne is the document of one version: {"version": {…}}.
func VersionOne(version APIVersion) any {
	return map[string]any{"version": version}
}
