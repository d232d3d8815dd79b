// Package identity keeps the control plane's keys, certificates and kubeconfigs in their places, made at the
// first start and renewed while it runs. Called by serve, at the start and whenever Ensure said.
package identity

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"quantix.io/controlplane/internal/atomicfile"
	"quantix.io/controlplane/internal/fault"
	"quantix.io/controlplane/internal/kubeconfig"
	"quantix.io/controlplane/internal/pki"
)

// operatorUser is the identity that RBAC and the admission policies know the operator by, wherever it runs.
const operatorUser = "system:serviceaccount:quantix-system:quantix-operator"

// Keeper knows the places and what has to be in them.
type Keeper struct {
	DataDir, ConfigDir string
	Address            net.IP
	Port               int
	ExtraNames         []string
	Hostname           string
	Lifetime           time.Duration
	Initialized        bool // data exists that these keys belong to: a missing one is damage, not a first start
}

// Places of the files below the data directory.
func (k *Keeper) path(name string) string   { return filepath.Join(k.DataDir, "pki", name) }
func (k *Keeper) AuthorityCert() string     { return k.path("ca.crt") }
func (k *Keeper) AuthorityKey() string      { return k.path("ca.key") }
func (k *Keeper) Serving() string           { return k.path("serving.pem") }
func (k *Keeper) ServiceAccountKey() string { return k.path("service-account.key") }
func (k *Keeper) Encryption() string        { return k.path("secrets-encryption.yaml") }

// Admin and Operator are the kubeconfigs of the administrator and of the operator.
func (k *Keeper) Admin() string    { return filepath.Join(k.ConfigDir, "admin.kubeconfig") }
func (k *Keeper) Operator() string { return filepath.Join(k.ConfigDir, "operator.kubeconfig") }

// State says when Ensure is due again, which files it wrote and when the authority's certificate ends.
type State struct {
	Next          time.Time
	Wrote         []string
	AuthorityEnds time.Time
}

func (s *State) note(path string, wrote bool, renewAt time.Time) {
	if wrote {
		s.Wrote = append(s.Wrote, path)
	}
	if s.Next.IsZero() || renewAt.Before(s.Next) {
		s.Next = renewAt
	}
}

// Ensure makes what is missing and renews what is due.
//
// Faults: CodeCorrupt when a key is missing or unreadable that stored data depends on; CodeDiskFull.
func (k *Keeper) Ensure(now time.Time) (State, error) {
	for dir, mode := range map[string]fs.FileMode{k.path(""): 0o700, k.ConfigDir: 0o755} {
		if err := os.MkdirAll(dir, mode); err != nil {
			return State{}, fault.File(dir, err)
		}
	}
	var state State
	if err := k.ensureOnce(k.ServiceAccountKey(), pki.NewServiceAccountKey); err != nil {
		return State{}, err
	}
	if err := k.ensureOnce(k.Encryption(), newEncryption); err != nil {
		return State{}, err
	}
	authority, err := k.ensureAuthority(now, &state)
	if err != nil {
		return State{}, err
	}
	state.AuthorityEnds = authority.Cert.NotAfter
	if err := k.ensureServing(authority, now, &state); err != nil {
		return State{}, err
	}
	return state, k.ensureKubeconfigs(authority, now, &state)
}

// ensureOnce makes a secret that can never be made again: what it signed or encrypted would be lost.
func (k *Keeper) ensureOnce(path string, generate func() ([]byte, error)) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Size() > 0:
		return nil
	case err == nil || errors.Is(err, fs.ErrNotExist) && k.Initialized:
		return fault.Corrupt(k.DataDir, "the key "+path+" is missing, stored data needs it", nil)
	case !errors.Is(err, fs.ErrNotExist):
		return fault.File(path, err)
	}
	text, err := generate()
	if err != nil {
		return err
	}
	return write(path, text, 0o600)
}

func (k *Keeper) ensureAuthority(now time.Time, state *State) (*pki.Authority, error) {
	cert, certErr := os.ReadFile(k.AuthorityCert())
	key, keyErr := os.ReadFile(k.AuthorityKey())
	absent := errors.Is(certErr, fs.ErrNotExist) || errors.Is(keyErr, fs.ErrNotExist)
	var authority *pki.Authority
	var err error
	switch {
	case absent && !k.Initialized:
		authority, err = pki.NewAuthority("quantix", now)
	case certErr != nil || keyErr != nil:
		return nil, fault.Corrupt(k.DataDir, "its certificate authority cannot be read", errors.Join(certErr, keyErr))
	default:
		authority, err = pki.ParseAuthority(cert, key)
		if err != nil {
			return nil, fault.Corrupt(k.DataDir, "its certificate authority cannot be read", err)
		}
		if !authority.Due(now) {
			return authority, nil
		}
		authority, err = authority.Renew(now)
	}
	if err != nil {
		return nil, err
	}
	if err := write(k.AuthorityKey(), authority.KeyPEM, 0o600); err != nil {
		return nil, err
	}
	state.Wrote = append(state.Wrote, k.AuthorityCert())
	return authority, write(k.AuthorityCert(), authority.CertPEM, 0o644)
}

func (k *Keeper) ensureServing(authority *pki.Authority, now time.Time, state *State) error {
	want := pki.Leaf{CommonName: "quantix-controlplane", Names: k.servingNames(), Lifetime: k.Lifetime}
	if bundle, err := os.ReadFile(k.Serving()); err == nil && authority.Fits(bundle, bundle, want, now) {
		cert, err := pki.ParseCertificate(bundle)
		if err != nil {
			return err
		}
		state.note(k.Serving(), false, pki.RenewAt(cert))
		return nil
	}
	pair, err := authority.Issue(want, now)
	if err != nil {
		return err
	}
	state.note(k.Serving(), true, pki.RenewAt(pair.Cert))
	return write(k.Serving(), pair.Bundle(), 0o600)
}

func (k *Keeper) ensureKubeconfigs(authority *pki.Authority, now time.Time, state *State) error {
	server := kubeconfig.ServerURL(k.Address, k.Port)
	for _, file := range []kubeconfig.File{
		{Path: k.Admin(), User: "admin", Server: server, Client: pki.Leaf{
			CommonName: "quantix:admin", Organizations: []string{"system:masters"}, Lifetime: k.Lifetime,
		}},
		{Path: k.Operator(), User: "operator", Server: server, Client: pki.Leaf{
			CommonName:    operatorUser,
			Organizations: []string{"system:serviceaccounts", "system:serviceaccounts:quantix-system"},
			Lifetime:      k.Lifetime,
		}},
	} {
		renewAt, wrote, err := kubeconfig.Ensure(file, authority, now)
		if err != nil {
			return fault.File(file.Path, err)
		}
		state.note(file.Path, wrote, renewAt)
	}
	return nil
}

// servingNames are the names under which a client may reach the server.
func (k *Keeper) servingNames() []string {
	names := []string{"localhost", "127.0.0.1", "::1", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	if k.Hostname != "" {
		names = append(names, k.Hostname)
	}
	if !k.Address.IsUnspecified() {
		names = append(names, k.Address.String())
	}
	return append(names, k.ExtraNames...)
}

func write(path string, text []byte, mode fs.FileMode) error {
	if err := atomicfile.Write(path, text, mode); err != nil {
		return fault.File(path, err)
	}
	return nil
}
