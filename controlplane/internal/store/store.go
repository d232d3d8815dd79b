// Package store runs etcd inside this process, on unix sockets only: no TCP port, so that no other user of the
// machine can reach it. It turns etcd's ways to end (panics, fatal log lines) into faults. It does not know
// what is stored.
package store

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"quantix.io/controlplane/internal/fault"
)

const (
	directory = "etcd" // below the data directory
	// quotaBytes is etcd's advised maximum; 20,000 VMs with history stay far below.
	quotaBytes = 8 << 30
	// snapshotCount keeps the log that is replayed after a kill short. etcd's 10,000 makes it answer "too many
	// requests" to itself for a moment while it replays.
	snapshotCount = 5000
	// defragAboveMiB gives space back at a start that would free at least this much.
	defragAboveMiB = 100
)

// Settings of one run.
type Settings struct {
	DataDir     string // of the whole control plane; etcd's is below
	RunDir      string // of the sockets
	Initialized bool   // the store was ready before: its files must be there
	// Die ends the process. etcd logs its fatal errors in goroutines of its own that nobody can recover.
	Die func(error)
}

// Store is a running etcd.
type Store struct {
	Endpoint string
	etcd     *embed.Etcd
	logLevel zap.AtomicLevel
}

// Start checks the files, starts etcd and waits until it is ready or ctx ends.
//
// Faults: CodeCorrupt, CodeDiskFull; CodeOther for a socket that cannot be made.
func Start(ctx context.Context, settings Settings) (*Store, error) {
	if err := verify(settings); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(settings.RunDir, 0o700); err != nil {
		return nil, fault.File(settings.RunDir, err)
	}
	var ready atomic.Bool
	config := configure(settings)
	level := zap.NewAtomicLevelAt(zap.WarnLevel)
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(newLogger(level, func(err error) {
		settings.Die(explain(settings.DataDir, err, ready.Load()))
	}))
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, explain(settings.DataDir, err, false)
	}
	select {
	case <-etcd.Server.ReadyNotify():
		ready.Store(true)
		return &Store{Endpoint: config.ListenClientUrls[0].String(), etcd: etcd, logLevel: level}, nil
	case err := <-etcd.Err():
		etcd.Close()
		return nil, explain(settings.DataDir, err, false)
	case <-ctx.Done():
		etcd.Close()
		return nil, ctx.Err()
	}
}

// Failed delivers an error when a listener of the store ends by itself.
func (s *Store) Failed() <-chan error { return s.etcd.Err() }

// Close stops etcd and returns when its files are closed. The API server must have ended before: it would
// wait for the store for ever.
func (s *Store) Close() {
	s.logLevel.SetLevel(zap.PanicLevel) // it reports each of its own closed sockets as an error
	s.etcd.Close()
}

func configure(settings Settings) *embed.Config {
	config := embed.NewConfig()
	config.Dir = filepath.Join(settings.DataDir, directory)
	client := socketURL(settings.RunDir, "store.sock")
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	// Alone it has no peers, so it listens for none. (A unix socket would be no way: etcd 3.7 drops the path of
	// the peers' URL and listens on an abstract socket, which any local user can reach.)
	config.ListenPeerUrls = nil
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.QuotaBackendBytes = quotaBytes
	config.SnapshotCount = snapshotCount
	config.BootstrapDefragThresholdMegabytes = defragAboveMiB
	// No compaction here: the API server compacts (--etcd-compaction-interval), two would race.
	return config
}

func socketURL(dir, name string) url.URL {
	return url.URL{Scheme: "unix", Path: filepath.Join(dir, name)}
}

// explain turns an error of etcd into a fault. wasReady tells whether it had been running: then its files were
// good, and only a full disk gets its own words.
func explain(dir string, err error, wasReady bool) error {
	var network *net.OpError
	switch {
	case fault.IsDiskFull(err):
		return fault.DiskFull(dir, err)
	case errors.As(err, &network), errors.Is(err, fs.ErrPermission):
		return fault.From(err)
	case wasReady:
		return &fault.Fault{
			Code:    fault.CodeOther,
			Message: "The store in " + dir + " stopped.",
			Hint:    "start the control plane again; if it stops again, check the disk. Running VMs are not affected",
			Cause:   err,
		}
	default:
		return fault.Corrupt(dir, "the store cannot be opened", err)
	}
}
