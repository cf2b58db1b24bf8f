package identity

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/check"
	"github.com/welkin-cloud/cloud/internal/state"
)

// checkFederation leaves the mappings of protocols out: one that is deleted lets nobody
// log in, and that is all.
func (s *Service) checkFederation(_ context.Context, l *check.Look) error {
	r, n := l.State(), names{s, l}
	for p := range s.t.providers.All(r) {
		n.need(n.domain(p.DomainID), "identity-provider/"+p.ID, "domain", p.DomainID, nil)
	}
	for p := range s.t.protocols.All(r) {
		n.need(has(s.t.providers, p.ProviderID), "federation-protocol/"+p.ProviderID+"/"+p.ID,
			"identity provider", p.ProviderID, drop(s.t.protocols, protocolKey(&p)))
	}
	for f := range s.t.links.All(r) {
		resource, gone := "federated-user/"+f.ProviderID+"/"+f.UniqueID, drop(s.t.links, linkKey(&f))
		n.need(n.user(f.UserID), resource, "user", f.UserID, gone)
		n.need(n.protocol(f.ProviderID, f.ProtocolID), resource, "protocol", f.ProtocolID, gone)
	}
	for u := range s.t.users.All(r) {
		if u.Source == sourceFederation && s.t.links.Count(r, s.t.linkUser, u.ID) == 0 {
			l.Found("user/"+u.ID, "comes from an identity provider, but none knows it.", "Delete it: nobody can log in as it.")
		}
	}
	for m := range s.t.federated.All(r) {
		resource, gone := "federated-membership/"+m.GroupID+"/"+m.UserID, drop(s.t.federated, federatedMemberKey(&m))
		n.need(n.user(m.UserID), resource, "user", m.UserID, gone)
		n.need(n.group(m.GroupID), resource, "group", m.GroupID, gone)
		n.need(n.protocol(m.ProviderID, m.ProtocolID), resource, "protocol", m.ProtocolID, gone)
	}
	return nil
}

func (n names) protocol(provider, id string) exists {
	return has(n.s.t.protocols, state.Key(provider, id))
}
