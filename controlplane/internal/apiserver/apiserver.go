// Package apiserver runs Kubernetes' generic control plane: namespaces, RBAC, secrets, leases, CRDs, admission
// policies, certificate requests and quotas; no pods, nodes or services. It uses its options and not its
// command, which would install signal handlers of its own and hang at exit.
package apiserver

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/kubernetes/pkg/controlplane/apiserver/options"
	"k8s.io/kubernetes/pkg/controlplane/apiserver/samples/generic/server"
)

// Server is a running API server.
type Server struct {
	// Loopback reaches the server from inside this process with all rights; its secret never leaves it.
	Loopback *rest.Config
	done     chan error
}

// Start serves on the listener until ctx ends. It returns before the server is ready.
func Start(ctx context.Context, settings Settings, listener net.Listener) (*Server, error) {
	if err := serveMetrics(settings.StoreMetrics); err != nil {
		return nil, err
	}
	completed, err := complete(ctx, settings, listener)
	if err != nil {
		return nil, err
	}
	config, err := server.NewConfig(completed)
	if err != nil {
		return nil, err
	}
	loopback := config.ControlPlane.Generic.LoopbackClientConfig
	chain, err := config.Complete()
	if err != nil {
		return nil, err
	}
	aggregator, err := server.CreateServerChain(chain)
	if err != nil {
		return nil, err
	}
	prepared, err := aggregator.PrepareRun()
	if err != nil {
		return nil, err
	}
	running := &Server{Loopback: rest.CopyConfig(loopback), done: make(chan error, 1)}
	go func() { running.done <- prepared.Run(ctx) }()
	return running, nil
}

// Done delivers the server's end, once.
func (s *Server) Done() <-chan error { return s.done }

// serveMetrics adds the store's metrics to those at /metrics, which the API server gives to whoever may get them.
func serveMetrics(ofStore prometheus.Collector) error {
	if err := legacyregistry.Registerer().Register(ofStore); err != nil {
		return fmt.Errorf("the store's metrics cannot be served: %w", err)
	}
	return nil
}

func complete(ctx context.Context, settings Settings, listener net.Listener) (options.CompletedOptions, error) {
	var none options.CompletedOptions
	// two components of one process would fight over the logging setup
	logsapi.ReapplyHandling = logsapi.ReapplyHandlingIgnoreUnchanged
	wanted := server.NewOptions()
	wanted.SecureServing.Listener = listener
	if err := parse(wanted, arguments(settings)); err != nil {
		return none, err
	}
	if err := logsapi.ValidateAndApply(wanted.Logs, utilfeature.DefaultFeatureGate); err != nil {
		return none, err
	}
	completed, err := wanted.Complete(ctx, nil, nil)
	if err != nil {
		return none, err
	}
	return completed, utilerrors.NewAggregate(completed.Validate())
}

func parse(wanted *options.Options, arguments []string) error {
	var sets cliflag.NamedFlagSets
	wanted.AddFlags(&sets)
	flags := pflag.NewFlagSet("apiserver", pflag.ContinueOnError)
	for _, set := range sets.FlagSets {
		flags.AddFlagSet(set)
	}
	return flags.Parse(arguments)
}

// readyPoll is short: the wait for it is part of every start.
const readyPoll = 50 * time.Millisecond

// WaitReady returns when /readyz says ok, or with the last refusal when ctx ends.
func (s *Server) WaitReady(ctx context.Context) error {
	config := rest.CopyConfig(s.Loopback)
	config.QPS = -1 // no client-side limit for a poll
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		body, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w: %s", err, body)
		case <-tick.C:
		}
	}
}
