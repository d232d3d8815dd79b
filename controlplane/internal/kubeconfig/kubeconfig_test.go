package kubeconfig

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"quantix.io/controlplane/internal/pki"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func setUp(t *testing.T) (File, *pki.Authority) {
	t.Helper()
	authority, err := pki.NewAuthority("quantix", now)
	if err != nil {
		t.Fatal(err)
	}
	return File{
		Path: filepath.Join(t.TempDir(), "admin.kubeconfig"), User: "admin", Server: "https://127.0.0.1:6443",
		Client: pki.Leaf{CommonName: "c", Lifetime: 90 * 24 * time.Hour},
	}, authority
}

func ensure(t *testing.T, file File, authority *pki.Authority, at time.Time) bool {
	t.Helper()
	renewAt, wrote, err := Ensure(file, authority, at)
	if err != nil {
		t.Fatal(err)
	}
	if !renewAt.After(at) {
		t.Errorf("due at %v, it is %v", renewAt, at)
	}
	return wrote
}

func TestAFileIsWrittenOnceAndAgainWhenDue(t *testing.T) {
	file, authority := setUp(t)
	for _, step := range []struct {
		name  string
		after time.Duration
		wrote bool
	}{{"first", 0, true}, {"again", 0, false}, {"later", 50 * 24 * time.Hour, false}, {"due", 61 * 24 * time.Hour, true}} {
		if wrote := ensure(t, file, authority, now.Add(step.after)); wrote != step.wrote {
			t.Errorf("%s: wrote %v", step.name, wrote)
		}
	}
	if info, err := os.Stat(file.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", file.Path)
	if err != nil || config.Host != file.Server || len(config.KeyData) == 0 {
		t.Errorf("got %v, %v", config, err)
	}
}

func TestAFileFollowsTheServerAndTheAuthority(t *testing.T) {
	file, authority := setUp(t)
	ensure(t, file, authority, now)
	file.Server = "https://127.0.0.1:7443"
	if !ensure(t, file, authority, now) {
		t.Error("the new address was not written")
	}
	renewed, err := authority.Renew(now)
	if err != nil {
		t.Fatal(err)
	}
	if !ensure(t, file, renewed, now) {
		t.Error("the authority's new certificate was not written")
	}
}

func TestWhatAPersonChangedIsKept(t *testing.T) {
	file, authority := setUp(t)
	ensure(t, file, authority, now)
	config, err := clientcmd.LoadFromFile(file.Path)
	if err != nil {
		t.Fatal(err)
	}
	config.Contexts["quantix"].Namespace = "mine"
	config.Contexts["other"] = config.Contexts["quantix"].DeepCopy()
	config.CurrentContext = "other"
	if err := clientcmd.WriteToFile(*config, file.Path); err != nil {
		t.Fatal(err)
	}
	ensure(t, file, authority, now.Add(61*24*time.Hour))
	again, err := clientcmd.LoadFromFile(file.Path)
	if err != nil {
		t.Fatal(err)
	}
	if again.CurrentContext != "other" || again.Contexts["quantix"].Namespace != "mine" {
		t.Errorf("lost: %v %v", again.CurrentContext, again.Contexts["quantix"])
	}
}

func TestAFileThatIsNoKubeconfigIsReplaced(t *testing.T) {
	file, authority := setUp(t)
	if err := os.WriteFile(file.Path, []byte("{{{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !ensure(t, file, authority, now) {
		t.Error("it was left")
	}
}

func TestServerURLIsReachableFromThisMachine(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1": "https://127.0.0.1:6443", "10.0.0.5": "https://10.0.0.5:6443", "fd00::1": "https://[fd00::1]:6443",
		"0.0.0.0": "https://127.0.0.1:6443", "::": "https://[::1]:6443",
	} {
		if got := ServerURL(net.ParseIP(address), 6443); got != want {
			t.Errorf("%s: got %s", address, got)
		}
	}
}
