// Package pki makes the certificates and keys of the control plane: its own authority, the leaves that it
// signs, the key of service account tokens. It decides when each is due; package identity says where they are
// and keeps them fresh. Keys are ECDSA P-256 (RFC 5480), files are replaced atomically with mode 0600.
package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// AuthorityLifetime is how long a certificate of the authority is good for.
const AuthorityLifetime = 10 * 365 * 24 * time.Hour

// authorityRenewBefore is long enough that everybody who was given the old certificate gets the new one with
// the renewal of a leaf before the old one ends.
const authorityRenewBefore = 2 * 365 * 24 * time.Hour

// backdate forgives clocks of other machines that are behind.
const backdate = 5 * time.Minute

// Authority signs.
type Authority struct {
	Cert    *x509.Certificate
	CertPEM []byte
	KeyPEM  []byte
	key     crypto.Signer
}

// NewAuthority makes a key and a self-signed certificate.
func NewAuthority(commonName string, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return selfSign(commonName, key, keyPEM, now)
}

// ParseAuthority reads what NewAuthority made.
func ParseAuthority(certPEM, keyPEM []byte) (*Authority, error) {
	cert, err := ParseCertificate(certPEM)
	if err != nil {
		return nil, err
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, err
	}
	public, ok := key.Public().(*ecdsa.PublicKey)
	if !ok || !public.Equal(cert.PublicKey) {
		return nil, errors.New("the authority's key is not that of its certificate")
	}
	return &Authority{Cert: cert, CertPEM: certPEM, KeyPEM: keyPEM, key: key}, nil
}

// Due tells whether the authority's own certificate should be renewed.
func (a *Authority) Due(now time.Time) bool {
	return now.After(a.Cert.NotAfter.Add(-authorityRenewBefore))
}

// Renew gives a new certificate for the same key and name. Leaves signed before verify against the new one
// and leaves signed after verify against the old one, so nothing has to be exchanged at once.
func (a *Authority) Renew(now time.Time) (*Authority, error) {
	return selfSign(a.Cert.Subject.CommonName, a.key, a.KeyPEM, now)
}

func selfSign(commonName string, key crypto.Signer, keyPEM []byte, now time.Time) (*Authority, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(AuthorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Authority{Cert: cert, CertPEM: encodeCertificate(der), KeyPEM: keyPEM, key: key}, nil
}

// NewServiceAccountKey makes the key that signs service account tokens.
func NewServiceAccountKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return encodeKey(key)
}

// ParseCertificate reads the first certificate of a PEM text.
func ParseCertificate(text []byte) (*x509.Certificate, error) {
	for rest := text; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			return nil, errors.New("no certificate in the file")
		}
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
}

func parseKey(text []byte) (crypto.Signer, error) {
	for rest := text; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			return nil, errors.New("no private key in the file")
		}
		if block.Type == "EC PRIVATE KEY" {
			return x509.ParseECPrivateKey(block.Bytes)
		}
	}
}

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// newSerial gives 127 random bits: unique without a register (RFC 5280, 4.1.2.2).
func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("serial number: %w", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil
}

// sameAuthority tells whether the certificate was signed by the authority's key.
func sameAuthority(cert *x509.Certificate, authority *Authority) bool {
	return bytes.Equal(cert.RawIssuer, authority.Cert.RawSubject) && cert.CheckSignatureFrom(authority.Cert) == nil
}
