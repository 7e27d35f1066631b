package pod

import (
	"context"
	"fmt"
	"time"
)

// Try asks for the pods of the node once, for as long as ctx lasts, and gives how many there are. The error says why they can't be
// had: no API server, no right to list pods, or no pod of a node of that name.
func Try(ctx context.Context, o Options) (pods int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	o.failed = func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	w, err := Open(ctx, o)
	if err != nil {
		return 0, err
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !w.Synced() {
		select {
		case err := <-failed:
			return 0, fmt.Errorf("list the pods of node %q: %w", o.Node, err)
		case <-ctx.Done():
			return 0, fmt.Errorf("list the pods of node %q: the API server does not answer", o.Node)
		case <-ticker.C:
		}
	}
	if w.Len() == 0 {
		return 0, fmt.Errorf("the API server knows no pod on a node %q: set kubernetes.node to its name there", o.Node)
	}
	return w.Len(), nil
}
