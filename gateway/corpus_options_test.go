package gateway

import (
	"slices"
	"strings"
	"testing"
)

// hazard is an option that no command of the role readonly may have, because it reads, writes, runs or reaches something
// that the operands do not show.
type hazard struct {
	line   string   // a line that is allowed as it is
	letter string   // a harmless letter that the dangerous one may be joined to
	short  string   // the dangerous letter, if it has one
	long   string   // the dangerous word, without its dashes, if it has one
	value  string   // the option's value, if it takes one
	except []string // what the word's beginnings are when they are options of their own
}

var hazards = []hazard{
	{line: "ls -l x", letter: "a", long: "dereference-command-line-symlink-to-dir"},
	{line: "ls -l x", letter: "a", short: "L", long: "dereference"},
	{line: "wc x", letter: "c", long: "files0-from", value: "/etc/shadow"},
	{line: "grep -e x y", letter: "i", short: "f", long: "file", value: "/etc/shadow"},
	{line: "grep x y", letter: "i", long: "exclude-from", value: "/etc/shadow", except: []string{"exclude"}},
	{line: "grep x y", letter: "n", short: "R", long: "dereference-recursive"},
	{line: "sort x", letter: "n", short: "o", long: "output", value: "/etc/cron.d/x"},
	{line: "sort x", letter: "u", short: "T", long: "temporary-directory", value: "/etc"},
	{line: "sort x", letter: "r", short: "S", long: "buffer-size", value: "99G"},
	{line: "sort x", long: "compress-program", value: "sh"},
	{line: "sort x", long: "files0-from", value: "/etc/shadow"},
	{line: "sort -R x", long: "random-source", value: "/etc/shadow"},
	{line: "sort x", long: "parallel", value: "99999"},
	{line: "sort x", long: "batch-size", value: "99999"},
	{line: "stat x", letter: "t", short: "L", long: "dereference"},
	{line: "du .", letter: "s", short: "X", long: "exclude-from", value: "/etc/shadow", except: []string{"exclude"}},
	{line: "du .", letter: "s", short: "L", long: "dereference"},
	{line: "du .", letter: "s", short: "D", long: "dereference-args"},
	{line: "du .", letter: "s", long: "files0-from", value: "/etc/shadow"},
	{line: "date -u", letter: "u", short: "f", long: "file", value: "/etc/shadow"},
	{line: "date -u", letter: "u", short: "s", long: "set", value: "12:00"},
	{line: "hostname -f", letter: "f", short: "F", long: "file", value: "/etc/shadow"},
	{line: "hostname -f", letter: "f", short: "b", long: "boot"},
	{line: "ss -t", letter: "n", short: "F", long: "filter", value: "/etc/shadow"},
	{line: "ss -t", letter: "n", short: "D", long: "diag", value: "/etc/x"},
	{line: "ss -t", letter: "n", short: "K", long: "kill"},
	{line: "ss -t", letter: "n", short: "N", long: "net", value: "x"},
	{line: "ss -t", letter: "n", short: "E", long: "events"},
	{line: "ss -t", letter: "n", short: "b", long: "bpf"},
	{line: "systemctl status --no-pager x", letter: "l", short: "H", long: "host", value: "root@192.0.2.1"},
	{line: "systemctl status --no-pager x", letter: "l", short: "M", long: "machine", value: "x"},
	{line: "systemctl is-enabled x", letter: "q", long: "root", value: "/tmp"},
	{line: "systemctl is-enabled x", letter: "q", long: "image", value: "/tmp/x"},
	{line: "systemctl list-units --no-pager", letter: "a", short: "H", long: "host", value: "root@192.0.2.1"},
	{line: "systemctl show --no-pager -p Id x", short: "p", long: "property", value: "Environment"},
	{line: "journalctl --no-pager", letter: "k", short: "D", long: "directory", value: "/tmp"},
	{line: "journalctl --no-pager", letter: "k", short: "M", long: "machine", value: "x"},
	{line: "journalctl --no-pager", long: "file", value: "/etc/shadow"},
	{line: "journalctl --no-pager", long: "root", value: "/tmp"},
	{line: "journalctl --no-pager", long: "image", value: "/tmp/x"},
	{line: "journalctl --no-pager", long: "namespace", value: "x"},
	{line: "journalctl --no-pager", long: "cursor-file", value: "/etc/x"},
	{line: "journalctl --no-pager", long: "vacuum-size", value: "1"},
	{line: "journalctl --no-pager", long: "vacuum-time", value: "1s"},
	{line: "journalctl --no-pager", long: "vacuum-files", value: "1"},
	{line: "journalctl --no-pager", long: "rotate"},
	{line: "journalctl --no-pager", long: "flush"},
	{line: "journalctl --no-pager", long: "sync"},
	{line: "journalctl --no-pager", long: "relinquish-var"},
	{line: "journalctl --no-pager", long: "setup-keys"},
	{line: "journalctl --no-pager", long: "update-catalog"},
	{line: "git pull --ff-only", letter: "q", short: "s", long: "strategy", value: "sh"},
	{line: "git pull --ff-only", letter: "q", short: "X", long: "strategy-option", value: "x"},
	{line: "git pull --ff-only", letter: "q", short: "o", long: "server-option", value: "x"},
	{line: "git pull --ff-only", letter: "q", short: "S", long: "gpg-sign", value: "x"},
	{line: "git pull --ff-only", long: "upload-pack", value: "sh"},
	{line: "git pull --ff-only", long: "recurse-submodules"},
	{line: "git log --oneline", letter: "i", short: "p", long: "patch"},
	{line: "git log --oneline", letter: "i", short: "O", long: "output", value: "/etc/x"},
	{line: "git log --oneline", letter: "i", short: "G", long: "ext-diff"},
	{line: "git log --oneline", letter: "i", short: "L", long: "textconv", value: "1,1:x"},
	{line: "git log --oneline", letter: "i", long: "show-signature"},
	{line: "git log --oneline", letter: "i", long: "format", value: "%GG"},
	{line: "tar cf /srv/a.tar x", short: "I", long: "use-compress-program", value: "sh"},
	{line: "tar cf /srv/a.tar x", short: "F", long: "info-script", value: "sh"},
	{line: "tar cf /srv/a.tar x", short: "T", long: "files-from", value: "/etc/shadow"},
	{line: "tar -cf /srv/a.tar x", short: "X", long: "exclude-from", value: "/etc/shadow"},
	{line: "tar -cf /srv/a.tar x", short: "C", long: "directory", value: "/etc"},
	{line: "tar -cf /srv/a.tar x", short: "P", long: "absolute-names"},
	{line: "tar -cf /srv/a.tar x", short: "h", long: "dereference"},
	{line: "tar -cf /srv/a.tar x", short: "g", long: "listed-incremental", value: "/etc/x"},
	{line: "tar -cf /srv/a.tar x", long: "checkpoint-action", value: "exec=sh"},
	{line: "tar -cf /srv/a.tar x", long: "to-command", value: "sh"},
	{line: "tar -cf /srv/a.tar x", long: "rsh-command", value: "sh"},
	{line: "tar -cf /srv/a.tar x", long: "add-file", value: "/etc/shadow"},
	{line: "tar -cf /srv/a.tar x", long: "index-file", value: "/etc/x"},
	{line: "tar -cf /srv/a.tar x", long: "remove-files"},
}

