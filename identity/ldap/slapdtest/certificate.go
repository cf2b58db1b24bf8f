package slapdtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"

	"github.com/stretchr/testify/require"
)

// makeCertificates writes an authority's certificate, and the server's with its key.
func (s *Server) makeCertificates() {
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	signer := s.key()
	s.writeCertificate("ca.pem", authority, authority, signer, signer)
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "slapd"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	key := s.key()
	s.writeCertificate("cert.pem", server, authority, key, signer)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(s.t, err)
	s.writePEM("key.pem", "PRIVATE KEY", der)
}

func (s *Server) key() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(s.t, err)
	return key
}

func (s *Server) writeCertificate(name string, of, by *x509.Certificate, key, signer *ecdsa.PrivateKey) {
	der, err := x509.CreateCertificate(rand.Reader, of, by, &key.PublicKey, signer)
	require.NoError(s.t, err)
	s.writePEM(name, "CERTIFICATE", der)
}

func (s *Server) writePEM(name, kind string, der []byte) {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	require.NoError(s.t, os.WriteFile(s.path(name), text, 0o600))
}
