package rest

import (
	"compress/gzip"
	"io"
	"net/http"
	"slices"
)

// A sink takes an answer with status 200 piece by piece. One that is short, or is to be shaped, is put together before it is sent; of others
// what goes wrong behind the beginning cuts the connection, so that nobody takes a part for the whole.
type sink struct {
	c    *call
	head func() []byte // what is before all that is written, or nil
	kept []byte
	out  io.Writer // once it is being sent
	zip  *gzip.Writer
}

// keptAnswer is how long an answer may be in bytes before its beginning is sent.
const keptAnswer = 1 << 20

// What an answer that is to be shaped takes of memory, in times of its length: with pretty another text, with filter_path its values too.
const (
	prettyCost = 2
	filterCost = 4
)

func (s *sink) Write(p []byte) (int, error) {
	if s.out == nil {
		whole := s.c.pretty() || parseFilter(s.c.params["filter_path"]) != nil || s.c.r.Method == http.MethodHead
		if length := len(s.kept) + len(p); whole || length <= keptAnswer {
			if length > keptAnswer {
				if err := s.c.room(2 * int64(len(p))); err != nil { // as it grows by being copied
					return 0, err
				}
			}
			s.kept = append(s.kept, p...)
			return len(p), nil
		}
		text := s.taken()
		s.begin()
		if _, err := s.out.Write(text); err != nil {
			return 0, err
		}
	}
	if err := s.c.r.Context().Err(); err != nil {
		return 0, err
	}
	return s.out.Write(p)
}

// taken is what has been kept.
func (s *sink) taken() []byte {
	text := s.kept
	if s.kept = nil; s.head != nil {
		text = slices.Concat(s.head(), text)
	}
	return text
}

func (s *sink) begin() {
	header := s.c.w.Header()
	header.Set("Content-Type", "application/json; charset=UTF-8")
	s.out = s.c.w
	if takesGzip(s.c.r.Header.Get("Accept-Encoding")) {
		header.Set("Content-Encoding", "gzip")
		s.zip = zippers.Get().(*gzip.Writer)
		s.zip.Reset(s.c.w)
		s.out = s.zip
	}
	s.c.replied = true
	s.c.w.WriteHeader(http.StatusOK)
}

// end ends the answer. err is what went wrong while it was written, which is returned if it can still be answered.
func (s *sink) end(err error) error {
	if s.out == nil {
		if err != nil {
			return err
		}
		if cost := s.cost(); len(s.kept) > keptAnswer && cost > 0 {
			if err := s.c.room(int64(cost * len(s.kept))); err != nil {
				return err
			}
		}
		s.c.reply(http.StatusOK, s.taken())
		return nil
	}
	if s.zip != nil {
		if err == nil {
			err = s.zip.Close()
		}
		zippers.Put(s.zip)
	}
	if err != nil {
		if s.c.r.Context().Err() == nil {
			s.c.h.log.Warn("cannot send an answer to its end", "path", clip(s.c.r.URL.Path), "error", err)
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}

func (s *sink) cost() (times int) {
	if s.c.pretty() {
		times += prettyCost
	}
	if s.c.params["filter_path"] != "" {
		times += filterCost
	}
	return times
}
