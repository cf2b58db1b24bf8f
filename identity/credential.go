package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// The type of credentials that sign EC2 and S3 requests.
const ec2Type = "ec2"

// Credential is a secret that is kept for a user. It is stored encrypted.
type Credential struct {
	ID        string     `json:"id"`
	Type      string     `json:"type"` // "ec2", "cert", "totp" or any other
	Blob      string     `json:"-"`    // in the clear, only in memory
	UserID    string     `json:"user"`
	ProjectID string     `json:"project,omitempty"`
	Extra     Attributes `json:"extra,omitempty"`
}

// CreateCredentialOptions of Service.CreateCredential.
type CreateCredentialOptions struct {
	Type      string
	Blob      string
	UserID    string
	ProjectID string // required for type "ec2"
	Extra     Attributes
	// Delegation is what a credential of type "ec2" is made with, and worth no more than.
	Delegation Delegation
}

// UpdateCredentialOptions of Service.UpdateCredential; nil leaves as it is.
type UpdateCredentialOptions struct {
	Type      *string
	Blob      *string
	UserID    *string
	ProjectID *string
	Extra     Attributes
	// Delegation is noted in a credential that becomes one of type "ec2".
	Delegation Delegation
}

// ListCredentialsOptions narrow Service.ListCredentials; nil means all.
type ListCredentialsOptions struct {
	UserID string
	Type   string
}

// CreateCredential stores a credential. Of type "ec2" the blob must be a JSON object
// with "access" and "secret", and the id is the hash of the access key, so that it
// is unique. fault.Forbidden if the user has as many as Settings.MaxCredentials.
func (s *Service) CreateCredential(ctx context.Context, opts CreateCredentialOptions) (Credential, error) {
	c := Credential{
		ID: s.core.IDs.Hex(), Type: opts.Type, Blob: opts.Blob,
		UserID: opts.UserID, ProjectID: opts.ProjectID, Extra: opts.Extra,
	}
	err := s.updateSealed(ctx, "CreateCredential", func(tx *state.Tx) error {
		if err := s.checkCredential(&c, opts.Delegation); err != nil {
			return err
		}
		if most := s.cfg.MaxCredentials; most > 0 && s.t.credentials.Count(tx, s.t.credentialUser, c.UserID) >= most {
			return fault.New(fault.Forbidden, "Unable to create additional credentials, maximum of %d already exceeded for user.", most)
		}
		row, err := s.sealCredential(c)
		if err != nil {
			return err
		}
		if err := s.t.credentials.Insert(tx, row); err != nil {
			return duplicate(err, "credential", c.ID, "")
		}
		s.emit(ctx, tx, created, "credential", c.ID)
		return nil
	})
	return c, err
}

// checkCredential refuses what cannot be used, gives EC2 credentials their id, and notes
// in them what they are made with.
func (s *Service) checkCredential(c *Credential, d Delegation) error {
	if err := checkName("credential's type", c.Type, maxName); err != nil {
		return err
	}
	if c.Type != ec2Type {
		return nil
	}
	var whole map[string]any
	if err := json.Unmarshal([]byte(c.Blob), &whole); err != nil || len(whole) == 0 {
		return fault.New(fault.Invalid, "Invalid blob in credential")
	}
	access, _ := whole["access"].(string)
	if access == "" {
		return fault.New(fault.Invalid, "Expecting to find access in credential. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.")
	}
	if c.ProjectID == "" {
		return fault.New(fault.Invalid, "Expecting to find project_id in credential. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.")
	}
	c.ID = EC2CredentialID(access)
	if d == (Delegation{}) {
		return nil
	}
	d.note(whole)
	blob, err := json.Marshal(whole)
	c.Blob = string(blob)
	return err
}

// EC2CredentialID returns the id of the credential with an EC2 access key.
func EC2CredentialID(access string) string {
	sum := sha256.Sum256([]byte(access))
	return hex.EncodeToString(sum[:])
}

// GetCredential returns a credential by its id.
func (s *Service) GetCredential(ctx context.Context, id string) (Credential, error) {
	var c Credential
	err := s.withCredentialKeys(ctx, func() error {
		row, err := s.t.credentials.Get(s.core.DB.Snapshot(), id)
		if err != nil {
			return err
		}
		c, err = s.openCredential(row)
		return err
	})
	if err != nil {
		return Credential{}, fault.Wrap("identity.GetCredential", err)
	}
	return c, nil
}

