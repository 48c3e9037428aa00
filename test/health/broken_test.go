package health

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/test/verify"
)

// diskFull fills the file system with path.data to the last byte, and makes room again.
func diskFull(t *testing.T, p *prometheus) {
	data := t.TempDir()
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatalf("cannot mount a small file system: %v: run the test as root, or with `unshare -rm go test`", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(data, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	b := start(t, strings.Replace(plain, "stuck_after: 3s", "stuck_after: 3s, disk_free_min: 64KiB", 1)+"path.data: "+data+"\n")
	instance := p.scrape(b, nil)
	p.ready(b, instance)
	b.write(50)
	b.delivered()
	filler := filepath.Join(data, "core")
	file, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = file.Write(make([]byte, 1<<10))
	}
	file.Close()
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if text := b.want("there is no room", 503, 200, "disk failing"); !strings.Contains(text, "no space left on device") {
		t.Errorf("it does not say why: %s", text)
	}
	p.fires(t, instance, "PodbeatDisk")
	b.write(50)
	b.delivered() // all the same

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	b.want("there is room again", 200, 200, "")
	b.write(50)
	b.delivered()
	b.Term()
	b.Start()
	b.write(5)
	b.Wait("it goes on", func(s harness.Stats) bool {
		return s["libbeat.output.events.acked"]+s["libbeat.output.events.duplicates"] >= 5
	})
	if r := b.receipt(); r.Total.Read != 5 {
		t.Errorf("after the next start %d lines were read; 5 are new", r.Total.Read)
	}
}

// inputEnds has an input end with an error: what the registry has of its position makes no sense.
func inputEnds(t *testing.T, p *prometheus) {
	b := start(t, with("type: journal, id: node, paths: [%q]", t.TempDir()))
	b.want("it idles", 200, 200, "")
	b.Term()
	registry := filepath.Join(b.Dir, "data", "registry", "podbeat", "log.json")
	good, err := os.ReadFile(registry)
	if err != nil || len(good) > 0 {
		t.Fatalf("an input that has read nothing has a position: %s (%v)", good, err)
	}
	if err := os.WriteFile(registry, []byte(`{"op":"set","id":1}`+"\n"+`{"k":"journal::node","v":{"position":"here"}}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Start()
	text := b.want("a position makes no sense", 503, 200, "inputs failing")
	if !strings.Contains(text, "journal node") || !strings.Contains(text, "cannot read position") {
		t.Errorf("it does not say which, or why: %s", text)
	}
	p.fires(t, p.scrape(b, nil), "PodbeatInputFailed")
	b.want("for long", 503, 503, "inputs failing")
	b.write(5)
	b.delivered() // by the other one
	b.Term()
	if err := os.Remove(registry); err != nil {
		t.Fatal(err)
	}
	b.Start()
	b.want("the registry is mended", 200, 200, "")
}

// TestElasticsearchKilled kills a real Elasticsearch, and starts it again.
func TestElasticsearchKilled(t *testing.T) {
	node := services.OwnElasticsearch(t, 7)
	url := "http://" + node.Addr
	b := start(t, strings.Replace(plain, "OUTPUT", url, 1))
	b.want("it idles", 200, 200, "")
	b.write(50)
	b.delivered()
	node.Kill9()
	b.write(50)
	b.want("Elasticsearch is killed", 503, 200, "output failing")
	node.Start()
	b.want("it is back", 200, 200, "")
	b.delivered()
	n, err := verify.Count(url, "logstash-podbeat-*")
	if err != nil || n != b.lines {
		t.Errorf("Elasticsearch has %d documents (%v) of %d", n, err, b.lines)
	}
}
