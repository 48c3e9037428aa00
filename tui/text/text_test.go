package text

import (
	"testing"
)

func TestGet(t *testing.T) {
	doc := []byte(`{"@timestamp":"2026-11-20T10:00:00.000001Z","message":"a \"b\"\n\u00e9\\","kubernetes":{"pod":{"name":"web-1"},"labels.app":"x","node":null},
		"log.level":"err","log":{"offset":12,"file":{"path":"/a"}},"tags":["a","b",null,[1]],"items":[{"id":1},{"id":2},3],"on":true,"k\u0065y":1,"o": { "a" : [ ] } , "e": {}}`)
	f := func(path, want string, ok bool) {
		t.Helper()
		if got, has := Get(doc, path); got != want || has != ok {
			t.Errorf("Get(%q) is %q, %v; want %q, %v", path, got, has, want, ok)
		}
	}
	f("message", "a \"b\"\né\\", true)
	f("kubernetes.pod.name", "web-1", true)
	f("kubernetes.labels.app", "x", true)
	f("kubernetes.node", "", false)
	f("kubernetes.pod", `{"name":"web-1"}`, true)
	f("log.level", "err", true)
	f("log.offset", "12", true)
	f("log.file.path", "/a", true)
	f("tags", "a, b, 1", true)
	f("items.id", "1, 2", true)
	f("items", `{"id":1}, {"id":2}, 3`, true)
	f("on", "true", true)
	f("key", "1", true)
	f("o", `{"a":[]}`, true)
	f("o.a", "", false)
	f("e", "{}", true)
	f("messag", "", false)
	f("message.x", "", false)
	f("", "", false)
}
