// Package kubeconfig writes the files with which people and programs reach the API server. It keeps what a
// person changed in a file (the namespace of a context, further contexts) and replaces only its own entries.
package kubeconfig

import (
	"net"
	"strconv"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"quantix.io/controlplane/internal/atomicfile"
	"quantix.io/controlplane/internal/pki"
)

// clusterName names the cluster entry and the context of every file.
const clusterName = "quantix"

// File is a wanted kubeconfig.
type File struct {
	Path   string
	User   string // the name of the user entry
	Server string
	Client pki.Leaf
}

// Ensure writes the file unless it is there, good and not due. It gives the certificate's renewal time and
// whether it wrote.
func Ensure(file File, authority *pki.Authority, now time.Time) (renewAt time.Time, wrote bool, err error) {
	config, err := clientcmd.LoadFromFile(file.Path)
	if err != nil {
		config = api.NewConfig() // absent, or not a kubeconfig: nothing of it can be kept
	}
	if user, ok := config.AuthInfos[file.User]; ok {
		if authority.Fits(user.ClientCertificateData, user.ClientKeyData, file.Client, now) && pointsAt(config, file, authority) {
			cert, err := pki.ParseCertificate(user.ClientCertificateData)
			if err != nil {
				return time.Time{}, false, err
			}
			return pki.RenewAt(cert), false, nil
		}
	}
	pair, err := authority.Issue(file.Client, now)
	if err != nil {
		return time.Time{}, false, err
	}
	fill(config, file, authority, pair)
	text, err := clientcmd.Write(*config)
	if err != nil {
		return time.Time{}, false, err
	}
	return pki.RenewAt(pair.Cert), true, atomicfile.Write(file.Path, text, 0o600)
}

func pointsAt(config *api.Config, file File, authority *pki.Authority) bool {
	cluster, ok := config.Clusters[clusterName]
	return ok && cluster.Server == file.Server && string(cluster.CertificateAuthorityData) == string(authority.CertPEM)
}

func fill(config *api.Config, file File, authority *pki.Authority, pair *pki.Pair) {
	cluster := api.NewCluster()
	cluster.Server = file.Server
	cluster.CertificateAuthorityData = authority.CertPEM
	config.Clusters[clusterName] = cluster
	user := api.NewAuthInfo()
	user.ClientCertificateData = pair.CertPEM
	user.ClientKeyData = pair.KeyPEM
	config.AuthInfos[file.User] = user
	if _, ok := config.Contexts[clusterName]; !ok {
		context := api.NewContext()
		context.Cluster, context.AuthInfo = clusterName, file.User
		config.Contexts[clusterName] = context
	}
	if config.CurrentContext == "" {
		config.CurrentContext = clusterName
	}
}

// ServerURL is the address that a client on this machine uses for a server that listens on address and port:
// "all addresses" is reached by loopback.
func ServerURL(address net.IP, port int) string {
	host := address.String()
	switch {
	case address.Equal(net.IPv4zero):
		host = "127.0.0.1"
	case address.Equal(net.IPv6zero):
		host = "::1"
	}
	return "https://" + net.JoinHostPort(host, strconv.Itoa(port))
}
