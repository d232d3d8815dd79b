package serve

import (
	"context"
	"time"

	"k8s.io/klog/v2"

	"quantix.io/controlplane/internal/identity"
)

const (
	// renewLook is the longest sleep: a timer does not notice that the machine slept or its clock was set.
	renewLook  = 10 * time.Minute
	renewRetry = time.Minute
)

// renew keeps certificates and kubeconfigs fresh until ctx ends. The API server and the signer watch the
// files; whoever uses a kubeconfig reads it again.
func renew(ctx context.Context, keeper *identity.Keeper, state identity.State) {
	wait := untilNext(state.Next, time.Now())
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		now := time.Now()
		next, err := keeper.Ensure(now)
		if err != nil {
			klog.ErrorS(err, "Certificates were not renewed", "retry", renewRetry)
			wait = renewRetry
			continue
		}
		if len(next.Wrote) > 0 {
			klog.InfoS("Renewed", "files", next.Wrote, "next", next.Next)
		}
		wait = untilNext(next.Next, now)
	}
}

func untilNext(next, now time.Time) time.Duration {
	return min(max(next.Sub(now), time.Second), renewLook)
}
