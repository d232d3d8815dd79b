package apiserver

import (
	"os"
	"path/filepath"

	"quantix.io/controlplane/internal/atomicfile"
	"quantix.io/controlplane/internal/fault"
)

// authentication lets the unknown see only whether the server is healthy (AuthenticationConfiguration,
// apiserver.config.k8s.io/v1). By default the server would let them in everywhere as system:anonymous.
const authentication = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - path: /readyz
  - path: /healthz
`

// auditPolicy records who wrote what, never a body: bodies hold passwords, keys and cloud-init. Reviews change
// nothing; leases and events are the cluster's heartbeat and chatter, at many a second.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- level: None
  verbs: [get, list, watch]
- level: None
  resources:
  - group: authentication.k8s.io
    resources: [tokenreviews, selfsubjectreviews]
  - group: authorization.k8s.io
- level: None
  verbs: [update, patch]
  resources:
  - group: coordination.k8s.io
    resources: [leases]
- level: None
  resources:
  - group: ""
    resources: [events]
  - group: events.k8s.io
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
- level: None
`

// EnsureFiles writes the configuration that is the same for everybody and makes the log's directory.
func EnsureFiles(files Files) error {
	if err := os.MkdirAll(filepath.Dir(files.AuditLog), 0o750); err != nil {
		return fault.File(filepath.Dir(files.AuditLog), err)
	}
	for path, text := range map[string]string{files.Authentication: authentication, files.AuditPolicy: auditPolicy} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fault.File(path, err)
		}
		if _, err := atomicfile.Ensure(path, []byte(text), 0o600); err != nil {
			return fault.File(path, err)
		}
	}
	return nil
}
