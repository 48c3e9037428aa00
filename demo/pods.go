package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A pod writes a log into a volume as on a node, and rotates it.
type pod struct {
	namespace, name string
	log             string // app.log's path
	written         int    // messages
	want            map[string]bool
}

// newPods makes the directories that the kubelet makes for pods: one with the volume, one with the names. Every message that the pods
// write is put into want.
func newPods(dir string, want map[string]bool) []*pod {
	pods := []*pod{
		{namespace: "shop", name: "web-7d4b9c8f6-x2v5k"},
		{namespace: "shop", name: "cart-0"},
		{namespace: "payments", name: "ledger-5f6d8c7b9-q8w2z"},
	}
	for i, p := range pods {
		uid, service := fmt.Sprintf("8f6c2a1e-4c0b-4d3e-9a57-%012x", i), fmt.Sprintf("caa0c2f0-1116-495f-8f09-%012x", i)
		p.log = filepath.Join(dir, "pods", uid, "volumes/kubernetes.io~empty-dir/applog-"+service+"-endname-app", "app.log")
		p.want = want
	}
	return pods
}

// begin makes the pod's directories and files as they are when its log has been rotated twice.
func (p *pod) begin() error {
	volume := filepath.Dir(p.log)
	base, uid, _ := strings.Cut(volume, "/pods/")
	uid, _, _ = strings.Cut(uid, "/")
	names := filepath.Join(base, "podlogs", p.namespace+"_"+p.name+"_"+uid)
	err := errors.Join(os.MkdirAll(volume, 0o755), os.MkdirAll(names, 0o755))
	return errors.Join(err, p.write(), p.rotate(), p.write(), p.rotate(), p.write())
}

// write appends messages to the log, of the last half hour.
func (p *pod) write() error {
	const messages, all = 40, 5 * 40
	f, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	for range messages {
		ago := 30 * time.Minute * time.Duration(all-p.written) / all
		text := p.message(time.Now().Add(-ago))
		p.written++
		p.want[text] = true
		if _, err := fmt.Fprintln(f, text); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}

// message is the next one. One in forty has a stack trace.
func (p *pod) message(at time.Time) string {
	request := fmt.Sprintf("request=%s-%04d", p.name, p.written)
	stamp := at.Format("2006-01-02T15:04:05.000Z07:00")
	switch p.written % 40 {
	case 13, 33:
		return fmt.Sprintf("%s WARN  no answer from the database, trying again in 500ms %s", stamp, request)
	case 27:
		return fmt.Sprintf(`%s ERROR cannot answer %s
java.lang.IllegalStateException: connection reset by peer
	at com.example.Database.read(Database.java:142)
	at com.example.Main.answer(Main.java:17)`, stamp, request)
	}
	return fmt.Sprintf("%s INFO  GET /items/%d 200 %s", stamp, 100+p.written, request)
}

// rotate does what logrotate does: app.log becomes app.log.1, app.log.1 becomes app.log.2.gz, which becomes app.log.3.gz.
func (p *pod) rotate() error {
	if err := os.Rename(p.log+".2.gz", p.log+".3.gz"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	switch old, err := os.ReadFile(p.log + ".1"); {
	case err == nil:
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write(old)
		if err := errors.Join(err, z.Close(), os.WriteFile(p.log+".2.gz", b.Bytes(), 0o644), os.Remove(p.log+".1")); err != nil {
			return err
		}
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	return os.Rename(p.log, p.log+".1")
}
