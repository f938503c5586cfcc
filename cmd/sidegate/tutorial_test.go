package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// tutorials are the pages that are followed to the letter, with the fewest commands that must be found in them.
var tutorials = map[string]int{"../../docs/tutorial.md": 12, pluginTutorial: 10}

const pluginTutorial = "../../docs/plugins.md"

// TestTutorials follows each tutorial word for word, in one shell: it writes the files that are shown, runs the commands behind
// "$ " in their order, and compares what they print with what is shown. An ellipsis stands for any text within a line, and
// on a line of its own for any number of lines. Blocks marked "eventually" are for what happens a moment later: their
// commands are run again until what they print is as shown. Only the addresses differ, because the usual ones may be taken.
func TestTutorials(t *testing.T) {
	t.Parallel()
	for page, least := range tutorials {
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			followPage(t, page, least)
		})
	}
}

func followPage(t *testing.T, tutorial string, least int) {
	blocks := blocksOf(t, tutorial)
	sh := newTutorialShell(t, tutorial)
	ran := 0
	for _, b := range blocks {
		kind, mark, _ := strings.Cut(b.info, " ")
		key, name, _ := strings.Cut(mark, "=")
		switch {
		case kind == "console" && (mark == "" || mark == "eventually"):
			for _, c := range b.commands(t) {
				ran++
				sh.follow(t, c, mark == "eventually")
			}
		case key == "append":
			sh.write(t, name, b, os.O_APPEND)
		case key == "write":
			sh.write(t, name, b, os.O_CREATE|os.O_EXCL)
		case key == "mesh": // plugin_mesh.txtar runs these
		default:
			t.Errorf("line %d: a block %q is none that this test knows", b.line, b.info)
		}
	}
	if ran < least {
		t.Errorf("only %d commands were found", ran)
	}
}

// TestTutorialShowsTheMesh compares the service-mesh demonstration with the script that runs it.
func TestTutorialShowsTheMesh(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile("testdata/script/plugin_mesh.txtar")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, b := range blocksOf(t, pluginTutorial) {
		if _, name, ok := strings.Cut(b.info, " mesh="); ok {
			shown[name] = strings.Join(b.lines, "\n") + "\n"
		}
	}
	for _, f := range archive.Files {
		if shown[f.Name] != string(f.Data) {
			t.Errorf("%s is shown as:\n%s\nand run as:\n%s", f.Name, shown[f.Name], f.Data)
		}
	}
	if len(shown) != len(archive.Files) {
		t.Errorf("%d files are shown, and %d are run", len(shown), len(archive.Files))
	}
}

// A block is a fenced block of a page.
type block struct {
	info  string // behind the fence
	line  int    // of the fence, from 1
	lines []string
	above string // the paragraph before it
}

func blocksOf(t *testing.T, page string) []block {
	t.Helper()
	var (
		blocks []block
		open   *block
		above  []string
	)
	for i, line := range lines(t, page) {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{info: info, line: i + 1, above: strings.Join(above, " ")}
		case fence:
			blocks = append(blocks, *open)
			open, above = nil, nil
		case open != nil:
			open.lines = append(open.lines, line)
		case line == "" && len(above) > 0 && above[len(above)-1] != "":
			above = append(above, "")
		case line != "":
			if len(above) > 0 && above[len(above)-1] == "" {
				above = nil
			}
			above = append(above, line)
		}
	}
	if open != nil {
		t.Fatalf("line %d: the block has no end", open.line)
	}
	return blocks
}

// A step is one command and what it prints.
type step struct {
	line    int
	command string
	want    []string
}

func (b block) commands(t *testing.T) []step {
	t.Helper()
	var steps []step
	for i, line := range b.lines {
		command, ok := strings.CutPrefix(line, "$ ")
		switch {
		case ok:
			steps = append(steps, step{line: b.line + 1 + i, command: command})
		case len(steps) == 0:
			t.Fatalf("line %d: output without a command", b.line+1+i)
		default:
			last := &steps[len(steps)-1]
			last.want = append(last.want, line)
		}
	}
	return steps
}

