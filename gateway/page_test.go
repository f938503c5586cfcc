package gateway

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
)

// TestPager: what callers store does not decide how much memory a list takes, and nothing is left out or comes twice.
func TestPager(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ rows, size, limit, step, pages int }{
		{0, 1, 10, 3, 1}, {9, 1, 10, 3, 1}, {10, 1, 10, 3, 2}, {10, 1, 4, 100, 3}, {1000, 1, 100, 7, 11},
		{100, 1 << 20, 1000, 4, 26}, {100, 64 << 10, 1000, 32, 2}, {3, 100 << 20, 1000, 1, 4},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			p := pager[int64]{
				read: func(before int64, limit int) (rows []int64, _ error) {
					if limit > c.step {
						t.Errorf("%d rows at once", limit)
					}
					if before == 0 {
						before = int64(c.rows) + 1
					}
					for n := before - 1; n > 0 && len(rows) < limit; n-- {
						rows = append(rows, n)
					}
					return rows, nil
				},
				seq:  func(n int64) int64 { return n },
				size: func(int64) int { return c.size },
				step: c.step,
			}
			var all []int64
			for before, pages := int64(0), 1; ; pages++ {
				rows, next, err := p.page(before, c.limit)
				if err != nil || len(rows) > c.limit || len(rows)*c.size >= pageBytes+c.step*c.size {
					t.Fatalf("a page of %d rows, %v", len(rows), err)
				}
				all = append(all, rows...)
				if next == "" {
					if pages != c.pages {
						t.Errorf("%d pages", pages)
					}
					break
				}
				if before, err = strconv.ParseInt(next, 10, 64); err != nil {
					t.Fatal(err)
				}
			}
			slices.Reverse(all)
			for i, n := range all {
				if n != int64(i+1) {
					t.Fatalf("row %d is %d", i+1, n)
				}
			}
			if len(all) != c.rows {
				t.Errorf("%d rows of %d", len(all), c.rows)
			}
		})
	}
}
