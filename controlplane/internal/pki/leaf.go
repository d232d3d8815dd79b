package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"slices"
	"time"
)

// Leaf is a wanted certificate.
type Leaf struct {
	CommonName    string
	Organizations []string
	Names         []string // DNS names and IP addresses of a server; none for a client
	Lifetime      time.Duration
}

// Pair is a certificate with its key.
type Pair struct {
	CertPEM, KeyPEM []byte
	Cert            *x509.Certificate
}

// Bundle is certificate and key in one text, so that one file holds both and is replaced as one.
func (p *Pair) Bundle() []byte { return slices.Concat(p.CertPEM, p.KeyPEM) }

// Issue signs a new key for the wanted certificate: for a server when it has names, else for a client.
func (a *Authority) Issue(want Leaf, now time.Time) (*Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	dnsNames, addresses := splitNames(want.Names)
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: want.CommonName, Organization: want.Organizations},
		NotBefore:    now.Add(-min(backdate, want.Lifetime)),
		NotAfter:     now.Add(want.Lifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{want.usage()},
		DNSNames:     dnsNames,
		IPAddresses:  addresses,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.Cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return &Pair{CertPEM: encodeCertificate(der), KeyPEM: keyPEM, Cert: cert}, nil
}

// Fits tells whether a pair read from a file is the wanted one: of this authority, of that content, with its
// own key, and not yet due for renewal.
func (a *Authority) Fits(certPEM, keyPEM []byte, want Leaf, now time.Time) bool {
	if _, err := tls.X509KeyPair(certPEM, keyPEM); err != nil {
		return false
	}
	cert, err := ParseCertificate(certPEM)
	if err != nil || !sameAuthority(cert, a) || now.Before(cert.NotBefore) || !now.Before(RenewAt(cert)) {
		return false
	}
	dnsNames, addresses := splitNames(want.Names)
	return cert.Subject.CommonName == want.CommonName &&
		slices.Equal(cert.Subject.Organization, want.Organizations) &&
		slices.Equal(cert.ExtKeyUsage, []x509.ExtKeyUsage{want.usage()}) &&
		slices.Equal(cert.DNSNames, dnsNames) &&
		slices.EqualFunc(cert.IPAddresses, addresses, net.IP.Equal)
}

// RenewAt is when a certificate is due: after two thirds of its life.
func RenewAt(cert *x509.Certificate) time.Time {
	return cert.NotBefore.Add(cert.NotAfter.Sub(cert.NotBefore) * 2 / 3)
}

func (l Leaf) usage() x509.ExtKeyUsage {
	if len(l.Names) > 0 {
		return x509.ExtKeyUsageServerAuth
	}
	return x509.ExtKeyUsageClientAuth
}

// splitNames keeps each name once, in order, as what it is.
func splitNames(names []string) (dnsNames []string, addresses []net.IP) {
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			continue
		}
		if address := net.ParseIP(name); address != nil {
			addresses = append(addresses, address)
		} else {
			dnsNames = append(dnsNames, name)
		}
	}
	return dnsNames, addresses
}
