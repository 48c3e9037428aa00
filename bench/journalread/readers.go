package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/journal"
)

// A count is what a reader has found: what all readers of a journal must agree upon.
type count struct {
	Entries, Fields, Bytes int64 // bytes of NAME=value
}

// readers are those in this program, which runs itself once for each of them.
var readers = map[string]func(dir string) (count, error){
	"files":     byFiles,
	"directory": byDirectory,
}

// whole asks for fields of any length, as the other readers give them.
var whole = journal.Options{MaxField: 64 << 20}

// byFiles reads one file after the other by package journal, as the input journal does.
func byFiles(dir string) (c count, err error) {
	hs, err := journalgen.Headers(dir)
	if err != nil {
		return c, err
	}
	for _, h := range hs {
		f, err := journal.Open(h.Path, whole)
		if err != nil {
			return c, err
		}
		err = c.add(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return c, err
		}
	}
	return c, nil
}

// byDirectory reads the merged journal by package journal.
func byDirectory(dir string) (c count, err error) {
	j, err := journal.OpenDir(journal.DirOptions{Options: whole}, dir)
	if err != nil {
		return c, err
	}
	err = c.add(j)
	return c, errors.Join(err, j.Close())
}

// add reads to the end.
func (c *count) add(j interface {
	Next(*journal.Entry) (bool, error)
}) error {
	var e journal.Entry
	for {
		ok, err := j.Next(&e)
		if err != nil || !ok {
			return err
		}
		c.Entries++
		c.Fields += int64(len(e.Fields))
		for _, f := range e.Fields {
			c.Bytes += int64(len(f.Name) + len("=") + len(f.Value))
		}
	}
}

// readAs is what the program does when it runs itself.
func readAs(name, dir string, w io.Writer) error {
	read := readers[name]
	if read == nil {
		return fmt.Errorf("no reader %q", name)
	}
	c, err := read(dir)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, c.Entries, c.Fields, c.Bytes)
	return err
}
