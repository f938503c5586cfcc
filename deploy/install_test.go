package deploy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// asInstalled looks at what an installation must leave, whatever happened before it.
func (h *host) asInstalled() {
	h.t.Helper()
	h.do("stat -c '%a %U:%G %n' /usr/local/bin/sidegate /etc/sidegate /etc/sidegate/sidegate.yaml /etc/sidegate/func.secret /etc/sidegate/policies /var/lib/sidegate /etc/systemd/system/sidegate.service",
		"755 root:root /usr/local/bin/sidegate\n", "755 root:root /etc/sidegate\n", "644 root:root /etc/sidegate/sidegate.yaml\n", "640 root:sidegate /etc/sidegate/func.secret\n",
		"755 root:root /etc/sidegate/policies\n", "1 sidegate:sidegate /var/lib/sidegate\n", "644 root:root /etc/systemd/system/sidegate.service\n")
	if left := h.do("find /usr/local /etc /var/lib/sidegate -name '*.partial' -o -name '.sidegate.*' -o -name '*.previous'"); left != "" {
		h.t.Errorf("these were left behind:\n%s", left)
	}
}

// run calls the installed gateway as its caller does.
func (h *host) run(command string, parts ...string) string {
	h.t.Helper()
	return h.do("sidegate run --url http://127.0.0.1:8099 --secret-file /etc/sidegate/func.secret -- "+command, parts...)
}

// TestInstall goes the usual way: a fresh installation, again, an upgrade, away, and back.
func TestInstall(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	before := h.do("cat /etc/passwd; ls /usr/local/lib /etc/systemd/system")
	h.do("bash /release/install.sh --dry-run", "would run: useradd --system", "would run: systemctl enable sidegate.service")
	if after := h.do("cat /etc/passwd; ls /usr/local/lib /etc/systemd/system"); after != before || h.has("/etc/sidegate") {
		t.Errorf("--dry-run changed the host:\n%s", after)
	}

	text := h.do("bash /release/install.sh", "Installing Sidegate 1.0.0\n", "Bind:\n    127.0.0.1:8099\n", "Secret Key:\n    ", "sudo systemctl stop sidegate", "sudo systemctl start sidegate", "is running")
	secret := strings.TrimSpace(h.read("/etc/sidegate/func.secret"))
	if !strings.Contains(text, secret) {
		t.Errorf("a new secret is not shown:\n%s", text)
	}
	h.asInstalled()
	h.do("sidegate doctor", "/etc/sidegate/sidegate.yaml: no problems found")
	h.run("id -un", "sidegate-run\n")
	h.run("cat /etc/os-release", "NAME=")
	if text := h.refuse("sidegate run --url http://127.0.0.1:8099 --secret-file /etc/sidegate/func.secret -- cat /etc/sidegate/func.secret"); strings.Contains(text, secret) {
		t.Error("a command reads the secret")
	}
	h.do("sidegate jobs list", "id -un")
	if !h.has("/enabled/sidegate.service") {
		t.Error("the service is not enabled")
	}

	h.do("sed -i 's/^  timeout: 60s/  timeout: 59s/' /etc/sidegate/sidegate.yaml; echo '# mine' >>/etc/sidegate/policies/sidegate/roles/readonly/data.yaml")
	config := h.read("/etc/sidegate/sidegate.yaml")
	text = h.do("bash /release/install.sh", "Upgrading Sidegate 1.0.0 to 1.0.0\n", "(in /etc/sidegate/func.secret)", "is running")
	if strings.Contains(text, secret) || strings.Contains(text, "note:") {
		t.Errorf("an upgrade shows the secret, or notes something:\n%s", text)
	}
	if h.read("/etc/sidegate/sidegate.yaml") != config || strings.TrimSpace(h.read("/etc/sidegate/func.secret")) != secret || h.has("/etc/sidegate/sidegate.yaml.new") {
		t.Error("an upgrade changed the configuration")
	}
	h.asInstalled()

	// The version before shipped something else.
	h.do("echo '# another' >/usr/local/lib/sidegate/sidegate.yaml; echo 0 >/usr/local/lib/sidegate/policies.sha256")
	h.do("bash /release/install.sh", "/etc/sidegate/sidegate.yaml.new is what a new one would be", "/etc/sidegate/policies.new are the new ones")
	if h.read("/etc/sidegate/sidegate.yaml") != config || !strings.Contains(h.read("/etc/sidegate/policies/sidegate/roles/readonly/data.yaml"), "# mine") {
		t.Error("an upgrade changed the configuration")
	}
	h.do("diff <(sed 's/59s/60s/' /etc/sidegate/sidegate.yaml) /etc/sidegate/sidegate.yaml.new")
	h.do("bash /release/install.sh 2>&1 | grep -c note: || true", "0\n")

	// What is asked for and not done is said.
	h.refuse("bash /release/install.sh --bind 127.0.0.1:9000", "listens on [127.0.0.1:8099]", "change listen there", "no service was touched")
	h.refuse("bash /release/install.sh --secret-key another", "kept as it is, with another secret than the one given")
	h.do("bash /release/install.sh --bind 127.0.0.1:8099 --secret-key '"+secret+"'", "a secret on a command line can be seen by every user")
	h.run("true")

	h.do("bash /usr/local/lib/sidegate/install.sh --uninstall", "/etc/sidegate and /var/lib/sidegate were kept")
	h.gone()
	h.do("bash /release/install.sh --uninstall", "Sidegate is gone")
	h.do("bash /release/install.sh", "Installing Sidegate 1.0.0\n", "(in /etc/sidegate/func.secret)")
	if h.read("/etc/sidegate/sidegate.yaml") != config {
		t.Error("installing again changed the configuration")
	}
	h.do("sidegate jobs list", "id -un")
	h.do("bash /usr/local/lib/sidegate/install.sh --uninstall --purge", "Sidegate is gone, with its configuration")
	h.gone()
	h.do("! ls -d /etc/sidegate /var/lib/sidegate 2>/dev/null; ! getent passwd sidegate sidegate-run; ! getent group sidegate sidegate-run")
	h.do("bash /release/install.sh --uninstall --purge", "Sidegate is gone")
}

