# One test of each outcome.
package sidegate.mixed_test

import data.sidegate.mixed

test_passes if {
	print("two and two")
	mixed.double(2) == 4
}

test_fails if mixed.double(2) == 5

test_errs := 1 if {
	some n in [1, 2]
	conflict(n) == n
}

conflict(_) := 1

conflict(_) := 2

todo_test_later if false

test_table[case.note] if {
	some case in [{"note": "zero", "in": 0, "out": 0}, {"note": "wrong", "in": 1, "out": 3}]
	mixed.double(case["in"]) == case.out
}
