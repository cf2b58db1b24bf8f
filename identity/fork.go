package identity

// CopyKeys returns a store in memory with the keys that are in service: what they
// sealed before is good in a copy of the cloud too, and keys that either side makes from
// then on are not known to the other.
func (s *Service) CopyKeys() KeyStore {
	copied := &memoryKeys{sets: map[string]map[int][]byte{}}
	for _, ring := range []*keyring{s.tokenKeys, s.receiptKeys, s.credentialKeys} {
		list := ring.keys.Load().list
		set := make(map[int][]byte, len(list))
		for i, key := range list {
			set[len(list)-1-i] = key[:]
		}
		copied.sets[ring.set] = set
	}
	return copied
}
