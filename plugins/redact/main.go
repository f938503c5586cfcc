//go:build wasip1

// redact takes secrets out of what commands print, by the regular expressions and the literal
// texts that its configuration lists. Package scrub says how. The annotation "redacted" tells how many
// places there were, if there were any. Without a configuration output passes as it is.
//
// What it cannot see: secrets that are written in another way than the rule, such as
// in base64 or with escapes, and those of which one part is in stdout and the other in stderr.
package main

import (
	"io"
	"strconv"

	"github.com/sidegate/sidegate/plugins/redact/scrub"
	"github.com/sidegate/sidegate/sdk/go/sidegate"
)

// piece is how much of the output is read at once, in bytes.
const piece = 32 << 10

var rules *scrub.Rules // nil if there is no configuration

func main() {}

//go:wasmexport sidegate_init
func configure() sidegate.Verdict {
	text, err := sidegate.Input(sidegate.Config)
	if err != nil {
		return sidegate.Refuse(err.Error())
	}
	if rules, err = scrub.ParseConfig(text); err != nil {
		return sidegate.Refuse(err.Error())
	}
	return sidegate.Continue
}

//go:wasmexport on_response
func onResponse() sidegate.Verdict {
	if rules == nil {
		return sidegate.Continue
	}
	count := 0
	for _, stream := range []sidegate.Kind{sidegate.Stdout, sidegate.Stderr} {
		n, err := pass(stream)
		if err != nil {
			return sidegate.Fail(err.Error())
		}
		count += n
	}
	if count > 0 {
		if err := sidegate.SetString("/annotations/redacted", strconv.Itoa(count)); err != nil {
			return sidegate.Fail(err.Error())
		}
	}
	return sidegate.Continue
}

// pass rewrites one stream and returns how many places were taken out.
func pass(stream sidegate.Kind) (int, error) {
	if err := sidegate.Output(stream, nil); err != nil {
		return 0, err
	}
	s := scrub.New(rules, sidegate.NewWriter(stream))
	if _, err := io.CopyBuffer(s, sidegate.NewReader(stream), make([]byte, piece)); err != nil {
		return 0, err
	}
	err := s.Close()
	return s.Count(), err
}
