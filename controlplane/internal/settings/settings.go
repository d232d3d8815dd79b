// Package settings holds what `serve` was asked to do: the flags, checked once, then never changed. Nothing
// else reads flags; the environment is not read at all.
package settings

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
)

// Settings of one run.
type Settings struct {
	DataDir, ConfigDir, RunDir, LogDir string

	Address    net.IP
	Port       int      // 0: any free port; the kubeconfigs tell which
	ExtraNames []string // further names and addresses in the serving certificate

	CertificateLifetime     time.Duration // of the certificates that this program renews itself
	HostCertificateLifetime time.Duration // longest life of a certificate signed for a CSR
	EventTTL                time.Duration
	NeedDiskBytes           uint64
}

// maxSocketPath: sockaddr_un.sun_path holds 108 bytes with the final NUL (unix(7)).
const maxSocketPath = 107

const defaultDataDir = "/var/lib/quantix/controlplane"

// ParseRotation reads the flags of `rotate-secrets-key`: the data directory, and whether older keys go. Errors as
// of Parse.
func ParseRotation(args []string) (dataDir string, forgetOld bool, err error) {
	flags := pflag.NewFlagSet("rotate-secrets-key", pflag.ContinueOnError)
	flags.StringVar(&dataDir, "data-dir", defaultDataDir, "that of the control plane")
	flags.BoolVar(&forgetOld, "forget-old", false,
		"instead of adding a key, keep only the newest, once all secrets were rewritten")
	if err := flags.Parse(args); err != nil {
		return "", false, err
	}
	if flags.NArg() > 0 {
		return "", false, fmt.Errorf("rotate-secrets-key takes no argument %q", flags.Arg(0))
	}
	return dataDir, forgetOld, nil
}

// Parse reads the flags of `serve`. pflag.ErrHelp is returned as it is.
func Parse(args []string) (Settings, error) {
	var s Settings
	var needMiB uint64
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.StringVar(&s.DataDir, "data-dir", defaultDataDir, "what must survive: the store, keys, the authority")
	flags.StringVar(&s.ConfigDir, "config-dir", "/etc/quantix", "gets admin.kubeconfig and operator.kubeconfig")
	flags.StringVar(&s.RunDir, "run-dir", "/run/quantix/controlplane", "sockets of the store")
	flags.StringVar(&s.LogDir, "log-dir", "/var/log/quantix", "gets audit.log")
	flags.IPVar(&s.Address, "address", net.IPv4(127, 0, 0, 1), "address to listen on")
	flags.IntVar(&s.Port, "port", 6443, "port to listen on; 0 takes a free one")
	flags.StringSliceVar(&s.ExtraNames, "san", nil, "further name or address in the serving certificate (repeatable)")
	flags.DurationVar(&s.CertificateLifetime, "certificate-lifetime", 90*24*time.Hour,
		"life of the serving certificate and of those in the kubeconfigs; renewed after two thirds of it")
	flags.DurationVar(&s.HostCertificateLifetime, "host-certificate-lifetime", 30*24*time.Hour,
		"longest life of a client certificate signed for a certificate signing request")
	flags.DurationVar(&s.EventTTL, "event-ttl", 72*time.Hour, "how long events are kept")
	flags.Uint64Var(&needMiB, "need-disk-mib", 512, "free space without which it does not start")
	if err := flags.Parse(args); err != nil {
		return Settings{}, err
	}
	if flags.NArg() > 0 {
		return Settings{}, fmt.Errorf("serve takes no argument %q", flags.Arg(0))
	}
	s.NeedDiskBytes = needMiB << 20
	return s, s.check()
}

func (s *Settings) check() error {
	for _, dir := range []*string{&s.DataDir, &s.ConfigDir, &s.RunDir, &s.LogDir} {
		absolute, err := filepath.Abs(*dir)
		if err != nil {
			return err
		}
		*dir = absolute
	}
	if n := len(filepath.Join(s.RunDir, "store.sock")); n > maxSocketPath {
		return fmt.Errorf("the sockets in --run-dir %s would have paths of %d bytes, %d are possible; choose a shorter one",
			s.RunDir, n, maxSocketPath)
	}
	if s.Port < 0 || s.Port > 65535 {
		return fmt.Errorf("--port %d is none: 0 to 65535 are", s.Port)
	}
	if s.CertificateLifetime < 3*time.Second || s.HostCertificateLifetime < 10*time.Second {
		return errors.New("--certificate-lifetime must be 3s or longer, --host-certificate-lifetime 10s or longer")
	}
	return nil
}
