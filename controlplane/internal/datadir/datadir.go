// Package datadir guards the data directory: it recognises one of another program or of a newer Quantix, lets
// one process in, and looks for room on its disk before anything is written. It knows nothing of what the
// other packages store in it.
package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"quantix.io/controlplane/internal/atomicfile"
	"quantix.io/controlplane/internal/fault"
)

// Format is the layout of the directory that this program reads and writes. Raise it when an older program
// could no longer use the directory.
const Format = 1

const (
	markerName = "cluster.json"
	lockName   = "lock"
)

// Marker says whose directory this is. It is the first file written and the first one read.
type Marker struct {
	Format      int       `json:"format"`
	ID          string    `json:"id"`
	MadeBy      string    `json:"madeBy"`
	MadeAt      time.Time `json:"madeAt"`
	Initialized bool      `json:"initialized"` // the store was ready once: from then on its files must exist
}

// Dir is an opened, locked data directory.
type Dir struct {
	Path   string
	Marker Marker
	lock   *os.File
}

// Maker is who opens the directory.
type Maker struct {
	Version string
	Now     time.Time
	NewID   func() string
}

// Open makes or checks the directory and locks it against a second process until Close.
//
// Faults: CodeForeignDir for a directory with other content or of a newer format, CodeCorrupt for an
// unreadable marker, CodeOther when another process has it.
func Open(path string, maker Maker) (*Dir, error) {
	marker, found, err := inspect(path, maker)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fault.File(path, err)
	}
	lock, err := takeLock(path)
	if err != nil {
		return nil, err
	}
	dir := &Dir{Path: path, Marker: marker, lock: lock}
	if found {
		return dir, nil
	}
	dir.Marker = Marker{Format: Format, ID: maker.NewID(), MadeBy: maker.Version, MadeAt: maker.Now.UTC()}
	if err := dir.writeMarker(); err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}

// MarkInitialized notes that the store was ready: losing its files is damage from then on.
func (d *Dir) MarkInitialized() error {
	if d.Marker.Initialized {
		return nil
	}
	d.Marker.Initialized = true
	return d.writeMarker()
}

// Close lets the next process in.
func (d *Dir) Close() error { return d.lock.Close() }

func (d *Dir) writeMarker() error {
	text, err := json.MarshalIndent(d.Marker, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(d.Path, markerName)
	if err := atomicfile.Write(path, append(text, '\n'), 0o600); err != nil {
		return fault.File(path, err)
	}
	return nil
}

// inspect reads the marker; without one the directory must be absent or empty.
func inspect(path string, maker Maker) (Marker, bool, error) {
	text, err := os.ReadFile(filepath.Join(path, markerName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Marker{}, false, refuseForeign(path)
	case err != nil:
		return Marker{}, false, fault.File(filepath.Join(path, markerName), err)
	}
	var marker Marker
	if err := json.Unmarshal(text, &marker); err != nil || marker.ID == "" || marker.Format < 1 {
		return Marker{}, false, fault.Corrupt(path, "its "+markerName+" cannot be read", err)
	}
	if marker.Format > Format {
		return Marker{}, false, &fault.Fault{
			Code: fault.CodeForeignDir,
			Message: fmt.Sprintf("The data directory %s belongs to cluster %s (made %s ago by %s), newer than this %s.",
				path, marker.ID, age(maker.Now.Sub(marker.MadeAt)), marker.MadeBy, maker.Version),
			Hint: "Quantix " + marker.MadeBy + " or later, or another QUANTIX_ROOT",
		}
	}
	return marker, true, nil
}

// ignorable are entries that do not make a directory foreign: of a fresh file system, and our own lock of a
// start that was killed before it wrote the marker.
var ignorable = map[string]bool{"lost+found": true, lockName: true}

func refuseForeign(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.File(path, err)
	}
	var names []string
	for _, entry := range entries {
		// a temporary file of a marker that a kill interrupted
		if !ignorable[entry.Name()] && !strings.HasPrefix(entry.Name(), "."+markerName) {
			names = append(names, entry.Name())
		}
	}
	if len(names) == 0 {
		return nil
	}
	if len(names) > 3 {
		names = append(names[:3], "…")
	}
	return &fault.Fault{
		Code:    fault.CodeForeignDir,
		Message: fmt.Sprintf("%s is not a data directory of Quantix: it holds %s.", path, strings.Join(names, ", ")),
		Hint:    "an empty or new directory (another QUANTIX_ROOT); nothing was changed",
	}
}

func takeLock(path string) (*os.File, error) {
	name := filepath.Join(path, lockName)
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.File(name, err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid, _ := os.ReadFile(name)
		busy := &fault.Fault{
			Code:    fault.CodeOther,
			Message: fmt.Sprintf("The data directory %s is in use by another control plane (pid %s).", path, strings.TrimSpace(string(pid))),
			Hint:    "stop that one first, or use another directory",
		}
		return nil, errors.Join(busy, file.Close())
	}
	if err := writePID(file); err != nil {
		return nil, errors.Join(fault.File(name, err), file.Close())
	}
	return file, nil
}

func writePID(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func age(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d d", int(d.Hours())/24)
	case d >= time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d min", max(0, int(d.Minutes())))
	}
}
