package identity

import (
	"encoding/binary"
	"time"

	"github.com/welkin-cloud/cloud/internal/state"
)

// sourceFederation is userRow.Source of the shadows of federated users.
const sourceFederation = "federation"

// protocolRow is a protocol as stored.
type protocolRow struct {
	FederationProtocol
	// Epoch is another one whenever the tokens that came by the protocol must end: a
	// protocol that is made anew does not revive those of its predecessor.
	Epoch uint16 `json:"epoch"`
}

// federatedLink says that a user is known to a provider under a subject's id.
type federatedLink struct {
	FederatedIdentity
	UserID string `json:"user"`
}

// federatedMember says that a provider put a user into a group at the user's last
// log-in by a protocol.
type federatedMember struct {
	UserID     string    `json:"user"`
	GroupID    string    `json:"group"`
	ProviderID string    `json:"provider"`
	ProtocolID string    `json:"protocol"`
	VerifiedAt time.Time `json:"verified"`
}

// federationTables are the collections of federation and their indexes.
type federationTables struct {
	providers      *state.Collection[IdentityProvider]
	providerDomain *state.Index[IdentityProvider]
	providerRemote *state.Index[IdentityProvider]

	protocols        *state.Collection[protocolRow]
	protocolProvider *state.Index[protocolRow]
	protocolMapping  *state.Index[protocolRow]
	protocolName     *state.Index[protocolRow]

	mappings         *state.Collection[Mapping]
	serviceProviders *state.Collection[ServiceProvider]

	links        *state.Collection[federatedLink]
	linkUser     *state.Index[federatedLink]
	linkProtocol *state.Index[federatedLink]

	federated         *state.Collection[federatedMember]
	federatedUser     *state.Index[federatedMember]
	federatedGroup    *state.Index[federatedMember]
	federatedProtocol *state.Index[federatedMember]

	flows    *state.Collection[usedNonce] // log-ins with a browser that have ended
	flowTill *state.Index[usedNonce]
}

// defineFederation adds the collections of federation to db.
func (t *tables) defineFederation(db *state.DB) {
	t.providerDomain = state.NewIndex("domain", func(p *IdentityProvider) []string { return []string{p.DomainID} })
	t.providerRemote = state.NewUnique("remote", func(p *IdentityProvider) []string {
		keys := make([]string, len(p.RemoteIDs))
		for i, id := range p.RemoteIDs {
			keys[i] = state.Key(id)
		}
		return keys
	})
	t.providers = state.Define(db, state.Spec[IdentityProvider]{
		Name: "identity.identity_providers", Noun: "identity provider",
		Key:     providerKey,
		Indexes: []*state.Index[IdentityProvider]{t.providerDomain, t.providerRemote},
	})
	t.protocolProvider = state.NewIndex("provider", func(p *protocolRow) []string { return []string{p.ProviderID} })
	t.protocolMapping = state.NewIndex("mapping", func(p *protocolRow) []string { return []string{p.MappingID} })
	t.protocolName = state.NewIndex("name", func(p *protocolRow) []string { return []string{p.ID} })
	t.protocols = state.Define(db, state.Spec[protocolRow]{
		Name: "identity.federation_protocols", Noun: "federation protocol",
		Key:     protocolKey,
		Indexes: []*state.Index[protocolRow]{t.protocolProvider, t.protocolMapping, t.protocolName},
	})
	t.mappings = state.Define(db, state.Spec[Mapping]{
		Name: "identity.mappings", Noun: "mapping",
		Key: func(m *Mapping) string { return m.ID },
	})
	t.serviceProviders = state.Define(db, state.Spec[ServiceProvider]{
		Name: "identity.service_providers", Noun: "service provider",
		Key: func(p *ServiceProvider) string { return p.ID },
	})
	t.defineFederatedUsers(db)
	t.defineFlows(db)
}

func (t *tables) defineFederatedUsers(db *state.DB) {
	t.linkUser = state.NewIndex("user", func(l *federatedLink) []string { return []string{l.UserID} })
	t.linkProtocol = state.NewIndex("protocol", func(l *federatedLink) []string {
		return []string{state.Key(l.ProviderID, l.ProtocolID)}
	})
	t.links = state.Define(db, state.Spec[federatedLink]{
		Name: "identity.federated_users", Noun: "federated user",
		Key:     linkKey,
		Indexes: []*state.Index[federatedLink]{t.linkUser, t.linkProtocol},
	})
	t.federatedUser = state.NewIndex("user", func(m *federatedMember) []string { return []string{m.UserID} })
	t.federatedGroup = state.NewIndex("group", func(m *federatedMember) []string { return []string{m.GroupID} })
	t.federatedProtocol = state.NewIndex("protocol", func(m *federatedMember) []string {
		return []string{state.Key(m.ProviderID, m.ProtocolID)}
	})
	t.federated = state.Define(db, state.Spec[federatedMember]{
		Name: "identity.federated_memberships", Noun: "federated membership",
		Key:     federatedMemberKey,
		Indexes: []*state.Index[federatedMember]{t.federatedUser, t.federatedGroup, t.federatedProtocol},
	})
}

func providerKey(p *IdentityProvider) string { return p.ID }
func protocolKey(p *protocolRow) string      { return state.Key(p.ProviderID, p.ID) }
func linkKey(l *federatedLink) string        { return state.Key(l.ProviderID, l.ProtocolID, l.UniqueID) }
func federatedMemberKey(m *federatedMember) string {
	return state.Key(m.UserID, m.GroupID, m.ProviderID, m.ProtocolID)
}

// newEpoch draws an epoch that no predecessor is likely to have had.
func (s *Service) newEpoch() uint16 {
	var b [2]byte
	s.core.IDs.Read(b[:])
	return binary.BigEndian.Uint16(b[:])
}
