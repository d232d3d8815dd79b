package pki

import (
	"crypto/x509"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func authority(t *testing.T) *Authority {
	t.Helper()
	made, err := NewAuthority("quantix", now)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func issue(t *testing.T, a *Authority, want Leaf) *Pair {
	t.Helper()
	pair, err := a.Issue(want, now)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func verifies(a *Authority, cert *x509.Certificate, at time.Time, usage x509.ExtKeyUsage) bool {
	roots := x509.NewCertPool()
	roots.AddCert(a.Cert)
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err == nil
}

var (
	server = Leaf{CommonName: "s", Names: []string{"localhost", "127.0.0.1", "localhost", "::1"}, Lifetime: 90 * day}
	client = Leaf{CommonName: "c", Organizations: []string{"o1", "o2"}, Lifetime: 90 * day}
)

func TestLeavesAreForServersOrForClients(t *testing.T) {
	a := authority(t)
	s, c := issue(t, a, server).Cert, issue(t, a, client).Cert
	for _, check := range []struct {
		cert  *x509.Certificate
		usage x509.ExtKeyUsage
		good  bool
	}{
		{s, x509.ExtKeyUsageServerAuth, true},
		{s, x509.ExtKeyUsageClientAuth, false},
		{c, x509.ExtKeyUsageClientAuth, true},
		{c, x509.ExtKeyUsageServerAuth, false},
	} {
		if verifies(a, check.cert, now, check.usage) != check.good {
			t.Errorf("%s with usage %v: not %v", check.cert.Subject, check.usage, check.good)
		}
	}
	if len(s.DNSNames) != 1 || len(s.IPAddresses) != 2 || s.IsCA {
		t.Errorf("got %v %v", s.DNSNames, s.IPAddresses)
	}
}

func TestFitsFindsWhateverIsNotAsWanted(t *testing.T) {
	a := authority(t)
	pair := issue(t, a, server)
	other := issue(t, authority(t), server)
	wanting := func(change func(*Leaf)) Leaf {
		leaf := server
		change(&leaf)
		return leaf
	}
	for name, check := range map[string]struct {
		cert, key []byte
		want      Leaf
		at        time.Time
		fits      bool
	}{
		"as wanted":             {pair.CertPEM, pair.KeyPEM, server, now, true},
		"one file for both":     {pair.Bundle(), pair.Bundle(), server, now, true},
		"just before its time":  {pair.CertPEM, pair.KeyPEM, server, now.Add(59 * day), true},
		"due":                   {pair.CertPEM, pair.KeyPEM, server, now.Add(61 * day), false},
		"from the future":       {pair.CertPEM, pair.KeyPEM, server, now.Add(-time.Hour), false},
		"another's":             {other.CertPEM, other.KeyPEM, server, now, false},
		"another key":           {pair.CertPEM, other.KeyPEM, server, now, false},
		"not a certificate":     {[]byte("x"), pair.KeyPEM, server, now, false},
		"absent":                {nil, nil, server, now, false},
		"another name":          {pair.CertPEM, pair.KeyPEM, wanting(func(l *Leaf) { l.CommonName = "x" }), now, false},
		"one address more":      {pair.CertPEM, pair.KeyPEM, wanting(func(l *Leaf) { l.Names = append(l.Names[:4:4], "::2") }), now, false},
		"for a client":          {pair.CertPEM, pair.KeyPEM, wanting(func(l *Leaf) { l.Names = nil }), now, false},
		"other organizations":   {pair.CertPEM, pair.KeyPEM, wanting(func(l *Leaf) { l.Organizations = []string{"o"} }), now, false},
		"another lifetime only": {pair.CertPEM, pair.KeyPEM, wanting(func(l *Leaf) { l.Lifetime = day }), now, true},
	} {
		if got := a.Fits(check.cert, check.key, check.want, check.at); got != check.fits {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestAShortLifeIsRenewedInTime(t *testing.T) {
	cert := issue(t, authority(t), Leaf{CommonName: "c", Lifetime: 9 * time.Second}).Cert
	if wait := RenewAt(cert).Sub(now); wait < 2*time.Second || wait > 6*time.Second {
		t.Errorf("renewed after %v of 9s", wait)
	}
}

func TestARenewedAuthorityAndTheOldOneTrustTheSameLeaves(t *testing.T) {
	old := authority(t)
	if old.Due(now.Add(7*365*day)) || !old.Due(now.Add(9*365*day)) {
		t.Error("it is due at the wrong time")
	}
	before := issue(t, old, client)
	later := now.Add(8 * 365 * day)
	renewed, err := old.Renew(later)
	if err != nil {
		t.Fatal(err)
	}
	if !renewed.Cert.NotAfter.After(old.Cert.NotAfter) || string(renewed.KeyPEM) != string(old.KeyPEM) {
		t.Error("it was not renewed for the same key")
	}
	after, err := renewed.Issue(client, later)
	if err != nil {
		t.Fatal(err)
	}
	young, err := old.Renew(now)
	if err != nil {
		t.Fatal(err)
	}
	if !verifies(young, before.Cert, now, x509.ExtKeyUsageClientAuth) {
		t.Error("who has only the new certificate refuses an old leaf")
	}
	if !verifies(old, after.Cert, later, x509.ExtKeyUsageClientAuth) {
		t.Error("who has only the old certificate refuses a new leaf")
	}
	if !renewed.Fits(before.CertPEM, before.KeyPEM, client, now) {
		t.Error("the renewed authority does not know its leaf again")
	}
}

func TestParseAuthorityRefusesAKeyOfAnother(t *testing.T) {
	a, b := authority(t), authority(t)
	if _, err := ParseAuthority(a.CertPEM, a.KeyPEM); err != nil {
		t.Error(err)
	}
	for name, pair := range map[string][2][]byte{
		"another's key": {a.CertPEM, b.KeyPEM}, "no key": {a.CertPEM, nil}, "no certificate": {nil, a.KeyPEM},
	} {
		if _, err := ParseAuthority(pair[0], pair[1]); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
