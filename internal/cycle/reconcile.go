package cycle

import "context"

func (r *run) reconcile(ctx context.Context) error { return nil }
func (r *run) adopt(ctx context.Context) error     { return nil }