// matches reports whether a command printed what is shown.
func (s step) matches(printed string) bool {
	want := append([]string(nil), s.want...)
	for len(want) > 0 && want[len(want)-1] == "" {
		want = want[:len(want)-1]
	}
	var pattern strings.Builder
	for _, line := range want {
		if line == "…" {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		parts := strings.Split(line, "…")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		pattern.WriteString(strings.Join(parts, ".*") + `\n`)
	}
	if printed != "" && !strings.HasSuffix(printed, "\n") {
		printed += "\n"
	}
	return regexp.MustCompile(`^` + pattern.String() + `$`).MatchString(printed)
}

// tutorialShell is the reader's shell, in an empty directory.
type tutorialShell struct {
	page      string
	dir       string
	in        io.WriteCloser
	out       *bufio.Reader
	addresses *strings.Replacer
}

func newTutorialShell(t *testing.T, page string) *tutorialShell {
	t.Helper()
	for _, name := range []string{"bash", "make"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("this host has no %s, which the tutorial needs", name)
		}
	}
	program, err := builtProgram()
	if err != nil {
		t.Fatal(err)
	}
	toolchain, err := goEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	s := &tutorialShell{page: page, dir: t.TempDir(), addresses: freeAddresses(t, "127.0.0.1:8099", "127.0.0.1:8098")}
	sh := exec.Command("bash", "--noprofile", "--norc")
	sh.Dir = s.dir
	sh.Env = append(os.Environ(), "HOME="+s.dir, "MAKEFLAGS=", "MAKELEVEL=", "PATH="+filepath.Dir(program)+string(os.PathListSeparator)+os.Getenv("PATH"))
	sh.Env = append(sh.Env, toolchain...)
	if s.in, err = sh.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	sh.Stdout, sh.Stderr = w, w
	if err := sh.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	s.out = bufio.NewReader(r)
	t.Cleanup(func() {
		fmt.Fprintln(s.in, "kill $(jobs -p) 2>/dev/null; wait") // a gateway that a failed test left behind
		_ = s.in.Close()
		_ = sh.Wait()
		_ = r.Close()
	})
	return s
}

// freeAddresses replaces addresses by free ones.
func freeAddresses(t *testing.T, usual ...string) *strings.Replacer {
	t.Helper()
	var pairs []string
	for _, address := range usual {
		free, err := freeAddress()
		if err != nil {
			t.Fatal(err)
		}
		_, usualPort, _ := strings.Cut(address, ":")
		_, freePort, _ := strings.Cut(free, ":")
		pairs = append(pairs, address, free, "'port': "+usualPort, "'port': "+freePort) // as programs write them
	}
	return strings.NewReplacer(pairs...)
}

// follow runs a command, and fails where it does not print what the tutorial shows.
func (s *tutorialShell) follow(t *testing.T, c step, eventually bool) {
	t.Helper()
	for i := range c.want {
		c.want[i] = s.addresses.Replace(c.want[i])
	}
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		printed := s.run(t, s.addresses.Replace(c.command))
		if c.matches(printed) {
			return
		}
		if !eventually || time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(s.dir, "gate.log"))
			t.Fatalf("%s:%d: %s\nis shown to print:\n%s\nand prints:\n%s\nthe gateway's log:\n%s",
				s.page, c.line, c.command, strings.Join(c.want, "\n"), printed, log)
		}
	}
}

// endOfCommand marks, in what the shell prints, where the output of a command ends. The command's exit code stays in $?.
const endOfCommand = '\x1e'

func (s *tutorialShell) run(t *testing.T, command string) string {
	t.Helper()
	if _, err := fmt.Fprintf(s.in, "%s\n__code=$?; printf '\\%s'; (exit $__code)\n", command, strconv.FormatInt(endOfCommand, 8)); err != nil {
		t.Fatal(err)
	}
	printed, err := s.out.ReadString(endOfCommand)
	if err != nil {
		t.Fatalf("%s: the shell ended: %v\n%s", command, err, printed)
	}
	return strings.TrimSuffix(printed, string(endOfCommand))
}

// write makes a file of a block, or adds the block to one. The text above it names the file.
func (s *tutorialShell) write(t *testing.T, name string, b block, how int) {
	t.Helper()
	if !strings.Contains(b.above, "`"+name+"`") {
		t.Errorf("line %d: the text above does not say that this belongs to %s: %q", b.line, name, b.above)
	}
	f, err := os.OpenFile(filepath.Join(s.dir, name), how|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(s.addresses.Replace(strings.Join(b.lines, "\n") + "\n")); err != nil {
		t.Fatal(err)
	}
}