// gone holds that the program is gone.
func (h *host) gone() {
	h.t.Helper()
	for _, name := range []string{"/usr/local/bin/sidegate", "/usr/local/lib/sidegate", "/etc/systemd/system/sidegate.service", "/enabled/sidegate.service"} {
		if h.has(name) {
			h.t.Errorf("%s is still there", name)
		}
	}
	h.refuse("systemctl is-active sidegate.service")
}

// broken puts a release in /broken whose program does everything but one thing.
func (h *host) broken(version, but string) {
	h.t.Helper()
	h.do("cp -r /release /broken && mv /broken/sidegate /broken/whole && echo " + version + " >/broken/version && cp /broken/whole /whole")
	h.write("/broken/sidegate", "#!/bin/bash\ncase \"$*\" in\nversion) echo 'sidegate "+version+" (x)' ;;\n"+but+"\n*) exec /whole \"$@\" ;;\nesac\n", 0o755)
}

// TestUpgradeThatFails: whatever is wrong with a new version, the old one goes on.
func TestUpgradeThatFails(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.do("bash /release/install.sh")
	h.broken("2.0.0", "serve*) echo it is broken; exit 1 ;;\n'setup ready') exec /whole setup ready --timeout 300ms ;;")
	h.refuse("bash /broken/install.sh", "the gateway is not ready", "it is broken", "version 2.0.0 did not become ready; the version before was put back, and is running")
	h.asInstalled()
	h.run("true")
	h.do("sidegate version; cat /usr/local/lib/sidegate/version", "sidegate 1.0.0 (", "1.0.0\n")

	// A version that does not take the configuration is not even put in its place.
	h.broken2("2.1.0")
	h.refuse("bash /broken2/install.sh", "limits.gone: unknown key", "no service was touched")
	h.asInstalled()
	h.run("true")

	// A new one that was killed before it was ready leaves the old one to go back to.
	h.do("cp -p /etc/systemd/system/sidegate.service /usr/local/lib/sidegate/sidegate.service.previous && cp -p /usr/local/bin/sidegate /usr/local/bin/.sidegate.previous && rm /usr/local/bin/sidegate && cp /broken/sidegate /usr/local/bin/sidegate")
	h.refuse("bash /broken/install.sh", "the version before was put back")
	h.run("true")
	h.asInstalled()

	// A release that is not whole, or not for this machine.
	h.do("rm /broken/sidegate.service")
	h.refuse("bash /broken/install.sh", "/broken/sidegate.service is missing: run this in the directory of an unpacked release")
	h.do("cp /release/sidegate.service /broken && head -c 1000000 /release/sidegate >/broken/sidegate")
	h.refuse("bash /broken/install.sh", "does not run here")
	h.do("cp /release/sidegate /broken")
	h.refuse("bash /broken/install.sh", "is not version 2.0.0: unpack the release again")
	h.run("true")
}

