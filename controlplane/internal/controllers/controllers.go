// Package controllers runs the controllers of Kubernetes that this control plane needs, and no others: garbage
// collection by owner reference, end of namespaces, service accounts, aggregated roles, quotas, signing and
// clearing of certificate requests, clearing of bootstrap tokens. Called by serve once the API is ready.
package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
)

const (
	// discoveryPeriod is how soon a new kind is collected, cleared with its namespace and counted by quotas.
	discoveryPeriod = 10 * time.Second
	// informerResync is Kubernetes' own default: informers do not lose events, this is a net below the net.
	informerResync = 12 * time.Hour

	firstBackoff = 300 * time.Millisecond
	lastBackoff  = 15 * time.Second
	// steadyAfter is a run so long that the next failure is a new one.
	steadyAfter = time.Minute
)

// Settings of the controllers.
type Settings struct {
	AuthorityCert, AuthorityKey string        // files that sign
	LongestCertificate          time.Duration // a request may ask for less (spec.expirationSeconds)
}

// Run keeps the controllers running until ctx ends, and returns when all have ended. base reaches the API
// with all rights; each controller acts with the rights of its own account only.
func Run(ctx context.Context, base *rest.Config, settings Settings) {
	backoff := firstBackoff
	for ctx.Err() == nil {
		began := time.Now()
		err := runOnce(ctx, base, settings)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > steadyAfter {
			backoff = firstBackoff
		}
		klog.ErrorS(err, "Controllers ended, starting them again", "after", backoff)
		select {
		case <-ctx.Done():
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

// shared is what controllers have in common in one run.
type shared struct {
	clients   accounts
	settings  Settings
	typed     informers.SharedInformerFactory
	all       informerfactory.InformerFactory
	informing chan struct{} // closed once the informers are started
}

// loop is something that runs until its context ends.
type loop struct {
	name string
	run  func(context.Context)
}

// runOnce builds and runs all controllers. The first to end by itself ends the others.
func runOnce(parent context.Context, base *rest.Config, settings Settings) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	common, err := share(base, settings)
	if err != nil {
		return err
	}
	var loops []loop
	for _, build := range builders {
		built, err := build(ctx, common)
		if err != nil {
			return err
		}
		loops = append(loops, built...)
	}
	common.typed.Start(ctx.Done())
	common.all.Start(ctx.Done())
	close(common.informing)
	defer common.typed.Shutdown()

	ended := make(chan string, len(loops))
	var all sync.WaitGroup
	for _, l := range loops {
		all.Go(func() {
			l.run(ctx)
			ended <- l.name
		})
	}
	first := <-ended
	cancel()
	all.Wait()
	return fmt.Errorf("controller %s ended", first)
}

func share(base *rest.Config, settings Settings) (*shared, error) {
	config := rest.CopyConfig(base)
	config.QPS, config.Burst = 200, 400
	reader, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	partial, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	// the namespace controller ends the whole process when it is built while discovery lists nothing
	if kinds, err := reader.Discovery().ServerPreferredNamespacedResources(); len(kinds) == 0 {
		return nil, fmt.Errorf("the server lists no kinds: %w", err)
	}
	typed := informers.NewSharedInformerFactory(reader, informerResync)
	return &shared{
		clients:   accounts{config: config},
		settings:  settings,
		typed:     typed,
		all:       informerfactory.NewInformerFactory(typed, metadatainformer.NewSharedInformerFactory(partial, informerResync)),
		informing: make(chan struct{}),
	}, nil
}
