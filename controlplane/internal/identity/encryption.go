package identity

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	config "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"sigs.k8s.io/yaml"

	"quantix.io/controlplane/internal/fault"
)

// newEncryption makes the configuration that encrypts secrets at rest (apiserver.config.k8s.io/v1,
// EncryptionConfiguration). There is no identity provider: a secret in plain text is refused, not read.
func newEncryption() ([]byte, error) {
	key, err := newSecretKey(1)
	if err != nil {
		return nil, err
	}
	return yaml.Marshal(config.EncryptionConfiguration{
		TypeMeta: metav1.TypeMeta{APIVersion: "apiserver.config.k8s.io/v1", Kind: "EncryptionConfiguration"},
		Resources: []config.ResourceConfiguration{{
			Resources: []string{"secrets"},
			Providers: []config.ProviderConfiguration{{Secretbox: &config.SecretboxConfiguration{Keys: []config.Key{key}}}},
		}},
	})
}

// AddSecretKey puts a new key in front of those that encrypt the secrets of the data directory, and gives its
// name: from the next start on what is written is encrypted with it, and what the others encrypted is read.
//
// Faults: CodeCorrupt when the configuration cannot be read, CodeDiskFull.
func AddSecretKey(dataDir string) (string, error) {
	return changeKeys(dataDir, func(keys []config.Key) ([]config.Key, error) {
		highest := 0
		for _, key := range keys {
			if number, err := strconv.Atoi(strings.TrimPrefix(key.Name, "key")); err == nil {
				highest = max(highest, number)
			}
		}
		key, err := newSecretKey(highest + 1)
		return append([]config.Key{key}, keys...), err
	})
}

// ForgetOldSecretKeys keeps only the newest key, and gives its name. While a secret is left that an older one
// encrypted, the API server does not become ready; Before then holds the way back. Faults as of AddSecretKey.
func ForgetOldSecretKeys(dataDir string) (string, error) {
	return changeKeys(dataDir, func(keys []config.Key) ([]config.Key, error) { return keys[:1], nil })
}

// Before is where the configuration is kept as it was before the last change.
func Before(dataDir string) string { return (&Keeper{DataDir: dataDir}).Encryption() + ".before" }

func changeKeys(dataDir string, change func([]config.Key) ([]config.Key, error)) (string, error) {
	path := (&Keeper{DataDir: dataDir}).Encryption()
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fault.File(path, err)
	}
	before := text
	var found config.EncryptionConfiguration
	if err := yaml.UnmarshalStrict(text, &found); err != nil {
		return "", fault.Corrupt(dataDir, filepath.Base(path)+" cannot be read", err)
	}
	box := secretbox(found)
	if box == nil {
		return "", fault.Corrupt(dataDir, filepath.Base(path)+" holds no key of secretbox", nil)
	}
	if box.Keys, err = change(box.Keys); err != nil {
		return "", err
	}
	if text, err = yaml.Marshal(found); err != nil {
		return "", err
	}
	if err := write(Before(dataDir), before, 0o600); err != nil {
		return "", err
	}
	return box.Keys[0].Name, write(path, text, 0o600)
}

// secretbox is the one provider that we configure; nil when somebody took it out.
func secretbox(found config.EncryptionConfiguration) *config.SecretboxConfiguration {
	for _, resource := range found.Resources {
		for _, provider := range resource.Providers {
			if provider.Secretbox != nil && len(provider.Secretbox.Keys) > 0 {
				return provider.Secretbox
			}
		}
	}
	return nil
}

func newSecretKey(number int) (config.Key, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return config.Key{}, err
	}
	return config.Key{Name: fmt.Sprintf("key%d", number), Secret: base64.StdEncoding.EncodeToString(key)}, nil
}