func (h *host) broken2(version string) {
	h.t.Helper()
	h.do("cp -r /release /broken2 && echo " + version + " >/broken2/version")
	h.write("/broken2/sidegate", "#!/bin/bash\ncase \"$*\" in\nversion) echo 'sidegate "+version+" (x)' ;;\n*) echo 'limits.gone: unknown key' >&2; exit 1 ;;\nesac\n", 0o755)
}

// TestInstallThatFails: a gateway that does not start for the first time leaves no service behind, and the second try goes on from there.
func TestInstallThatFails(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.broken("1.0.0", "serve*) echo it is broken; exit 1 ;;\n'setup ready') exec /whole setup ready --timeout 300ms ;;")
	h.refuse("bash /broken/install.sh", "did not become ready and was removed again", "/etc/sidegate was kept")
	h.gone()
	h.do("bash /release/install.sh", "is running")
	h.asInstalled()
}

// TestWithoutSystemd: where nothing would start the gateway, nothing is made. systemctl alone is in many containers.
func TestWithoutSystemd(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.do("rmdir /run/systemd/system")
	h.refuse("bash /release/install.sh", "systemd does not run here", "sidegate init", "--root DIR")
	if h.has("/systemctl.log") || h.has("/etc/sidegate") || h.has("/usr/local/bin/sidegate") || h.has("/var/lib/sidegate") {
		t.Error("the host was changed")
	}
	h.do("! getent passwd sidegate")
	h.do("bash /release/install.sh --dry-run", "would run:")
	h.do("bash /release/install.sh --uninstall", "Sidegate is gone")
	if h.has("/systemctl.log") {
		t.Error("systemctl was called where systemd does not run")
	}
}

const sidecarUnit = "[Service]\nEnvironmentFile=/etc/dataflux-func-sidecar\nExecStart=/usr/local/bin/dataflux-func-sidecar\nUser=dffs\n"

// newSidecarHost is a host where the original runs.
func newSidecarHost(t *testing.T) *host {
	t.Helper()
	h := newHost(t)
	h.write("/etc/dataflux-func-sidecar", "BIND=127.0.0.1:8099\nSECRET_KEY=aVeryOldSecret1\nLOG=x\n", 0o600)
	h.write("/etc/systemd/system/dataflux-func-sidecar.service", sidecarUnit, 0o644)
	h.do("groupadd ops && useradd --system --groups ops dffs && systemctl enable --now dataflux-func-sidecar.service")
	h.do("until ss -ltn | grep -q 127.0.0.1:8099; do sleep 0.05; done")
	return h
}

