package datadir

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quantix.io/controlplane/internal/fault"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func maker() Maker {
	return Maker{Version: "0.1.0", Now: now, NewID: func() string { return "id-1" }}
}

func open(t *testing.T, path string) *Dir {
	t.Helper()
	dir, err := Open(path, maker())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	return dir
}

func refused(t *testing.T, path string, code int, part string) {
	t.Helper()
	_, err := Open(path, maker())
	var f *fault.Fault
	if !errors.As(err, &f) || f.Code != code || !strings.Contains(f.Error(), part) {
		t.Errorf("got %v, want code %d with %q", err, code, part)
	}
}

func TestANewDirectoryIsMarkedAndKnownAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	dir := open(t, path)
	if want := (Marker{Format: 1, ID: "id-1", MadeBy: "0.1.0", MadeAt: now}); dir.Marker != want {
		t.Errorf("got %v", dir.Marker)
	}
	if err := dir.MarkInitialized(); err != nil {
		t.Fatal(err)
	}
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	other := maker()
	other.NewID = func() string { return "id-2" }
	again, err := Open(path, other)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if again.Marker.ID != "id-1" || !again.Marker.Initialized {
		t.Errorf("got %v", again.Marker)
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
	path := t.TempDir()
	open(t, path)
	refused(t, path, fault.CodeOther, "is in use by another control plane (pid ")
}

func TestAForeignDirectoryIsLeftAlone(t *testing.T) {
	path := t.TempDir()
	for _, name := range []string{"a", "b", "c", "d"} {
		if err := os.WriteFile(filepath.Join(path, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, path, fault.CodeForeignDir, "it holds a, b, c, ….")
	if entries, err := os.ReadDir(path); err != nil || len(entries) != 4 {
		t.Errorf("it was changed: %v %v", entries, err)
	}
}

func TestWhatAFreshFileSystemOrAKilledStartLeavesIsNotForeign(t *testing.T) {
	path := t.TempDir()
	if err := os.Mkdir(filepath.Join(path, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lock", ".cluster.json.123"} {
		if err := os.WriteFile(filepath.Join(path, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(t, path)
}

func TestMarkers(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		code int
		part string
	}{
		"newer":      {`{"format":2,"id":"x","madeBy":"0.2.0","madeAt":"2026-11-21T11:00:00Z"}`, fault.CodeForeignDir, "belongs to cluster x (made 3 d ago by 0.2.0), newer than this 0.1.0"},
		"no json":    {"{", fault.CodeCorrupt, "cluster.json cannot be read"},
		"no id":      {`{"format":1}`, fault.CodeCorrupt, "cluster.json cannot be read"},
		"no content": {"", fault.CodeCorrupt, "cluster.json cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			if err := os.WriteFile(filepath.Join(path, "cluster.json"), []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, path, test.code, test.part)
		})
	}
}

func TestRoomIsLookedForWhereTheDirectoryWillBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "not", "yet")
	if err := CheckRoom(path, 1); err != nil {
		t.Error(err)
	}
	err := CheckRoom(path, math.MaxUint64)
	if got := fault.From(err); got.Code != fault.CodeDiskFull || !strings.Contains(got.Error(), "MiB are needed") {
		t.Errorf("got %v", err)
	}
}

func TestAgesAreShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0 min", 90 * time.Second: "1 min", 3 * time.Hour: "3 h", 47 * time.Hour: "47 h", 75 * time.Hour: "3 d",
	} {
		if got := age(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}
