package shell

import "testing"

func TestRedirects(t *testing.T) {
	t.Parallel()
	const none = "-"
	for text, want := range map[string]struct {
		op, mode, fd, path string
		net                bool
	}{
		">f":                 {">", "write", "", "f", false},
		"> 'a b'":            {">", "write", "", "a b", false},
		">|f":                {">|", "write", "", "f", false},
		">>f":                {">>", "append", "", "f", false},
		"<f":                 {"<", "read", "", "f", false},
		"<>f":                {"<>", "readwrite", "", "f", false},
		"&>f":                {"&>", "write", "", "f", false},
		"&>>f":               {"&>>", "append", "", "f", false},
		">&f":                {">&", "write", "", "f", false},
		"2>&f":               {">&", "write", "2", "f", false},
		">&$x":               {">&", "write", "", none, false},
		"<&f":                {"<&", "readwrite", "", "f", false},
		"2>&1":               {">&", "dup", "2", none, false},
		">&2":                {">&", "dup", "", none, false},
		">&-":                {">&", "dup", "", none, false},
		">&3-":               {">&", "dup", "", none, false},
		">& '2'":             {">&", "dup", "", none, false},
		"3<&0":               {"<&", "dup", "3", none, false},
		"{v}>f":              {">", "write", "{v}", "f", false},
		"<<<a":               {"<<<", "herestring", "", none, false},
		"<<E\na\nE\n":        {"<<", "heredoc", "", none, false},
		"<<-E\na\nE\n":       {"<<-", "heredoc", "", none, false},
		">/dev/tcp/h/80":     {">", "write", "", "/dev/tcp/h/80", true},
		"<>/dev/udp/h/53":    {"<>", "readwrite", "", "/dev/udp/h/53", true},
		"</dev/tcp/h/80":     {"<", "read", "", "/dev/tcp/h/80", true},
		">/dev/t\"cp\"/h/80": {">", "write", "", "/dev/tcp/h/80", true},
		">/dev/null":         {">", "write", "", "/dev/null", false},
		">../a/./b":          {">", "write", "", "../a/./b", false},
		">*":                 {">", "write", "", none, false},
		">{a,b}":             {">", "write", "", none, false},
	} {
		got := newAnalyzer(t).Analyze("a "+text, "")
		if len(got.Commands) != 1 || len(got.Commands[0].Redirects) != 1 {
			t.Errorf("%q: %s", text, sketch(got))
			continue
		}
		r := got.Commands[0].Redirects[0]
		path := none
		if r.Path != nil {
			path = *r.Path
		}
		if r.Op != want.op || r.Mode != want.mode || r.FD != want.fd || path != want.path || r.Net != want.net {
			t.Errorf("%q: %+v with path %q", text, r, path)
		}
	}
}
