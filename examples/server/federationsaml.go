package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/saml"
)

// samlProvider is a SAML 2.0 provider in the file of -federation.
type samlProvider struct {
	IdentityProvider string `json:"identity_provider"`
	Protocol         string `json:"protocol"`
	EntityID         string `json:"entity_id"`
	Metadata         string `json:"metadata"` // a file, or an address with https
	Provider         string `json:"provider"` // of several in the metadata
	NameIDFormat     string `json:"name_id_format"`
	Certificate      string `json:"certificate"` // files, to sign requests
	Key              string `json:"key"`
}

// method makes the driver of a provider.
func (p *samlProvider) method() (identity.FederationMethod, error) {
	m := identity.FederationMethod{ProviderID: p.IdentityProvider, ProtocolID: p.Protocol}
	if p.IdentityProvider == "" || p.Protocol == "" || p.Metadata == "" {
		return m, errors.New("identity_provider, protocol and metadata are required")
	}
	cfg := saml.Config{EntityID: p.EntityID, Provider: p.Provider, NameIDFormat: p.NameIDFormat}
	var err error
	if strings.Contains(p.Metadata, "://") {
		cfg.MetadataURL = p.Metadata
	} else if cfg.Metadata, err = os.ReadFile(p.Metadata); err != nil {
		return m, err
	}
	if p.Certificate != "" || p.Key != "" {
		if cfg.Keypair, err = tls.LoadX509KeyPair(p.Certificate, p.Key); err != nil {
			return m, err
		}
	}
	provider, err := saml.New(cfg)
	if err != nil {
		return m, fmt.Errorf("%s: %w", p.IdentityProvider, err)
	}
	m.Driver = provider
	return m, nil
}
