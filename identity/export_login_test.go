package identity

import "sync/atomic"

// CountHashes counts the hashes that are compared from now on.
func (s *Service) CountHashes() *atomic.Int64 {
	var n atomic.Int64
	compare := s.hasher.compare
	s.hasher.compare = func(hash, password []byte) error {
		n.Add(1)
		return compare(hash, password)
	}
	return &n
}

// HoldHashes makes each comparison of a hash wait, once begun, until the function that
// it sends is called.
func (s *Service) HoldHashes() (begun <-chan func()) {
	all := make(chan func())
	compare := s.hasher.compare
	s.hasher.compare = func(hash, password []byte) error {
		held := make(chan struct{})
		all <- func() { close(held) }
		<-held
		return compare(hash, password)
	}
	return all
}

// TokenLengths are the lengths of tokens of every kind: of each scope, of each thing
// that a token may come from, with and without a chain, for users of here and of
// directories.
func (s *Service) TokenLengths() (map[string]int, error) {
	const id, hash = "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	now, lengths := s.core.Clock.Now(), map[string]int{}
	for _, user := range []string{id, hash} {
		for _, chain := range []byte{0, 1} {
			for name, p := range map[string]payload{
				"unscoped": {}, "project": {Scope: scope{ProjectID: id}}, "domain": {Scope: scope{DomainID: id}},
				"system": {Scope: scope{System: true}}, "trust": {Scope: scope{ProjectID: id, TrustID: id}},
				"application credential": {Scope: scope{ProjectID: id}, AppCredID: id},
				"oauth1":                 {Scope: scope{ProjectID: id}, AccessTokenID: id},
			} {
				p.Methods, p.UserID, p.Epoch, p.IssuedAt, p.ExpiresAt = 0xff, user, 0xffff, now, now
				p.AuditID[0], p.ChainID[0] = 1, chain
				token, err := s.tokenKeys.seal(p.encode(), now)
				if err != nil {
					return nil, err
				}
				lengths[name+"/"+user+"/"+string('0'+rune(chain))] = len(token)
			}
		}
	}
	return lengths, nil
}