// spellings is the option as getopt_long would take it: the letter alone and joined, the word whole, the value joined
// and apart; and the word abbreviated.
func (h hazard) spellings() (whole, abbreviated []string) {
	with := func(option, join string) []string {
		if h.value == "" {
			return []string{option}
		}
		return []string{option + join + h.value, option + " " + h.value}
	}
	if h.short != "" {
		whole = append(whole, with("-"+h.short, "")...)
		if h.letter != "" {
			whole = append(whole, with("-"+h.letter+h.short, "")...)
		}
	}
	if h.long != "" {
		whole = append(whole, with("--"+h.long, "=")...)
	}
	for _, i := range []int{1, len(h.long) / 2, len(h.long) - 1} {
		if i > 0 && !slices.Contains(h.except, h.long[:i]) {
			abbreviated = append(abbreviated, with("--"+h.long[:i], "=")...)
		}
	}
	return whole, abbreviated
}

// TestDangerousOptionsInEverySpelling: however it is spelt and quoted, and wherever it stands, the option is refused, and
// the line without it is not.
func TestDangerousOptionsInEverySpelling(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	total := 0
	for _, h := range hazards {
		if d := r.decide(t, h.line); !d.Allow {
			t.Errorf("refused: %s\n\t%s", h.line, strings.Join(d.Reasons, "\n\t"))
		}
		name, rest, _ := strings.Cut(h.line, " ")
		var lines []string
		whole, abbreviated := h.spellings()
		for _, option := range whole {
			lines = append(lines, h.line+" "+option, name+" "+option+" "+rest,
				h.line+` \`+option, h.line+" "+option[:1]+`"`+option[1:2]+`"`+option[2:], h.line+` $'\x2d'`+option[1:])
		}
		for _, option := range abbreviated {
			lines = append(lines, h.line+" "+option)
		}
		for _, line := range lines {
			total++
			if d := r.decide(t, line); d.Allow {
				t.Errorf("allowed: %s", line)
			}
		}
	}
	if total < 1000 {
		t.Errorf("only %d lines", total)
	}
}
