package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// released makes a release for this machine alone, in a directory that is removed with the test.
func released(t *testing.T, packages bool) string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"run", "./release", "-source", "..", "-dist", dir, "-arch", "host", "-version", version, "-commit", strings.Repeat("0", 40), "-epoch", "1767312000"}
	if packages {
		nfpm, err := filepath.Abs("../bin/nfpm")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(nfpm); err != nil {
			t.Skip("this checkout has no bin/nfpm, which makes packages: make bin/nfpm")
		}
		args = append(args, "-nfpm", nfpm)
	}
	release := exec.Command("go", args...)
	release.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := release.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return dir
}

// TestPackages installs the deb with dpkg, upgrades and removes it, and looks into the rpm.
func TestPackages(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	dist := released(t, true)
	names, err := filepath.Glob(filepath.Join(dist, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		h.write("/dist/"+filepath.Base(name), string(text), 0o644)
	}
	h.do("cd /dist && sha256sum -c SHA256SUMS")
	h.do("tar xzf /dist/*.tar.gz -C / && bash /sidegate-1.0.0-linux-$(uname -m)/install.sh --dry-run", "Installing Sidegate 1.0.0")

	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("this machine has no dpkg (Debian package dpkg)")
	}
	deb := "dpkg --force-confdef --force-confold -i /dist/sidegate_1.0.0-1_*.deb"
	h.do(deb, "callers sign with the secret in /etc/sidegate/func.secret")
	secret := h.read("/etc/sidegate/func.secret")
	h.do("sidegate setup ready && ls /enabled", "sidegate.service")
	h.do("stat -c '%a %U:%G %n' /etc/sidegate/sidegate.yaml /etc/sidegate/func.secret /var/lib/sidegate /usr/bin/sidegate",
		"644 root:root /etc/sidegate/sidegate.yaml\n", "640 root:sidegate /etc/sidegate/func.secret\n", "711 sidegate:sidegate /var/lib/sidegate\n", "755 root:root /usr/bin/sidegate\n")
	h.do("zcat /usr/share/man/man1/sidegate-run.1.gz", ".TH", "2026", "--secret-file")
	h.do("bash -n /usr/share/bash-completion/completions/sidegate && grep -c compdef /usr/share/zsh/vendor-completions/_sidegate")
	h.do("sidegate doctor", "no problems found")
	h.run("id -un", "sidegate-run")
	h.do("grep -c '^ExecStart=/usr/bin/sidegate ' /usr/lib/systemd/system/sidegate.service", "1\n")
	h.refuse("bash /release/install.sh", "was installed here from a package")
	h.do("sed -i 's/timeout: 60s/timeout: 59s/' /etc/sidegate/sidegate.yaml")
	h.do(deb)
	h.do("grep 'timeout: 59s' /etc/sidegate/sidegate.yaml && sidegate setup ready")
	h.do("systemctl enable sidegate.socket") // as who has systemd listen does
	h.do("dpkg -r sidegate && [ -z \"$(ls /enabled)\" ] && ! systemctl is-active sidegate.service && [ ! -e /usr/bin/sidegate ] && [ -d /var/lib/sidegate ] && getent passwd sidegate")
	if h.read("/etc/sidegate/func.secret") != secret {
		t.Error("the secret changed")
	}
	h.do(deb)
	h.do("dpkg -P sidegate && [ ! -e /etc/sidegate ] && [ ! -e /var/lib/sidegate ] && ! getent passwd sidegate sidegate-run")
	h.do("! find /etc /usr /var -name '*sidegate*' -not -path '/var/log/*' -not -path '*/go/*' -not -path '/usr/local/sbin/*' -not -path '/usr/share/*' | grep .")

	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("this machine has no rpm, and the rpm package was not looked into (apt package rpm)")
	}
	h.do("rpm -qlp /dist/*.rpm", "/usr/bin/sidegate\n", "/usr/lib/systemd/system/sidegate.service\n", "/etc/sidegate/sidegate.yaml\n",
		"/usr/share/man/man1/sidegate.1.gz\n", "/usr/share/doc/sidegate/docs/tutorial.md\n", "/usr/share/doc/sidegate/sdk/python/sidegate.py\n", "/usr/share/zsh/site-functions/_sidegate\n", "/usr/share/fish/vendor_completions.d/sidegate.fish\n")
	h.do("rpm -qp --configfiles /dist/*.rpm", "/etc/sidegate/sidegate.yaml\n", "/etc/sidegate/policies/")
	h.do("rpm -qp --scripts /dist/*.rpm", "postinstall scriptlet", "preuninstall scriptlet", "postuninstall scriptlet")
	h.do("rpm -Kp --nosignature /dist/*.rpm 2>&1 || rpm -K --nosignature /dist/*.rpm", "OK")
}