// TestMigrate takes over from the original, and goes back.
func TestMigrate(t *testing.T) {
	t.Parallel()
	h := newSidecarHost(t)
	h.write("/etc/sudoers.d/dffs", "dffs ALL=(ALL) NOPASSWD: /usr/bin/systemctl\n", 0o440)
	h.refuse("bash /release/install.sh", "something listens on 127.0.0.1:8099 already, and a DataFlux Func Sidecar is installed: take over from it with --migrate")
	h.refuse("LISTEN_AS_SIDECAR=127.0.0.1:8099 /sidecar") // it is left alone

	// A version that does not start leaves the original as it was.
	h.broken("1.0.0", "serve*) echo it is broken; exit 1 ;;\n'setup ready') exec /whole setup ready --timeout 300ms ;;")
	h.refuse("bash /broken/install.sh --migrate", "was removed again; the Sidecar runs as before")
	h.gone()
	h.do("systemctl is-active dataflux-func-sidecar.service; ls /enabled", "dataflux-func-sidecar.service")

	text := h.do("bash /release/install.sh --migrate", "LOG means nothing to Sidegate and was not taken over", "OBSERVE MODE: for 14 days", "sudo systemctl enable --now dataflux-func-sidecar", "Bind:\n    127.0.0.1:8099\n")
	if strings.Contains(text, "aVeryOldSecret1") {
		t.Errorf("the secret that callers have is shown:\n%s", text)
	}
	h.asInstalled()
	if h.read("/etc/sidegate/func.secret") != "aVeryOldSecret1\n" {
		t.Error("the secret was not taken over")
	}
	h.do("ls /enabled", "sidegate.service")
	h.refuse("ls /enabled/dataflux-func-sidecar.service")
	h.refuse("systemctl is-active dataflux-func-sidecar.service")
	h.run("id", "(dffs)", "(ops)")
	// What the policy denies runs as before, a pipeline with a program of anybody's among it.
	h.do("install -d -o dffs /srv/app && install -m 755 /dev/stdin /opt/count <<<$'#!/bin/sh\\nwc -l'")
	h.run("sh -c 'cd /srv/app && echo hello >there && ls / | /opt/count'", "the policy denies this; it runs because the gateway observes")
	h.do("cat /srv/app/there", "hello")
	h.do("sidegate doctor", "OBSERVE MODE until 20", "sudo does nothing for commands here", "/etc/sudoers.d/dffs:1: dffs ALL=(ALL) NOPASSWD: /usr/bin/systemctl", "no problems found")

	h.do("bash /release/install.sh --migrate", "Upgrading Sidegate")
	h.do("bash /release/install.sh", "Upgrading Sidegate")
	h.asInstalled()
	h.do("systemctl disable --now sidegate.service && systemctl enable --now dataflux-func-sidecar.service")
	h.do("bash /release/install.sh --uninstall --purge", "The DataFlux Func Sidecar is still installed")
	h.do("getent passwd dffs; cat /etc/dataflux-func-sidecar", "aVeryOldSecret1")
}

