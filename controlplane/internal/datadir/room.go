package datadir

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"quantix.io/controlplane/internal/fault"
)

// CheckRoom refuses to start with less than needBytes free on the disk of path, which need not exist yet.
// The store preallocates 64 MiB at a time and would end in the middle of a write.
func CheckRoom(path string, needBytes uint64) error {
	existing := path
	for {
		if _, err := os.Stat(existing); err == nil || existing == filepath.Dir(existing) {
			break
		}
		existing = filepath.Dir(existing)
	}
	var stat syscall.Statfs_t
	if err := syscall.Statfs(existing, &stat); err != nil {
		return fault.File(existing, err)
	}
	free := stat.Bavail * uint64(stat.Bsize)
	if free >= needBytes {
		return nil
	}
	return &fault.Fault{
		Code:    fault.CodeDiskFull,
		Message: fmt.Sprintf("The disk of %s has %d MiB free, %d MiB are needed.", path, free>>20, needBytes>>20),
		Hint:    "free some, or set QUANTIX_ROOT to a larger disk; nothing was changed",
	}
}
