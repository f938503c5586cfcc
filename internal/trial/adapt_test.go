package trial

import "testing"

func TestReplace(t *testing.T) {
	got, err := Replace("a: 1\nb: 2\nb: 2\n", map[string]string{"a: 1": "a: 3", "b: 2": "b: 4"})
	if want := "a: 3\nb: 4\nb: 2\n"; err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if _, err := Replace("a: 1\n", map[string]string{"c: 1": "c: 2"}); err == nil {
		t.Error("a key that is not there is passed over")
	}
}