// ListCredentials returns credentials in order of their ids.
func (s *Service) ListCredentials(ctx context.Context, opts *ListCredentialsOptions) ([]Credential, error) {
	if opts == nil {
		opts = &ListCredentialsOptions{}
	}
	list := []Credential{}
	err := s.withCredentialKeys(ctx, func() error {
		r := s.core.DB.Snapshot()
		all := s.t.credentials.All(r)
		if opts.UserID != "" {
			all = s.t.credentials.Where(r, s.t.credentialUser, opts.UserID)
		}
		for row := range all {
			if !is(opts.Type, row.Type) {
				continue
			}
			c, err := s.openCredential(row)
			if err != nil {
				return err
			}
			list = append(list, c)
		}
		return nil
	})
	if err != nil {
		return nil, fault.Wrap("identity.ListCredentials", err)
	}
	return list, nil
}

// UpdateCredential changes a credential. The access key of one of type "ec2" stays.
func (s *Service) UpdateCredential(ctx context.Context, id string, opts UpdateCredentialOptions) (Credential, error) {
	var c Credential
	err := s.updateSealed(ctx, "UpdateCredential", func(tx *state.Tx) error {
		s.emit(ctx, tx, updated, "credential", id)
		return s.t.credentials.Change(tx, id, func(row *credentialRow) error {
			var err error
			if c, err = s.openCredential(*row); err != nil {
				return err
			}
			old := c
			set(&c.Type, opts.Type)
			set(&c.Blob, opts.Blob)
			set(&c.UserID, opts.UserID)
			set(&c.ProjectID, opts.ProjectID)
			c.Extra = c.Extra.merged(opts.Extra)
			d := opts.Delegation
			if old.Type == ec2Type {
				d = Delegation{} // it has its own, which stays
			}
			if err := firstError(keepsDelegation(old, c), s.checkCredential(&c, d)); err != nil {
				return err
			}
			c.ID = id
			*row, err = s.sealCredential(c)
			return err
		})
	})
	return c, err
}

// DeleteCredential removes a credential.
func (s *Service) DeleteCredential(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteCredential", func(tx *state.Tx) error {
		s.emit(ctx, tx, deleted, "credential", id)
		return s.t.credentials.Delete(tx, id)
	})
}

// CreateEC2CredentialOptions of Service.CreateEC2Credential; nil means defaults.
type CreateEC2CredentialOptions struct {
	Delegation Delegation // what the credential is made with
}

// CreateEC2Credential makes a pair of keys that sign EC2 and S3 requests of a user
// on a project; the blob holds them.
func (s *Service) CreateEC2Credential(ctx context.Context, userID, projectID string, opts *CreateEC2CredentialOptions) (Credential, error) {
	if opts == nil {
		opts = &CreateEC2CredentialOptions{}
	}
	r := s.core.DB.Snapshot()
	if _, err := s.t.users.Get(r, userID); err != nil {
		return Credential{}, fault.Wrap("identity.CreateEC2Credential", err)
	}
	if _, err := s.t.projects.Get(r, projectID); err != nil {
		return Credential{}, fault.Wrap("identity.CreateEC2Credential", err)
	}
	blob, err := json.Marshal(map[string]any{
		"access": s.core.IDs.Hex(), "secret": s.core.IDs.Hex(), "trust_id": nil,
	})
	if err != nil {
		return Credential{}, fault.Wrap("identity.CreateEC2Credential", err)
	}
	return s.CreateCredential(ctx, CreateCredentialOptions{
		Type: ec2Type, Blob: string(blob), UserID: userID, ProjectID: projectID, Delegation: opts.Delegation,
	})
}

func (s *Service) sealCredential(c Credential) (credentialRow, error) {
	sealed, err := s.sealSecret(c.Blob)
	return credentialRow{Credential: c, Sealed: sealed}, err
}

func (s *Service) openCredential(row credentialRow) (Credential, error) {
	blob, err := s.openSecret(row.Sealed)
	c := row.Credential
	c.Blob = blob
	return c, err
}
