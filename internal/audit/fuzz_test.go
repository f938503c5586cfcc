package audit

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// FuzzDecodeLeaf: what Decode takes is what Encode writes, and nothing else.
func FuzzDecodeLeaf(f *testing.F) {
	f.Add(exampleLeaf().Encode())
	var full Leaf
	fill(reflect.ValueOf(&full).Elem(), "a\"\\\n\x00\u2028ü")
	full.Type, full.Time = Ended, epoch
	f.Add(full.Encode())
	f.Add(Leaf{Type: Recovered, Time: epoch}.Encode())
	f.Add([]byte(`{"v":1,"time":"2026-03-01T12:00:00.000000Z","type":"ended","exit_code":0,"env":{"A":"1","A":"2"}}`))
	f.Add([]byte(`{"v":2,"time":"2026-03-01T12:00:00.000000Z","type":"later"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Decode(data)
		if err != nil {
			if !reflect.DeepEqual(l, Leaf{}) {
				t.Errorf("a leaf that was refused was returned: %+v", l)
			}
			return
		}
		if again := l.Encode(); !bytes.Equal(again, data) {
			t.Errorf("%s was taken, and is written %s", data, again)
		}
		if bytes.ContainsAny(data, "\n\r") || isCheckpoint(data) != (l.Type == CheckpointMade) {
			t.Errorf("%s was taken", data)
		}
	})
}

// FuzzEncodeLeaf: Encode writes what its tags say, whatever the text is.
func FuzzEncodeLeaf(f *testing.F) {
	f.Add("plain", "a\"\\\n\x00", "\xff\xfe", int64(-1))
	f.Fuzz(func(t *testing.T, a, b, c string, n int64) {
		l := Leaf{
			Type: Ended, Time: epoch, Command: a, Argv: []string{b, c}, Env: map[string]string{a: b, b: c, c: a}, Micros: n, ExitCode: new(int(n)),
			Stdout: &Stream{Bytes: n, Truncated: n&1 == 1, SHA256: c},
		}
		if got, want := l.Encode(), byMarshal(t, l); !bytes.Equal(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// FuzzParseCheckpoint: what is taken is written so again.
func FuzzParseCheckpoint(f *testing.F) {
	log := newLog(f, 11, 10)
	f.Add(noteText(log.checkpoints[0].Note))
	f.Add("a\n1\n" + strings.Repeat("A", 43) + "=\ntime 2026-03-01T12:00:00.000000Z\n")
	f.Add("a\n9223372036854775807\n" + strings.Repeat("A", 43) + "=\ntime 2026-03-01T12:00:00.000000Z\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCheckpoint(text)
		if err == nil && (c.text() != text || c.Size < 1 || c.Size > maxSize || c.Origin == "") {
			t.Errorf("%q was taken as %+v", text, c)
		}
	})
}

// FuzzReadKept: files of anything are read without losing a checkpoint at their end.
func FuzzReadKept(f *testing.F) {
	log := newLog(f, 22, 10)
	f.Add(log.checkpoints[0].Note)
	f.Add(log.checkpoints[0].Note[:100])
	f.Add(log.checkpoints[0].Note + log.checkpoints[1].Note)
	f.Add("\n\n— x y\n")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ReadKept("file", strings.NewReader(text+"\n\n\n"+log.checkpoints[1].Note), log.key.Known())
		if err != nil {
			return
		}
		if k.Len() < 1 || k.checkpoints[k.Len()-1].Size != 21 {
			t.Errorf("behind %q a checkpoint is lost: %+v", text, k)
		}
	})
}

// FuzzDecodeProof: nothing that is read makes the check fail in another way than with an error, or prove what is not in the log.
func FuzzDecodeProof(f *testing.F) {
	log := newLog(f, 25, 10)
	keys := log.key.Known()
	p := log.prove(f, 3, 1)
	text, err := p.TLogProof()
	if err != nil {
		f.Fatal(err)
	}
	consistency, err := ProveConsistency(log, log.checkpoints[0].Note, log.checkpoints[1].Note, keys)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p.Encode())
	f.Add(text)
	f.Add(consistency.Encode())
	f.Add([]byte(`{"v":1,"kind":"inclusion","seq":9223372036854775807,"hashes":[],"checkpoint":""}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		p, err := DecodeProof(document)
		if err != nil {
			return
		}
		if again, err := DecodeProof(p.Encode()); err != nil || !reflect.DeepEqual(again, p) && p.Hashes != nil {
			t.Errorf("%q: %v", document, err)
		}
		if _, err := p.Check(keys); err == nil && p.Kind == Inclusion && p.Leaf != string(log.leaves[p.Seq].data) {
			t.Errorf("%q proves what is not in the log", document)
		}
	})
}

// FuzzLeafHeader: the beginning of a leaf is read as the decoder reads it.
func FuzzLeafHeader(f *testing.F) {
	f.Add(exampleLeaf().Encode())
	f.Add([]byte(`{"v":12,"time":"2026-03-01T12:00:00.000000Z"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		version, at, ok := header(data)
		var loose struct {
			Version int    `json:"v"`
			Time    string `json:"time"`
		}
		if !ok || json.Unmarshal(data, &loose) != nil || strings.ContainsAny(at, "\"\\") {
			return
		}
		if loose.Version != version || loose.Time != at {
			t.Errorf("%q: %d %q, and the decoder says %+v", data, version, at, loose)
		}
	})
}
