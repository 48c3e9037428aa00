package queue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/feature"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/paths"
	"github.com/elastic/beats/v7/libbeat/publisher/queue"
	_ "github.com/elastic/beats/v7/libbeat/publisher/queue/diskqueue" // registered before this one takes its place
)

func init() {
	libbeats := queue.FindFactory("disk")
	mending := func(listener queue.ACKListener, log *logp.Logger, cfg *common.Config, inputs int) (queue.Queue, error) {
		var o struct {
			Path string `config:"path"`
		}
		if err := cfg.Unpack(&o); err == nil { // else libbeat says what is wrong
			if o.Path == "" {
				o.Path = paths.Resolve(paths.Data, "diskqueue")
			}
			if err := mend(o.Path); err != nil {
				log.Warnf("What was delivered before the last stop may be sent again: %v", err)
			}
		}
		q, err := libbeats(listener, log, cfg, inputs)
		if err != nil {
			return nil, err
		}
		return bury(q, listener, log), nil
	}
	replace("disk", mending, feature.MakeDetails("Disk queue", "Buffer events on disk before sending to the output.", feature.Stable))
}

// mend puts the position of libbeat's disk queue, in the directory dir, where it belongs when the segment it is in has been
// delivered to its end, as a clean stop leaves it. libbeat 7.17.29 would go on counting from there what the next run
// delivers of the next segment; the run after that finds the position beyond the segment's end, begins with the next, and
// sends all of it again. Nobody may have the queue open.
func mend(dir string) error {
	state := filepath.Join(dir, "state.dat")
	b, err := os.ReadFile(state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read the disk queue's position: %w", err)
	}
	segments, err := segmentsIn(dir)
	if err != nil {
		return fmt.Errorf("cannot list the disk queue's segments: %w", err)
	}
	if len(b) == 0 || len(segments) == 0 { // nothing has been delivered, or there is nothing to deliver
		return os.Remove(state)
	}
	le := binary.LittleEndian
	if len(b) < 28 || le.Uint32(b) != 1 {
		return nil // of another version: libbeat knows what to make of it
	}
	at, offset := le.Uint64(b[4:]), le.Uint64(b[12:])
	info, err := os.Stat(segmentPath(dir, at))
	if errors.Is(err, fs.ErrNotExist) || err == nil && offset < uint64(info.Size()) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look at the disk queue's segment: %w", err)
	}
	if i, _ := slices.BinarySearch(segments, at+1); i < len(segments) {
		le.PutUint64(b[4:], segments[i])
		clear(b[12:])
		if err := overwrite(state, b); err != nil {
			return fmt.Errorf("cannot write the disk queue's position: %w", err)
		}
		return nil
	}
	// All of it has been delivered. Without a segment libbeat numbers them from 0 again, so the position must go with them,
	// and after them.
	for _, id := range segments {
		if err := os.Remove(segmentPath(dir, id)); err != nil {
			return fmt.Errorf("cannot remove a delivered segment of the disk queue: %w", err)
		}
	}
	return os.Remove(state)
}

// overwrite writes b in the place of as many bytes: on a full disk, or if podbeat is killed, what was there stays, while
// os.WriteFile would have emptied the file.
func overwrite(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	return errors.Join(err, f.Close())
}

func segmentPath(dir string, id uint64) string {
	return filepath.Join(dir, strconv.FormatUint(id, 10)+".seg")
}

// segmentsIn returns the numbers of the segments in dir, in their order.
func segmentsIn(dir string) (ids []uint64, err error) {
	files, err := os.ReadDir(dir)
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), ".seg")
		if id, err := strconv.ParseUint(name, 10, 64); ok && err == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, err
}
