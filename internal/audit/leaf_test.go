package audit

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func exampleLeaf() Leaf {
	digest := strings.Repeat("a5", 32)
	return Leaf{
		Type: Admitted, Time: time.Date(2026, 3, 1, 12, 0, 0, 1000, time.UTC),
		Job: "0198c2d2-3f9a-7c17-8d2c-3f9a2c17abcd", Client: "func", KeyID: "1", Source: "172.17.0.2", Roles: []string{"readonly"},
		Command: "df -h /srv", Workdir: "/srv", Env: map[string]string{"LANG": digest}, Request: digest,
		Decision: "0198c2d2-3f9a-7c17-8d2c-3f9a2c17abce", Revision: "0123456789abcdef", Grants: []string{"readonly.df"},
		Profile: "confined", Mode: "direct", Spec: digest,
	}
}

// byMarshal is what Encode has to write, by the tags that Decode reads with.
func byMarshal(t testing.TB, l Leaf) []byte {
	t.Helper()
	b, err := json.Marshal(&wire{leafVersion, stamp(l.Time), l}, json.Deterministic(true), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fill sets every field to something that is not zero, with text that needs escapes.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(len(text)) - 40)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(1), text)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"B": text, "A" + text: "", "": "x"}))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Type().Field(i).Type != reflect.TypeFor[time.Time]() {
				fill(v.Field(i), text)
			}
		}
	default:
		panic("what is a " + v.Type().String() + "?")
	}
}

