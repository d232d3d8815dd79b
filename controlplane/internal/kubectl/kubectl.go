// Package kubectl is Kubernetes' own command line, carried along so that a fresh machine needs no other.
package kubectl

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
)

// Run runs kubectl with these arguments and gives its exit code.
func Run(arguments []string) int {
	os.Args = append([]string{"kubectl"}, arguments...) // kubectl reads them itself, for its plugins
	if path := choose(os.Getenv, readable); path != "" {
		if err := os.Setenv("KUBECONFIG", path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// choose gives the kubeconfig to use when kubectl's own rules would not find ours, in the order of qx:
// QUANTIX_KUBECONFIG, KUBECONFIG, the administrator's below QUANTIX_ROOT when readable. "" leaves it to kubectl.
func choose(environment func(string) string, readable func(string) bool) string {
	if path := environment("QUANTIX_KUBECONFIG"); path != "" {
		return path
	}
	if environment("KUBECONFIG") != "" {
		return ""
	}
	root := environment("QUANTIX_ROOT")
	if root == "" {
		root = "/"
	}
	if path := filepath.Join(root, "etc/quantix/admin.kubeconfig"); readable(path) {
		return path
	}
	return ""
}

func readable(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	return file.Close() == nil
}
