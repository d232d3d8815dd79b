package kubectl

import "testing"

func TestTheKubeconfigIsFoundAsQxFindsIt(t *testing.T) {
	const own = "/etc/quantix/admin.kubeconfig"
	for name, test := range map[string]struct {
		environment map[string]string
		readable    string
		want        string
	}{
		"ours":                     {nil, own, own},
		"ours below another root":  {map[string]string{"QUANTIX_ROOT": "/lab"}, "/lab" + own, "/lab" + own},
		"ours is not for this one": {nil, "", ""},
		"kubectl's own variable":   {map[string]string{"KUBECONFIG": "/k"}, own, ""},
		"the variable of qx":       {map[string]string{"QUANTIX_KUBECONFIG": "/q", "KUBECONFIG": "/k"}, own, "/q"},
	} {
		environment := func(variable string) string { return test.environment[variable] }
		readable := func(path string) bool { return path == test.readable }
		if got := choose(environment, readable); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
