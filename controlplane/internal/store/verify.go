package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"

	"quantix.io/controlplane/internal/fault"
)

// verify reads the whole database once before etcd does. etcd and bbolt panic in goroutines of their own when
// a page is bad; here a panic, and even a fault of the memory map beyond the end of a cut file, is an answer.
// The write-ahead log needs no check: etcd repairs a torn end and reports the rest through its logger.
func verify(settings Settings) error {
	member := filepath.Join(settings.DataDir, directory, "member")
	database := filepath.Join(member, "snap", "db")
	logs, err := filepath.Glob(filepath.Join(member, "wal", "*.wal"))
	if err != nil {
		return err
	}
	_, err = os.Stat(database)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !settings.Initialized:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fault.Corrupt(settings.DataDir, "the store's database is missing", nil)
	case err != nil:
		return fault.File(database, err)
	case len(logs) == 0 && settings.Initialized:
		// etcd would begin a new history on top of the old database
		return fault.Corrupt(settings.DataDir, "the store's log is missing", nil)
	}
	if err := readAll(database); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return fault.File(database, err)
		}
		return fault.Corrupt(settings.DataDir, "the store's database cannot be read", err)
	}
	return nil
}

// lockWait is for a process that has just been killed and still holds the file's lock.
const lockWait = 5 * time.Second

func readAll(database string) (err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%v", reason)
		}
	}()
	db, err := bolt.Open(database, 0o600, &bolt.Options{ReadOnly: true, Timeout: lockWait})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(_ []byte, bucket *bolt.Bucket) error {
			return bucket.ForEach(func(_, _ []byte) error { return nil })
		})
	})
}
