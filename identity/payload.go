package identity

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"
)

// payload is what a token carries. Everything else is looked up when the token is
// used, so that it is always true.
type payload struct {
	Methods   methods
	UserID    string
	Epoch     uint16 // the sum of those of all that the token rests on, when it was issued
	Scope     scope
	IssuedAt  time.Time // to the microsecond
	ExpiresAt time.Time
	AuditID   [auditLen]byte
	ChainID   [auditLen]byte // the audit id of the first token of a chain; zero in it
	AppCredID string
	// AccessTokenID is the OAuth1 access token that the token comes from.
	AccessTokenID string
	// Federation says by which provider and protocol the user came.
	Federation federationPath
}

// federationPath is how a federated user came here; zero for others.
type federationPath struct {
	ProviderID string
	ProtocolID string
}

// scope is what a token is for: one of these, or nothing.
type scope struct {
	ProjectID string
	DomainID  string
	System    bool
	TrustID   string // in addition to ProjectID, or alone
}

const auditLen = 16

// methods is the set of ways in which a user has proved who it is.
type methods uint8

// The methods, in the order in which tokens list them.
const (
	methodPassword methods = 1 << iota
	methodToken
	methodAppCred
	methodTOTP
	methodOAuth1
	methodExternal
	methodMapped // federated
	methodEC2
)

// mappedName is how tokens call methodMapped where they do not name the protocol.
const mappedName = "mapped"

var methodNames = []string{
	"password", "token", "application_credential", "totp", "oauth1", "external", mappedName, "ec2credential",
}

func (m methods) names() []string {
	list := make([]string, 0, len(methodNames))
	for i, name := range methodNames {
		if m&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	return list
}

// The first byte of an encoded payload: its version, and flags that say which
// parts follow.
const (
	payloadVersion = 0x10
	versionMask    = 0xf0
	hasProject     = 1 << 0
	hasDomain      = 1 << 1
	hasSystem      = 1 << 2
	hasMore        = 1 << 3 // a chain, or what the token was delegated by
)

// Flags of the byte that follows where hasMore is set.
const (
	moreChain = 1 << iota
	moreAppCred
	moreTrust
	moreOAuth1
	moreFederation
	moreMask = moreChain | moreAppCred | moreTrust | moreOAuth1 | moreFederation
)

var errPayload = errors.New("identity: not a token's payload")

// encode packs p: ids of 32 hexadecimal digits take 17 bytes, so that a token with
// any method and scope stays below 255 characters.
func (p *payload) encode() []byte {
	head, more := byte(payloadVersion), byte(0)
	flag := func(to *byte, bit byte, on bool) {
		if on {
			*to |= bit
		}
	}
	flag(&head, hasProject, p.Scope.ProjectID != "")
	flag(&head, hasDomain, p.Scope.DomainID != "")
	flag(&head, hasSystem, p.Scope.System)
	flag(&more, moreChain, p.ChainID != [auditLen]byte{})
	flag(&more, moreAppCred, p.AppCredID != "")
	flag(&more, moreTrust, p.Scope.TrustID != "")
	flag(&more, moreOAuth1, p.AccessTokenID != "")
	flag(&more, moreFederation, p.Federation.ProviderID != "")
	flag(&head, hasMore, more != 0)

	b := append(make([]byte, 0, 128), head, byte(p.Methods))
	if more != 0 {
		b = append(b, more)
	}
	b = binary.BigEndian.AppendUint16(b, p.Epoch)
	b = binary.BigEndian.AppendUint64(b, uint64(p.IssuedAt.UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, uint64(p.ExpiresAt.UnixMicro()))
	b = append(b, p.AuditID[:]...)
	if more&moreChain != 0 {
		b = append(b, p.ChainID[:]...)
	}
	b = appendID(b, p.UserID)
	for _, id := range []string{
		p.Scope.ProjectID, p.Scope.DomainID, p.AppCredID, p.Scope.TrustID, p.AccessTokenID,
		p.Federation.ProviderID, p.Federation.ProtocolID,
	} {
		if id != "" {
			b = appendID(b, id)
		}
	}
	return b
}

// decodePayload is the inverse of encode. It refuses whatever encode does not make.
func decodePayload(b []byte) (payload, error) {
	r := reader{b: b}
	head, m := r.byte(), methods(r.byte())
	if head&versionMask != payloadVersion || m == 0 || int(m) >= 1<<len(methodNames) {
		return payload{}, errPayload
	}
	var more byte
	if head&hasMore != 0 {
		if more = r.byte(); more == 0 || more&^moreMask != 0 {
			return payload{}, errPayload
		}
	}
	p := payload{Methods: m, Epoch: binary.BigEndian.Uint16(r.take(2))}
	p.IssuedAt = time.UnixMicro(int64(binary.BigEndian.Uint64(r.take(8)))).UTC()
	p.ExpiresAt = time.UnixMicro(int64(binary.BigEndian.Uint64(r.take(8)))).UTC()
	copy(p.AuditID[:], r.take(auditLen))
	if more&moreChain != 0 {
		copy(p.ChainID[:], r.take(auditLen))
		r.check(p.ChainID != [auditLen]byte{})
	}
	p.UserID = r.id()
	if head&hasProject != 0 {
		p.Scope.ProjectID = r.id()
	}
	if head&hasDomain != 0 {
		p.Scope.DomainID = r.id()
	}
	p.Scope.System = head&hasSystem != 0
	if more&moreAppCred != 0 {
		p.AppCredID = r.id()
	}
	if more&moreTrust != 0 {
		p.Scope.TrustID = r.id()
	}
	if more&moreOAuth1 != 0 {
		p.AccessTokenID = r.id()
	}
	if more&moreFederation != 0 {
		p.Federation = federationPath{ProviderID: r.id(), ProtocolID: r.id()}
	}
	if r.bad || len(r.b) != 0 {
		return payload{}, errPayload
	}
	return p, nil
}

// The first byte of an encoded id: packedID before 16 bytes that are 32 hexadecimal
// digits, packedHash before 32 that are 64 of them, as of users in directories, or the
// length of the text that follows.
const (
	packedID   = 0
	maxID      = 64
	packedHash = maxID + 1
)

func appendID(b []byte, id string) []byte {
	raw, ok := packID(id)
	switch {
	case ok && len(raw) == sha256.Size:
		return append(append(b, packedHash), raw...)
	case ok:
		return append(append(b, packedID), raw...)
	}
	return append(append(b, byte(len(id))), id...)
}

// packID returns the bytes of 32 or 64 lower-case hexadecimal digits.
func packID(id string) ([]byte, bool) {
	if len(id) != 32 && len(id) != 2*sha256.Size {
		return nil, false
	}
	raw, err := hex.DecodeString(id)
	return raw, err == nil && hex.EncodeToString(raw) == id
}

// reader takes a payload apart. After an error it gives zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) check(ok bool) { r.bad = r.bad || !ok }

func (r *reader) take(n int) []byte {
	if r.bad || len(r.b) < n {
		r.bad = true
		return make([]byte, n)
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) byte() byte { return r.take(1)[0] }

func (r *reader) id() string {
	n := int(r.byte())
	switch n {
	case packedID:
		return hex.EncodeToString(r.take(16))
	case packedHash:
		return hex.EncodeToString(r.take(sha256.Size))
	}
	r.check(n <= maxID)
	if r.bad {
		return ""
	}
	id := string(r.take(n))
	_, packable := packID(id)
	r.check(!packable)
	return id
}
