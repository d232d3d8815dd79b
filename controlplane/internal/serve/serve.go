// Package serve is the life of one control plane: data directory, port, keys, store, API server, controllers,
// and back in the opposite order. It reads as a table of contents; each step is a package of its own. Called
// by the command only; it neither prints nor exits.
package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/google/uuid"
	"k8s.io/klog/v2"

	"quantix.io/controlplane/internal/apiserver"
	"quantix.io/controlplane/internal/controllers"
	"quantix.io/controlplane/internal/datadir"
	"quantix.io/controlplane/internal/fault"
	"quantix.io/controlplane/internal/identity"
	"quantix.io/controlplane/internal/portowner"
	"quantix.io/controlplane/internal/settings"
	"quantix.io/controlplane/internal/store"
	"quantix.io/controlplane/internal/version"
)

const (
	startTimeout = 2 * time.Minute // a large store on a slow disk
	// each part gets this long to end before the next is stopped all the same
	stopTimeout = 5 * time.Second
)

// Run serves until ctx ends or a part fails. die ends the process at once; it is for failures in goroutines
// of libraries that nobody can recover.
func Run(ctx context.Context, s settings.Settings, die func(error)) error {
	if err := datadir.CheckRoom(s.DataDir, s.NeedDiskBytes); err != nil {
		return err
	}
	listener, err := listen(s.Address, s.Port)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // closed by the API server when it ran
	dir, err := datadir.Open(s.DataDir, datadir.Maker{Version: version.Version, Now: time.Now(), NewID: uuid.NewString})
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }() // the lock ends with the process in any case
	keeper, state, err := identify(s, dir, listener)
	if err != nil {
		return err
	}
	files := fileNames(s, keeper)
	if err := apiserver.EnsureFiles(files); err != nil {
		return err
	}
	etcd, err := store.Start(ctx, store.Settings{
		DataDir: s.DataDir, RunDir: s.RunDir, Initialized: dir.Marker.Initialized, Die: die,
	})
	if err != nil {
		return quietWhenDone(ctx, err)
	}
	defer etcd.Close()
	return serveAPI(ctx, parts{settings: s, dir: dir, listener: listener, keeper: keeper, state: state, files: files, store: etcd})
}

// parts are what stands once the store runs.
type parts struct {
	settings settings.Settings
	dir      *datadir.Dir
	listener net.Listener
	keeper   *identity.Keeper
	state    identity.State
	files    apiserver.Files
	store    *store.Store
}

func serveAPI(ctx context.Context, p parts) error {
	apiContext, stopAPI := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAPI()
	api, err := apiserver.Start(apiContext, apiserver.Settings{
		Files: p.files, StoreEndpoint: p.store.Endpoint, Address: p.settings.Address, EventTTL: p.settings.EventTTL,
		StoreMetrics: store.Metrics(),
	}, p.listener)
	if err != nil {
		return err
	}
	failure := p.untilEnd(ctx, api)
	if _, err := daemon.SdNotify(false, daemon.SdNotifyStopping); err != nil {
		klog.ErrorS(err, "Cannot tell the service manager that it stops")
	}
	stopAPI()
	select {
	case err := <-api.Done():
		failure = errors.Join(failure, err)
	case <-time.After(stopTimeout):
		klog.InfoS("The API server did not end in time", "timeout", stopTimeout)
	}
	return failure
}

// untilEnd waits until the API is ready, runs the controllers and renewals beside it, and returns when ctx
// ends (nil) or a part failed; the controllers have ended then.
func (p parts) untilEnd(ctx context.Context, api *apiserver.Server) error {
	ready, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := api.WaitReady(ready); err != nil {
		return quietWhenDone(ctx, err)
	}
	if err := p.dir.MarkInitialized(); err != nil {
		return err
	}
	klog.InfoS("Ready", "address", p.listener.Addr().String(), "cluster", p.dir.Marker.ID, "version", version.Version)
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		klog.ErrorS(err, "Cannot tell the service manager that it is ready")
	}
	beside, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		controllers.Run(beside, api.Loopback, controllers.Settings{
			AuthorityCert:      p.keeper.AuthorityCert(),
			AuthorityKey:       p.keeper.AuthorityKey(),
			LongestCertificate: p.settings.HostCertificateLifetime,
		})
	}()
	go renew(beside, p.keeper, p.state)
	var failure error
	select {
	case <-ctx.Done():
	case err := <-api.Done():
		failure = fmt.Errorf("the API server ended by itself: %w", err)
	case err := <-p.store.Failed():
		failure = fmt.Errorf("the store ended by itself: %w", err)
	}
	stop()
	select {
	case <-ended:
	case <-time.After(stopTimeout):
		klog.InfoS("The controllers did not end in time", "timeout", stopTimeout)
	}
	return failure
}

// quietWhenDone gives nil when err is only that the program was asked to stop while it started.
func quietWhenDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func identify(s settings.Settings, dir *datadir.Dir, listener net.Listener) (*identity.Keeper, identity.State, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return nil, identity.State{}, err
	}
	keeper := &identity.Keeper{
		DataDir: s.DataDir, ConfigDir: s.ConfigDir,
		Address: s.Address, Port: listener.Addr().(*net.TCPAddr).Port,
		ExtraNames: s.ExtraNames, Hostname: hostname,
		Lifetime: s.CertificateLifetime, Initialized: dir.Marker.Initialized,
	}
	state, err := keeper.Ensure(time.Now())
	return keeper, state, err
}

func fileNames(s settings.Settings, keeper *identity.Keeper) apiserver.Files {
	return apiserver.Files{
		Serving:           keeper.Serving(),
		AuthorityCert:     keeper.AuthorityCert(),
		ServiceAccountKey: keeper.ServiceAccountKey(),
		Encryption:        keeper.Encryption(),
		Authentication:    filepath.Join(s.DataDir, "config", "authentication.yaml"),
		AuditPolicy:       filepath.Join(s.DataDir, "config", "audit-policy.yaml"),
		AuditLog:          filepath.Join(s.LogDir, "audit.log"),
	}
}

func listen(address net.IP, port int) (net.Listener, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(address.String(), strconv.Itoa(port)))
	if err == nil {
		return listener, nil
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return nil, &fault.Fault{
			Code:    fault.CodeOther,
			Message: fmt.Sprintf("It is not possible to listen on %s, port %d.", address, port),
			Hint:    "an address of this machine",
			Cause:   err,
		}
	}
	holder := "another process"
	if owner, ok := portowner.Find("/proc", port); ok {
		holder = fmt.Sprintf("%s (pid %d)", owner.Name, owner.PID)
	}
	return nil, &fault.Fault{
		Code:    fault.CodePortTaken,
		Message: fmt.Sprintf("Port %d is taken by %s.", port, holder),
		Hint:    "stop it, use it (QUANTIX_KUBECONFIG=…), or set QUANTIX_API_PORT",
	}
}
