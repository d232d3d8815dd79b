package controllers

import (
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// accounts gives each controller clients that act as its service account in kube-system. Kubernetes' own
// bootstrap policy grants those accounts what the controllers need (plugin/pkg/auth/authorizer/rbac/
// bootstrappolicy), and the audit log names them.
type accounts struct{ config *rest.Config }

func (a accounts) as(account string) *rest.Config {
	config := rest.CopyConfig(a.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:kube-system:" + account}
	config.UserAgent = "quantix-controlplane/" + account
	return config
}

func (a accounts) typed(account string) (kubernetes.Interface, error) {
	return kubernetes.NewForConfig(a.as(account))
}

func (a accounts) both(account string) (kubernetes.Interface, metadata.Interface, error) {
	typed, err := a.typed(account)
	if err != nil {
		return nil, nil, err
	}
	partial, err := metadata.NewForConfig(a.as(account))
	return typed, partial, err
}
