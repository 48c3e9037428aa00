package beat

import (
	"strings"
	"testing"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
)

func TestCheck(t *testing.T) {
	plugins := inputs(info, logp.NewLogger("test"), &registry{})
	f := func(yaml, want string) {
		t.Helper()
		cfg, err := common.NewConfigWithYAML([]byte(yaml), "test")
		if err != nil {
			t.Fatal(err)
		}
		switch err := check(plugins, cfg); {
		case want == "" && err != nil:
			t.Errorf("%s: %v", yaml, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %q", yaml, err, want)
		}
	}
	f("{type: journal}", "")
	f("{type: filestream, id: x, paths: [/var/log/x]}", "")
	f("{type: journal, id: x, tags: [a], fields: {b: c}, processors: [{k8sname: ~}], index: x}", "")
	f("{id: x}", "the input has no type; known types: emptydir, filestream, journal, kafka, podlogs, push")
	f("{type: journald}", `unknown input type "journald"; known types: emptydir, filestream, journal, kafka, podlogs, push`)
	f("{type: journal, sek: head}", `journal input: unknown option "sek", did you mean "seek"?`)
	f("{type: journal, seek: middle}", `cannot read seek from "middle"`)
	f("{type: journal, paths: [x], journal_paths: [y]}", `options "journal_paths" and "paths" are the same one`)
	f("{type: journal, boot: last}", `cannot use boot "last": want one of all, current`)
	f("{type: journal, include_matches: [x]}", `cannot use match "x": want FIELD=value`)
	f("{type: journal, include_matches: [lower=x]}", `cannot use match "lower=x"`)
	f("{type: journal, include_matches: [A=1, +]}", "cannot use `+` in include_matches without a match")
	f("{type: journal, units: ['']}", "cannot use units with an empty element")
	f("{type: journal, paths: ['/x/[a']}", `cannot use path "/x/[a": syntax error in pattern`)
	f("{type: journal, paths: [/x], namespace: a}", "cannot use both paths and namespace")
	f("{type: journal, namespace: ../x}", `cannot use namespace "../x"`)
	f("{type: journal, join: {max_age: -1s}}", "cannot use join.max_age -1s: want more than 0")
	f("{type: journal, max_message_bytes: 0}", "cannot use max_message_bytes 0: want more than 0")
	f("{type: journal, join: {max_agee: 1s}}", `unknown option "join.max_agee", did you mean "join.max_age"?`)
}
