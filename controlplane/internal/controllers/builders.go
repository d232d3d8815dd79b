package controllers

import (
	"context"
	"time"

	v1 "k8s.io/api/core/v1"
	quota "k8s.io/apiserver/pkg/quota/v1/generic"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/restmapper"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller"
	"k8s.io/kubernetes/pkg/controller/bootstrap"
	"k8s.io/kubernetes/pkg/controller/certificates/cleaner"
	"k8s.io/kubernetes/pkg/controller/certificates/signer"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/resourcequota"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
	quotainstall "k8s.io/kubernetes/pkg/quota/v1/install"
)

// builders make one controller each.
var builders = []func(context.Context, *shared) ([]loop, error){
	garbageCollector, namespaces, serviceAccounts, aggregatedRoles, quotas, certificates, bootstrapTokens,
}

func garbageCollector(ctx context.Context, s *shared) ([]loop, error) {
	typed, partial, err := s.clients.both("generic-garbage-collector")
	if err != nil {
		return nil, err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(typed.Discovery()))
	collector, err := garbagecollector.NewGarbageCollector(ctx, typed, partial, mapper,
		garbagecollector.DefaultIgnoredResources(), s.all, s.informing)
	if err != nil {
		return nil, err
	}
	return []loop{
		{"garbage-collector", func(ctx context.Context) { collector.Run(ctx, 5, discoveryPeriod) }},
		{"garbage-collector-discovery", func(ctx context.Context) { collector.Sync(ctx, typed.Discovery(), discoveryPeriod) }},
	}, nil
}

func namespaces(ctx context.Context, s *shared) ([]loop, error) {
	typed, partial, err := s.clients.both("namespace-controller")
	if err != nil {
		return nil, err
	}
	ender := namespace.NewNamespaceController(ctx, typed, partial, typed.Discovery().ServerPreferredNamespacedResources,
		s.typed.Core().V1().Namespaces(), 5*time.Minute, v1.FinalizerKubernetes)
	return []loop{{"namespaces", func(ctx context.Context) { ender.Run(ctx, 5) }}}, nil
}

func serviceAccounts(ctx context.Context, s *shared) ([]loop, error) {
	typed, err := s.clients.typed("service-account-controller")
	if err != nil {
		return nil, err
	}
	maker, err := serviceaccount.NewServiceAccountsController(klog.FromContext(ctx), s.typed.Core().V1().ServiceAccounts(),
		s.typed.Core().V1().Namespaces(), typed, serviceaccount.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return nil, err
	}
	return []loop{{"service-accounts", func(ctx context.Context) { maker.Run(ctx, 1) }}}, nil
}

func aggregatedRoles(_ context.Context, s *shared) ([]loop, error) {
	typed, err := s.clients.typed("clusterrole-aggregation-controller")
	if err != nil {
		return nil, err
	}
	aggregation := clusterroleaggregation.NewClusterRoleAggregation(s.typed.Rbac().V1().ClusterRoles(), typed.RbacV1())
	return []loop{{"aggregated-roles", func(ctx context.Context) { aggregation.Run(ctx, 2) }}}, nil
}

// quotas counts objects only: its registry is empty, so it makes an evaluator for each kind that discovery
// lists. Those of pods, services and claims must stay out, these kinds do not exist here. A quota that is made
// before its kind is discovered refuses every create until the resync: hence the short one.
func quotas(ctx context.Context, s *shared) ([]loop, error) {
	typed, err := s.clients.typed("resourcequota-controller")
	if err != nil {
		return nil, err
	}
	discover := typed.Discovery().ServerPreferredNamespacedResources
	counter, err := resourcequota.NewController(ctx, &resourcequota.ControllerOptions{
		QuotaClient:               typed.CoreV1(),
		ResourceQuotaInformer:     s.typed.Core().V1().ResourceQuotas(),
		ResyncPeriod:              controller.StaticResyncPeriodFunc(discoveryPeriod),
		InformerFactory:           s.all,
		ReplenishmentResyncPeriod: controller.StaticResyncPeriodFunc(informerResync),
		DiscoveryFunc:             discover,
		IgnoredResourcesFunc:      quotainstall.DefaultIgnoredResources,
		InformersStarted:          s.informing,
		Registry:                  quota.NewRegistry(nil),
		UpdateFilter:              quotainstall.DefaultUpdateFilter(),
	})
	if err != nil {
		return nil, err
	}
	return []loop{
		{"quotas", func(ctx context.Context) { counter.Run(ctx, 2) }},
		{"quotas-discovery", func(ctx context.Context) { counter.Sync(ctx, discover, discoveryPeriod) }},
	}, nil
}

// certificates signs approved requests for client certificates (hosts join and renew with them; server
// certificates are the operator's matter) and clears old requests.
func certificates(ctx context.Context, s *shared) ([]loop, error) {
	typed, err := s.clients.typed("certificate-controller")
	if err != nil {
		return nil, err
	}
	requests := s.typed.Certificates().V1().CertificateSigningRequests()
	signing, err := signer.NewKubeAPIServerClientCSRSigningController(ctx, typed, requests,
		s.settings.AuthorityCert, s.settings.AuthorityKey, s.settings.LongestCertificate)
	if err != nil {
		return nil, err
	}
	clearing := cleaner.NewCSRCleanerController(typed.CertificatesV1().CertificateSigningRequests(), requests)
	return []loop{
		{"certificate-signer", func(ctx context.Context) { signing.Run(ctx, 1) }},
		{"certificate-cleaner", func(ctx context.Context) { clearing.Run(ctx, 1) }},
	}, nil
}

func bootstrapTokens(_ context.Context, s *shared) ([]loop, error) {
	typed, err := s.clients.typed("token-cleaner")
	if err != nil {
		return nil, err
	}
	clearing, err := bootstrap.NewTokenCleaner(typed, s.typed.Core().V1().Secrets(), bootstrap.DefaultTokenCleanerOptions())
	if err != nil {
		return nil, err
	}
	return []loop{{"token-cleaner", clearing.Run}}, nil
}
