package portowner

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestFindNamesTheListenerOfAPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	owner, ok := Find("/proc", listener.Addr().(*net.TCPAddr).Port)
	if !ok || owner.PID != os.Getpid() || owner.Name != "portowner.test" {
		t.Errorf("got %v %v", owner, ok)
	}
}

// fakeProc makes a /proc with one process of this name that holds the socket 4711, listening on [::]:6443.
func fakeProc(t *testing.T, comm, cmdline string) string {
	t.Helper()
	proc := t.TempDir()
	files := map[string]string{
		"net/tcp": "  sl  local_address rem_address   st\n" +
			"   0: 0100007F:192B 0100007F:9999 01 00000000:00000000 00:00000000 00000000 0 0 4000 1\n",
		"net/tcp6": "  sl  local_address\n" +
			"   0: 00000000000000000000000000000000:192B 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 4711 1\n",
		"812/comm":    comm + "\n",
		"812/cmdline": cmdline,
	}
	for name, text := range files {
		path := filepath.Join(proc, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(proc, "812/fd"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("socket:[4711]", filepath.Join(proc, "812/fd/7")); err != nil {
		t.Fatal(err)
	}
	return proc
}

func TestFindReadsListenersOnly(t *testing.T) {
	proc := fakeProc(t, "k3s-server", "/usr/bin/k3s\x00server\x00")
	if owner, ok := Find(proc, 6443); !ok || owner != (Owner{812, "k3s-server"}) {
		t.Errorf("got %v %v", owner, ok)
	}
	if owner, ok := Find(proc, 6444); ok {
		t.Errorf("found %v on a free port", owner)
	}
}

func TestANameThatTheKernelCutIsWhole(t *testing.T) {
	for cmdline, want := range map[string]string{
		"/usr/bin/quantix-controlplane\x00serve\x00": "quantix-controlplane",
		"renamed itself\x00":                         "quantix-control",
	} {
		if owner, _ := Find(fakeProc(t, "quantix-control", cmdline), 6443); owner.Name != want {
			t.Errorf("%q: got %q, want %q", cmdline, owner.Name, want)
		}
	}
}