// TestMigrateRefuses: what cannot be taken over is refused before anything is touched, and no secret is shown.
func TestMigrateRefuses(t *testing.T) {
	t.Parallel()
	h := newSidecarHost(t)
	for _, test := range []struct{ config, want string }{
		{"BIND=127.0.0.1:8099\nSECRET_KEY=$(touch /pwned)topsecret more\n", "line 2: SECRET_KEY: quotes, backslashes and spaces"},
		{"touch /pwned\nBIND=127.0.0.1:8099\n", "line 1: it is none of the form NAME=VALUE"},
		{"BIND=127.0.0.1:8099\n", "has no SECRET_KEY: give the secret that callers have"},
		{"SECRET_KEY=topsecret\n", "has no BIND: say with --bind"},
		{"BIND=192.0.2.1:8099\nSECRET_KEY=topsecret\n", "192.0.2.1 is no address of this host now"},
		{"BIND=127.0.0.1:99999\nSECRET_KEY=topsecret\n", "listen[0]: the port must be a number from 0 to 65535"},
	} {
		h.write("/etc/dataflux-func-sidecar", test.config, 0o600)
		if text := h.refuse("bash /release/install.sh --migrate", test.want); strings.Contains(text, "topsecret") {
			t.Errorf("the secret is shown:\n%s", text)
		}
		if h.has("/pwned") || h.has("/etc/sidegate/sidegate.yaml") {
			t.Fatal("something was run or written")
		}
		h.do("systemctl is-active dataflux-func-sidecar.service")
	}
	h.do("rm /etc/dataflux-func-sidecar")
	h.refuse("bash /release/install.sh --migrate", "no DataFlux Func Sidecar was installed; leave --migrate out")
	h.write("/etc/dataflux-func-sidecar", "BIND=127.0.0.1:8099\nSECRET_KEY='$(touch /pwned)'\n", 0o600)
	h.do("bash /release/install.sh --migrate --bind 127.0.0.1:8097")
	if h.has("/pwned") || h.read("/etc/sidegate/func.secret") != "$(touch /pwned)\n" {
		t.Errorf("the secret became %q", h.read("/etc/sidegate/func.secret"))
	}
}

// TestHostileOptions: options are data.
func TestHostileOptions(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for options, want := range map[string]string{
		"--everything":                      "the option '--everything' is not known",
		"install":                           "the option 'install' is not known",
		"--bind":                            "--bind needs a value",
		"--bind ''":                         "--bind needs a value, and an empty one was given",
		"--bind '127.0.0.1:1;touch /pwned'": "--bind takes addresses",
		"--bind '$(touch /pwned):1'":        "--bind takes addresses",
		"--bind 127.0.0.1:1,":               "an address is missing",
		"--bind 127.0.0.1":                  "must be host:port",
		"--bind 127.0.0.1:8098":             "admin_listen: must differ",
		"--secret-key $'a\\nb'":             "a line break or another control character",
		"--secret-key ' a'":                 "the secret begins or ends with a space",
		"--secret-key a --secret-key-file /etc/os-release": "give one",
		"--secret-key-file /no/such":                       "is not a file",
		"--secret-key-file /etc/os-release":                "others can read '/etc/os-release'; run chmod o=",
		"--sandbox none":                                   "--sandbox takes confined, isolated or host, not 'none'",
		"--purge":                                          "goes with --uninstall",
		"--uninstall --bind 127.0.0.1:1":                   "--uninstall takes only --purge",
		"--root relative":                                  "--root takes an absolute path",
		"--root /no/such":                                  "there is no such directory",
		"--root /srv":                                      "/srv is no root file system",
	} {
		h.refuse("bash /release/install.sh "+options, want)
		if h.has("/pwned") || h.has("/etc/sidegate/sidegate.yaml") || h.has("/usr/local/bin/.sidegate.next") {
			t.Fatalf("%s: something was run or written", options)
		}
	}
	h.refuse("setpriv --reuid nobody bash /release/install.sh", "this needs root")
	h.do("mkfifo -m 666 /held /enough && printf 'exec 8<$1; flock -n 8 && echo >/held; cat /enough' >/hold && install -m 600 /dev/null /run/sidegate-install.lock")
	h.do("(bash /hold /run/sidegate-install.lock >/dev/null 2>&1 &); cat /held")
	h.refuse("bash /release/install.sh", "another install.sh is at work")
	h.do("echo >/enough")
	// Only root can say that.
	h.refuse("setpriv --reuid nobody --clear-groups flock -n /run/sidegate-install.lock true", "Permission denied")
	h.do("(setpriv --reuid nobody --clear-groups bash /hold /etc >/dev/null 2>&1 &); cat /held")
	h.do("mkdir -p /usr/lib/systemd/system && touch /usr/lib/systemd/system/sidegate.service")
	h.refuse("bash /release/install.sh", "was installed here from a package")
	h.do("rm /usr/lib/systemd/system/sidegate.service")
	h.do("bash /release/install.sh --secret-key '\"quoted\" $HOME `id` \\'", "is running")
	if got := h.read("/etc/sidegate/func.secret"); got != "\"quoted\" $HOME `id` \\\n" {
		t.Errorf("the secret became %q", got)
	}
	h.run("true")
	h.do("echo >/enough; stat -c '%a %U' /run/sidegate-install.lock", "600 root\n")
}

