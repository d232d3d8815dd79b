package controllers

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// A server that answers nothing useful: the controllers must neither give up nor hold up the end.
func TestRunEndsWithItsContextThoughTheServerNeverAnswers(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.Error(w, "not now", http.StatusServiceUnavailable)
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Run(ctx, &rest.Config{Host: server.URL}, Settings{
			AuthorityCert: "/absent", AuthorityKey: "/absent", LongestCertificate: time.Hour,
		})
	}()
	for deadline := time.Now().Add(20 * time.Second); asked.Load() < 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not try again")
		}
	}
	cancel()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("it did not end")
	}
}

func TestEachControllerActsAsItsOwnAccount(t *testing.T) {
	base := &rest.Config{Host: "https://127.0.0.1:1", BearerToken: "all rights"}
	got := accounts{config: base}.as("namespace-controller")
	if got.Impersonate.UserName != "system:serviceaccount:kube-system:namespace-controller" {
		t.Errorf("acts as %q", got.Impersonate.UserName)
	}
	if base.Impersonate.UserName != "" {
		t.Error("the shared configuration was changed")
	}
}
