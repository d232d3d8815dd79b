package identity

import (
	"os"
	"strings"
	"testing"

	"quantix.io/controlplane/internal/fault"
)

func keyNames(t *testing.T, k *Keeper) []string {
	t.Helper()
	text, err := os.ReadFile(k.Encryption())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, line := range strings.Split(string(text), "\n") {
		if _, name, found := strings.Cut(line, "name: "); found {
			names = append(names, name)
		}
	}
	return names
}

func TestANewKeyComesFirstAndTheOldOnesStayUntilForgotten(t *testing.T) {
	k := keeper(t)
	ensure(t, k, now)
	for _, want := range []string{"key2", "key3"} {
		if name, err := AddSecretKey(k.DataDir); err != nil || name != want {
			t.Fatalf("got %q, %v", name, err)
		}
	}
	if got := strings.Join(keyNames(t, k), " "); got != "key3 key2 key1" {
		t.Errorf("the keys are %s", got)
	}
	if info, err := os.Stat(k.Encryption()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	was, err := os.ReadFile(k.Encryption())
	if err != nil {
		t.Fatal(err)
	}
	if name, err := ForgetOldSecretKeys(k.DataDir); err != nil || name != "key3" {
		t.Fatalf("got %q, %v", name, err)
	}
	if kept, err := os.ReadFile(Before(k.DataDir)); err != nil || string(kept) != string(was) {
		t.Errorf("there is no way back: %v", err)
	}
	if info, err := os.Stat(Before(k.DataDir)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if got := strings.Join(keyNames(t, k), " "); got != "key3" {
		t.Errorf("the keys are %s", got)
	}
	if name, err := AddSecretKey(k.DataDir); err != nil || name != "key4" {
		t.Errorf("a name is used again: %q, %v", name, err)
	}
}

func TestWhatCannotBeReadIsLeftAlone(t *testing.T) {
	k := keeper(t)
	ensure(t, k, now)
	for _, text := range []string{"keys: [", "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n"} {
		if err := os.WriteFile(k.Encryption(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := AddSecretKey(k.DataDir); fault.From(err).Code != fault.CodeCorrupt {
			t.Errorf("%q: got %v", text, err)
		}
		if after, err := os.ReadFile(k.Encryption()); err != nil || string(after) != text {
			t.Errorf("%q became %q, %v", text, after, err)
		}
	}
}