// TestKilled kills an installation at each of its steps, one after the other on one host, an upgrade to another version at some, and looks each time whether what
// is there is whole.
func TestKilled(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	// Each command of the script that changes something counts, and so do those in between that take time.
	h.write("/kill.sh", `set -T
steps=0
trap 'case $BASH_COMMAND in "\"\$@\"" | secret_state=* | "\"\$bin\""*) if [ $((++steps)) = "$KILL_AT" ]; then kill -9 $$; fi ;; esac' DEBUG
`, 0o644)
	killed := func(command string, at int) bool {
		text, err := h.shell(fmt.Sprintf("BASH_ENV=/kill.sh KILL_AT=%d bash %s", at, command))
		if err == nil {
			return false
		}
		if !strings.Contains(err.Error(), "137") && !strings.Contains(err.Error(), "killed") {
			t.Fatalf("step %d: %v\n%s", at, err, text)
		}
		return true
	}
	h.do("cp -r /release /next && echo 1.1.0 >/next/version && cp /next/sidegate /whole")
	h.write("/next/sidegate", "#!/bin/bash\ncase \"$*\" in\nversion) echo 'sidegate 1.1.0 (x)' ;;\n*) exec /whole \"$@\" ;;\nesac\n", 0o755)

	// In an image nothing is started, so every step can be tried.
	h.do("mkdir -p /image/bin /image/lib && cp -r /bin/bash /image/bin && cp -rL --parents $(ldd /bin/bash | grep -o '/[^ ]*') /image && cp /whole /image")
	h.do("mkdir -p /image/etc && printf 'root:x:0:0:root:/root:/bin/sh\n' >/image/etc/passwd && printf 'root:x:0:\n' >/image/etc/group")
	for _, release := range []string{"/release", "/next"} {
		steps, stride := 0, 1
		if release == "/next" {
			stride = 3 // an upgrade goes the same way
		}
		for at := 1; killed(release+"/install.sh --root /image", at); at += stride {
			steps++
			h.whole("/image")
		}
		if steps < 20/stride {
			t.Errorf("%s was killed %d times only", release, steps)
		}
		if left := h.do("find /image -name '*.partial' -o -name '.sidegate.*' -o -name '*.previous'"); left != "" {
			t.Errorf("these were left behind:\n%s", left)
		}
	}

	// Where it is started, a few are.
	h.do("bash /release/install.sh")
	secret := h.read("/etc/sidegate/func.secret")
	for at := 12; killed("/next/install.sh", at); at += 9 {
		h.whole("")
		h.do("/usr/local/bin/sidegate version && systemctl start sidegate.service && sidegate setup ready") // as after a boot
	}
	h.asInstalled()
	h.do("sidegate version", "1.1.0")
	h.run("true")
	if h.read("/etc/sidegate/func.secret") != secret {
		t.Error("the secret changed")
	}
}

// whole holds that no file below root with its own name is half written.
func (h *host) whole(root string) {
	h.t.Helper()
	h.do(`cd ` + root + `/; for f in usr/local/bin/sidegate:sidegate etc/systemd/system/sidegate.service:sidegate.service usr/local/lib/sidegate/install.sh:install.sh; do
  [ ! -e "${f%:*}" ] || cmp -s "${f%:*}" "/release/${f#*:}" || cmp "${f%:*}" "/next/${f#*:}" || exit 1
done
[ ! -e etc/sidegate/sidegate.yaml ] || { [ -s etc/sidegate/func.secret ] && [ -e etc/sidegate/policies/.manifest ] && tail -n 1 etc/sidegate/sidegate.yaml | grep -q skew; }`)
}

