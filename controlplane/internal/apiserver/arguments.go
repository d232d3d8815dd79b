package apiserver

import (
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Files that the API server reads or writes.
type Files struct {
	Serving           string // certificate and key in one file
	AuthorityCert     string
	ServiceAccountKey string
	Encryption        string
	Authentication    string
	AuditPolicy       string
	AuditLog          string
}

// Settings of one run.
type Settings struct {
	Files         Files
	StoreEndpoint string
	Address       net.IP
	EventTTL      time.Duration
	StoreMetrics  prometheus.Collector // served with the API server's own
}

// issuer names this server in service account tokens; programs compare it, nobody connects to it.
const issuer = "https://kubernetes.default.svc"

// arguments are the flags of the generic control plane (k8s.io/kubernetes v1.37,
// pkg/controlplane/apiserver/options). Its own defaults stay unless a line here says otherwise.
func arguments(s Settings) []string {
	advertise := s.Address
	if advertise.IsUnspecified() {
		advertise = net.IPv4(127, 0, 0, 1)
	}
	return []string{
		"--etcd-servers=" + s.StoreEndpoint,
		"--etcd-compaction-interval=5m",
		"--event-ttl=" + s.EventTTL.String(),
		"--advertise-address=" + advertise.String(),
		"--tls-cert-file=" + s.Files.Serving,
		"--tls-private-key-file=" + s.Files.Serving,
		"--tls-min-version=VersionTLS12",
		"--client-ca-file=" + s.Files.AuthorityCert,
		"--authentication-config=" + s.Files.Authentication,
		"--enable-bootstrap-token-auth",
		"--authorization-mode=RBAC",
		"--service-account-issuer=" + issuer,
		"--service-account-key-file=" + s.Files.ServiceAccountKey,
		"--service-account-signing-key-file=" + s.Files.ServiceAccountKey,
		"--encryption-provider-config=" + s.Files.Encryption,
		"--audit-policy-file=" + s.Files.AuditPolicy,
		"--audit-log-path=" + s.Files.AuditLog,
		"--audit-log-maxsize=50", // MiB, then a new file
		"--audit-log-maxbackup=5",
		"--audit-log-maxage=90", // days
		"--profiling=false",
		// without it open watches hold up the end for a minute
		"--shutdown-watch-termination-grace-period=1s",
	}
}
