package compute

import (
	"context"
	"crypto/md5"
	"encoding/base64"

	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// The types of keypairs.
const (
	KeySSH  = "ssh"
	KeyX509 = "x509"
)

// Keypair is a public key that servers are given. It belongs to a user, not to a
// project.
type Keypair struct {
	Name        string    `json:"name"` // unique for the user
	UserID      string    `json:"user"`
	Type        string    `json:"type"`
	PublicKey   string    `json:"public_key"`
	Fingerprint string    `json:"fingerprint"` // of MD5, with colons
	ID          int       `json:"id"`
	CreatedAt   time.Time `json:"created"`
}

// CreateKeypairOptions describe a keypair.
type CreateKeypairOptions struct {
	Name      string
	Type      string // default KeySSH
	PublicKey string // empty: a pair is generated
}

var keyName = regexp.MustCompile(`^[\p{L}\p{N} _.@-]+$`)

// CreateKeypair imports a public key, or generates a pair and returns the private
// key in PEM: it is not kept.
func (s *Service) CreateKeypair(ctx context.Context, userID string, opts CreateKeypairOptions) (Keypair, string, error) {
	k := Keypair{
		Name: opts.Name, UserID: userID, Type: opts.Type, PublicKey: strings.TrimSpace(opts.PublicKey),
		ID: int(s.core.IDs.Int64N(maxInt-1)) + 1, CreatedAt: s.core.Clock.Now(),
	}
	if k.Type == "" {
		k.Type = KeySSH
	}
	private, err := s.fill(&k)
	if err != nil {
		return Keypair{}, "", fault.Wrap("compute.CreateKeypair", err)
	}
	err = s.core.DB.Update(ctx, func(tx *state.Tx) error {
		if s.keypairs.Has(tx, keypairKey(userID, k.Name)) {
			return fault.New(fault.AlreadyExists, "Key pair '%s' already exists.", k.Name)
		}
		used := s.keypairs.Count(tx, s.keypairUsers, userID)
		if limit := s.limits.Defaults(tx)[KeyPairs]; limit >= 0 && used >= limit {
			return fault.New(fault.QuotaExceeded, "Quota exceeded, too many key pairs.")
		}
		s.emit(ctx, tx, "keypair.create.end", "keypair", k.Name, "", nil)
		return s.keypairs.Insert(tx, k)
	})
	if err != nil {
		return Keypair{}, "", fault.Wrap("compute.CreateKeypair", err)
	}
	return k, private, nil
}

// fill checks the keypair and completes it; a generated private key is returned.
func (s *Service) fill(k *Keypair) (private string, err error) {
	switch {
	case len(k.Name) > 255 || !keyName.MatchString(k.Name) || strings.TrimSpace(k.Name) != k.Name:
		return "", fault.New(fault.Invalid, "Keypair data is invalid: Keypair name must be string and between 1 and 255 characters long; it contains unsafe characters")
	case k.Type == KeyX509 && k.PublicKey == "":
		return "", fault.New(fault.Unsupported, "x509 certificates can be imported, not generated")
	case k.Type == KeyX509:
		k.Fingerprint, err = x509Fingerprint(k.PublicKey)
		return "", err
	case k.PublicKey == "":
		k.PublicKey, private, err = s.generateKey()
		if err != nil {
			return "", err
		}
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k.PublicKey))
	if err != nil {
		return "", fault.New(fault.Invalid, "Keypair data is invalid: failed to generate fingerprint").Because(err)
	}
	k.Fingerprint = ssh.FingerprintLegacyMD5(key)
	return private, nil
}

// generateKey makes an Ed25519 pair: the public key as in authorized_keys, the
// private one in OpenSSH's PEM.
func (s *Service) generateKey() (public, private string, err error) {
	pub, key, err := ed25519.GenerateKey(s.core.IDs)
	if err != nil {
		return "", "", err
	}
	block, err := ssh.MarshalPrivateKey(key, "Generated-by-Nova")
	if err != nil {
		return "", "", err
	}
	sshKey, err := ssh.NewPublicKey(pub)
	if err != nil {
		return "", "", err
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshKey))) + " Generated-by-Nova"
	return line, string(pem.EncodeToMemory(block)), nil
}

func x509Fingerprint(text string) (string, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
			block, _ = pem.Decode(raw)
		}
	}
	if block == nil {
		return "", fault.New(fault.Invalid, "Keypair data is invalid: not a PEM certificate")
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		return "", fault.New(fault.Invalid, "Keypair data is invalid: not a certificate").Because(err)
	}
	sum := md5.Sum(block.Bytes)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = hex.EncodeToString([]byte{b})
	}
	return strings.Join(pairs, ":"), nil
}

// GetKeypair returns a user's keypair.
func (s *Service) GetKeypair(_ context.Context, userID, name string) (Keypair, error) {
	return s.keypair(s.core.DB.Snapshot(), userID, name)
}

func (s *Service) keypair(r state.Reader, userID, name string) (Keypair, error) {
	k, err := s.keypairs.Get(r, keypairKey(userID, name))
	if err != nil {
		return Keypair{}, fault.New(fault.NotFound, "Keypair %s not found for user %s", name, userID)
	}
	return k, nil
}

// ListKeypairs returns a user's keypairs by name.
func (s *Service) ListKeypairs(_ context.Context, userID string) []Keypair {
	return slices.Collect(s.keypairs.Where(s.core.DB.Snapshot(), s.keypairUsers, userID))
}

// DeleteKeypair removes a keypair. Servers that have it keep it.
func (s *Service) DeleteKeypair(ctx context.Context, userID, name string) error {
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		if _, err := s.keypair(tx, userID, name); err != nil {
			return err
		}
		s.emit(ctx, tx, "keypair.delete.end", "keypair", name, "", nil)
		return s.keypairs.Delete(tx, keypairKey(userID, name))
	})
	return fault.Wrap("compute.DeleteKeypair", err)
}

func keypairKey(userID, name string) string { return state.Key(userID, name) }