// TestRoot installs into the root file system of an image.
func TestRoot(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.do("mkdir -p /image/etc /image/usr && printf 'root:x:0:0:root:/root:/bin/sh\\n' >/image/etc/passwd && printf 'root:x:0:\\n' >/image/etc/group")
	h.do("bash /release/install.sh --root /image --bind 0.0.0.0:8099", "It is installed in /image and was not started", "Bind:\n    0.0.0.0:8099\n")
	if h.has("/systemctl.log") || h.has("/etc/sidegate") || h.has("/usr/local/bin/sidegate") {
		t.Error("the host was changed")
	}
	h.do("cd /image && stat -c '%a %n' etc/sidegate/func.secret var/lib/sidegate usr/local/bin/sidegate etc/systemd/system/sidegate.service", "640 etc/sidegate/func.secret\n", "700 var/lib/sidegate\n", "755 usr/local/bin/sidegate\n")
	h.do("[ \"$(stat -c %g /image/etc/sidegate/func.secret)\" = \"$(sed -n 's/^sidegate:[^:]*:\\([0-9]*\\):.*/\\1/p' /image/etc/group)\" ]")
	h.do("bash /release/install.sh --root /image", "Upgrading Sidegate")
	h.do("bash /release/install.sh --root /image --uninstall --purge")
	h.do("! grep sidegate /image/etc/passwd /image/etc/group; ! find /image -name '*sidegate*' | grep .")
}

// TestRootThatLeadsOut: an image in which a link leads to the host itself is refused, and the host stays as it is.
func TestRootThatLeadsOut(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.do("mkdir -p /etc/sidegate /var/lib/sidegate && echo mine >/etc/sidegate/sidegate.yaml && echo mine >/var/lib/sidegate/journal && cp -p /etc/passwd /passwd.before")
	for _, link := range []string{"/usr/local", "/usr/local/bin", "/usr/local/lib", "/etc/systemd/system", "/etc/systemd", "/var/lib", "/etc/sidegate", "/etc/passwd", "/etc/shadow", "/etc"} {
		h.do("rm -rf /image && mkdir -p /image/etc /image" + filepath.Dir(link) + " && printf 'root:x:0:0:root:/root:/bin/sh\\n' >/image/etc/passwd && printf 'root:x:0:\\n' >/image/etc/group")
		h.do("rm -rf /image" + link + " && ln -s " + link + " /image" + link)
		h.refuse("bash /release/install.sh --root /image", "leads out of /image, to "+link)
		h.refuse("bash /release/install.sh --root /image --uninstall --purge", "leads out of /image, to "+link)
	}
	h.do("cat /etc/sidegate/sidegate.yaml /var/lib/sidegate/journal && cmp /etc/passwd /passwd.before", "mine\nmine\n")
	if h.has("/usr/local/bin/sidegate") || h.has("/usr/local/lib/sidegate") || h.has("/etc/systemd/system/sidegate.service") {
		t.Error("the host was changed")
	}
	// One that stays inside is as good as none.
	h.do("rm -rf /image && mkdir -p /image/etc /image/usr /image/var/usrlocal && printf 'root:x:0:0:root:/root:/bin/sh\\n' >/image/etc/passwd && printf 'root:x:0:\\n' >/image/etc/group")
	h.do("ln -s ../var/usrlocal /image/usr/local && bash /release/install.sh --root /image && [ -x /image/var/usrlocal/bin/sidegate ]", "It is installed in /image")
}

// TestShell looks at the scripts with shellcheck.
func TestShell(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("*/*.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(scripts, "install.sh") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if word, _, _ := strings.Cut(strings.TrimSpace(line), " "); word == "eval" || word == "source" || word == "." {
				t.Errorf("%s:%d: text becomes commands: %s", name, i+1, line)
			}
		}
	}
}
