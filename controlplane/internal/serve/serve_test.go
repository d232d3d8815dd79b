package serve

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"quantix.io/controlplane/internal/fault"
)

func TestATakenPortNamesItsHolder(t *testing.T) {
	loopback := net.IPv4(127, 0, 0, 1)
	first, err := listen(loopback, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	port := first.Addr().(*net.TCPAddr).Port
	_, err = listen(loopback, port)
	got := fault.From(err)
	if got.Code != fault.CodePortTaken || !strings.Contains(got.Message, "serve.test (pid "+strconv.Itoa(os.Getpid())+")") {
		t.Errorf("got %v", got)
	}
}

func TestAnAddressOfAnotherMachineIsRefused(t *testing.T) {
	_, err := listen(net.ParseIP("192.0.2.1"), 0)
	if got := fault.From(err); got.Code != fault.CodeOther || !strings.Contains(got.Error(), "192.0.2.1") {
		t.Errorf("got %v", got)
	}
}

func TestRenewalSleepsNeitherTooLongNorNotAtAll(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for in, want := range map[time.Duration]time.Duration{
		-time.Hour: time.Second, 30 * time.Second: 30 * time.Second, 60 * 24 * time.Hour: renewLook,
	} {
		if got := untilNext(now.Add(in), now); got != want {
			t.Errorf("%v: got %v, want %v", in, got, want)
		}
	}
}

func TestPeopleHearOfAnAuthorityThatEndsSoonAndOfNoOther(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for days, want := range map[int]bool{3650: false, 730: false, 181: false, 179: true, 0: true, -1: true} {
		if got := endsSoon(now.AddDate(0, 0, days), now); got != want {
			t.Errorf("%d days before: %v", days, got)
		}
	}
}

func TestAStopWhileStartingIsNoFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	if err := quietWhenDone(ctx, errors.New("boom")); err == nil {
		t.Error("a failure was kept quiet")
	}
	cancel()
	if err := quietWhenDone(ctx, ctx.Err()); err != nil {
		t.Error(err)
	}
}
