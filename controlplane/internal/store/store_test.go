package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.uber.org/zap"

	"quantix.io/controlplane/internal/fault"
)

func TestErrorsOfEtcdAreExplained(t *testing.T) {
	for name, test := range map[string]struct {
		err      error
		wasReady bool
		code     int
		part     string
	}{
		"full while starting": {fmt.Errorf("save: %w", syscall.ENOSPC), false, fault.CodeDiskFull, "The disk of /d is full."},
		"full while running":  {errors.New("commit: no space left on device"), true, fault.CodeDiskFull, "The disk of /d is full."},
		"bad log":             {errors.New("walpb: crc mismatch"), false, fault.CodeCorrupt, "The data directory /d is damaged"},
		"socket":              {&net.OpError{Op: "listen", Err: syscall.EACCES}, false, fault.CodeOther, "listen"},
		"no rights":           {fs.ErrPermission, false, fault.CodeOther, "permission"},
		"disk error":          {syscall.EIO, true, fault.CodeOther, "The store in /d stopped."},
	} {
		got := fault.From(explain("/d", test.err, test.wasReady))
		if got.Code != test.code || !strings.Contains(got.Error(), test.part) {
			t.Errorf("%s: got %d %v", name, got.Code, got)
		}
	}
}

// endedWith gives the error with which a fatal line of etcd's logger ends the process. The hook must not
// return, so it ends the goroutine here.
func endedWith(log func(*zap.Logger)) error {
	died := make(chan error, 1)
	go func() {
		logger := newLogger(zap.NewAtomicLevelAt(zap.FatalLevel), func(err error) {
			died <- err
			select {}
		})
		log(logger)
	}()
	select {
	case err := <-died:
		return err
	case <-time.After(5 * time.Second):
		return nil
	}
}

func TestFatalAndPanickingLinesEndTheProcessWithTheirCause(t *testing.T) {
	for name, log := range map[string]func(*zap.Logger){
		"fatal": func(l *zap.Logger) { l.Fatal("cannot commit", zap.Error(syscall.ENOSPC)) },
		"panic": func(l *zap.Logger) { l.Panic("cannot commit", zap.Error(syscall.ENOSPC)) },
		"sugar": func(l *zap.Logger) { l.Sugar().Panicf("cannot commit: %v", syscall.ENOSPC) },
	} {
		if err := endedWith(log); !fault.IsDiskFull(err) || !strings.Contains(err.Error(), "cannot commit") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestTheStoreStartsKeepsItsFilesAndMissesThem(t *testing.T) {
	root := t.TempDir()
	settings := Settings{
		DataDir: filepath.Join(root, "data"), RunDir: filepath.Join(root, "run"),
		Die: func(err error) { panic(err) },
	}
	for range 2 {
		running, err := Start(context.Background(), settings)
		if err != nil {
			t.Fatal(err)
		}
		if want := "unix://" + filepath.Join(root, "run", "store.sock"); running.Endpoint != want {
			t.Errorf("got %s", running.Endpoint)
		}
		running.Close()
		settings.Initialized = true
	}
	if err := verify(settings); err != nil {
		t.Error(err)
	}
	database := filepath.Join(root, "data/etcd/member/snap/db")
	if err := os.Rename(database, database+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(context.Background(), settings); fault.From(err).Code != fault.CodeCorrupt {
		t.Errorf("got %v", err)
	}
}

func TestABadPageIsAnAnswerAndNotTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucket([]byte("key"))
		for i := 0; err == nil && i < 5000; i++ {
			err = bucket.Put(fmt.Appendf(nil, "%08d", i), make([]byte, 100))
		}
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if err := readAll(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	if err := readAll(path); err == nil {
		t.Error("half a database was taken for a whole one")
	}
}
