package executor

import (
	"errors"
	"os"
)

func init() {
	helpers["escape-swapper"] = swapForEver
	helpers["escape-hoarder"] = hoard
	helpers["escape-digger"] = func() error { return dig(os.Getenv("HOME"), tooDeep) }
	helpers["escape-burner"] = burn
}

// beside is a try that takes more than a command: it returns nil if a command got through.
type beside struct {
	try
	run func(*escapeGateway) error
	// when is nil for always.
	when func(*scene) bool
}

// byGateway says of a job that it is refused.
const byGateway = "the gateway"

// besides are tried by jobs of their own.
func besides() []beside {
	return []beside{
		{try: try{name: "use more memory than it may", by: byLimit}, run: (*escapeGateway).tryMemoryLimit},
		{try: try{name: "use more memory than it may, in files", by: byLimit, hardening: hardeningMemory}, run: hoardIn("files"), when: once},
		{try: try{name: "use more memory than it may, in sockets", by: byLimit, hardening: hardeningMemory}, run: hoardIn("sockets"), when: once},
		{try: try{name: "run longer than it may", by: byLimit}, run: (*escapeGateway).tryTimeout},
		{
			try: try{name: "use more processor time than it may", by: byLimit},
			run: (*escapeGateway).tryProcessorTime,
			when: func(s *scene) bool { // it takes a second of it
				return s.Who == whoRoot && s.Profile != ProfileIsolated && s.Way == WayVfork ||
					s.Who == whoSelf && s.Profile != ProfileConfined && s.Way == WayHelper
			},
		},
		{
			try: try{name: "leave a directory that is too deep to remove", by: byGateway, excuse: always("it is removed under every profile")},
			run: (*escapeGateway).tryDeep, when: once,
		},
		{try: try{name: "be granted the state directory for reading", by: byGateway}, run: grant(func(f *Filesystem, s *scene) { f.Read = []string{s.State} })},
		{try: try{name: "be granted the secret for reading", by: byGateway}, run: grant(func(f *Filesystem, s *scene) { f.Read = []string{s.Secret} })},
		{try: try{name: "be granted the state directory if present", by: byGateway}, run: grant(func(f *Filesystem, s *scene) { f.ReadIfPresent = []string{s.State} })},
		{try: try{name: "be granted the state directory for executing", by: byGateway}, run: grant(func(f *Filesystem, s *scene) { f.Execute = []string{s.State} })},
		{try: try{name: "read a secret that has taken the place of another since the gateway was started", by: "Landlock"}, run: (*escapeGateway).tryTurnedSecret},
		{try: try{name: "read a secret that was not there when the gateway was started", by: "Landlock"}, run: (*escapeGateway).tryNewSecret},
		{
			try:  try{name: "turn a root of its decision into a link to another directory", by: byGateway},
			run:  (*escapeGateway).tryForeignLink,
			when: func(s *scene) bool { return s.Who == whoUser }, // another user than the gateway can have made the link
		},
		{
			try:  try{name: "put a link in the place of another job's working directory", by: byGateway},
			run:  (*escapeGateway).tryWorkdirRace,
			when: func(s *scene) bool { return s.Who != whoUser && s.Who != whoService },
		},
	}
}

// once says of what takes long that it is tried once by each user and profile: the way makes no difference.
func once(s *scene) bool { return s.Way == WayVfork }

func besideTries() (tries []try) {
	for _, b := range besides() {
		tries = append(tries, b.try)
	}
	return tries
}

func (g *escapeGateway) tryBesides() {
	for _, b := range besides() {
		if b.when != nil && !b.when(&g.scene) {
			continue
		}
		err := b.run(g)
		f := finding{Through: err == nil}
		if err != nil {
			f.Detail = err.Error()
		}
		var refused *UnavailableError
		if errors.As(err, &refused) {
			f.Untried, f.Excuse = true, g.excuse(err)
		}
		g.note(&b.try, f)
	}
}

// shell is a job of a script.
func (g *escapeGateway) shell(script string) (Job, error) {
	job, err := g.program("/bin/sh", "sh", "-c", script)
	job.Env = append(job.Env, "FIFO="+g.scene.Fifo)
	return job, err
}

// attacker is a command of this program that is one of its helpers.
func (g *escapeGateway) attacker(helper string, env ...string) (Job, error) {
	job, err := g.program(g.scene.in(programAttacker), programAttacker)
	job.Env = append(append(job.Env, helperKey+"="+helper), env...)
	return job, err
}
