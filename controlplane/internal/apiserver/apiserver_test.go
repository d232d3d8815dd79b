package apiserver

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/apiserver/pkg/apis/audit"
	"k8s.io/apiserver/pkg/audit/policy"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/kubernetes/pkg/controlplane/apiserver/samples/generic/server"
)

func TestTheServerKnowsEveryArgument(t *testing.T) {
	wanted := server.NewOptions()
	arguments := arguments(Settings{
		StoreEndpoint: "unix:///run/store.sock", Address: net.IPv4zero, EventTTL: 72 * time.Hour,
		Files: Files{AuditLog: "/log/audit.log", Serving: "/pki/serving.pem"},
	})
	if err := parse(wanted, arguments); err != nil {
		t.Fatal(err)
	}
	if wanted.EventTTL != 72*time.Hour || wanted.Audit.LogOptions.Path != "/log/audit.log" ||
		wanted.Etcd.StorageConfig.Transport.ServerList[0] != "unix:///run/store.sock" {
		t.Error("an argument did not arrive")
	}
	if got := wanted.GenericServerRunOptions.AdvertiseAddress.String(); got != "127.0.0.1" {
		t.Errorf("all addresses are advertised as %s", got)
	}
}

func TestTheAuditPolicyRecordsWritesAndNoBodies(t *testing.T) {
	rules, err := policy.LoadPolicyFromBytes([]byte(auditPolicy))
	if err != nil {
		t.Fatal(err)
	}
	evaluator := policy.NewPolicyRuleEvaluator(rules)
	for _, test := range []struct {
		verb, group, resource string
		want                  audit.Level
	}{
		{"create", "", "secrets", audit.LevelMetadata},
		{"delete", "", "secrets", audit.LevelMetadata},
		{"patch", "quantix.io", "virtualmachines", audit.LevelMetadata},
		{"deletecollection", "quantix.io", "volumes", audit.LevelMetadata},
		{"create", "coordination.k8s.io", "leases", audit.LevelMetadata},
		{"update", "coordination.k8s.io", "leases", audit.LevelNone},
		{"create", "", "events", audit.LevelNone},
		{"create", "events.k8s.io", "events", audit.LevelNone},
		{"create", "authorization.k8s.io", "subjectaccessreviews", audit.LevelNone},
		{"create", "authentication.k8s.io", "tokenreviews", audit.LevelNone},
		{"get", "", "secrets", audit.LevelNone},
		{"watch", "quantix.io", "virtualmachines", audit.LevelNone},
	} {
		got := evaluator.EvaluatePolicyRule(&authorizer.AttributesRecord{
			User: &user.DefaultInfo{Name: "u"}, Verb: test.verb, APIGroup: test.group, Resource: test.resource,
			APIVersion: "v1", ResourceRequest: true, Path: "/apis",
		})
		if got.Level != test.want {
			t.Errorf("%s %s.%s: %s", test.verb, test.resource, test.group, got.Level)
		}
	}
}

func TestFilesAreWrittenAndRepaired(t *testing.T) {
	root := t.TempDir()
	files := Files{
		Authentication: filepath.Join(root, "config/authentication.yaml"),
		AuditPolicy:    filepath.Join(root, "config/audit-policy.yaml"),
		AuditLog:       filepath.Join(root, "log/audit.log"),
	}
	if err := EnsureFiles(files); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files.Authentication, []byte("edited"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := EnsureFiles(files); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(files.Authentication)
	if err != nil || string(text) != authentication {
		t.Errorf("got %q, %v", text, err)
	}
	if info, err := os.Stat(filepath.Dir(files.AuditLog)); err != nil || !info.IsDir() {
		t.Error(err)
	}
}
