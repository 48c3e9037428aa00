package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"
)

// An Entry is one line of the audit log: what was done to one index, or snapshot.
type Entry struct {
	Time    time.Time `json:"time"`
	User    string    `json:"user"`
	Host    string    `json:"host"`
	Cluster string    `json:"cluster,omitempty"` // its name and UUID
	Action  string    `json:"action"`            // delete_indices
	Rule    string    `json:"rule"`              // action 1, namespaces "payments"
	Why     string    `json:"why,omitempty"`
	Index   string    `json:"index"`
	UUID    string    `json:"uuid,omitempty"`
	Created time.Time `json:"created,omitzero"`
	Docs    int64     `json:"docs"`             // -1: unknown
	Bytes   int64     `json:"bytes"`            // -1: unknown
	Result  string    `json:"result"`           // begun, before a deletion; ok, failed
	Error   string    `json:"error,omitempty"`  // of a failed one
	Source  string    `json:"source,omitempty"` // the action file or policy
	SHA256  string    `json:"sha256,omitempty"` // of its text
}

// An Audit appends entries to a file or to standard output. It is opened for each run, so that a log that was
// rotated in between is not written to any more.
type Audit struct {
	w          io.Writer
	file       *os.File // nil: w is not ours
	path       string
	user, host string
	err        error // of the first write that failed
}

// OpenAudit opens the audit log at path for appending; "-" is stdout.
func OpenAudit(path string, stdout io.Writer) (*Audit, error) {
	a := &Audit{path: path, w: stdout}
	a.host, _ = os.Hostname()
	a.user = os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		a.user = u.Username
	} else if a.user == "" { // as in a container
		a.user = strconv.Itoa(os.Getuid())
	}
	if path == "-" {
		return a, nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fmt.Errorf("cannot open audit log: %w", err)
	}
	a.w, a.file = f, f
	return a, nil
}

// Write appends one entry and has it on the disk when it returns. It fills in the user and the host, and the
// time if there is none. After an error nothing is written any more, and the caller should do nothing more that is
// to be logged.
func (a *Audit) Write(e Entry) error {
	if a.err != nil {
		return a.err
	}
	e.User, e.Host = a.user, a.host
	if e.Time.IsZero() {
		e.Time = time.Now().UTC()
	}
	line, err := json.Marshal(e)
	if err == nil {
		_, err = a.w.Write(append(line, '\n')) // one write, so that lines of several programs do not mix
	}
	if err == nil && a.file != nil {
		if err = a.file.Sync(); errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
			err = nil // a pipe or a device, which has no disk to wait for
		}
	}
	if err != nil {
		a.err = fmt.Errorf("cannot write audit log %s: %w", a.path, err)
	}
	return a.err
}

// Err is the error of the first entry that could not be written; nil if there is none.
func (a *Audit) Err() error { return a.err }

// Close closes the file. The error is that of the first entry that could not be written, or of closing.
func (a *Audit) Close() error {
	var err error
	if a.file != nil {
		err = a.file.Close()
	}
	if a.err != nil {
		return a.err
	}
	return err
}
