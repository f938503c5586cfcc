package deploy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// image lays out at /image what the Containerfile describes: the program, what its last RUN makes, and the owners of its last stage. What builds images is not here.
func (h *host) image() {
	h.t.Helper()
	text, err := os.ReadFile("Containerfile")
	if err != nil {
		h.t.Fatal(err)
	}
	lines := strings.ReplaceAll(string(text), "\\\n", "")
	var run string
	for line := range strings.SplitSeq(lines, "\n") {
		if command, ok := strings.CutPrefix(line, "RUN "); ok {
			run = command
		}
	}
	if !strings.Contains(run, "/image/etc/passwd") {
		h.t.Fatalf("the last RUN of the Containerfile is another: %s", run)
	}
	h.do("mkdir -p /image/usr/bin && cp /release/sidegate /image/usr/bin && touch /etc/ssl/certs/ca-certificates.crt")
	h.do(run)
	for line := range strings.SplitSeq(lines, "\n") {
		if rest, ok := strings.CutPrefix(line, "COPY --from=build --chown=65532:65532 "); ok {
			h.do("chown 65532:65532 /image" + strings.Fields(rest)[1])
		}
	}
	h.do("mount --bind /image /image && mount -t proc proc /image/proc && mount --rbind /dev /image/dev && mount -t tmpfs -o uid=65532 tmpfs /image/tmp")
}

// chrootInto is a command line in the image, as its user.
func chrootInto(command string) string {
	return "env -i PATH=/usr/local/bin:/usr/bin /usr/sbin/chroot --userspec=65532:65532 --groups=65532 /image " + command
}

// TestImage: in the image, with nothing else, as its user, the program says what it is, and finds no problem with what the manifests give it; it starts, and runs
// what they are for.
func TestImage(t *testing.T) {
	t.Parallel()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("this machine has no busybox (Debian package busybox-static)")
	}
	if text, err := exec.Command("ldd", busybox).CombinedOutput(); err == nil {
		t.Skipf("%s needs libraries (Debian package busybox-static): %s", busybox, text)
	}
	h := newHost(t)
	h.image()
	h.do(chrootInto("/usr/bin/sidegate version"), "sidegate 1.0.0 (")
	h.do("cp " + busybox + " /image/usr/local/bin/busybox && for t in cat grep head ls tail wc wget ps; do ln -s busybox /image/usr/local/bin/$t; done")
	h.do("mkdir -p /image/var/log/shop && echo 'payment failed' >/image/var/log/shop/app.log && touch /image/etc/sidegate/sidegate.yaml /image/etc/sidegate/policies/sidegate/roles/site/data.yaml")
	h.do("mkdir /image/etc/sidegate-secret && (umask 027; echo 0123456789abcdef >/image/etc/sidegate-secret/func.secret) && chgrp 65532 /image/etc/sidegate-secret/func.secret && chmod 0440 /image/etc/sidegate-secret/func.secret")
	h.do("install -m 600 /image/etc/sidegate-secret/func.secret /secret && mkdir -p /www/admin && echo reloaded >/www/admin/reload && mkdir -p /www/v1 && echo '{}' >/www/v1/balance && (busybox httpd -p 127.0.0.1:8080 -h /www)")
	for _, test := range []struct{ manifest, run, says, denied string }{
		{"logs", "tail -n 1 /var/log/shop/app.log", "payment failed", "cat /etc/sidegate-secret/func.secret"},
		{"application", "wget -q -O - http://127.0.0.1:8080/admin/reload", "reloaded", "wget -q -O - http://127.0.0.1:8080/admin/shutdown"},
		{"front", "wget -q -O - http://127.0.0.1:8080/v1/balance", "{}", "wget -q -O - http://127.0.0.1:8080/admin/reload"},
	} {
		data := configMap(t, filepath.Join("kubernetes", test.manifest+".yaml"))
		h.write("/image/etc/sidegate/sidegate.yaml", data["sidegate.yaml"], 0o644)
		h.write("/image/etc/sidegate/policies/sidegate/roles/site/data.yaml", data["site.yaml"], 0o644)
		h.do("mount -o remount,ro,bind /image && rm -rf /state && install -d -o 65532 -g 65532 /state && mount --bind /state /image/var/lib/sidegate")
		h.do(chrootInto("/usr/bin/sidegate doctor"), "no problems found")
		h.do("(" + chrootInto("/usr/bin/sidegate serve") + " </dev/null >/serve.log 2>&1 & echo $! >/pid)")
		if text, err := h.shell(chrootInto("/usr/bin/sidegate setup ready")); err != nil {
			t.Fatalf("%s: %v\n%s\n%s", test.manifest, err, text, h.read("/serve.log"))
		}
		call := "/release/sidegate run --url http://127.0.0.1:8099 --secret-file /secret -- "
		h.do(call+test.run, test.says)
		h.refuse(call+test.denied, "denied")
		h.do("kill $(cat /pid); while kill -0 $(cat /pid) 2>/dev/null; do sleep 0.05; done; umount /image/var/lib/sidegate; mount -o remount,rw,bind /image")
	}
}

// configMap returns the data of the ConfigMap in a manifest.
func configMap(t *testing.T, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var document struct {
			Kind string
			Data map[string]string
		}
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			t.Fatalf("%s has no ConfigMap", name)
		} else if err != nil {
			t.Fatal(err)
		}
		if document.Kind == "ConfigMap" {
			return document.Data
		}
	}
}
