package emptydir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/google/go-cmp/cmp"
)

const (
	uid    = "8f6c2a1e-0000-4000-8000-000000000001"
	volume = "applog-caa0c2f0-1116-495f-8f09-3cd023cc14a2-endname-a-endname-b"
)

func TestSource(t *testing.T) {
	logs := t.TempDir()
	f := func(path string, want common.MapStr) {
		t.Helper()
		got := common.MapStr{}
		src := source(&pods{dir: logs}, path, "node1")
		src.Fields().Put(got)
		if d := cmp.Diff(want.Flatten(), got.Flatten()); d != "" {
			t.Errorf("%s:\n%s", path, d)
		}
	}
	bare := common.MapStr{
		"kubernetes.node.name": "node1", "kubernetes.pod.uid": uid, "kubernetes.volume.name": volume,
		"kubernetes.volume.log_dir": "a-endname-b", "service.id": "caa0c2f0-1116-495f-8f09-3cd023cc14a2",
	}
	below := "/" + uid + "/volumes/kubernetes.io~empty-dir/" + volume + "/deeper/app.log"
	f("/var/lib/kubelet/pods"+below, bare)
	f("/k8spods"+below, bare)
	f("/data/kubelet/pods"+below, bare)
	f("/elsewhere/app.log", common.MapStr{"kubernetes.node.name": "node1"})

	for _, dir := range []string{"shop_web-7d4b9c8f6-x2v5k_" + uid, "no pod", "_", "a_b_c"} {
		if err := os.Mkdir(filepath.Join(logs, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	full := bare.Clone()
	full.Update(common.MapStr{
		"kubernetes.namespace": "shop", "kubernetes.pod.name": "web-7d4b9c8f6-x2v5k",
		"kubernetes.deployment.name": "web", "kubernetes.replicaset.name": "web-7d4b9c8f6",
	})
	f("/k8spods"+below, full)
}

func TestVolumeOf(t *testing.T) {
	f := func(path, want string) {
		t.Helper()
		if got := volumeOf(path); got != want {
			t.Errorf("volumeOf(%q) = %q, want %q", path, got, want)
		}
	}
	dir := "/k8spods/" + uid + "/volumes/kubernetes.io~empty-dir/" + volume
	f(dir+"/app.log", dir)
	f(dir+"/x/"+dir+"/app.log", dir)
	f("/k8spods/"+uid+"/volumes/kubernetes.io~secret/x/app.log", "")
	f("/app.log", "")
}

func TestOptions(t *testing.T) {
	f := func(settings map[string]any, want string) {
		t.Helper()
		_, err := configure(common.MustNewConfigFrom(settings))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%v: got error %q, want %q", settings, got, want)
		}
	}
	f(map[string]any{}, "")
	f(map[string]any{"paths": []string{}}, "paths is empty")
	f(map[string]any{"pahts": []string{"/x"}}, `unknown option "pahts", did you mean "paths"?`)
	f(map[string]any{"exclude_files": []string{"("}}, `cannot read the regular expression "(" of exclude_files`)
	f(map[string]any{"scan_interval": "1ms"}, "scan_interval is 1ms: want at least 100ms")
	f(map[string]any{"deleted": map[string]any{"timeot": "1s"}}, `unknown option "deleted.timeot"`)
	f(map[string]any{"multiline": map[string]any{"patern": "x"}}, `multiline`)
	f(map[string]any{"max_open_files": 0}, "max_open_files is 0")
	f(map[string]any{"encoding": "klingon"}, "klingon")
}
