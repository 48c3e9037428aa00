package verify

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
)

// An Entry is one entry of a journal, as journalctl has it.
type Entry struct {
	SeqnumID string // its chain of sequence numbers, 32 hexadecimal digits
	Seqnum   uint64 // its number in the chain
	Fields   map[string]string
}

// ID is the document id of the event that begins with this entry.
func (e Entry) ID() string { return ID(e.SeqnumID, e.Seqnum) }

// Journal reads the journal files below dir with journalctl, in its order, and hands every entry to each, with
// those of its fields that are named. Files that journalctl skips are skipped: use it on undamaged journals.
func Journal(dir string, each func(Entry), fields ...string) error {
	path, err := exec.LookPath("journalctl")
	if err != nil {
		return fmt.Errorf("cannot read journal %q: journalctl is missing; install it: apt-get install -y systemd", dir)
	}
	cmd := exec.Command(path, "--quiet", "--directory", dir, "--output=export", "--output-fields="+strings.Join(fields, ","))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("cannot read journal %q: %w", dir, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot read journal %q: %w", dir, err)
	}
	readErr := readExport(out, each)
	if readErr != nil {
		cmd.Process.Kill()
	}
	waitErr := cmd.Wait()
	if err := errors.Join(readErr, waitErr); err != nil {
		return fmt.Errorf("cannot read journal %q: %w: %s", dir, err, &stderr)
	}
	return nil
}

// readExport reads systemd's journal export format.
func readExport(r io.Reader, each func(Entry)) error {
	in := bufio.NewReaderSize(r, 1<<20)
	e := Entry{Fields: map[string]string{}}
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF && line == "" {
			if len(e.Fields) > 0 {
				return errors.New("export text ends inside an entry")
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read export text: %w", err)
		}
		line = line[:len(line)-1]
		if line == "" {
			if len(e.Fields) == 0 {
				continue
			}
			if err := e.number(); err != nil {
				return err
			}
			each(e)
			e = Entry{Fields: map[string]string{}}
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			if value, err = binaryValue(in); err != nil {
				return fmt.Errorf("cannot read field %.80q: %w", name, err)
			}
		}
		e.Fields[name] = value
	}
}

// binaryValue reads what follows the line of a binary field's name: a length, that many bytes, a newline.
func binaryValue(in *bufio.Reader) (string, error) {
	const most = 1 << 30
	var head [8]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return "", err
	}
	n := binary.LittleEndian.Uint64(head[:])
	if n > most {
		return "", fmt.Errorf("it says it has %d bytes", n)
	}
	var value strings.Builder
	if _, err := io.CopyN(&value, in, int64(n)); err != nil {
		return "", err
	}
	if end, err := in.ReadByte(); err != nil || end != '\n' {
		return "", fmt.Errorf("it does not end after its %d bytes", n)
	}
	return value.String(), nil
}

// number takes the sequence number from the entry's cursor: s=<chain>;i=<number in hexadecimal>;…
func (e *Entry) number() error {
	cursor := e.Fields["__CURSOR"]
	for part := range strings.SplitSeq(cursor, ";") {
		switch key, value, _ := strings.Cut(part, "="); key {
		case "s":
			e.SeqnumID = value
		case "i":
			n, err := strconv.ParseUint(value, 16, 64)
			if err != nil {
				return fmt.Errorf("cannot parse cursor %q: %w", cursor, err)
			}
			e.Seqnum = n
		}
	}
	if len(e.SeqnumID) != 32 || e.Seqnum == 0 {
		return fmt.Errorf("cannot parse cursor %q: it has no sequence number", cursor)
	}
	return nil
}
