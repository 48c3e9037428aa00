//go:build unix

package curator

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podbeat/podbeat/curator/action"
)

// TestLogRotation: after SIGHUP lines go to a new file of the same name.
func TestLogRotation(t *testing.T) {
	name := filepath.Join(t.TempDir(), "curator.log")
	log, end, err := newLogger(action.Logging{File: name}, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	log.Info("before")
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Millisecond) {
		log.Info("after")
		if text, _ := os.ReadFile(name); strings.Contains(string(text), "after") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing in a new file after SIGHUP")
		}
	}
	if text, err := os.ReadFile(name + ".1"); err != nil || !strings.Contains(string(text), "before") {
		t.Errorf("the old file has %q, %v", text, err)
	}
}