// TestEncode: Encode writes what its tags say, for every field, and Decode gives it back.
func TestEncode(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"plain", "a \"b\" \\ c\n\r\t\b\f\x00\x1f\x7f", "ü … \u2028 \U0001F600 </script>", strings.Repeat("x", 1000)} {
		var l Leaf
		fill(reflect.ValueOf(&l).Elem(), text)
		l.Type, l.Time = Ended, epoch.Add(123456*time.Microsecond)
		got := l.Encode()
		if want := byMarshal(t, l); string(got) != string(want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if strings.ContainsAny(string(got), "\n\r") {
			t.Errorf("%s is not one line", got)
		}
		back, err := Decode(got)
		if err != nil || !reflect.DeepEqual(back, l) {
			t.Errorf("%v: %+v", err, back)
		}
	}
	if got, want := string(Leaf{Type: Recovered, Time: epoch.Add(999 * time.Nanosecond)}.Encode()), `{"v":1,"time":"2026-03-01T12:00:00.000000Z","type":"recovered"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// What is not UTF-8 is written down all the same.
	odd := Leaf{Type: Ended, Time: epoch, Reason: "a\xffb"}
	if back, err := Decode(odd.Encode()); err != nil || back.Reason != "a\uFFFDb" {
		t.Errorf("%q, %v", back.Reason, err)
	}
	// Local times, and what only looks like another leaf.
	local := Leaf{Type: Ended, Time: epoch.In(time.FixedZone("", 3600)), ExitCode: new(int)}
	if got, want := string(local.Encode()), `{"v":1,"time":"2026-03-01T12:00:00.000000Z","type":"ended","exit_code":0}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	const begin = `{"v":1,"time":"2026-03-01T12:00:00.000000Z","type":"ended"`
	for _, test := range []struct{ leaf, want string }{
		{"", "not a leaf of the audit: it does not begin with a version and a time"},
		{"null", "not a leaf of the audit: it does not begin with a version and a time"},
		{begin, "not a leaf of the audit: it is not valid JSON at byte 58"},
		{begin + "} ", "not a leaf of the audit: it is not written as Encode writes it"},
		{begin + "}\n", "not a leaf of the audit: it is not written as Encode writes it"},
		{begin + "}{}", "not a leaf of the audit: it is not valid JSON at byte 59"},
		{begin + `,"jobz":"x"}`, "not a leaf of the audit: it has an unknown member"},
		{begin + `,"Job":"x"}`, "not a leaf of the audit: it has an unknown member"},
		{begin + `,"job":"x","job":"x"}`, "not a leaf of the audit: it is not valid JSON at byte 69"},
		{begin + `,"job":1}`, "not a leaf of the audit: it has a value of the wrong kind at byte 65"},
		{begin + `,"job":""}`, "not a leaf of the audit: it is not written as Encode writes it"},
		{begin + `,"job":null}`, "not a leaf of the audit: it is not written as Encode writes it"},
		{begin + `,"job":"\u0061"}`, "not a leaf of the audit: it is not written as Encode writes it"},
		{begin + `,"job":"` + "\xff" + `"}`, "not a leaf of the audit: it is not valid JSON at byte 66"},
		{begin + `,"client":"x","job":"x"}`, "not a leaf of the audit: it is not written as Encode writes it"},
		{begin + `,"env":{"B":"x","A":"x"}}`, "not a leaf of the audit: it is not written as Encode writes it"},
		{begin + `,"env":{"A":"x","A":"x"}}`, "not a leaf of the audit: it is not valid JSON at byte 74"},
		{begin + `,"attempt":1.0}`, "not a leaf of the audit: it has a value of the wrong kind at byte 69"},
		{begin + `,"attempt":99999999999999999999}`, "not a leaf of the audit: it has a value of the wrong kind at byte 69"},
		{strings.Replace(begin, "ended", "begun", 1) + `}`, "not a leaf of the audit: its type is unknown"},
		{strings.Replace(begin, "ended", "", 1) + `}`, "not a leaf of the audit: its type is unknown"},
		{strings.Replace(begin, "12:00:00.000000Z", "25:00:00.000000Z", 1) + `}`, "not a leaf of the audit: it has a value of the wrong kind at byte 14"},
		{strings.Replace(begin, "12:00:00.000000Z", "12:00:00.0000000", 1) + `}`, "not a leaf of the audit: it has a value of the wrong kind at byte 14"},
		{strings.Replace(begin, `"v":1`, `"v":2`, 1) + `,"new":{}}`, "the leaf was written by a newer version: it has version 2 and this program reads version 1"},
		{strings.Replace(begin, `"v":1`, `"v":01`, 1) + `}`, "not a leaf of the audit: it is not valid JSON at byte 6"},
		{strings.Replace(begin, `"v":1`, `"v":0`, 1) + `}`, "the leaf was written by a newer version: it has version 0 and this program reads version 1"},
	} {
		_, err := Decode([]byte(test.leaf))
		if fmt.Sprint(err) != test.want {
			t.Errorf("%s:\ngot  %v\nwant %s", test.leaf, err, test.want)
		}
		if !errors.Is(err, ErrLeaf) && !errors.Is(err, ErrLeafVersion) {
			t.Errorf("%s: %v is no sentinel", test.leaf, err)
		}
	}
}

// Peek tells type and time of what Decode takes, and of nothing that has another beginning.
func TestPeek(t *testing.T) {
	t.Parallel()
	for _, name := range Types() {
		l := Leaf{Type: name, Time: epoch.Add(5 * time.Microsecond), Job: "x"}
		if got, at, ok := Peek(l.Encode()); !ok || got != name || !at.Equal(l.Time) {
			t.Errorf("%s: %v, %v, %v", name, got, at, ok)
		}
	}
	whole := string(exampleLeaf().Encode())
	for _, data := range []string{"", "{}", whole[:57], strings.Replace(whole, "admitted", "begun", 1), strings.Replace(whole, `"v":1`, `"v":2`, 1),
		strings.Replace(whole, "12:00", "25:00", 1), strings.Replace(whole, `"type"`, `"kind"`, 1), strings.Replace(whole, `"v":1`, `"v":01`, 1)} {
		if got, at, ok := Peek([]byte(data)); ok {
			t.Errorf("%s: %v, %v", data, got, at)
		}
	}
}
