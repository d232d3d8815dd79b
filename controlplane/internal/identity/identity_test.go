package identity

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"quantix.io/controlplane/internal/fault"
	"quantix.io/controlplane/internal/pki"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func keeper(t *testing.T) *Keeper {
	t.Helper()
	root := t.TempDir()
	return &Keeper{
		DataDir: filepath.Join(root, "data"), ConfigDir: filepath.Join(root, "etc"),
		Address: net.IPv4(127, 0, 0, 1), Port: 6443, Hostname: "box", Lifetime: 90 * day,
	}
}

func ensure(t *testing.T, k *Keeper, at time.Time) State {
	t.Helper()
	state, err := k.Ensure(at)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func leaves(k *Keeper) []string { return []string{k.Serving(), k.Admin(), k.Operator()} }

func TestTheFirstStartMakesAllAndTheSecondNothing(t *testing.T) {
	k := keeper(t)
	first := ensure(t, k, now)
	if want := append([]string{k.AuthorityCert()}, leaves(k)...); !slices.Equal(first.Wrote, want) {
		t.Errorf("wrote %v", first.Wrote)
	}
	for _, path := range append(leaves(k), k.AuthorityKey(), k.ServiceAccountKey(), k.Encryption()) {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", path, err)
		}
	}
	if left := first.AuthorityEnds.Sub(now); left != pki.AuthorityLifetime {
		t.Errorf("the authority ends after %v", left)
	}
	k.Initialized = true
	second := ensure(t, k, now.Add(time.Hour))
	if len(second.Wrote) != 0 || !second.Next.Equal(first.Next) {
		t.Errorf("wrote %v, next %v and then %v", second.Wrote, first.Next, second.Next)
	}
	if wait := first.Next.Sub(now); wait < 58*day || wait > 61*day {
		t.Errorf("due after %v of 90 days", wait)
	}
}

func TestLeavesAreRenewedWhenDueAndTheAuthorityInItsYears(t *testing.T) {
	k := keeper(t)
	ensure(t, k, now)
	k.Initialized = true
	if got := ensure(t, k, now.Add(61*day)); !slices.Equal(got.Wrote, leaves(k)) {
		t.Errorf("after 61 days it wrote %v", got.Wrote)
	}
	key, err := os.ReadFile(k.AuthorityKey())
	if err != nil {
		t.Fatal(err)
	}
	got := ensure(t, k, now.Add(9*365*day))
	if !slices.Contains(got.Wrote, k.AuthorityCert()) {
		t.Errorf("after 9 years it wrote %v", got.Wrote)
	}
	if again, err := os.ReadFile(k.AuthorityKey()); err != nil || !slices.Equal(key, again) {
		t.Errorf("the key is another: %v", err)
	}
}

func TestALeafThatSomebodyBrokeOrRemovedIsMadeAgain(t *testing.T) {
	k := keeper(t)
	ensure(t, k, now)
	k.Initialized = true
	if err := os.Remove(k.Admin()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(k.Serving(), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := ensure(t, k, now); !slices.Equal(got.Wrote, []string{k.Serving(), k.Admin()}) {
		t.Errorf("wrote %v", got.Wrote)
	}
}

func TestANewNameIsANewServingCertificate(t *testing.T) {
	k := keeper(t)
	ensure(t, k, now)
	k.ExtraNames = []string{"api.example"}
	if got := ensure(t, k, now); !slices.Equal(got.Wrote, []string{k.Serving()}) {
		t.Errorf("wrote %v", got.Wrote)
	}
	text, err := os.ReadFile(k.Serving())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pki.ParseCertificate(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "box", "kubernetes.default.svc", "api.example"} {
		if err := cert.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
}

func TestAKeyThatDataNeedsIsNeverMadeTwice(t *testing.T) {
	for _, name := range []string{"ca.key", "ca.crt", "service-account.key", "secrets-encryption.yaml"} {
		t.Run(name, func(t *testing.T) {
			k := keeper(t)
			ensure(t, k, now)
			k.Initialized = true
			if err := os.Remove(k.path(name)); err != nil {
				t.Fatal(err)
			}
			if _, err := k.Ensure(now); fault.From(err).Code != fault.CodeCorrupt {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(k.path(name)); err == nil {
				t.Error("it was made again")
			}
		})
	}
}

func TestAStartThatWasKilledBetweenTwoKeysGoesOn(t *testing.T) {
	k := keeper(t)
	ensure(t, k, now)
	if err := os.Remove(k.AuthorityCert()); err != nil {
		t.Fatal(err)
	}
	if got := ensure(t, k, now); len(got.Wrote) != 4 {
		t.Errorf("wrote %v", got.Wrote)
	}
}
