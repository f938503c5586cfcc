package audit

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func TestOpenCheckpointRefuses(t *testing.T) {
	t.Parallel()
	key, other := newKey(t), newKey(t)
	good := Checkpoint{Origin: key.Origin(), Size: 12, Root: tlog.RecordHash(nil), Time: epoch}
	root := good.Root.String()
	if signed, err := key.sign(good); err != nil {
		t.Fatal(err)
	} else if c, err := openCheckpoint(signed, key.Known()); err != nil || c != good {
		t.Fatalf("%+v, %v", c, err)
	}
	lines := func(l ...string) string { return strings.Join(l, "\n") + "\n" }
	at := "time 2026-03-01T12:00:00.000000Z"
	const form = "not a checkpoint: it must have four lines: log, size, root and time"
	const size = "not a checkpoint: the size must be a number from 1 to 281474976710656"
	const hash = "not a checkpoint: the root must be 32 bytes in base64"
	const moment = "not a checkpoint: the fourth line must be a time, as in: time 2006-01-02T15:04:05.000000Z"
	for _, test := range []struct{ text, want string }{
		{"x\n", form},
		{lines(key.Origin(), "12", root), form},
		{lines(key.Origin(), "12", root, at, "more"), form},
		{lines(key.Origin(), "12", root, at, ""), form},
		{lines("", "12", root, at), "not a checkpoint: the name of the log must be text without spaces and plus signs"},
		{lines("a b", "12", root, at), "not a checkpoint: the name of the log must be text without spaces and plus signs"},
		{lines(key.Origin(), "0", root, at), size},
		{lines(key.Origin(), "-1", root, at), size},
		{lines(key.Origin(), "012", root, at), size},
		{lines(key.Origin(), "+12", root, at), size},
		{lines(key.Origin(), "9223372036854775807", root, at), size},
		{lines(key.Origin(), "12", root[:43], at), hash},
		{lines(key.Origin(), "12", root[:42]+"V=", at), hash}, // spare bits
		{lines(key.Origin(), "12", root, "2026-03-01T12:00:00.000000Z"), moment},
		{lines(key.Origin(), "12", root, "time 2026-03-01T12:00:00Z"), moment},
		{lines(key.Origin(), "12", root, "time 2026-02-30T12:00:00.000000Z"), moment},
		{lines(other.Origin(), "12", root, at), "signed with an unknown key: it is of " + other.Origin() + " and signed by " + key.Origin()},
	} {
		signed, err := note.Sign(&note.Note{Text: test.text}, key.signer)
		if err != nil {
			t.Fatal(err)
		}
		c, err := openCheckpoint(string(signed), key.Known())
		if fmt.Sprint(err) != test.want || c != (Checkpoint{}) {
			t.Errorf("%q:\ngot  %v\nwant %s", test.text, err, test.want)
		}
	}
}

func TestOpenCheckpointSignatures(t *testing.T) {
	t.Parallel()
	key, other := newKey(t), newKey(t)
	c := Checkpoint{Size: 12, Root: tlog.RecordHash(nil), Time: epoch}
	signed, err := key.sign(c)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.sign(c)
	if err != nil {
		t.Fatal(err)
	}
	c.Origin = key.Origin()
	stolen, err := note.Sign(&note.Note{Text: c.text()}, other.signer)
	if err != nil {
		t.Fatal(err)
	}
	unsigned := c.text() + "\n"
	witnessed := signed + strings.TrimPrefix(string(stolen), unsigned)
	for _, test := range []struct {
		name, text string
		want       error
	}{
		{"as it was signed", signed, nil},
		{"with a witness", witnessed, nil},
		{"changed", strings.Replace(signed, "\n12\n", "\n13\n", 1), ErrSignature},
		{"of another log", foreign, ErrOtherLog},
		{"by another key", string(stolen), ErrUnknownKey},
		{"without signature", unsigned, ErrCheckpoint},
		{"with a line between", strings.Replace(signed, "\n\n", "\n\n\n", 1), ErrSignature},
		{"with more behind it", signed + "\n", ErrCheckpoint},
		{"cut off", signed[:len(signed)-1], ErrCheckpoint},
		{"empty", "", ErrCheckpoint},
	} {
		if _, err := openCheckpoint(test.text, key.Known()); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
	if _, err := openCheckpoint(signed, Keys{}); !errors.Is(err, ErrOtherLog) {
		t.Errorf("without keys: %v", err)
	}
	// Every bit counts, also those that base64 leaves over.
	for i := range len(signed) * 8 {
		b := []byte(signed)
		b[i/8] ^= 1 << (i % 8)
		if c, err := openCheckpoint(string(b), key.Known()); err == nil {
			t.Fatalf("bit %d of %q does not count: %+v", i, signed, c)
		}
	}
}

// TestReadKept: files as people and crashes leave them.
func TestReadKept(t *testing.T) {
	t.Parallel()
	log, other := newLog(t, 44, 10), newLog(t, 11, 10)
	a, b, c, foreign := log.checkpoints[0].Note, log.checkpoints[1].Note, log.checkpoints[2].Note, other.checkpoints[0].Note
	for _, test := range []struct {
		name, text                 string
		good, wrong, foreign, torn int
	}{
		{"one", a, 1, 0, 0, 0},
		{"two without a line between", a + b, 2, 0, 0, 0},
		{"with lines between, and before", "\n\n" + a + "\n\n\n" + b + "\n", 2, 0, 0, 0},
		{"with carriage returns", strings.ReplaceAll(a, "\n", "\r\n"), 1, 0, 0, 0},
		{"of another log", a + "\n" + foreign + "\n" + b, 2, 0, 1, 0},
		{"cut off in the text", a + "\n" + b[:30], 1, 0, 0, 1},
		{"cut off in the signature", a + "\n" + b[:len(b)-20], 1, 0, 0, 1},
		{"cut off in the signature, at a whole quantum", a + "\n" + b[:len(b)-5], 1, 0, 0, 1},
		{"changed", a + "\n" + strings.Replace(b, "\n21\n", "\n22\n", 1) + c, 2, 1, 0, 0},
		{"something else", "hello\n", 0, 0, 0, 1},
		{"nothing", "", 0, 0, 0, 0},
	} {
		k, err := ReadKept("kept.txt", strings.NewReader(test.text), log.key.Known())
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if k.Len() != test.good || len(k.wrong) != test.wrong || k.foreign != int64(test.foreign) || len(k.fragments) != test.torn {
			t.Errorf("%s: %d good, %d wrong, %d of others, torn at %v", test.name, k.Len(), len(k.wrong), k.foreign, k.fragments)
		}
	}
	// Wherever a crash cuts the file off, what comes before and behind is read.
	for range 200 {
		at := 1 + rand.IntN(len(b)-2)
		k, err := ReadKept("kept.txt", strings.NewReader(a+"\n"+b[:at]+"\n\n"+c), log.key.Known())
		if err != nil || k.Len() != 2 || len(k.wrong) != 0 {
			t.Fatalf("cut at %d: %d, %v, %v", at, k.Len(), k.wrong, err)
		}
	}
	for _, text := range []string{strings.Repeat("x", maxNoteLine+1), strings.Repeat("x\n", maxNote)} {
		if _, err := ReadKept("kept.txt", strings.NewReader(text), log.key.Known()); !errors.Is(err, errNotNotes) {
			t.Error(err)
		}
	}
}
