package journalbeat

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMigrateCommand runs it as the command line does.
func TestMigrateCommand(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "journalbeat.yml"), filepath.Join(dir, "podbeat.yml")
	if err := os.WriteFile(in, []byte("journalbeat: {seek_position: head, cursor_flush_period: 1s}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(wantOut, wantErr, wantFail string, args ...string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		cmd := NewMigrateCommand()
		cmd.SetArgs(args)
		cmd.SetIn(strings.NewReader("journalbeat: {seek_position: tail}\n"))
		cmd.SetOut(&stdout)
		cmd.SetErr(&stderr)
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		err := cmd.Execute()
		if (err == nil) != (wantFail == "") || err != nil && !strings.Contains(err.Error(), wantFail) {
			t.Errorf("%q: %v, want %q", args, err, wantFail)
		}
		for got, want := range map[*bytes.Buffer]string{&stdout: wantOut, &stderr: wantErr} {
			if !strings.Contains(got.String(), want) || want == "" && got.Len() > 0 {
				t.Errorf("%q prints %q, want %q", args, got, want)
			}
		}
	}
	f("    seek: head\n", "\nleft out cursor_flush_period", "", in)
	f("    seek: tail\n", "warning: seek: tail", "", "-")
	f("", "warning: seek: head", "", in, "-o", out)
	f("", "", "podbeat.yml\": it is there already, --force overwrites it", in, "-o", out)
	f("", "warning: seek: tail", "", "-", "-o", out, "--force")
	f("", "", "cannot write", in, "-o", filepath.Join(dir, "nowhere", "podbeat.yml"))
	f("", "", "cannot read \""+dir+"/none\": no such file", filepath.Join(dir, "none"))
	f("", "", out+": cannot migrate the configuration: it has no section journalbeat", out)
	f("", "", "accepts 1 arg", in, in)
	f("podbeat migrate /etc/journalbeat/journalbeat.yml -o", "", "", "--help")

	got, err := os.ReadFile(out)
	if err != nil || !strings.Contains(string(got), "seek: tail") {
		t.Errorf("%s is %q, %v", out, got, err)
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s has the rights %v, %v: libbeat wants it its owner's", out, info.Mode(), err)
	}
}
