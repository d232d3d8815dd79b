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
	// authorityWarning is long after the authority should have been renewed, and long before it ends.
	authorityWarning = 180 * 24 * time.Hour
	sayAgain         = 24 * time.Hour
)

// renew keeps certificates and kubeconfigs fresh until ctx ends. The API server and the signer watch the
// files; whoever uses a kubeconfig reads it again.
func renew(ctx context.Context, keeper *identity.Keeper, state identity.State) {
	wait := untilNext(state.Next, time.Now())
	var said time.Time
	for {
		if now := time.Now(); endsSoon(state.AuthorityEnds, now) && now.Sub(said) >= sayAgain {
			said = now
			klog.InfoS("The certificate authority ends soon and was not renewed", "ends", state.AuthorityEnds)
		}
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
		state = next
		if len(next.Wrote) > 0 {
			klog.InfoS("Renewed", "files", next.Wrote, "next", next.Next)
		}
		wait = untilNext(next.Next, now)
	}
}

// endsSoon tells whether people have to look after an authority that ends then.
func endsSoon(ends, now time.Time) bool { return ends.Sub(now) < authorityWarning }

func untilNext(next, now time.Time) time.Duration {
	return min(max(next.Sub(now), time.Second), renewLook)
}
