package manifests

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// An application is what one manifest deploys.
type application struct {
	config     corev1.ConfigMap
	deployment appsv1.Deployment
	service    corev1.Service
}

// load decodes a manifest strictly: a key that the API does not have is an error, which a cluster only warns of or passes over.
func load(text []byte) (application, error) {
	var a application
	decoder := kyaml.NewYAMLReader(bufferOf(text))
	for {
		document, err := decoder.Read()
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if err != nil {
			return a, err
		}
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			return a, err
		}
		var into any
		switch kind.APIVersion + " " + kind.Kind {
		case "v1 ConfigMap":
			into = &a.config
		case "apps/v1 Deployment":
			into = &a.deployment
		case "v1 Service":
			into = &a.service
		default:
			return a, errors.New("a kind that is not expected: " + kind.APIVersion + " " + kind.Kind)
		}
		text, err := yaml.YAMLToJSONStrict(document) // no key twice
		if err != nil {
			return a, err
		}
		strict, err := json.UnmarshalStrict(text, into) // by the case of letters too, as the API server reads
		if err := errors.Join(append(strict, err)...); err != nil {
			return a, err
		}
	}
}

func TestManifests(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../deploy/kubernetes/*.yaml")
	if err != nil || len(files) != 3 {
		t.Fatalf("there are %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		a, err := load(text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for _, problem := range a.problems() {
			t.Errorf("%s: %s", file, problem)
		}
	}
}

// TestStrict: what is misspelt is seen.
func TestStrict(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/kubernetes/logs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for old, replacement := range map[string]string{
		"runAsNonRoot": "runAsNonroot", "restartPolicy": "restartpolicy", "failureThreshold: 60": "failureThreshold: x", "kind: Service": "kind: Ingress", "defaultMode: 0440": "defaultMode: '0440'",
	} {
		if _, err := load(bytes.ReplaceAll(text, []byte(old), []byte(replacement))); err == nil {
			t.Errorf("%s was taken", replacement)
		}
	}
	for old, replacement := range map[string]string{
		"runAsNonRoot: true": "runAsNonRoot: false", "restartPolicy: Always\n": "\n", "drop: [ALL]": "drop: []", "allowPrivilegeEscalation: false": "allowPrivilegeEscalation: true",
		"readOnlyRootFilesystem: true": "readOnlyRootFilesystem: false", "defaultMode: 0440": "defaultMode: 0444", "name: logs, mountPath": "name: log, mountPath", "RuntimeDefault": "Unconfined",
		"targetPort: sidegate": "targetPort: other", "limits: {memory: 512Mi}": "limits: {}", "path: /readyz": "path: /ready",
	} {
		a, err := load(bytes.ReplaceAll(text, []byte(old), []byte(replacement)))
		if err == nil && len(a.problems()) == 0 {
			t.Errorf("%s was passed over", replacement)
		}
	}
}

// problems are what the API takes and is not meant.
func (a application) problems() []string {
	var all []string
	hold := func(ok bool, problem string) {
		if !ok {
			all = append(all, problem)
		}
	}
	pod := a.deployment.Spec.Template.Spec
	ctx := pod.SecurityContext
	hold(ctx != nil && ctx.RunAsNonRoot != nil && *ctx.RunAsNonRoot && ctx.RunAsUser != nil && *ctx.RunAsUser != 0 && ctx.FSGroup != nil, "the pod may run as root")
	hold(ctx != nil && ctx.SeccompProfile != nil && ctx.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault, "there is no seccomp filter")
	hold(!pod.HostNetwork && !pod.HostPID && !pod.HostIPC, "the pod reaches the node")
	hold(pod.AutomountServiceAccountToken != nil && !*pod.AutomountServiceAccountToken, "the pod has a token of the cluster")
	if pod.ShareProcessNamespace != nil && *pod.ShareProcessNamespace { // then /proc/PID/root is every container's file system, to whoever has its user
		for _, c := range pod.Containers {
			own := c.SecurityContext
			hold(own != nil && own.RunAsUser != nil && *own.RunAsUser != 0 && *own.RunAsUser != *ctx.RunAsUser, "the application has Sidegate's user, and can read its secret")
		}
	}
	volumes := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
		hold(v.HostPath == nil, "a volume is a path of the node")
		if v.Secret != nil {
			hold(v.Secret.DefaultMode != nil && *v.Secret.DefaultMode&0o007 == 0, "others may read the secret")
		}
		if v.ConfigMap != nil {
			hold(v.ConfigMap.Name == a.config.Name, "the ConfigMap has another name")
		}
	}
	ports := map[string]bool{}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		s := c.SecurityContext
		hold(s != nil && s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation, c.Name+" may gain privileges")
		hold(s != nil && s.ReadOnlyRootFilesystem != nil && *s.ReadOnlyRootFilesystem, c.Name+" may write to its file system")
		hold(s != nil && s.Capabilities != nil && slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) && len(s.Capabilities.Add) == 0, c.Name+" has capabilities")
		hold(!c.Resources.Limits.Memory().IsZero() && !c.Resources.Requests.Cpu().IsZero(), c.Name+" has no bounds")
		hold(c.Image != "" && !strings.HasSuffix(c.Image, ":latest") && strings.Contains(c.Image, ":"), c.Name+" has an image that changes")
		for _, m := range c.VolumeMounts {
			hold(volumes[m.Name], c.Name+" mounts "+m.Name+", which is none of the volumes")
			if m.SubPath != "" {
				hold(a.config.Data[m.SubPath] != "", m.SubPath+" is not in the ConfigMap")
			}
		}
		for _, p := range c.Ports {
			ports[p.Name] = true
		}
	}
	i := slices.IndexFunc(pod.InitContainers, func(c corev1.Container) bool { return c.Name == "sidegate" })
	hold(i == len(pod.InitContainers)-1, "Sidegate is no sidecar that starts right before the application")
	if i >= 0 {
		c := pod.InitContainers[i]
		hold(c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways, "Sidegate is not a sidecar: it has no restartPolicy Always")
		for path, probe := range map[string]*corev1.Probe{"/healthz": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
			hold(probe != nil && probe.HTTPGet != nil && probe.HTTPGet.Path == path && ports[probe.HTTPGet.Port.StrVal], "a probe does not ask for "+path)
		}
		hold(c.StartupProbe != nil, "nothing waits for Sidegate")
	}
	labels := a.deployment.Spec.Template.Labels
	for key, value := range a.service.Spec.Selector {
		hold(labels[key] == value && a.deployment.Spec.Selector.MatchLabels[key] == value, "the service selects another pod")
	}
	for _, p := range a.service.Spec.Ports {
		hold(ports[p.TargetPort.StrVal], "the service leads to a port that there is not")
		hold(p.TargetPort.StrVal != "sidegate-admin", "the service leads to the admin listener")
	}
	return all
}
