package atomicfile

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWriteReplacesContentAndModeAndLeavesNothingBeside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("old and longer"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || string(text) != "new" {
		t.Errorf("got %q, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	assertAlone(t, path)
}

func TestAFailedWriteLeavesTheOldFileAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "directory")
	if err := os.MkdirAll(filepath.Join(path, "child"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("new"), 0o600); err == nil {
		t.Error("a directory was replaced by a file")
	}
	assertAlone(t, path)
}

func TestEnsureWritesOnlyWhatDiffers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for i, step := range []struct {
		text  string
		mode  os.FileMode
		wrote bool
	}{{"a", 0o600, true}, {"a", 0o600, false}, {"a", 0o640, true}, {"b", 0o640, true}} {
		wrote, err := Ensure(path, []byte(step.text), step.mode)
		if err != nil || wrote != step.wrote {
			t.Errorf("step %d: wrote %v, %v", i, wrote, err)
		}
	}
}

func assertAlone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside it: %v, %v", entries, err)
	}
}
