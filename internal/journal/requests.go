package journal

import (
	"context"
	"fmt"
	"strings"
)

// Requests returns what is stored of the requests of some jobs, at most 1,000, by the job's ID. What is not stored is left out.
func (r *Reader) Requests(ctx context.Context, ids []string) (map[string][]byte, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if len(ids) > maxLeaves {
		return nil, wrap("requests", fmt.Errorf("%w: %d jobs at once", ErrInvalid, len(ids)))
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	rows, err := r.db.QueryContext(ctx, "SELECT id, request FROM job WHERE request IS NOT NULL AND id IN (?"+strings.Repeat(", ?", len(ids)-1)+")", args...)
	if err != nil {
		return nil, wrap("requests", err)
	}
	type row struct {
		id      string
		request []byte
	}
	found, err := collect(rows, func(s scanner) (r row, err error) {
		err = s.Scan(&r.id, &r.request)
		return r, err
	})
	if err != nil {
		return nil, wrap("requests", err)
	}
	all := make(map[string][]byte, len(found))
	for _, r := range found {
		all[r.id] = r.request
	}
	return all, nil
}
