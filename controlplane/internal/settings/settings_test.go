package settings

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func TestDefaultsAreLoopbackAndTheUsualPlaces(t *testing.T) {
	s, err := Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Address.Equal(net.IPv4(127, 0, 0, 1)) || s.Port != 6443 || s.DataDir != "/var/lib/quantix/controlplane" ||
		s.EventTTL != 72*time.Hour || s.HostCertificateLifetime != 30*24*time.Hour {
		t.Errorf("got %+v", s)
	}
}

func TestFlagsAreTaken(t *testing.T) {
	s, err := Parse([]string{"--san=a", "--san=b,10.0.0.1", "--address=::1", "--port=0", "--data-dir=data", "--need-disk-mib=3"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.ExtraNames, []string{"a", "b", "10.0.0.1"}) || !s.Address.Equal(net.IPv6loopback) ||
		!strings.HasPrefix(s.DataDir, "/") || s.NeedDiskBytes != 3<<20 {
		t.Errorf("got %+v", s)
	}
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	for flag, part := range map[string]string{
		"--run-dir=/" + strings.Repeat("x", 96): "108 bytes, 107 are possible",
		"--port=65536":                          "--port 65536 is none",
		"--certificate-lifetime=1s":             "3s or longer",
		"--host-certificate-lifetime=1s":        "10s or longer",
		"--address=nowhere":                     "nowhere",
		"word":                                  `serve takes no argument "word"`,
	} {
		if _, err := Parse([]string{flag}); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: got %v, want %q", flag, err, part)
		}
	}
	if _, err := Parse([]string{"--run-dir=/" + strings.Repeat("x", 95)}); err != nil {
		t.Errorf("the longest possible path: %v", err)
	}
	if _, err := Parse([]string{"--help"}); !errors.Is(err, pflag.ErrHelp) {
		t.Errorf("got %v", err)
	}
}

func TestARotationAddsAKeyUnlessToldToForget(t *testing.T) {
	dir, forget, err := ParseRotation([]string{"--data-dir=/d"})
	if err != nil || dir != "/d" || forget {
		t.Errorf("got %q, %v, %v", dir, forget, err)
	}
	if _, forget, err = ParseRotation([]string{"--forget-old"}); err != nil || !forget {
		t.Errorf("got %v, %v", forget, err)
	}
	if _, _, err = ParseRotation([]string{"now"}); err == nil {
		t.Error("a word was taken")
	}
}
